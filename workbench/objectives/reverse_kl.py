"""Reverse Kullback-Leibler divergence against a target whose density is known.

Definition   KL(q || p) = E_{x~q}[ log q(x) - log p(x) ];  with an observation, averaged over y:
             E_y KL(q(.|y) || p(.|y)) = E_y E_{x~q(.|y)}[ log q(x|y) - log p(x, y) ] + E_y log p(y)
Estimator    Monte Carlo with reparameterised samples; exact gradient
Character    mode seeking: needs no data, but may settle on one mode
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.model import Model, standard_normal_log_density
from workbench.objectives.base import OBJECTIVES, Batch, Context, Loss, Objective, draw_latent


@OBJECTIVES.register
class ReverseKL(Objective):
    """Reverse Kullback-Leibler (KL) divergence from the model's own samples."""

    key = "reverse_kl"
    title = "Reverse KL"
    summary = "Fits the model's samples to a known density: mode seeking, and no data are needed."
    reference = "Change of variables; Papamakarios et al. (2021), §2.3"
    needs_model = frozenset({Capability.DENSITY, Capability.BIJECTION, Capability.REPARAMETERISED})

    def conflicts(self, problem, architecture) -> list[str]:
        given = problem.capabilities
        if Capability.OBSERVATION in given:
            if Capability.LOG_JOINT not in given:
                return [
                    f"reverse KL needs a problem that {Capability.LOG_JOINT.sentence}; "
                    f"{problem.title} has none (or its noise is zero)"
                ]
            if Capability.FULL_SUPPORT not in given:
                return [
                    f"reverse KL needs a problem that {Capability.FULL_SUPPORT.sentence}; "
                    f"the prior of {problem.title} ends at its bounds"
                ]
            return []
        for need in (Capability.LOG_DENSITY, Capability.FULL_SUPPORT):
            if need not in given:
                return [
                    f"reverse KL needs a problem that {Capability(need).sentence}; "
                    f"{problem.title} does not qualify"
                ]
        return []

    def build(self, model: Model, context: Context) -> Loss:
        return ReverseKLLoss(self, context)


class ReverseKLLoss(Loss):
    """E[log q - log p] in nats. With an observation it lacks the constant E log p(y), which no model can
    change."""

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        known = self.context
        z = draw_latent(model, len(batch), batch.x, generator)
        x, log_det = model.inverse(z, batch.y)
        log_q = standard_normal_log_density(z) - log_det - known.scale_x.log().sum()
        x = known.shift_x + known.scale_x * x
        if batch.y is None:
            log_p = known.problem.log_density(x)
        else:
            log_p = known.problem.log_joint(x, known.shift_y + known.scale_y * batch.y)
        return {"reverse_kl": (log_q - log_p.to(log_q)).mean()}
