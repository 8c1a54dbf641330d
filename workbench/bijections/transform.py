"""Bases of the transforms of `workbench.bijections`: value and log-determinant from one evaluation.

torch calls two methods of a `Transform` for its value and its log-determinant, zuko one for both,
``call_and_ladj``. A subclass that computes both together implements only the latter.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor
from torch.distributions import Transform, constraints


class VectorTransform(Transform):
    """Base of bijections of vectors (…, D), with one log-determinant per vector (…)."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True


class ScalarTransform(Transform):
    """Base of increasing bijections of the real line, applied elementwise; one log-slope per element."""

    domain = constraints.real
    codomain = constraints.real
    bijective = True
    sign = +1


class JointMixin:
    """Mixin of transforms that define `call_and_ladj`, from which value and log-determinant are taken."""

    @abstractmethod
    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Map u to v; return v and log|det ∂v/∂u|."""

    def _call(self, u: Tensor) -> Tensor:
        return self.call_and_ladj(u)[0]

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.call_and_ladj(u)[1]


class ReversibleTransform(JointMixin, VectorTransform):
    """Base of a layer's transform for a given context; a subclass writes out both directions.

    Parameters
    ----------
    layer : the lazy transform that holds the parameters.
    context : c (n, C), or None.
    inverted : exchange the two directions.
    """

    def __init__(self, layer: Any, context: Tensor | None, *, inverted: bool = False) -> None:
        super().__init__()
        self.layer, self.context, self.inverted = layer, context, inverted

    @property
    def inv(self) -> Transform:
        return type(self)(self.layer, self.context, inverted=not self.inverted)

    @abstractmethod
    def _forward(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Map u (n, D) forward, whatever ``inverted`` is; return v (n, D) and log|det ∂v/∂u| (n,)."""

    @abstractmethod
    def _backward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Map v (n, D) backward, inverting `_forward`; return u (n, D) and log|det ∂u/∂v| (n,)."""

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return self._backward(u) if self.inverted else self._forward(u)

    def _inverse(self, v: Tensor) -> Tensor:
        return self.inv._call(v)
