"""Conditional flow matching on straight paths.

Definition   L = E | f(x_t, t, y) − (x − z) |²,  x_t = (1 − t) z + t x,  z ~ N(0, I),  t ~ U(0, 1)
Estimator    one z and one t per point; the flow is never integrated
Character    the optimum of the regression is E[x − z | x_t, y], whose flow carries N(0, I) to p(x | y); the
             loss at the optimum is the variance of x − z given x_t, t, y, not zero
Source: Lipman et al. 2023, arXiv:2210.02747, equations (14) and (23) with σ_min = 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.objectives.base import OBJECTIVES, Batch, Context, Loss, Objective, draw_latent

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.model import Model


@OBJECTIVES.register
class FlowMatchingObjective(Objective):
    """Objective: regression of the velocity field on straight paths from noise to data."""

    key = "flow_matching"
    title = "Flow matching"
    summary = "Regresses the velocity field on straight paths from noise to data; nothing is integrated."
    reference = "Lipman et al. (2023), Flow Matching for Generative Modeling, arXiv:2210.02747"
    needs_model = frozenset({Capability.VELOCITY})

    def build(self, model: Model, context: Context) -> Loss:
        return FlowMatchingLoss(self, context)


class FlowMatchingLoss(Loss):
    """Flow matching loss; its part ``velocity_misfit`` is the mean of |f − (x − z)|², standardised."""

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        x = batch.x
        z = draw_latent(model, len(batch), x, generator)
        t = torch.rand(len(batch), generator=generator, device=x.device, dtype=x.dtype)
        x_t = z + t[:, None] * (x - z)
        misfit = model.velocity(t, x_t, batch.y) - (x - z)
        return {"velocity_misfit": misfit.square().sum(-1).mean()}
