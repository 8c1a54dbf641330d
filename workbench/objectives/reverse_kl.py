"""Reverse Kullback-Leibler divergence KL(q || p) of a model q from a target p whose density is known.

Definition   KL(q || p) = E_{x~q}[ log q(x) - log p(x) ];  with an observation, averaged over y:
             E_y KL(q(.|y) || p(.|y)) = E_y E_{x~q(.|y)}[ log q(x|y) - log p(x, y) ] + E_y log p(y)
Estimator    Monte Carlo with reparameterised samples; exact gradient
Character    mode seeking: needs no data, but the model may collapse to one mode
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.capability import Capability, unmet_need
from workbench.core.lazy import torch
from workbench.objectives.base import OBJECTIVES, Batch, Context, Loss, Objective, draw_latent

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.architectures.base import Architecture
    from workbench.core.model import Model
    from workbench.problems.base import Problem


#: Likely reasons why a problem lacks a capability, appended to the message that names it.
_REASONS = {
    Capability.LOG_JOINT: " (for instance since its noise is zero)",
    Capability.FULL_SUPPORT: ": its density ends at bounds",
}


@OBJECTIVES.register
class ReverseKL(Objective):
    """Objective: the reverse Kullback-Leibler (KL) divergence, estimated from the model's own samples."""

    key = "reverse_kl"
    title = "Reverse KL"
    summary = "Fits the model's samples to a known density: mode seeking, and no data are needed."
    reference = "Change of variables; Papamakarios et al. (2021), §2.3"
    needs_model = frozenset({Capability.DENSITY, Capability.BIJECTION, Capability.REPARAMETERISED})

    def conflicts(self, problem: Problem, architecture: Architecture) -> list[str]:
        observation = Capability.OBSERVATION in problem.capabilities
        density = Capability.LOG_JOINT if observation else Capability.LOG_DENSITY
        for need in (density, Capability.FULL_SUPPORT):
            if need not in problem.capabilities:
                return [unmet_need(self.title, need, problem.title, of="problem") + _REASONS.get(need, "")]
        return []

    def build(self, model: Model, context: Context) -> Loss:
        return ReverseKLLoss(self, context)


class ReverseKLLoss(Loss):
    """Reverse KL divergence E[log q - log p] in nats, without the constant E log p(y) of the observation."""

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        from workbench.core.model import standard_normal_log_density

        context = self.context
        z = draw_latent(model, len(batch), batch.x, generator)
        x, log_det = model.inverse(z, batch.y)
        log_q = standard_normal_log_density(z) - log_det
        x, volume = context.units.x_out_with_volume(x)
        log_q = log_q.to(volume) - volume
        if batch.y is None:
            log_p = context.problem.log_density(x)
        else:
            log_p = context.problem.log_joint(x, context.units.y_out(batch.y))
        return {"reverse_kl": (log_q - log_p).mean().to(z)}
