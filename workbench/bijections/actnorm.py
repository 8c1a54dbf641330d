"""Activation normalisation (actnorm): a shift and a scale per component, initialised by the first batch.

forward   v = exp(a) ⊙ u + b
log-det   Σ a_i
inverse   u = (v − b) ⊙ exp(−a)
start     a and b are set such that the first training batch has mean 0 and variance 1 after the layer, in
          whichever direction it passes; from then on they are ordinary parameters
Source: Kingma & Dhariwal 2018, Glow, arXiv:1807.03039, section 3.1.

A buffer, saved with the weights, records the initialisation: a loaded model is never initialised again.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Transform
from zuko.lazy import LazyTransform

from workbench.bijections.transform import VectorTransform


class ActNormTransform(VectorTransform):
    """Transform v = exp(a) ⊙ u + b of an `ActNorm` layer; the first training batch initialises the layer."""

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
    """Actnorm layer; the identity until it is initialised. It does not depend on the context."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(features))
        self.shift = nn.Parameter(torch.zeros(features))
        self.register_buffer("started", torch.tensor(False))

    def forward(self, c: Tensor | None = None) -> Transform:
        return ActNormTransform(self)

    @torch.no_grad()
    def start(self, rows: Tensor, *, backwards: bool) -> None:
        """Initialise the layer such that it maps ``rows`` (n, D) to mean 0 and variance 1.

        With ``backwards``, the inverse maps them so. Does nothing if the layer is already initialised, in
        evaluation mode, for n < 2, or if mean or standard deviation of the rows are not finite.
        """
        if not self.training or rows.shape[0] < 2 or bool(self.started):
            return
        deviation, mean = torch.std_mean(rows, dim=0, correction=0)
        if not bool((torch.isfinite(deviation) & torch.isfinite(mean)).all()):
            return  # the run rolls such a step back; the next batch starts the layer
        log_deviation = torch.where(deviation > 1e-6, deviation, 1.0).log()
        self.log_scale.copy_(log_deviation if backwards else -log_deviation)
        self.shift.copy_(mean if backwards else -mean * (-log_deviation).exp())
        self.started.fill_(True)
