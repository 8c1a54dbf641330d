"""What the autoregressive flows share: a masked network, the order of the components, one map for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import param
import torch
from torch.distributions import Transform
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.lazy import LazyTransform

from workbench.architectures.base import LayeredArchitecture
from workbench.core.shapes import Shapes


class AutoregressiveArchitecture(LayeredArchitecture):
    """Each component is mapped by what those before it say; how, a member decides."""

    order = param.Selector(
        default="reversed",
        objects=["reversed", "random"],
        doc="""
        The order of the components: reversed from one layer to the next, or drawn anew for each layer.""",
    )

    def autoregressive_layers(
        self,
        shapes: Shapes,
        univariate: Callable[[], Callable[..., Transform]],
        parameters: Sequence[tuple],
        *,
        numbers: Sequence[int] | None = None,
    ) -> list[LazyTransform]:
        """One masked layer for each of ``transforms``, or with these ``numbers``; one pass forward, D back.

        ``univariate()`` gives a layer the constructor of the map of one component, and ``parameters`` are the
        shapes of what the masked network delivers to it. With a single component the parameters depend on y
        alone, or on nothing.
        """
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

    def _order(self, features: int, number: int) -> torch.Tensor:
        if self.order == "random":
            return torch.randperm(features)
        ascending = torch.arange(features)
        return ascending if number % 2 == 0 else ascending.flip(0)
