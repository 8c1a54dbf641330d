"""The variational objective of VINA: L_y + λ D, with D the supremum over a critic.

Backward joint (the default because it identifies the posterior):
    D( P_{X,Y} || P_{T⁻¹(Y,Z), Y} ) = sup_v  E[gain(v(x, y))] - E[cost(v(T⁻¹(y, z), y))]
The critic climbs, the model descends the same value (exact gradient, no non-saturating trick). Without y
it is
D(P_X || P_{T⁻¹(Z)}). For an invertible network with [y, z] the supervised L_y is added.
"""

from __future__ import annotations

import param
import torch
from torch import Tensor

from workbench.core import capability
from workbench.core.model import Model
from workbench.critics import CRITICS
from workbench.divergences import DIVERGENCES, VariationalDivergence
from workbench.objectives.base import Batch, Context, Loss, Objective, draw_latent


class Variational(Objective):
    """L_y + λ D with a learned critic."""

    key = "variational"
    title = "Variational: L_y + λ D"
    summary = "A critic measures a divergence between data and model, and the model descends it."
    reference = "VINA eqs. 2, 6, 9 and 10, arXiv:2602.20480"
    needs_model = frozenset({capability.REPARAMETERISED})
    live = frozenset(
        {
            "weight_divergence",
            "weight_y",
            "weight_likelihood",
            "critic_learning_rate",
            "critic_steps",
            "gradient_penalty",
            "model_rate",
        }
    )

    divergence = param.Selector(
        default="jensen_shannon",
        doc="Which divergence the critic estimates.",
        objects=[d.key for d in DIVERGENCES if issubclass(d, VariationalDivergence)],
    )
    weight_divergence = param.Number(1.0, bounds=(0, 1e4), doc="Weight λ of the divergence.")
    weight_y = param.Number(
        10.0, bounds=(0, 1e4), doc="Weight of the supervised loss L_y (networks that predict y)."
    )
    weight_likelihood = param.Number(
        0.0,
        bounds=(0, 1e3),
        doc="Weight of the negative log-likelihood, for a hybrid; 0 only watches it (models with a density).",
    )
    critic_width = param.Integer(64, bounds=(2, 2048), doc="Units in each hidden layer of the critic.")
    critic_depth = param.Integer(2, bounds=(1, 8), doc="Hidden layers of the critic.")
    critic_steps = param.Integer(2, bounds=(1, 20), doc="Critic steps for each step of the model.")
    critic_learning_rate = param.Number(2e-3, bounds=(1e-6, 1.0), doc="Learning rate of the critic.")
    gradient_penalty = param.Number(
        0.1,
        bounds=(0, 100),
        doc="Weight of the critic's squared gradient on data (R1): steadies the game, 0 leaves it out.",
    )
    model_rate = param.Number(
        0.25,
        bounds=(1e-3, 10.0),
        doc="The network's learning rate as a share of the training's: slower than the critic's.",
    )

    def unused(self, architecture):
        needs = {"weight_y": capability.FORWARD, "weight_likelihood": capability.DENSITY}
        return frozenset(name for name, need in needs.items() if need not in architecture.capabilities)

    def build(self, model: Model, context: Context) -> Loss:
        return VariationalLoss(self, context)


class VariationalLoss(Loss):
    """Parts: the divergence's current estimate, L_y where the network predicts y, and the watched
    likelihood."""

    validates = False

    def __init__(self, objective: Variational, context: Context) -> None:
        super().__init__(objective, context)
        self.divergence = DIVERGENCES.make(objective.divergence)
        spec = CRITICS.make("mlp", width=objective.critic_width, depth=objective.critic_depth)
        self.critic = spec.build(context.shapes.x + context.shapes.y)

    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        real, fake = self._pairs(model, batch, generator)
        name = self.objective.divergence
        parts = {name: self.divergence.value(self.critic(real), self.critic(fake))}
        if capability.FORWARD in model.capabilities:
            parts["misfit_y"] = (model.predict(batch.x) - batch.y).square().sum(-1).mean()
        if capability.DENSITY in model.capabilities:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.objective.weight_likelihood > 0):
                parts["negative_log_likelihood"] = (
                    self.context.scale_x.log().sum() - model.log_prob(batch.x, batch.y).mean()
                )
        return parts

    def critic_loss(self, model: Model, batch: Batch, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            real, fake = self._pairs(model, batch, generator)
        penalty = self.objective.gradient_penalty
        real.requires_grad_(penalty > 0)
        logits = self.critic(real)
        loss = -self.divergence.critic_value(logits, self.critic(fake))
        loss = loss + self.divergence.penalty(self.critic, real, fake, generator)
        if penalty > 0:
            (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
            loss = loss + 0.5 * penalty * slope.square().sum(-1).mean()
        return loss

    def _pairs(self, model: Model, batch: Batch, generator) -> tuple[Tensor, Tensor]:
        """Joint samples (x, y) of the data and (T⁻¹(y, z), y) of the model, each (n, D + M)."""
        z = draw_latent(model, len(batch), batch.x, generator)
        fake, _ = model.inverse(z, batch.y)
        if batch.y is None:
            return batch.x.clone(), fake
        return torch.cat([batch.x, batch.y], -1), torch.cat([fake, batch.y], -1)

    def weights(self, progress: float) -> dict[str, float]:
        spec = self.objective
        return {
            spec.divergence: spec.weight_divergence,
            "misfit_y": spec.weight_y,
            "negative_log_likelihood": spec.weight_likelihood,
        }
