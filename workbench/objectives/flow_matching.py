"""Conditional flow matching on straight paths.

Definition   L = E | f(x_t, t, y) − (x − z) |²,  x_t = (1 − t) z + t x,  z ~ N(0, I),  t ~ U(0, 1)
Estimator    one z and one t for each point; the flow is never integrated
Character    the regression's optimum is E[x − z | x_t, y], whose flow carries N(0, I) to p(x | y); what is
             left of the loss is the variance that no field can remove
Source: Lipman et al. 2023, arXiv:2210.02747, equations (14) and (23) with σ_min = 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.model import Model
from workbench.objectives.base import OBJECTIVES, Batch, Context, Loss, Objective, draw_latent


@OBJECTIVES.register
class FlowMatchingObjective(Objective):
    """Regression of the velocity, the sum over components and the mean over points."""

    key = "flow_matching"
    title = "Flow matching"
    summary = "Regresses the velocity field on straight ways from noise to data; nothing is integrated."
    reference = "Lipman et al. (2023), Flow Matching for Generative Modeling, arXiv:2210.02747"
    needs_model = frozenset({Capability.VELOCITY})

    def build(self, model: Model, context: Context) -> Loss:
        return FlowMatchingLoss(self, context)


class FlowMatchingLoss(Loss):
    """Part: velocity_misfit, in standardised units."""

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        x = batch.x
        z = draw_latent(model, len(batch), x, generator)
        t = torch.rand(len(batch), generator=generator, device=x.device, dtype=x.dtype)
        on_the_way = z + t[:, None] * (x - z)
        misfit = model.velocity(t, on_the_way, batch.y) - (x - z)
        return {"velocity_misfit": misfit.square().sum(-1).mean()}
