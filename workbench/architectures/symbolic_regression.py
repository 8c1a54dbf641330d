"""Invertible symbolic regression (ISR): couplings that can be read as formulas once they are trained.

forward   z_a = x_a,  z_b = x_b ⊙ exp s(x_a, y) + t(x_a, y);  the halves a and b alternate from layer to layer
log-det   Σ s(x_a, y), summed over the layers
inverse   x_a = z_a,  x_b = (z_b − t(z_a, y)) ⊙ exp(−s(z_a, y))
          s and t are equation learners: sums, squares, products and sines of their inputs
loss      that of the objective, + λ Σ |w|^½ (rounded at zero) in the second and third quarter of training.
          Then the weights below a threshold are pruned, and the others are trained without the penalty
Source: Tohme et al. 2024, ISR: Invertible Symbolic Regression, arXiv:2405.06848; phases after Sahoo et al.
2018, Learning equations for extrapolation and control, arXiv:1806.07259.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import param

from workbench.architectures.base import ARCHITECTURES, Architecture, CostCard
from workbench.architectures.couplings import FLOW_CAPABILITIES
from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes
from workbench.nn.choices import LIBRARIES

if TYPE_CHECKING:
    from workbench.architectures.models.symbolic_regression import SymbolicFlowModel


@ARCHITECTURES.register
class SymbolicRegression(Architecture):
    """Invertible symbolic regression: affine couplings made of equation learners."""

    key = "symbolic_regression"
    title = "Invertible symbolic regression"
    summary = "Couplings made of sums, products and sines, pruned until they can be read as formulas."
    reference = "Tohme et al. (2024), ISR: Invertible Symbolic Regression, arXiv:2405.06848"
    capabilities = FLOW_CAPABILITIES | {Capability.FORMULA}
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass",
        sampling="1 pass",
        inverse="exact, 1 pass",
        warning="Squares and products grow quickly outside the data.",
    )
    least_features = 2

    transforms = param.Integer(
        default=2,
        bounds=(2, 32),
        doc="""
        Number of couplings in a row. Few give short formulas.""",
    )
    width = param.Integer(
        default=8,
        bounds=(4, 256),
        doc="""
        Units in each hidden layer of the equation learners; the functions are assigned to them in turn.""",
    )
    depth = param.Integer(
        default=1,
        bounds=(1, 8),
        doc="""
        Hidden layers of the equation learners: how deeply functions may be nested.""",
    )
    library = param.Selector(
        default="all",
        objects=list(LIBRARIES),
        doc="""
        Functions that a formula may use: squares and products, sines, or all of them.""",
    )
    clamp = param.Number(
        default=3.0,
        bounds=(0.1, 10.0),
        doc="""
        Largest log-scale of one coupling: it stretches by exp(clamp) at most.""",
    )
    sparsity = param.Number(
        default=0.05,
        bounds=(0.0, 10.0),
        doc="""
        Weight λ of the penalty that shortens the formulas, in nats. Large values give short formulas that
        fit less well; 0 keeps all terms.""",
    )
    threshold = param.Number(
        default=0.1,
        bounds=(0.0, 1.0),
        doc="""
        Weights smaller than this, in standardised units, are pruned after three quarters of the training.""",
    )

    def assemble(self, shapes: Shapes) -> SymbolicFlowModel:
        from workbench.architectures.models.symbolic_regression import SymbolicFlowModel
        from workbench.bijections.symbolic_coupling import SymbolicCoupling

        learner = {"width": self.width, "depth": self.depth, "library": self.library}
        # a single component is changed by every coupling, given y
        masks = [torch.arange(shapes.x) % 2 == (n % 2 if shapes.x > 1 else 1) for n in range(self.transforms)]
        layers = [SymbolicCoupling(mask, shapes.y, clamp=self.clamp, learner=learner) for mask in masks]
        return SymbolicFlowModel(
            layers, shapes, self.capabilities, sparsity=self.sparsity, threshold=self.threshold
        )
