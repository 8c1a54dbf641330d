"""Model of the residual flow (`workbench.architectures.residual_flow`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from workbench.architectures.models.zuko_flow import ZukoFlowModel
from workbench.bijections.residual import Residual
from workbench.core.shapes import Shapes


def lipschitz_bounds(blocks: Sequence[Residual]) -> tuple[float, float]:
    """Return bounds of the Lipschitz constants of a composition of blocks, and of its inverse.

    They are Π (1 + L) and Π 1 / (1 − L), over the Lipschitz bounds L of the blocks' networks.
    """
    constants = [block.network.lipschitz for block in blocks]
    return math.prod(1 + c for c in constants), math.prod(1 / (1 - c) for c in constants)


class ResidualFlowModel(ZukoFlowModel):
    """Flow of residual blocks, whose Lipschitz constants are bounded for any weights.

    Attributes
    ----------
    lipschitz, lipschitz_inverse : bounds of the Lipschitz constants of x -> z and z -> x at fixed y.
    displacement : bound of |T(x) − x| and of |T⁻¹(z) − z|; infinite where the biases are unbounded.
    """

    def __init__(self, layers: Sequence[Residual], shapes: Shapes, capabilities: frozenset[str]) -> None:
        super().__init__(layers, shapes, capabilities)
        self.lipschitz, self.lipschitz_inverse = lipschitz_bounds(layers)
        self.displacement = sum(layer.network.value_bound for layer in layers)

    @property
    def iterations(self) -> tuple[int, ...]:
        """Number of evaluations of each block's network in the latest inverse, one entry per block."""
        return tuple(layer.iterations for layer in self.layers)
