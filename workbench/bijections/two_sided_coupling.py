"""Two-sided affine coupling: a block that scales and shifts each half as networks compute from the other.

forward   v₁ = u₁ ⊙ exp s₂(u₂) + t₂(u₂),   v₂ = u₂ ⊙ exp s₁(v₁) + t₁(v₁)
log-det   Σ s₂(u₂) + Σ s₁(v₁)
inverse   u₂ = (v₂ − t₁(v₁)) ⊙ exp(−s₁(v₁)),   u₁ = (v₁ − t₂(u₂)) ⊙ exp(−s₂(u₂))
          s = (2c/π) arctan(ŝ/c) stays within ±c, so that no single block stretches or shrinks without bound
Source: Ardizzone et al. 2019, Analyzing Inverse Problems with Invertible Neural Networks, arXiv:1808.04730,
equations (7) and (8); the couplings are those of Dinh et al. 2017, arXiv:1605.08803.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Transform
from zuko.lazy import LazyTransform
from zuko.nn import MLP

from workbench.bijections.transform import ReversibleTransform


def soft_clamp(values: Tensor, limit: float) -> Tensor:
    """Clamp ``values`` to within ±``limit`` by a smooth, increasing function, elementwise."""
    return (2 * limit / math.pi) * torch.atan(values / limit)


class TwoSidedCouplingTransform(ReversibleTransform):
    """Transform of a `TwoSidedCoupling` for a given context. Both directions cost the same."""

    layer: TwoSidedCoupling

    def _call(self, u: Tensor) -> Tensor:
        return self._uncouple(u)[0] if self.inverted else self._couple(u)[0]

    def _forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        v, s_2, s_1 = self._couple(u)
        return v, s_2.sum(-1) + s_1.sum(-1)

    def _backward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        u, s_2, s_1 = self._uncouple(v)
        return u, -(s_2.sum(-1) + s_1.sum(-1))

    def _couple(self, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map u (n, D) forward; return v (n, D) and the log-scales s₂ and s₁."""
        u_1, u_2 = self.layer.split(u)
        s_2, t_2 = self.layer.scale_and_shift(self.layer.second, u_2, self.context)
        v_1 = u_1 * s_2.exp() + t_2
        s_1, t_1 = self.layer.scale_and_shift(self.layer.first, v_1, self.context)
        v_2 = u_2 * s_1.exp() + t_1
        return torch.cat((v_1, v_2), dim=-1), s_2, s_1

    def _uncouple(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map v (n, D) backward; return u (n, D) and the log-scales s₂ and s₁."""
        v_1, v_2 = self.layer.split(v)
        s_1, t_1 = self.layer.scale_and_shift(self.layer.first, v_1, self.context)
        u_2 = (v_2 - t_1) * (-s_1).exp()
        s_2, t_2 = self.layer.scale_and_shift(self.layer.second, u_2, self.context)
        u_1 = (v_1 - t_2) * (-s_2).exp()
        return torch.cat((u_1, u_2), dim=-1), s_2, s_1


class TwoSidedCoupling(LazyTransform):
    """Two-sided affine coupling layer with its two networks.

    Parameters
    ----------
    features : at least two; the first half (rounded down) is u₁, the rest u₂.
    context : number of components of c, which both networks read as well (0 for none).
    clamp : largest |s|.
    network : hidden sizes and activation, passed to zuko's ``MLP``.
    """

    def __init__(self, features: int, context: int = 0, *, clamp: float, network: dict[str, Any]) -> None:
        super().__init__()
        if features < 2:
            raise ValueError(f"a coupling splits its input in two and cannot split {features} component")
        self.clamp = clamp
        self.sizes = (features // 2, features - features // 2)
        self.first = MLP(self.sizes[0] + context, 2 * self.sizes[1], **network)
        self.second = MLP(self.sizes[1] + context, 2 * self.sizes[0], **network)

    def forward(self, c: Tensor | None = None) -> Transform:
        return TwoSidedCouplingTransform(self, c)

    def split(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Split u (…, D) into its halves u₁ and u₂."""
        return u[..., : self.sizes[0]], u[..., self.sizes[0] :]

    def scale_and_shift(self, network: MLP, half: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Clamped log-scale and shift, computed by ``network`` from one half and the context."""
        inputs = half if context is None else torch.cat((half, context), dim=-1)
        log_scale, shift = network(inputs).chunk(2, dim=-1)
        # functions of a strided view are evaluated one by one, several times as slowly
        return soft_clamp(log_scale.contiguous(), self.clamp), shift
