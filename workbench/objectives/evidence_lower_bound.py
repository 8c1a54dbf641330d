"""The evidence lower bound (ELBO), losses (17) and (18).

Definition   −E_q log p(x | c, y) + β KL( q(c | x, y) ‖ N(0, I) ),  KL = −½ Σ (1 + log v − μ² − v)
Estimator    one code for each point, reparameterised; the KL divergence in closed form
Character    at β = 1 never below −E log p(x | y), in nats of the data's own units, up to sampling; the gap is
             KL( q ‖ the model's own posterior of codes )
Source: Kingma & Welling 2014, arXiv:1312.6114; β: Higgins et al. 2017, beta-VAE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.objectives.base import OBJECTIVES, Batch, Context, Loss, Objective

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.model import Model


@OBJECTIVES.register
class EvidenceLowerBound(Objective):
    """Negative evidence lower bound."""

    key = "evidence_lower_bound"
    title = "Evidence lower bound"
    summary = (
        "Reconstruction error of x from its code, plus the information in the code; losses (17) and (18)."
    )
    reference = (
        "Kingma & Welling (2014), arXiv:1312.6114; review of invertible neural networks, eqs. 17 and 18"
    )
    needs_model = frozenset({Capability.EVIDENCE})
    live = frozenset({"weight_latent"})

    weight_latent = param.Number(
        1.0,
        bounds=(0, 100),
        doc="Weight β of the KL divergence. At 1 the loss "
        "bounds the likelihood; less lets the code carry more.",
    )

    def build(self, model: Model, context: Context) -> Loss:
        return EvidenceLoss(self, context)


class EvidenceLoss(Loss):
    """Parts: reconstruction, −E log p(x | c, y) in nats of the data's units, and kullback_leibler."""

    objective: EvidenceLowerBound

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        x = batch.x
        noise = torch.randn(
            len(batch), model.code_features, generator=generator, device=x.device, dtype=x.dtype
        )
        likelihood, divergence = model.evidence(x, batch.y, noise)
        offset = self.context.scale_x.log().sum()
        return {"reconstruction": offset - likelihood.mean(), "kullback_leibler": divergence.mean()}

    def weights(self, progress: float) -> dict[str, float]:
        return {"kullback_leibler": self.objective.weight_latent}
