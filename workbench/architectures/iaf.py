"""Inverse autoregressive flow (IAF): the masked autoregressive flow turned round, so that sampling is cheap.

forward   z_i = (x_i − t_i(z_{<i}, y)) exp(−s_i(z_{<i}, y)), one component after the other: D passes a layer
log-det   −Σ_i s_i(z_{<i}, y), over the layers
inverse   x_i = z_i exp s_i(z_{<i}, y) + t_i(z_{<i}, y): all components at once
          s = ŝ / (1 + |ŝ| / c) stays within ±c
Source: Kingma et al. 2016, Improved Variational Inference with Inverse Autoregressive Flow, arXiv:1606.04934.
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
class IAF(AutoregressiveArchitecture):
    """Suits objectives that draw from the model at each step; by likelihood it trains D times slower."""

    key = "iaf"
    title = "Inverse autoregressive flow"
    summary = (
        "Each component of x is scaled and shifted by what a masked network reads off the latent before it."
    )
    reference = (
        "Kingma et al. (2016), Improved Variational Inference with Inverse Autoregressive Flow, "
        "NeurIPS, arXiv:1606.04934"
    )
    capabilities = FLOW_CAPABILITIES
    cost: ClassVar[CostCard] = CostCard(density="D passes", sampling="1 pass", inverse="exact, 1 pass")

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
        return ZukoFlowModel([layer.inv for layer in layers], shapes, self.capabilities)
