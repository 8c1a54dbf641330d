"""Base of the neural spline flows: monotone rational-quadratic splines and their settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import param

from workbench.architectures.couplings import FLOW_CAPABILITIES
from workbench.architectures.embedded import EmbeddedArchitecture

if TYPE_CHECKING:
    from torch.distributions import Transform

#: Least slope of a spline; the largest is its inverse. zuko's default 1e-3 makes the inverse of steep splines
#: useless in float32 (errors of 5, and NaN, for conditioner outputs around 10); 1e-2 costs no measurable
#: likelihood.
LEAST_SLOPE = 1e-2
BINS_DOC = "Pieces of each spline. More pieces resolve finer detail."


class SplineArchitecture(EmbeddedArchitecture):
    """Base of flows of monotone splines on [−bound, bound], whose networks may read an embedding of y."""

    capabilities = FLOW_CAPABILITIES

    bins = param.Integer(default=8, bounds=(2, 64), doc=BINS_DOC)
    bound = param.Number(
        default=5.0,
        bounds=(1.0, 20.0),
        doc="""
        The splines act between −bound and +bound, in standard deviations of the data; further out they are
        the identity.""",
    )

    def spline(self) -> tuple[Callable[..., Transform], tuple[tuple[int], ...]]:
        """Constructor of the spline that maps one component, and the shapes of its parameters."""
        from zuko.transforms import MonotonicRQSTransform

        shapes = ((self.bins,), (self.bins,), (self.bins - 1,))
        return partial(MonotonicRQSTransform, bound=self.bound, slope=LEAST_SLOPE), shapes
