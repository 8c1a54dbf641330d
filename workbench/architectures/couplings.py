"""Shared parts of the flows: capabilities, couplings with alternating masks, linear layers between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import CostCard, LayeredArchitecture
from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from torch.distributions import Transform
    from zuko.lazy import LazyTransform

#: capabilities of flows with a closed-form inverse; they work with and without an observation
FLOW_CAPABILITIES = frozenset(
    {
        Capability.DENSITY,
        Capability.LATENT,
        Capability.BIJECTION,
        Capability.EXACT_INVERSE,
        Capability.REPARAMETERISED,
        Capability.CONDITIONAL,
        Capability.UNCONDITIONAL,
    }
)
#: capabilities of flows whose inverse is numerical, accurate to a tolerance
SEARCHED_CAPABILITIES = FLOW_CAPABILITIES - {Capability.EXACT_INVERSE}
_NO_SEARCH = (
    "Its inverse is searched for until it is found, in a number of steps that depends on the data, "
    "which a traced graph cannot hold; export the weights."
)
#: export formats of flows that are inverted by root finding: neither works, for the reason given
SEARCHED_FORMATS = {"graph": _NO_SEARCH, "onnx": _NO_SEARCH}

#: default |x| beyond which a monotone map continues linearly, in standard deviations of the data
TAILS = 10.0
TAILS_DOC = (
    "Further out than this, in standard deviations of the data, the map of each component continues "
    "as a straight line; the search for the inverse stays within."
)
CLAMP_DOC = (
    "Largest log-scale of one layer: it stretches by exp(clamp) at most. Small values are stable, large "
    "ones reach sharp densities with few layers."
)
MIXING = ["none", "permutation", "rotation", "linear"]
MIXING_DOC = (
    "Map between two couplings, besides exchanging the halves: none, a fixed random permutation, a "
    "learned rotation, or a learned linear map. It helps when x has many components."
)


class CouplingArchitecture(LayeredArchitecture):
    """Base of flows of couplings; each transforms one half of the components given the other half."""

    capabilities = FLOW_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(density="1 pass", sampling="1 pass", inverse="exact, 1 pass")

    def couplings(
        self,
        shapes: Shapes,
        univariate: Callable[..., Transform],
        parameters: Sequence[tuple],
        *,
        mixing: str = "none",
    ) -> list[LazyTransform]:
        """Build ``transforms`` couplings; the halves alternate, so that two couplings change every component.

        ``univariate`` constructs the map of one component and ``parameters`` are the shapes of its
        parameters, which a network computes from the other half and y. ``mixing``, one of `MIXING`, selects
        the map between two couplings. A single component cannot be split: its parameters depend on y alone,
        or on nothing.
        """
        from workbench.bijections.coupling import Coupling

        layers: list[LazyTransform] = []
        for number in range(self.transforms):
            mask = torch.arange(shapes.x) % 2 == number % 2
            layers.append(
                Coupling(
                    shapes.x, shapes.y, mask=mask, univariate=univariate, shapes=parameters, **self.network()
                )
            )
            if number < self.transforms - 1 and shapes.x > 1:
                layers.extend(mixing_layers(shapes.x, mixing))
        return layers


class AffineCouplingArchitecture(CouplingArchitecture):
    """Base of flows of affine couplings, which scale and shift half of the components."""

    least_features = 2

    transforms = param.Integer(default=8)
    clamp = param.Number(default=3.0, bounds=(0.1, 10.0), doc=CLAMP_DOC)

    def affine_couplings(self, shapes: Shapes, *, mixing: str = "none") -> list[LazyTransform]:
        """Build affine couplings, with log-scales within ±``clamp``, and ``mixing`` layers between them."""
        return self.couplings(shapes, affine_map(math.exp(-self.clamp)), ((), ()), mixing=mixing)


def affine_map(least_scale: float) -> Callable[..., Transform]:
    """Constructor of the map u exp(s) + t of one component, with exp(−|s|) above ``least_scale``."""
    from zuko.transforms import MonotonicAffineTransform

    return partial(MonotonicAffineTransform, slope=least_scale)


def mixing_layers(features: int, mixing: str) -> list[LazyTransform]:
    """Layers to put between two couplings for ``mixing``, one of `MIXING`; empty for "none".

    Learned maps start at the identity; a permutation is drawn once.
    """
    from zuko.lazy import UnconditionalTransform
    from zuko.transforms import LULinearTransform, RotationTransform

    from workbench.bijections.reordering import Reordering

    if mixing == "permutation":
        return [UnconditionalTransform(Reordering, torch.randperm(features), buffer=True)]
    if mixing == "rotation":
        return [UnconditionalTransform(RotationTransform, torch.zeros(features, features))]
    if mixing == "linear":
        return [UnconditionalTransform(LULinearTransform, torch.eye(features))]
    return []
