"""Glow for vectors: actnorm, an invertible linear map and an affine coupling, over and over.

forward   u = exp(a) ⊙ x + b;  v = P L U u;  z_a = v_a,  z_b = v_b ⊙ exp s(v_a, y) + t(v_a, y)
log-det   Σ a_i + Σ d_i + Σ s(v_a, y), over the steps; exp(d) is the diagonal of U up to sign
inverse   v_b = (z_b − t(z_a, y)) ⊙ exp(−s(z_a, y));  u = U⁻¹ L⁻¹ Pᵀ v;  x = (u − b) ⊙ exp(−a)
          a and b are set by the first training batch, so that it leaves with mean 0 and variance 1
          s = ŝ / (1 + |ŝ| / c) stays within ±c, so that no single step can explode or collapse space
Source: Kingma & Dhariwal 2018, Glow: Generative Flow with Invertible 1×1 Convolutions, arXiv:1807.03039.
"""

from __future__ import annotations

import math
from functools import partial
from typing import ClassVar

import param
from zuko.transforms import MonotonicAffineTransform

from workbench.architectures.base import ARCHITECTURES, CostCard, LayeredArchitecture
from workbench.architectures.couplings import FLOW_CAPABILITIES, coupling_layers
from workbench.architectures.flow_model import ZukoFlowModel
from workbench.bijections.actnorm import ActNorm
from workbench.bijections.lu_linear import LULinear
from workbench.core.shapes import Shapes


@ARCHITECTURES.register
class Glow(LayeredArchitecture):
    """The linear maps mix all components between two couplings; with one component there is none."""

    key = "glow"
    title = "Glow"
    summary = (
        "RealNVP's couplings with learned linear maps between them, and a normalisation that the "
        "first batch sets."
    )
    reference = (
        "Kingma & Dhariwal (2018), Glow: Generative Flow with Invertible 1x1 Convolutions, NeurIPS, "
        "arXiv:1807.03039"
    )
    capabilities = FLOW_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(density="1 pass", sampling="1 pass", inverse="exact, 1 pass")
    least_features = 2

    transforms = param.Integer(default=8)
    clamp = param.Number(
        default=3.0,
        bounds=(0.1, 10.0),
        doc="""
        Largest log-scale of one coupling: it stretches by exp(clamp) at most. Small values are stable, large
        ones reach sharp densities with few layers.""",
    )

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        affine = partial(MonotonicAffineTransform, slope=math.exp(-self.clamp))
        couplings = coupling_layers(
            shapes,
            self.transforms,
            univariate=affine,
            parameters=((), ()),
            network=self.network(),
            mixing="none",
        )
        layers = []
        for coupling in couplings:
            mixed = [LULinear(shapes.x)] if shapes.x > 1 else []
            layers += [ActNorm(shapes.x), *mixed, coupling]
        return ZukoFlowModel(layers, shapes, self.capabilities)
