"""Sum-of-squares polynomial flow (SOSPF): each component is the integral of a positive polynomial.

forward   z_i = β_i + ∫₀^{x_i} (ε + (1/K) Σ_k (1 + Σ_l a_{ikl} (u/10)^l)²) du, linear beyond ±B; a_i and β_i
          depend on x_{<i}, y
log-det   Σ_i log of the integrand at x_i
inverse   x_i by root finding, one component after the other
Source: Jaini, Selby & Yu 2019, Sum-of-Squares Polynomial Flow, arXiv:1905.02325.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.autoregressive import AutoregressiveArchitecture
from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.couplings import SEARCHED_CAPABILITIES, SEARCHED_FORMATS, TAILS, TAILS_DOC
from workbench.core.shapes import Shapes

if TYPE_CHECKING:
    from workbench.architectures.models.zuko_flow import ZukoFlowModel


@ARCHITECTURES.register
class SumOfSquaresPolynomial(AutoregressiveArchitecture):
    """Sum-of-squares polynomial flow; two squares suffice to represent any positive polynomial."""

    key = "sum_of_squares_polynomial"
    title = "Sum-of-squares polynomial flow"
    summary = "Each component passes through an increasing polynomial that depends on those before it."
    reference = "Jaini, Selby & Yu (2019), Sum-of-Squares Polynomial Flow, ICML, arXiv:1905.02325"
    capabilities = SEARCHED_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass",
        sampling="D passes, about 8 evaluations each",
        inverse="numerical, D passes",
        warning="The inverse is searched for.",
    )
    formats: ClassVar[dict[str, str]] = SEARCHED_FORMATS

    transforms = param.Integer(default=3)
    degree = param.Integer(
        default=4,
        bounds=(1, 10),
        doc="""
        Degree of the polynomials that are squared. High degrees bend more and train less stably.""",
    )
    polynomials = param.Integer(
        default=3,
        bounds=(1, 16),
        doc="""
        Number of squares in the sum; two suffice to represent any positive polynomial.""",
    )
    bound = param.Number(default=TAILS, bounds=(1.0, 100.0), doc=TAILS_DOC)

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        from zuko.flows.polynomial import ShiftedSOSPTransform

        from workbench.architectures.models.zuko_flow import ZukoFlowModel
        from workbench.bijections.linear_tails import LinearTails

        layers = self.autoregressive_layers(
            shapes,
            lambda: LinearTails(ShiftedSOSPTransform, self.bound),
            ((self.polynomials, self.degree + 1), ()),
        )
        return ZukoFlowModel(layers, shapes, self.capabilities)
