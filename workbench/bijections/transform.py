"""Bases of the transforms here: value and log-determinant come from one evaluation.

torch asks a `Transform` for its value and for its log-determinant separately, zuko for both at once by
``call_and_ladj``. A map that computes both together implements that one method.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor
from torch.distributions import Transform, constraints


class VectorTransform(Transform):
    """A bijection of vectors (…, D) with one log-determinant per vector (…)."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True


class ScalarTransform(Transform):
    """An increasing bijection of the real line, applied elementwise; log-determinants are elementwise too."""

    domain = constraints.real
    codomain = constraints.real
    bijective = True
    sign = +1


class JointMixin:
    """Derives value and log-determinant from `call_and_ladj`."""

    @abstractmethod
    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """u -> v and log|det ∂v/∂u|."""

    def _call(self, u: Tensor) -> Tensor:
        return self.call_and_ladj(u)[0]

    def log_abs_det_jacobian(self, u: Tensor, v: Tensor) -> Tensor:
        return self.call_and_ladj(u)[1]


class ReversibleTransform(JointMixin, VectorTransform):
    """A layer's map for a given context, whose two directions are written out.

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
        """u (n, D) -> v (n, D) and log|det ∂v/∂u| (n,)."""

    @abstractmethod
    def _backward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """v (n, D) -> u (n, D) and log|det ∂u/∂v| (n,)."""

    def call_and_ladj(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return self._backward(u) if self.inverted else self._forward(u)

    def _inverse(self, v: Tensor) -> Tensor:
        return self.inv._call(v)
