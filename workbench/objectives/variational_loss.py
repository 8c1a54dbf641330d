"""Loss of the variational objective: the parts that the model minimises, and the critic's own loss."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.critics.ascent import bounded_logits, critic_loss
from workbench.critics.stabilisers import gradient_penalty, instance_noise
from workbench.divergences import FDivergence, SampleDivergence
from workbench.objectives import directions, terms
from workbench.objectives.base import Batch, Context, Loss

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.core.model import Model
    from workbench.divergences import Divergence
    from workbench.objectives.variational import Variational

#: Fraction of λ at which a ramp starts, so that there is a gradient at the first step.
_START_OF_RAMP = 0.01
#: Most held-out points for validation with a divergence without a critic, whose cost may be n².
_DIRECT_HELD_OUT = 512


class VariationalLoss(Loss):
    """Loss of the variational objective, with its critic if the divergence needs one.

    Its parts are the estimate of the divergence, misfit_y (L_y) for models that predict y, the negative
    log-likelihood for models with a density, and the terms that are selected: non-saturating loss,
    reconstruction, prior loss.
    """

    objective: Variational

    validates = False

    def __init__(self, objective: Variational, model: Model, context: Context) -> None:
        super().__init__(objective, context)
        self._divergence: tuple[dict[str, Any], Divergence] | None = None
        self.averaged: nn.Module | None = None
        if not objective.needs_critic:
            self.held_out = _DIRECT_HELD_OUT
            return
        self.critic = objective.make_critic().build(directions.features(objective.direction, model))
        if objective.critic_averaging > 0:
            self.averaged = copy.deepcopy(self.critic).requires_grad_(False)

    def networks(self) -> nn.ModuleDict:
        networks = super().networks()
        if self.averaged is not None:
            networks["averaged"] = self.averaged
        return networks

    @property
    def divergence(self) -> Divergence:
        """The divergence with its current settings, which may change during a run."""
        settings = self.objective.divergence_values()
        if self._divergence is None or self._divergence[0] != settings:
            self._divergence = (settings, self.objective.make_divergence())
        return self._divergence[1]

    # ---- the model's loss
    def parts(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        samples = self._pair(model, batch, generator)
        parts = self._divergence_parts(samples, batch, generator)
        if Capability.FORWARD in model.capabilities:
            parts["misfit_y"] = (model.predict(batch.x) - batch.y).square().sum(-1).mean()
        if Capability.DENSITY in model.capabilities:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.objective.weight_likelihood > 0):
                parts["negative_log_likelihood"] = (
                    self.context.log_volume(batch.x).mean() - model.log_prob(batch.x, batch.y).mean()
                )
        return parts | self._further_terms(model, batch, samples, generator)

    def _divergence_parts(
        self, samples: directions.Pair, batch: Batch, generator: torch.Generator
    ) -> dict[str, Tensor]:
        spec, divergence = self.objective, self.divergence
        p, q = self._ordered(samples.data, samples.model)
        if isinstance(divergence, SampleDivergence):
            return {spec.divergence: divergence.between_rows(p, q, generator)}
        at_p, at_q = (self._logits(self._critic_input(u, batch, generator)) for u in (p, q))
        parts = {spec.divergence: divergence.value(at_p, at_q)}
        if self._non_saturating:
            parts["non_saturating"] = (
                divergence.non_saturating(at_q)
                if spec.order == "data_first"
                else divergence.non_saturating_first(at_p)
            )
        return parts

    def _further_terms(
        self, model: Model, batch: Batch, samples: directions.Pair, generator: torch.Generator
    ) -> dict[str, Tensor]:
        spec, parts = self.objective, {}
        if spec.weight_reconstruction > 0:
            parts["reconstruction"] = terms.reconstruction(
                spec.reconstruction,
                spec.direction,
                model,
                batch,
                samples,
                spec.reconstruction_noise,
                generator,
            )
        if spec.prior_loss != "none" and spec.weight_prior > 0:
            parts["prior_loss"] = terms.prior_loss(
                spec.prior_loss, model, batch, samples, self.context, spec.prior_low, spec.prior_high
            )
        return parts

    # ---- the critic's loss
    def critic_loss(self, model: Model, batch: Batch, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            samples = self._pair(model, batch, generator)
            data, draws = (self._critic_input(u, batch, generator) for u in (samples.data, samples.model))
        spec = self.objective
        loss = critic_loss(
            self.divergence,
            self.critic,
            data,
            draws,
            generator,
            data_first=spec.order == "data_first",
            logit_clamp=spec.logit_clamp,
            r1_weight=spec.gradient_penalty,
        )
        if spec.slope_penalty > 0:
            loss = loss + spec.slope_penalty * gradient_penalty(
                self.critic,
                data,
                draws,
                generator,
                target=spec.slope_target,
                one_sided=spec.slope_one_sided,
            )
        return loss

    def after_critic_step(self) -> None:
        """Update the moving average of the critic's weights, if the objective keeps one."""
        if self.averaged is None:
            return
        decay = self.objective.critic_averaging
        with torch.no_grad():
            for average, weight in zip(self.averaged.parameters(), self.critic.parameters(), strict=True):
                average.lerp_(weight, 1 - decay)

    # ---- shared
    def _pair(self, model: Model, batch: Batch, generator: torch.Generator) -> directions.Pair:
        return directions.pair(self.objective.direction, model, batch, generator)

    def _ordered(self, data: Tensor, model: Tensor) -> tuple[Tensor, Tensor]:
        """Return data and model samples as first and second argument of the divergence, by ``order``."""
        return (data, model) if self.objective.order == "data_first" else (model, data)

    def _critic_input(self, points: Tensor, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return points (n, U) with instance noise, whose size falls linearly to zero over the run."""
        size = self.objective.instance_noise * (1 - batch.progress)
        return instance_noise(points, size, generator) if size > 0 else points

    def _logits(self, points: Tensor) -> Tensor:
        """Return the critic's logits (n, 1), of its moving average if there is one, for the model's loss."""
        critic = self.critic if self.averaged is None else self.averaged
        return bounded_logits(critic, points, self.objective.logit_clamp)

    @property
    def _non_saturating(self) -> bool:
        spec = self.objective
        return spec.generator_gradient == "non_saturating" and isinstance(self.divergence, FDivergence)

    def weights(self, progress: float) -> dict[str, float]:
        spec = self.objective
        rise = 1.0 if spec.ramp == 0 else min(1.0, max(progress / spec.ramp, _START_OF_RAMP))
        fall = 1.0 if spec.fade_likelihood == 0 else max(0.0, 1.0 - progress / spec.fade_likelihood)
        weight = spec.weight_divergence * rise
        return {
            spec.divergence: 0.0 if self._non_saturating else weight,
            "non_saturating": weight,
            "misfit_y": spec.weight_y,
            "negative_log_likelihood": spec.weight_likelihood * fall,
            "reconstruction": spec.weight_reconstruction,
            "prior_loss": spec.weight_prior,
        }
