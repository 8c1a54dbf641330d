"""Activation normalisation (actnorm): a shift and a scale a component, which the first batch sets.

forward   v = exp(a) ⊙ u + b
log-det   Σ a_i
inverse   u = (v − b) ⊙ exp(−a)
start     the first training batch, whichever way it passes, leaves with mean 0 and variance 1;
          from then on a and b are parameters like any other
Source: Kingma & Dhariwal 2018, Glow, arXiv:1807.03039, section 3.1.

Whether it has been initialised is a buffer and hence saved: a loaded model is never initialised again, and a
resumed run continues with its own scale and shift.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Transform
from zuko.lazy import LazyTransform

from workbench.bijections.transform import VectorTransform


class ActNormTransform(VectorTransform):
    """Shift and scale of the layer, which initialises itself from the first training batch that passes."""

    def __init__(self, layer: ActNorm) -> None:
        super().__init__()
        self.layer = layer

    def _call(self, u: Tensor) -> Tensor:
        self.layer.start(u, backwards=False)
        return u * self.layer.log_scale.exp() + self.layer.shift

    def _inverse(self, v: Tensor) -> Tensor:
        self.layer.start(v, backwards=True)
        return (v - self.layer.shift) * (-self.layer.log_scale).exp()

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.layer.log_scale.sum().expand(u.shape[:-1])


class ActNorm(LazyTransform):
    """The layer; the identity until it is initialised. It does not depend on the context."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(features))
        self.shift = nn.Parameter(torch.zeros(features))
        self.register_buffer("started", torch.tensor(False))

    def forward(self, c: Tensor | None = None) -> Transform:
        return ActNormTransform(self)

    @torch.no_grad()
    def start(self, rows: Tensor, *, backwards: bool) -> None:
        """Initialise from mean and scale of ``rows`` (n, D), n ≥ 2: once, in training mode."""
        if not self.training or rows.shape[0] < 2 or bool(self.started):
            return
        deviation, mean = torch.std_mean(rows, dim=0, correction=0)
        if not bool((torch.isfinite(deviation) & torch.isfinite(mean)).all()):
            return  # the run rolls such a step back; the next batch starts the layer
        log_deviation = torch.where(deviation > 1e-6, deviation, 1.0).log()
        self.log_scale.copy_(log_deviation if backwards else -log_deviation)
        self.shift.copy_(mean if backwards else -mean * (-log_deviation).exp())
        self.started.fill_(True)
