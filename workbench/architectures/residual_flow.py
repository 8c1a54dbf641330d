"""Residual flow (invertible residual network): x + g(x), block after block, each g a contraction.

forward   x ← x + g_j(x, y), j = 1 … M;  Lip(g_j) ≤ L < 1 in x, whatever the weights
log-det   Σ_j log det(I + ∂g_j/∂x): exact, a power series, or an unbiased estimate of it
inverse   each block's fixed point x ← z − g_j(x, y);  Lip(T) ≤ (1 + L)^M, Lip(T⁻¹) ≤ (1 − L)^{−M}
bounded   g_j(x, y) = W₂ tanh(W₁ x + V y + b₁) + b₂, ‖W‖₂ ≤ s = √L, ‖b‖ ≤ B:  |T(x) − x| ≤ M (s √H + B)
Source: Behrmann, Grathwohl, Chen, Duvenaud & Jacobsen 2019, Invertible Residual Networks, arXiv:1811.00995;
Chen, Behrmann, Duvenaud & Jacobsen 2019, Residual Flows, arXiv:1906.02735; VINA, arXiv:2602.20480, Def. 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.architectures.couplings import SEARCHED_CAPABILITIES
from workbench.architectures.flow_model import ZukoFlowModel
from workbench.bijections.residual import Residual
from workbench.core.shapes import Shapes
from workbench.nn.contraction import Contraction
from workbench.nn.smooth_network import CONTRACTIVE

_NO_GRAPH = (
    "Its inverse repeats until it stands still, in a number of steps that depends on the data, "
    "which a traced graph cannot hold; export the weights."
)


class ResidualFlowModel(ZukoFlowModel):
    """The flow with what is known of it in advance.

    Attributes
    ----------
    lipschitz, lipschitz_inverse : bounds of the Lipschitz constants of x -> z and z -> x at fixed y.
    displacement : bound of |T(x) − x| and of |T⁻¹(z) − z|; infinite unless ``bounded``.
    """

    def __init__(self, layers: Sequence[Residual], shapes: Shapes, capabilities: frozenset[str]) -> None:
        super().__init__(layers, shapes, capabilities)
        self.lipschitz = math.prod(1 + layer.network.lipschitz for layer in layers)
        self.lipschitz_inverse = math.prod(1 / (1 - layer.network.lipschitz) for layer in layers)
        self.displacement = sum(layer.network.reach for layer in layers)

    @property
    def iterations(self) -> tuple[int, ...]:
        """Evaluations of each block's network in the last inverse, in the order of the layers."""
        return tuple(layer.iterations for layer in self.layers)


@ARCHITECTURES.register
class ResidualFlow(LayeredArchitecture):
    """The one flow here whose stretching is bounded both ways, and by how much is a setting."""

    key = "residual_flow"
    title = "Residual flow"
    summary = "Blocks add to x what a contraction makes of it, so that stretching is bounded both ways."
    reference = (
        "Behrmann, Grathwohl, Chen, Duvenaud & Jacobsen (2019), Invertible Residual Networks, ICML, "
        "arXiv:1811.00995; Chen et al. (2019), Residual Flows, NeurIPS, arXiv:1906.02735"
    )
    capabilities = SEARCHED_CAPABILITIES
    inverse_tolerance = 1e-8
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass and D × D determinants",
        sampling="some tens of passes",
        inverse="numerical, a fixed point a block",
        warning="Beyond four components training sees an estimate of the density, evaluation the exact one.",
    )
    formats: ClassVar[dict[str, str]] = {"graph": _NO_GRAPH, "onnx": _NO_GRAPH}

    transforms = param.Integer(default=8)
    activation = param.Selector(
        default="lipswish",
        objects=list(CONTRACTIVE),
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
        The log-determinant in training: exact, the power series cut off (biased), or ended at random
        (unbiased but noisy). Automatic is exact up to four components and unbiased beyond.""",
    )
    terms = param.Integer(
        default=5,
        bounds=(1, 50),
        doc="""
        Terms of the series; of the unbiased estimate, those that are always there.""",
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
        How closely the fixed point of the inverse is met before the last, quadratic steps.""",
    )
    bounded = param.Boolean(
        default=False,
        doc="""
        The class of VINA's Definition 3.1: one hidden layer, tanh and bounded biases, so that no point moves
        further than a known distance. Depth and activation are then not used.""",
    )
    bias_bound = param.Number(
        default=1.0,
        bounds=(0.01, 100.0),
        doc="""
        Largest norm B of a bias where the class is bounded.""",
    )

    def assemble(self, shapes: Shapes) -> ResidualFlowModel:
        hidden = [self.width] if self.bounded else [self.width] * self.depth
        activation = CONTRACTIVE["tanh" if self.bounded else self.activation]
        layers = []
        for _ in range(self.transforms):
            network = Contraction(
                shapes.x,
                shapes.y,
                hidden,
                activation,
                lipschitz=self.lipschitz,
                bias_bound=self.bias_bound if self.bounded else math.inf,
            )
            layers.append(
                Residual(
                    shapes.x,
                    network,
                    method=self.log_det,
                    terms=self.terms,
                    probes=self.probes,
                    tolerance=self.tolerance,
                )
            )
        return ResidualFlowModel(layers, shapes, self.capabilities)
