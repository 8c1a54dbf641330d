"""What NICE, RealNVP, Glow and the splines share: couplings with alternating masks, linear layers between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.distributions import Transform
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.lazy import LazyTransform, UnconditionalTransform
from zuko.transforms import LULinearTransform, RotationTransform

from workbench.bijections.reordering import Reordering
from workbench.core.capability import Capability
from workbench.core.shapes import Shapes

#: every flow here has a density, an exact inverse that passes gradients, and takes a context or does without
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
#: the same where the inverse is searched for or integrated, to a tolerance
SEARCHED_CAPABILITIES = FLOW_CAPABILITIES - {Capability.EXACT_INVERSE}
_NO_SEARCH = (
    "Its inverse is searched for until it is found, in a number of steps that depends on the data, "
    "which a traced graph cannot hold; export the weights."
)
#: why such a flow is exported as weights only
SEARCHED_FORMATS = {"graph": _NO_SEARCH, "onnx": _NO_SEARCH}

#: where the monotone maps with linear tails end, in standard deviations of the data
TAILS = 10.0
TAILS_DOC = (
    "Further out than this, in standard deviations of the data, the map of each component goes on "
    "as a straight line; the search for the inverse stays within."
)


def coupling_layers(
    shapes: Shapes,
    transforms: int,
    *,
    univariate: Callable[..., Transform],
    parameters: Sequence[tuple],
    network: dict[str, Any],
    mixing: str,
) -> list[LazyTransform]:
    """``transforms`` couplings; neighbours keep and change opposite halves, so two reach every component.

    ``univariate`` is the map of one component and ``parameters`` the shapes of what its conditioner delivers.
    With a single component there is nothing to split: each layer is then that map with parameters that
    depend on y alone, or on nothing.
    """
    layers: list[LazyTransform] = []
    for number in range(transforms):
        mask = torch.arange(shapes.x) % 2 == number % 2
        layers.append(
            GeneralCouplingTransform(
                shapes.x, shapes.y, mask=mask, univariate=univariate, shapes=parameters, **network
            )
        )
        if number < transforms - 1 and shapes.x > 1:
            layers.extend(_between(shapes.x, mixing))
    return layers


def _between(features: int, mixing: str) -> list[LazyTransform]:
    """What stands between two couplings; learned maps start at the identity, permutations are drawn once."""
    if mixing == "permutation":
        return [UnconditionalTransform(Reordering, torch.randperm(features), buffer=True)]
    if mixing == "rotation":
        return [UnconditionalTransform(RotationTransform, torch.zeros(features, features))]
    if mixing == "linear":
        return [UnconditionalTransform(LULinearTransform, torch.eye(features))]
    return []


MIXING = ["none", "permutation", "rotation", "linear"]
MIXING_DOC = (
    "What stands between two couplings, besides exchanging the halves: nothing, a fixed random "
    "permutation, a learned rotation, or a learned linear map. Helps when x has many components."
)
