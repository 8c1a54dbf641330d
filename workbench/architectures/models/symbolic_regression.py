"""Model of invertible symbolic regression (`workbench.architectures.symbolic_regression`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workbench.architectures.models.zuko_flow import ZukoFlowModel
from workbench.bijections.symbolic_coupling import SymbolicCoupling
from workbench.core.shapes import Shapes

#: Fractions of the training after which the sparsity penalty begins, and after which the weights are pruned.
PENALTY_FROM, PRUNE_FROM = 0.25, 0.75


class SymbolicFlowModel(ZukoFlowModel):
    """Flow of symbolic couplings, whose weights are penalised and then pruned during training.

    Parameters
    ----------
    sparsity : weight λ of the penalty Σ |w|^½.
    threshold : network weights below it in magnitude are set to zero when pruning.
    """

    def __init__(
        self,
        layers: Sequence[SymbolicCoupling],
        shapes: Shapes,
        capabilities: frozenset[str],
        *,
        sparsity: float,
        threshold: float,
    ) -> None:
        super().__init__(layers, shapes, capabilities)
        self.sparsity, self.threshold = sparsity, threshold
        self.register_buffer("cut", torch.zeros(1, dtype=torch.bool))

    def penalties(self, progress: float) -> dict[str, Tensor]:
        """Sparsity penalty, λ Σ |w|^½ (rounded at zero), under the name "sparsity".

        It is 0 before `PENALTY_FROM` and after `PRUNE_FROM`.
        """
        value = torch.stack([layer.learner.penalty() for layer in self.layers]).sum()
        return {"sparsity": value * (self.sparsity if PENALTY_FROM <= progress < PRUNE_FROM else 0.0)}

    @property
    def settled(self) -> bool:
        """True once the weights are pruned.

        Before that, validation does not select the best weights: they would not be sparse, and their
        formulas would be long.
        """
        return bool(self.cut)

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        """Prune the weights once, after the fraction `PRUNE_FROM` of training."""
        if progress >= PRUNE_FROM and not bool(self.cut):
            self.prune(self.threshold)
            self.cut.fill_(True)

    def prune(self, threshold: float) -> None:
        """Set weights below the threshold in magnitude to zero, permanently."""
        for layer in self.layers:
            layer.learner.prune(threshold)

    def expressions(self, x: list[Any], y: list[Any]) -> list[list[Any]]:
        """The output of each layer as sympy expressions, one list (D,) per layer, given x (D,) and y (M,)."""
        outputs = []
        for layer in self.layers:
            x = layer.expressions(x, y)
            outputs.append(x)
        return outputs
