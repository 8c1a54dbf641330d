"""The loss of the variational objective: what the model descends and what the critic climbs."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from workbench.core.capability import Capability
from workbench.core.model import Model
from workbench.critics.stabilisers import clamp, gradient_penalty, instance_noise
from workbench.divergences import FDivergence, SampleDivergence
from workbench.objectives import directions, terms
from workbench.objectives.base import Batch, Context, Loss, Objective

#: Share of λ from which a ramp starts, so that there is a gradient at the first step.
_START_OF_RAMP = 0.01
#: Held-out points on which a divergence of n² cost is validated.
_DIRECT_HELD_OUT = 512


class VariationalLoss(Loss):
    """Parts: the divergence's current estimate, L_y where the network predicts y, the watched likelihood, and
    the terms that were asked for."""

    validates = False

    def __init__(self, objective: Objective, model: Model, context: Context) -> None:
        super().__init__(objective, context)
        self._made = (None, None)
        self.averaged: nn.Module | None = None
        if not objective.needs_critic:
            self.held_out = _DIRECT_HELD_OUT
            return
        self.critic = objective.make_critic().build(directions.features(objective.direction, model))
        if objective.critic_averaging > 0:
            self.averaged = copy.deepcopy(self.critic).requires_grad_(False)

    @property
    def divergence(self):
        """The divergence with the settings as they are now: they may be turned while the run goes on."""
        now = self.objective.divergence_values()
        if self._made[0] != now:
            self._made = (now, self.objective.make_divergence())
        return self._made[1]

    # ---- the model's side
    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        drawn = self._pair(model, batch, generator)
        parts = self._divergence_parts(drawn, batch, generator)
        if Capability.FORWARD in model.capabilities:
            parts["misfit_y"] = (model.predict(batch.x) - batch.y).square().sum(-1).mean()
        if Capability.DENSITY in model.capabilities:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.objective.weight_likelihood > 0):
                parts["negative_log_likelihood"] = (
                    self.context.scale_x.log().sum() - model.log_prob(batch.x, batch.y).mean()
                )
        return parts | self._further_terms(model, batch, drawn, generator)

    def _divergence_parts(self, drawn, batch: Batch, generator) -> dict[str, Tensor]:
        spec, divergence = self.objective, self.divergence
        p, q = self._ordered(drawn.data, drawn.model)
        if isinstance(divergence, SampleDivergence):
            return {spec.divergence: divergence.between_rows(p, q, generator)}
        at_p, at_q = (self._logits(self._seen(u, batch, generator), judge=True) for u in (p, q))
        parts = {spec.divergence: divergence.value(at_p, at_q)}
        if self._tricks:
            parts["non_saturating"] = (
                divergence.non_saturating(at_q)
                if spec.order == "data_first"
                else divergence.non_saturating_first(at_p)
            )
        return parts

    def _further_terms(self, model: Model, batch: Batch, drawn, generator) -> dict[str, Tensor]:
        spec, parts = self.objective, {}
        if spec.weight_reconstruction > 0:
            parts["reconstruction"] = terms.reconstruction(
                spec.reconstruction,
                spec.direction,
                model,
                batch,
                drawn,
                spec.reconstruction_noise,
                generator,
            )
        if spec.prior_loss != "none" and spec.weight_prior > 0:
            parts["prior_loss"] = terms.prior_loss(
                spec.prior_loss, model, batch, drawn, self.context, spec.prior_low, spec.prior_high
            )
        return parts

    # ---- the critic's side
    def critic_loss(self, model: Model, batch: Batch, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            drawn = self._pair(model, batch, generator)
            data, made = (self._seen(u, batch, generator) for u in (drawn.data, drawn.model))
        spec, divergence = self.objective, self.divergence
        penalty = spec.gradient_penalty
        data.requires_grad_(penalty > 0)
        at_data, at_model = self._logits(data), self._logits(made)
        loss = -divergence.critic_value(*self._ordered(at_data, at_model))
        loss = loss + divergence.penalty(self.critic, *self._ordered(data, made), generator)
        if penalty > 0:
            (slope,) = torch.autograd.grad(at_data.sum(), data, create_graph=True)
            loss = loss + 0.5 * penalty * slope.square().sum(-1).mean()
        if spec.slope_penalty > 0:
            loss = loss + spec.slope_penalty * gradient_penalty(
                self.critic,
                data,
                made,
                generator,
                target=spec.slope_target,
                one_sided=spec.slope_one_sided,
            )
        return loss

    @torch.no_grad()
    def after_critic_step(self) -> None:
        """Moves the averaged critic, where there is one."""
        if self.averaged is None:
            return
        decay = self.objective.critic_averaging
        for kept, now in zip(self.averaged.parameters(), self.critic.parameters(), strict=True):
            kept.lerp_(now, 1 - decay)

    # ---- what both need
    def _pair(self, model: Model, batch: Batch, generator):
        return directions.pair(self.objective.direction, model, batch, generator)

    def _ordered(self, data: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
        """As first and second argument of the divergence."""
        return (data, made) if self.objective.order == "data_first" else (made, data)

    def _seen(self, points: Tensor, batch: Batch, generator) -> Tensor:
        """What the critic gets to see: with noise that falls to zero over the run."""
        size = self.objective.instance_noise * (1 - batch.progress)
        return instance_noise(points, size, generator) if size > 0 else points

    def _logits(self, points: Tensor, *, judge: bool = False) -> Tensor:
        """Of the critic that climbs, or as ``judge`` of the one that the model descends."""
        critic = self.averaged if judge and self.averaged is not None else self.critic
        limit = self.objective.logit_clamp
        return clamp(critic(points), limit) if limit > 0 else critic(points)

    @property
    def _tricks(self) -> bool:
        spec = self.objective
        return spec.generator_gradient == "non_saturating" and isinstance(self.divergence, FDivergence)

    def weights(self, progress: float) -> dict[str, float]:
        spec = self.objective
        rise = 1.0 if spec.ramp == 0 else min(1.0, max(progress / spec.ramp, _START_OF_RAMP))
        fall = 1.0 if spec.fade_likelihood == 0 else max(0.0, 1.0 - progress / spec.fade_likelihood)
        weight = spec.weight_divergence * rise
        return {
            spec.divergence: 0.0 if self._tricks else weight,
            "non_saturating": weight,
            "misfit_y": spec.weight_y,
            "negative_log_likelihood": spec.weight_likelihood * fall,
            "reconstruction": spec.weight_reconstruction,
            "prior_loss": spec.weight_prior,
        }
