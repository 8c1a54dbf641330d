"""Residual flow (invertible residual network): a composition of blocks x + g(x), each g a contraction.

forward   x ← x + g_j(x, y), j = 1 … M;  Lip(g_j) ≤ L < 1 in x, whatever the weights
log-det   Σ_j log det(I + ∂g_j/∂x): exact, a power series, or an unbiased estimate of it
inverse   each block's fixed point x ← z − g_j(x, y);  Lip(T) ≤ (1 + L)^M, Lip(T⁻¹) ≤ (1 − L)^{−M}
bounded   optional: g_j(x, y) = W₂ tanh(W₁ x + V y + b₁) + b₂ with H hidden units, ‖W_i‖₂ ≤ s = √L, ‖b_i‖ ≤ B;
          then |T(x) − x| ≤ M (s √H + B)
Source: Behrmann, Grathwohl, Chen, Duvenaud & Jacobsen 2019, Invertible Residual Networks, arXiv:1811.00995;
Chen, Behrmann, Duvenaud & Jacobsen 2019, Residual Flows, arXiv:1906.02735; VINA, arXiv:2602.20480, Def. 3.1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.architectures.couplings import SEARCHED_CAPABILITIES
from workbench.core.shapes import Shapes
from workbench.nn.choices import CONTRACTIVE_ACTIVATIONS

if TYPE_CHECKING:
    from workbench.architectures.models.residual_flow import ResidualFlowModel
    from workbench.bijections.residual import Residual

_NO_GRAPH = (
    "Its inverse is iterated until it converges, in a number of steps that depends on the data, "
    "which a traced graph cannot hold; export the weights."
)


class ResidualArchitecture(LayeredArchitecture):
    """Base of architectures made of residual blocks: their settings, and `blocks`, which builds them."""

    inverse_tolerance = 1e-8
    formats: ClassVar[dict[str, str]] = {"graph": _NO_GRAPH, "onnx": _NO_GRAPH}

    transforms = param.Integer(default=8)
    activation = param.Selector(
        default="lipswish",
        objects=list(CONTRACTIVE_ACTIVATIONS),
        doc="""
        Non-linearity of the networks inside: smooth, and of slope at most one. Lipswish is x σ(x) / 1.1.""",
    )
    lipschitz = param.Number(
        default=0.9,
        bounds=(0.1, 0.98),
        doc="""
        Largest Lipschitz constant L of the network in a block, which stretches by 1 + L and shrinks by 1 − L
        at most. Near one the flow is flexible and the inverse slow.""",
    )
    log_det = param.Selector(
        default="automatic",
        objects=["automatic", "exact", "series", "unbiased"],
        doc="""
        The log-determinant in training: exact, the power series cut off (series: biased), or ended at random
        (unbiased: noisy). Automatic is exact up to four components and unbiased beyond.""",
    )
    terms = param.Integer(
        default=5,
        bounds=(1, 50),
        doc="""
        Number of terms of the series, or of terms that the unbiased estimate always includes.""",
    )
    probes = param.Integer(
        default=1,
        bounds=(1, 16),
        doc="""
        Random directions for each trace in the series and the unbiased estimate. More are less noisy.""",
    )
    tolerance = param.Number(
        default=1e-6,
        bounds=(1e-12, 1e-2),
        doc="""
        Tolerance of the fixed-point iteration of the inverse, before the last steps by Newton's method.""",
    )
    bounded = param.Boolean(
        default=False,
        doc="""
        Restrict the networks to the class of Definition 3.1 of the VINA paper: one hidden layer, tanh and
        bounded biases, so that no point moves further than a known distance. Depth and activation are then
        not used.""",
    )
    bias_bound = param.Number(
        default=1.0,
        bounds=(0.01, 100.0),
        doc="""
        Largest norm B of a bias where the networks are bounded.""",
    )

    def blocks(self, features: int, context: int) -> list[Residual]:
        """Build ``transforms`` residual blocks for x with ``features`` and y with ``context`` components."""
        from workbench.bijections.residual import Residual
        from workbench.nn.contraction import Contraction
        from workbench.nn.smooth_network import CONTRACTIVE

        return [
            Residual(
                features,
                Contraction(
                    features,
                    context,
                    [self.width] if self.bounded else [self.width] * self.depth,
                    CONTRACTIVE["tanh" if self.bounded else self.activation],
                    lipschitz=self.lipschitz,
                    bias_bound=self.bias_bound if self.bounded else math.inf,
                ),
                method=self.log_det,
                terms=self.terms,
                probes=self.probes,
                tolerance=self.tolerance,
            )
            for _ in range(self.transforms)
        ]


@ARCHITECTURES.register
class ResidualFlow(ResidualArchitecture):
    """Residual flow: the only flow in the catalogue whose Lipschitz constants are bounded both ways."""

    key = "residual_flow"
    title = "Residual flow"
    summary = "Blocks add to x what a contraction makes of it, so that stretching is bounded both ways."
    reference = (
        "Behrmann, Grathwohl, Chen, Duvenaud & Jacobsen (2019), Invertible Residual Networks, ICML, "
        "arXiv:1811.00995; Chen et al. (2019), Residual Flows, NeurIPS, arXiv:1906.02735"
    )
    capabilities = SEARCHED_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass and D × D determinants",
        sampling="some tens of passes",
        inverse="numerical, a fixed point a block",
        warning="Beyond four components training sees an estimate of the density, evaluation the exact one.",
    )

    def assemble(self, shapes: Shapes) -> ResidualFlowModel:
        from workbench.architectures.models.residual_flow import ResidualFlowModel

        return ResidualFlowModel(self.blocks(shapes.x, shapes.y), shapes, self.capabilities)
