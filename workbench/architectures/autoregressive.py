"""Bases of the autoregressive flows: masked networks whose outputs parametrise one map per component."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import LayeredArchitecture
from workbench.architectures.couplings import CLAMP_DOC, affine_map
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import Transform
    from zuko.lazy import LazyTransform


class AutoregressiveArchitecture(LayeredArchitecture):
    """Base of flows that transform each component by a map which depends on the components before it."""

    order = param.Selector(
        default="reversed",
        objects=["reversed", "random"],
        doc="""
        The order of the components: reversed from one layer to the next, or a random one in each layer.""",
    )

    def autoregressive_layers(
        self,
        shapes: Shapes,
        univariate: Callable[[], Callable[..., Transform]],
        parameters: Sequence[tuple],
        *,
        numbers: Sequence[int] | None = None,
    ) -> list[LazyTransform]:
        """Build one masked layer per number in ``numbers``, by default 0 … ``transforms`` − 1.

        A layer's number determines its order of the components. ``univariate()`` returns a layer's
        constructor of the map of one component, and ``parameters`` are the shapes of the parameters of this
        map. A masked network computes them: all at once from x, one component after the other in the inverse.
        If x has a single component, its parameters depend on y alone, or on nothing.
        """
        from zuko.flows.autoregressive import MaskedAutoregressiveTransform

        return [
            MaskedAutoregressiveTransform(
                shapes.x,
                shapes.y,
                order=self._order(shapes.x, number),
                univariate=univariate(),
                shapes=parameters,
                **self.network(),
            )
            for number in (range(self.transforms) if numbers is None else numbers)
        ]

    def _order(self, features: int, number: int) -> Tensor:
        if self.order == "random":
            return torch.randperm(features)
        ascending = torch.arange(features)
        return ascending if number % 2 == 0 else ascending.flip(0)


class AffineAutoregressiveArchitecture(AutoregressiveArchitecture):
    """Base of autoregressive flows that scale and shift each component."""

    #: x -> z inverts the masked layers, as in the inverse autoregressive flow
    inverse_direction: ClassVar[bool] = False

    clamp = param.Number(default=3.0, bounds=(0.1, 10.0), doc=CLAMP_DOC)

    def affine_layers(self, shapes: Shapes) -> list[LazyTransform]:
        """Build the autoregressive layers, which scale by factors within exp(±``clamp``) and shift."""
        layers = self.autoregressive_layers(shapes, lambda: affine_map(math.exp(-self.clamp)), ((), ()))
        return [layer.inv for layer in layers] if self.inverse_direction else layers
