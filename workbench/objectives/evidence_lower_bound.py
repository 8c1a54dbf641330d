"""The evidence lower bound (ELBO), the loss of variational autoencoders.

Definition   −E_q log p(x | c, y) + β KL( q(c | x, y) ‖ N(0, I) ),  KL = −½ Σ (1 + log v − μ² − v),  c the
             latent code, μ and v its mean and variance
Estimator    one code per point, reparameterised; the KL divergence in closed form
Character    at β = 1 an upper bound of −E log p(x | y) in nats, with x in data units, up to sampling error;
             the gap is KL( q(c | x, y) ‖ p(c | x, y) )
Source: Kingma & Welling 2014, arXiv:1312.6114; β: Higgins et al. 2017, beta-VAE; Mehta et al., A review of
invertible neural networks, eqs. (17) and (18).
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
    """Objective: the negative evidence lower bound of log p(x | y), for variational autoencoders."""

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
        "bounds the likelihood; less lets the code carry more information.",
    )

    def build(self, model: Model, context: Context) -> Loss:
        return EvidenceLoss(self, context)


class EvidenceLoss(Loss):
    """Evidence lower bound as a loss of two parts, in nats, with x in data units.

    ``reconstruction`` is −E log p(x | c, y), ``kullback_leibler`` the KL divergence of the code from N(0, I).
    """

    objective: EvidenceLowerBound

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        x = batch.x
        noise = torch.randn(
            len(batch), model.code_features, generator=generator, device=x.device, dtype=x.dtype
        )
        likelihood, divergence = model.evidence(x, batch.y, noise)
        offset = self.context.log_volume(x).mean()
        return {"reconstruction": offset - likelihood.mean(), "kullback_leibler": divergence.mean()}

    def weights(self, progress: float) -> dict[str, float]:
        return {"kullback_leibler": self.objective.weight_latent}
