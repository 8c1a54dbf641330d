"""Residual block: the identity plus a contraction; it is invertible, but not in closed form.

forward   v = u + g(u, c),  Lip(g) ≤ L < 1
log-det   log det(I + J_g), J_g = ∂g/∂u: exact from the D × D Jacobian, by a power series cut off, or by an
          unbiased estimate of this series (see `workbench.nn.log_det_series`)
inverse   u ← v − g(u, c) until it converges, the error falling at least by a factor L each time; then Newton
          steps u = u₀ + (I + J_g(u₀))⁻¹ (v − u₀ − g(u₀, c)), whose gradient is that of the implicit function
Source: Behrmann et al. 2019, Invertible Residual Networks, arXiv:1811.00995;
Chen et al. 2019, Residual Flows for Invertible Generative Modeling, arXiv:1906.02735.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Transform
from zuko.lazy import LazyTransform

from workbench.bijections.transform import ReversibleTransform
from workbench.nn.contraction import Contraction
from workbench.nn.log_det_series import power_series, roulette_weights
from workbench.nn.smooth_network import Slope

#: Largest number of components for which the method "automatic" computes the exact log-determinant.
EXACT_UP_TO = 4


class Residual(LazyTransform):
    """Residual block v = u + g(u, c) as a layer.

    Parameters
    ----------
    network : g.
    method : exact, series, unbiased, or automatic: exact up to four components and unbiased beyond.
        Estimates are used in training mode only; in evaluation mode the log-determinant is exact.
    terms : number of terms of the series, or of those that the unbiased estimate always includes.
    probes : number of random directions that estimate the traces.
    tolerance : the fixed-point iteration stops when no component changes by more than this, relative to one
        plus the largest component.

    The random directions follow from a seed and a counter that are saved with the weights, so that a resumed
    run draws the same ones.

    Attributes
    ----------
    iterations : number of evaluations of g in the latest fixed-point iteration.
    """

    def __init__(
        self, features: int, network: Contraction, *, method: str, terms: int, probes: int, tolerance: float
    ) -> None:
        super().__init__()
        self.features, self.network = features, network
        self.method, self.terms, self.probes, self.tolerance = method, terms, probes, tolerance
        self.register_buffer("stream", torch.tensor([int(torch.randint(2**31, ())), 0]))
        self.iterations = 0

    def forward(self, c: Tensor | None = None) -> Transform:
        return ResidualTransform(self, c)

    @property
    def exact(self) -> bool:
        return (
            not self.training
            or self.method == "exact"
            or (self.method == "automatic" and self.features <= EXACT_UP_TO)
        )

    @property
    def most_iterations(self) -> int:
        """Number of fixed-point iterations after which the Lipschitz bound guarantees the tolerance."""
        lipschitz = self.network.lipschitz
        return math.ceil(math.log(self.tolerance * (1 - lipschitz)) / math.log(lipschitz)) + 1

    def log_det(self, slope: Slope) -> Tensor:
        """log det(I + J) (n,), or its estimate, given the Jacobian J of g in factored form."""
        if self.exact:
            jacobian = slope.matrix()
            identity = torch.eye(self.features, dtype=jacobian.dtype, device=jacobian.device)
            return torch.linalg.slogdet(identity + jacobian)[1]
        generator = torch.Generator().manual_seed(_mixed_seed(*self.stream.tolist()))
        self.stream[1] += 1
        like = slope.derivatives[0]
        signs = torch.randint(2, (like.shape[0], self.probes, self.features), generator=generator)
        weights = [1.0] * self.terms
        if self.method != "series":
            weights = roulette_weights(self.terms, self.network.lipschitz, generator)
        return power_series(slope.product, (2 * signs - 1).to(like), weights)


def _mixed_seed(seed: int, count: int) -> int:
    """Seed for the ``count``-th use of the block with this ``seed``, different for every pair."""
    return (seed * 1_000_003 + count * 7_919) % 2**63


class ResidualTransform(ReversibleTransform):
    """Transform of a `Residual` block for a given context; ``weights`` are the network's, bounded in norm."""

    layer: Residual

    def __init__(
        self,
        layer: Residual,
        context: Tensor | None,
        *,
        inverted: bool = False,
        weights: tuple[list[Tensor], list[Tensor]] | None = None,
    ) -> None:
        super().__init__(layer, context, inverted=inverted)
        self.weights = layer.network.bounded_weights() if weights is None else weights

    @property
    def inv(self) -> Transform:
        return ResidualTransform(self.layer, self.context, inverted=not self.inverted, weights=self.weights)

    def _call(self, u: Tensor) -> Tensor:
        return self._solve(u) if self.inverted else u + self._value(u)

    def _value(self, u: Tensor) -> Tensor:
        return self.layer.network.value(u, self.context, *self.weights)

    def _linearise(self, u: Tensor) -> tuple[Tensor, Slope]:
        return self.layer.network.linearise(u, self.context, *self.weights)

    def _forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        step, slope = self._linearise(u)
        return u + step, self.layer.log_det(slope)

    def _backward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        u = self._solve(v)
        return u, -self.layer.log_det(self._linearise(u)[1])

    def _solve(self, v: Tensor) -> Tensor:
        with torch.no_grad():  # two Newton steps: one squares the tolerance, which leaves 1e-8 at times
            start = self._newton_step(self._fixed_point(v), v)
        return self._newton_step(start, v)

    def _newton_step(self, start: Tensor, v: Tensor) -> Tensor:
        step, slope = self._linearise(start)
        with torch.no_grad():
            jacobian = slope.matrix()
            system = jacobian + torch.eye(v.shape[-1], dtype=v.dtype, device=v.device)
            inverse = torch.linalg.inv(system)
        return start + (inverse @ (v - start - step)[..., None])[..., 0]

    @torch.no_grad()
    def _fixed_point(self, v: Tensor) -> Tensor:
        u, layer = v, self.layer
        layer.iterations = 0
        while layer.iterations < layer.most_iterations:
            before, u = u, v - self._value(u)
            layer.iterations += 1
            if bool((u - before).abs().amax() <= layer.tolerance * (1 + u.abs().amax())):
                break
        return u
