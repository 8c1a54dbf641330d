"""Affine coupling whose scale and shift are formulas of the half that is kept.

forward   v_a = u_a,  v_b = u_b ⊙ exp s(u_a, y) + t(u_a, y),   s = c tanh(ŝ/c),  (ŝ, t) an equation learner
log-det   Σ s(u_a, y)
inverse   u_a = v_a,  u_b = (v_b − t(v_a, y)) ⊙ exp(−s(v_a, y))
Source: Tohme et al. 2024, ISR: Invertible Symbolic Regression, arXiv:2405.06848; the coupling is that of Dinh
et al. 2017, arXiv:1605.08803.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Transform, constraints
from zuko.lazy import LazyTransform

from workbench.nn.equation_learner import EquationLearner


class SymbolicCouplingTransform(Transform):
    """The coupling for a given context; ``inverted`` swaps its two directions."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, block: SymbolicCoupling, context: Tensor | None, *, inverted: bool = False) -> None:
        super().__init__()
        self.block, self.context, self.inverted = block, context, inverted

    @property
    def inv(self) -> Transform:
        return SymbolicCouplingTransform(self.block, self.context, inverted=not self.inverted)

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = self.block.split(u)
        s, t = self.block.scale_and_shift(kept, self.context)
        if self.inverted:
            return self.block.merge(kept, (changed - t) * (-s).exp()), -s.sum(-1)
        return self.block.merge(kept, changed * s.exp() + t), s.sum(-1)

    def _call(self, u: Tensor) -> Tensor:
        return self.call_and_ladj(u)[0]

    def _inverse(self, v: Tensor) -> Tensor:
        return self.inv.call_and_ladj(v)[0]

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.call_and_ladj(u)[1]


class SymbolicCoupling(LazyTransform):
    """The coupling with its equation learner; mixes with zuko's transforms.

    Parameters
    ----------
    mask : (D,) booleans, true for the components that are kept.
    context : number of components of y that the formulas may use.
    clamp : largest |s|.
    learner : width, depth and library of the equation learner.
    """

    def __init__(self, mask: Tensor, context: int, *, clamp: float, learner: dict[str, Any]) -> None:
        super().__init__()
        self.clamp = clamp
        kept, changed = mask.nonzero()[:, 0], (~mask).nonzero()[:, 0]
        self.register_buffer("kept", kept)
        self.register_buffer("changed", changed)
        self.register_buffer("order", torch.cat([kept, changed]).argsort())
        self.learner = EquationLearner(len(kept) + context, 2 * len(changed), **learner)

    def forward(self, c: Tensor | None = None) -> Transform:
        return SymbolicCouplingTransform(self, c)

    def split(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """(…, D) -> what is kept and what is changed."""
        return u.index_select(-1, self.kept), u.index_select(-1, self.changed)

    def merge(self, kept: Tensor, changed: Tensor) -> Tensor:
        """The other way round."""
        return torch.cat((kept, changed), dim=-1).index_select(-1, self.order)

    def scale_and_shift(self, kept: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Clamped log-scale and shift."""
        seen = kept if context is None else torch.cat((kept, context), dim=-1)
        log_scale, shift = self.learner(seen).chunk(2, dim=-1)
        return self.clamp * torch.tanh(log_scale / self.clamp), shift

    def expressions(self, u: Sequence[Any], y: Sequence[Any]) -> list[Any]:
        """The image of u as sympy expressions, given expressions of u (D,) and of y (M,)."""
        import sympy

        kept, changed = self.kept.tolist(), self.changed.tolist()
        found = self.learner.expressions([*(u[i] for i in kept), *y])
        image, half = list(u), len(changed)
        for i, log_scale, shift in zip(changed, found[:half], found[half:], strict=True):
            scale = sympy.exp(self.clamp * sympy.tanh(log_scale / self.clamp))
            image[i] = u[i] * scale + shift
        return image
