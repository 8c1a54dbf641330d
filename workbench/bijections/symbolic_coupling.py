"""Affine coupling whose scale and shift are given by formulas, as functions of the unchanged half.

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
from torch.distributions import Transform
from zuko.lazy import LazyTransform

from workbench.bijections.transform import ReversibleTransform
from workbench.nn.equation_learner import EquationLearner


class SymbolicCouplingTransform(ReversibleTransform):
    """Transform of a `SymbolicCoupling` for a given context. Both directions cost the same."""

    layer: SymbolicCoupling

    def _forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.layer.split(u)
        s, t = self.layer.scale_and_shift(a, self.context)
        return self.layer.merge(a, b * s.exp() + t), s.sum(-1)

    def _backward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.layer.split(v)
        s, t = self.layer.scale_and_shift(a, self.context)
        return self.layer.merge(a, (b - t) * (-s).exp()), -s.sum(-1)


class SymbolicCoupling(LazyTransform):
    """Affine coupling layer with an equation learner in place of a network.

    Parameters
    ----------
    mask : (D,) booleans, true for the components that stay unchanged.
    context : number of components of y, which the formulas may use.
    clamp : largest |s|.
    learner : width, depth and library of the equation learner.
    """

    def __init__(self, mask: Tensor, context: int, *, clamp: float, learner: dict[str, Any]) -> None:
        super().__init__()
        self.clamp = clamp
        a, b = mask.nonzero()[:, 0], (~mask).nonzero()[:, 0]
        self.register_buffer("kept", a)
        self.register_buffer("changed", b)
        self.register_buffer("order", torch.cat([a, b]).argsort())
        self.learner = EquationLearner(len(a) + context, 2 * len(b), **learner)

    def forward(self, c: Tensor | None = None) -> Transform:
        return SymbolicCouplingTransform(self, c)

    def split(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Split u (…, D) into u_a, which the coupling leaves unchanged, and u_b."""
        return u.index_select(-1, self.kept), u.index_select(-1, self.changed)

    def merge(self, a: Tensor, b: Tensor) -> Tensor:
        """Combine u_a and u_b to u (…, D): the inverse of `split`."""
        return torch.cat((a, b), dim=-1).index_select(-1, self.order)

    def scale_and_shift(self, a: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Clamped log-scale s and shift t, given u_a and the context."""
        inputs = a if context is None else torch.cat((a, context), dim=-1)
        log_scale, shift = self.learner(inputs).chunk(2, dim=-1)
        return self.clamp * torch.tanh(log_scale / self.clamp), shift

    def expressions(self, u: Sequence[Any], y: Sequence[Any]) -> list[Any]:
        """The output v (D,) as sympy expressions, given expressions for u (D,) and y (M,)."""
        import sympy

        columns = self.changed.tolist()
        outputs = self.learner.expressions([*(u[i] for i in self.kept.tolist()), *y])
        image, half = list(u), len(columns)
        for i, log_scale, shift in zip(columns, outputs[:half], outputs[half:], strict=True):
            scale = sympy.exp(self.clamp * sympy.tanh(log_scale / self.clamp))
            image[i] = u[i] * scale + shift
        return image
