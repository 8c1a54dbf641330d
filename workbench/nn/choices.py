"""Names of activations, embeddings and function libraries, for settings; nothing here imports torch."""

from __future__ import annotations

#: name of an activation -> its class in ``torch.nn``
ACTIVATION_MODULES = {
    "relu": "ReLU",
    "silu": "SiLU",
    "elu": "ELU",
    "gelu": "GELU",
    "tanh": "Tanh",
    "softplus": "Softplus",
}
#: activations of ordinary fully connected networks
ACTIVATIONS = ("relu", "silu", "elu", "gelu", "tanh")
#: smooth activations, for networks whose Jacobian is needed, and those with slopes of at most one
SMOOTH_ACTIVATIONS = ("silu", "elu", "tanh", "softplus")
CONTRACTIVE_ACTIVATIONS = ("lipswish", "elu", "tanh", "softplus")

#: embeddings of an observation
EMBEDDINGS = ("none", "mlp", "convolution_1d", "deep_set", "phase_free")

#: function library of an equation learner -> functions that its units compute
LIBRARIES = {
    "polynomial": ("identity", "square", "product"),
    "trigonometric": ("identity", "sin"),
    "all": ("identity", "square", "sin", "product"),
}
