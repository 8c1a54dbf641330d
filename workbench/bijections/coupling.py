"""Coupling with the places of its two halves as buffers.

forward   v_a = x_a,  v_b = f(x_b; θ(x_a, y)), for a set a of components and the others b

zuko's coupling turns its mask into indices anew at every call, an operation that waits for a GPU and that
neither `torch.vmap` nor CUDA graphs allow. Here the indices are computed once; state dicts do not change.
Source: Dinh, Krueger & Bengio 2014, arXiv:1410.8516.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Transform
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.transforms import CouplingTransform


class IndexedCoupling(CouplingTransform):
    """Coupling transform of known places: ``idx_a`` of the half that stays, ``idx_b`` of the other, and
    ``place``, the order in which both together are the components again."""

    def __init__(self, meta: Any, index_a: Tensor, index_b: Tensor, place: Tensor) -> None:
        Transform.__init__(self)
        self.meta, self.idx_a, self.idx_b, self.place = meta, index_a, index_b, place


class Coupling(GeneralCouplingTransform):
    """zuko's lazy coupling, with indices that are computed once. Arguments are those of zuko's."""

    index_a: Tensor
    index_b: Tensor
    place: Tensor

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        index_a, index_b = (mask.nonzero().squeeze(-1) for mask in (self.mask, ~self.mask))
        self.register_buffer("index_a", index_a, persistent=False)
        self.register_buffer("index_b", index_b, persistent=False)
        self.register_buffer("place", torch.cat((index_a, index_b)).argsort(), persistent=False)

    def forward(self, c: Tensor | None = None) -> CouplingTransform:
        """Return the transform for a context c (n, C)."""
        return IndexedCoupling(partial(self.meta, c), self.index_a, self.index_b, self.place)
