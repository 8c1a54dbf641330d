"""Base of the regressed ensembles, networks that refine a linear Gaussian posterior: common settings."""

from __future__ import annotations

from typing import ClassVar

import param

from workbench.architectures.base import CostCard, NetworkArchitecture
from workbench.core.capability import Capability


class RegressedArchitecture(NetworkArchitecture):
    """Base of ensembles of K networks that refine a linear Gaussian posterior fitted to the training data."""

    capabilities = frozenset({Capability.DENSITY, Capability.CONDITIONAL, Capability.UNCONDITIONAL})
    keeps_bounds = True
    cost: ClassVar[CostCard] = CostCard(
        density="1 pass", sampling="D passes", inverse="none, there is no latent"
    )

    members = param.Integer(
        default=3,
        bounds=(1, 32),
        doc="""
        Number K of networks whose densities are averaged. More of them overfit less.""",
    )
    width = param.Integer(default=128)
    activation = param.Selector(default="silu")
