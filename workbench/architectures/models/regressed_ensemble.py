"""Model of the ensemble of regressed spline flows (`workbench.architectures.regressed_ensemble`)."""

from __future__ import annotations

from torch import Tensor, nn

from workbench.architectures.models.input_checks import check_context, check_rows
from workbench.architectures.models.regressed_model import RegressedModel
from workbench.bijections.stacked_splines import StackedSplines
from workbench.core.model import standard_normal_log_density
from workbench.core.shapes import Shapes


class RegressedEnsembleModel(RegressedModel):
    """Ensemble whose members are spline flows of the regression's residuals.

    Parameters
    ----------
    layers : spline layers; each holds, and evaluates at once, one layer of every member.
    """

    def __init__(
        self, shapes: Shapes, layers: list[StackedSplines], members: int, capabilities: frozenset[str]
    ) -> None:
        super().__init__(shapes, members, capabilities, learned_regression=True)
        self.layers = nn.ModuleList(layers)

    def log_probs(self, x: Tensor, y: Tensor | None) -> Tensor:
        check_rows("x", x, self.features)
        check_context(y, self.context, x.shape[0])
        c = self.features_of(y)
        u, total, _ = self.residuals(x, c)
        u = u.expand(self.members, *u.shape)
        for layer in self.layers:
            u, log_det = layer(c).call_and_ladj(u)
            total = total + log_det
        return standard_normal_log_density(u) + total

    def invert_members(self, z: Tensor, c: Tensor | None, members: slice) -> Tensor:
        for layer in reversed(self.layers):
            z = layer(c, members).inv(z)
        return z
