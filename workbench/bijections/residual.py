"""Residual block: the identity plus a contraction, which is invertible though it has no formula for it.

forward   v = u + g(u, c),  Lip(g) ≤ L < 1
log-det   log det(I + J_g): exact from the D × D Jacobian, by the series cut off, or unbiased (log_det_series)
inverse   u ← v − g(u, c) until it stands still: the error falls by L at least each time; then Newton steps
          u = u₀ + (I + J_g(u₀))⁻¹ (v − u₀ − g(u₀, c)), which carries the gradient of the implicit function
Source: Behrmann et al. 2019, Invertible Residual Networks, arXiv:1811.00995;
Chen et al. 2019, Residual Flows for Invertible Generative Modeling, arXiv:1906.02735.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Transform, constraints
from zuko.lazy import LazyTransform

from workbench.nn.contraction import Contraction
from workbench.nn.log_det_series import power_series, roulette_weights
from workbench.nn.smooth_network import Slope

EXACT_UP_TO = 4


class Residual(LazyTransform):
    """The block.

    Parameters
    ----------
    network : g.
    method : exact, series, unbiased, or automatic: exact up to four components and unbiased beyond.
        An estimate is used in training only; a model in evaluation is always exact.
    terms : of the series, or those of the unbiased estimate that are always there.
    probes : random directions for the traces.
    tolerance : the fixed point is left when no component moves by more than this share of the largest.

    The directions follow from a counter that is saved with the weights, and from no other generator: a run
    that is resumed draws what it would have drawn.

    Attributes
    ----------
    iterations : how many times g was evaluated in the last inverse.
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
        """After so many the contraction guarantees the tolerance."""
        lipschitz = self.network.lipschitz
        return math.ceil(math.log(self.tolerance * (1 - lipschitz)) / math.log(lipschitz)) + 1

    def log_det(self, slope: Slope) -> Tensor:
        """log det(I + J) (n,), or its estimate."""
        if self.exact:
            jacobian = slope.matrix()
            identity = torch.eye(self.features, dtype=jacobian.dtype, device=jacobian.device)
            return torch.linalg.slogdet(identity + jacobian)[1]
        generator = torch.Generator().manual_seed(_mixed(*self.stream.tolist()))
        self.stream[1] += 1
        like = slope.derivatives[0]
        signs = torch.randint(2, (like.shape[0], self.probes, self.features), generator=generator)
        weights = [1.0] * self.terms
        if self.method != "series":
            weights = roulette_weights(self.terms, self.network.lipschitz, generator)
        return power_series(slope.product, (2 * signs - 1).to(like), weights)


def _mixed(seed: int, count: int) -> int:
    """A seed of its own for every draw of every block."""
    return (seed * 1_000_003 + count * 7_919) % 2**63


class ResidualTransform(Transform):
    """The block for a given context, its weights held to their bounds; ``inverted`` swaps directions."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, block: Residual, context: Tensor | None, *, held=None, inverted: bool = False) -> None:
        super().__init__()
        self.block, self.context, self.inverted = block, context, inverted
        self.held = block.network.held() if held is None else held

    @property
    def inv(self) -> Transform:
        return ResidualTransform(self.block, self.context, held=self.held, inverted=not self.inverted)

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return self._backward(u) if self.inverted else self._forward(u)

    def _call(self, u: Tensor) -> Tensor:
        return self._solve(u) if self.inverted else u + self._value(u)

    def _inverse(self, v: Tensor) -> Tensor:
        return self.inv._call(v)

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.call_and_ladj(u)[1]

    def _value(self, u: Tensor) -> Tensor:
        return self.block.network.value(u, self.context, *self.held)

    def _linearise(self, u: Tensor) -> tuple[Tensor, Slope]:
        return self.block.network.linearise(u, self.context, *self.held)

    def _forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        step, slope = self._linearise(u)
        return u + step, self.block.log_det(slope)

    def _backward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        u = self._solve(v)
        return u, -self.block.log_det(self._linearise(u)[1])

    def _solve(self, v: Tensor) -> Tensor:
        with torch.no_grad():  # two Newton steps: one squares the tolerance, which leaves 1e-8 at times
            start = self._newton(self._fixed_point(v), v)
        return self._newton(start, v)

    def _newton(self, start: Tensor, v: Tensor) -> Tensor:
        step, slope = self._linearise(start)
        with torch.no_grad():
            jacobian = slope.matrix()
            system = jacobian + torch.eye(v.shape[-1], dtype=v.dtype, device=v.device)
            turned = torch.linalg.inv(system)
        return start + (turned @ (v - start - step)[..., None])[..., 0]

    @torch.no_grad()
    def _fixed_point(self, v: Tensor) -> Tensor:
        u, block = v, self.block
        block.iterations = 0
        while block.iterations < block.most_iterations:
            before, u = u, v - self._value(u)
            block.iterations += 1
            if bool((u - before).abs().amax() <= block.tolerance * (1 + u.abs().amax())):
                break
        return u
