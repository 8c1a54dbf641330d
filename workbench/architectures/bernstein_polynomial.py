"""Bernstein polynomial flow (BPF): each component passes through an increasing Bernstein polynomial.

forward   z_i = Σ_m θ_{im} b_m((x_i + B) / 2B) for |x_i| < B, else z_i = x_i; b_m are Bernstein polynomials
          and θ_{i0} < θ_{i1} < … functions of x_{<i} and y
log-det   Σ_i log of the derivative at x_i, by automatic differentiation
inverse   x_i by root finding, one component after the other
Source: Sick, Hothorn & Dürr 2020, Deep transformation models, arXiv:2004.00464;
Arpogaus et al. 2022, Short-Term Density Forecasting using Bernstein-Polynomial Normalizing Flows,
arXiv:2204.13939.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.autoregressive import AutoregressiveArchitecture
from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.couplings import SEARCHED_CAPABILITIES, SEARCHED_FORMATS
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel

#: Distance from the interval's ends, as a fraction of its length, at which zuko switches to the identity; the
#: default 1e-6 makes a visible jump.
_EDGE = 1e-9


@ARCHITECTURES.register
class BernsteinPolynomial(AutoregressiveArchitecture):
    """Bernstein polynomial flow: smooth, and stable at high degree; x beyond ±``bound`` is not moved."""

    key = "bernstein_polynomial"
    title = "Bernstein polynomial flow"
    summary = "Each component passes through a Bernstein polynomial that depends on those before it."
    reference = (
        "Arpogaus et al. (2022), Short-Term Density Forecasting of Low-Voltage Load using "
        "Bernstein-Polynomial Normalizing Flows, arXiv:2204.13939"
    )
    capabilities = SEARCHED_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass",
        sampling="D passes, about 8 evaluations each",
        inverse="numerical, D passes",
        warning="The inverse is searched for; points beyond the bound are left as they are.",
    )
    formats: ClassVar[dict[str, str]] = SEARCHED_FORMATS

    transforms = param.Integer(default=3)
    degree = param.Integer(
        default=16,
        bounds=(2, 64),
        doc="""
        Number of free coefficients of each polynomial. More of them resolve finer detail.""",
    )
    bound = param.Number(
        default=5.0,
        bounds=(1.0, 20.0),
        doc="""
        The polynomials act between −bound and +bound, in standard deviations of the data; further out they
        are the identity.""",
    )

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from zuko.transforms import BoundedBernsteinTransform

        from workbench.architectures.models.zuko_flow import ZukoFlowModel
        from workbench.bijections.linear_tails import LinearTails

        polynomial = partial(BoundedBernsteinTransform, bound=self.bound, eps=_EDGE)
        layers = self.autoregressive_layers(
            shapes, lambda: LinearTails(polynomial, self.bound), ((self.degree + 1,),)
        )
        return ZukoFlowModel(layers, shapes, self.capabilities)
