"""Masked autoregressive flow (MAF): each component is scaled and shifted by what those before it say.

forward   z_i = x_i exp s_i(x_{<i}, y) + t_i(x_{<i}, y);  the order changes from layer to layer
log-det   Σ_i s_i(x_{<i}, y), over the layers; the Jacobian of a layer is triangular in its order
inverse   x_i = (z_i − t_i(x_{<i}, y)) exp(−s_i(x_{<i}, y)), one component after the other: D passes a layer
          s = ŝ / (1 + |ŝ| / c) stays within ±c
Source: Papamakarios, Pavlakou & Murray 2017, Masked Autoregressive Flow for Density Estimation,
arXiv:1705.07057; the masks: Germain, Gregor, Murray & Larochelle 2015, MADE, arXiv:1502.03509.
"""

from __future__ import annotations

import math
from functools import partial
from typing import ClassVar

import param
from zuko.transforms import MonotonicAffineTransform

from workbench.architectures.autoregressive import AutoregressiveArchitecture
from workbench.architectures.base import ARCHITECTURES, CostCard
from workbench.architectures.couplings import FLOW_CAPABILITIES
from workbench.architectures.flow_model import ZukoFlowModel
from workbench.core.shapes import Shapes


@ARCHITECTURES.register
class MAF(AutoregressiveArchitecture):
    """With a single component and no y this is a scale and a shift: it can only fit a Gaussian."""

    key = "maf"
    title = "Masked autoregressive flow"
    summary = (
        "Each component is scaled and shifted by an amount that a masked network reads off those before it."
    )
    reference = (
        "Papamakarios, Pavlakou & Murray (2017), Masked Autoregressive Flow for Density "
        "Estimation, NeurIPS, arXiv:1705.07057"
    )
    capabilities = FLOW_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(density="1 pass", sampling="D passes", inverse="exact, D passes")

    clamp = param.Number(
        default=3.0,
        bounds=(0.1, 10.0),
        doc="""
        Largest log-scale of one layer: it stretches by exp(clamp) at most. Small values are stable, large
        ones reach sharp densities with few layers.""",
    )

    def assemble(self, shapes: Shapes) -> ZukoFlowModel:
        affine = partial(MonotonicAffineTransform, slope=math.exp(-self.clamp))
        layers = self.autoregressive_layers(shapes, lambda: affine, ((), ()))
        return ZukoFlowModel(layers, shapes, self.capabilities)
