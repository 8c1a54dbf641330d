"""Adversarial training of a map outside a `Run`, for any latent distribution; the critic may see only some
components of the map's output.

backward   the sampler z ↦ x̂ descends D(P_X, P_x̂)         forward   x ↦ ẑ descends D(P_Z, P_ẑ)

P_X and P_Z are the distributions of the data and of the latents, x̂ and ẑ the outputs of the map.

In both directions one distribution, the target, is fixed, and the other is the image of a source distribution
under the trained map. With a critic, each step first maximises the divergence's dual value over the critic,
then takes a step of the map that minimises it; without one, the map minimises the estimate from the two
samples. With a `LoopCheckpoint`, training that was killed goes on from it with the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.errors import NonFiniteError
from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch
from workbench.critics.ascent import bounded_logits, critic_loss, critic_step
from workbench.studies import catalogues

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Adam

    from workbench.divergences import Divergence
    from workbench.studies.loop_checkpoint import LoopCheckpoint

    #: Function of n and a generator that draws n points (n, D).
    Distribution = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True)
class AdversarialSettings:
    """Hyperparameters of `train_adversarially`.

    Attributes
    ----------
    divergence : D(target || image), minimised by the map.
    steps, batch_size : optimiser steps of the map, and points of each distribution in a step.
    rate, critic_rate : Adam's learning rates of the map and of the critic.    betas : Adam's betas of both.
    settles : True to lower both learning rates to zero along a cosine; False to leave them constant.
    critic_steps : critic steps per step of the map.
    non_saturating : True to train the map with the non-saturating loss in place of the divergence.
    logit_clamp : largest absolute logit of the critic, 0 for no limit.
    gradient_penalty : weight of the critic's R1 penalty on points of the target.
    """

    divergence: Divergence
    steps: int = 1000
    batch_size: int = 512
    rate: float = 2e-4
    critic_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.9)
    settles: bool = False
    critic_steps: int = 1
    non_saturating: bool = False
    logit_clamp: float = 0.0
    gradient_penalty: float = 0.0


def train_adversarially(
    image: Callable[[Tensor], Tensor],
    module: nn.Module,
    source: Distribution,
    target: Distribution,
    settings: AdversarialSettings,
    *,
    features: int = 1,
    seed: int = 0,
    checkpoint: LoopCheckpoint | None = None,
) -> list[float]:
    """Train the parameters of ``module`` and return the divergence's estimate at every step.

    ``image`` maps source points (n, K) by ``module`` to the points (n, ``features``) that the divergence
    compares with the target's; ``source`` and ``target`` draw n points with a generator. Raises
    `NonFiniteError` where the map's gradient is not finite.
    """
    parameters = list(module.parameters())
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(parameters, lr=settings.rate, betas=settings.betas)
    critic, critic_optimiser = _critic(settings, features, seed, parameters[0])
    parts = {"module": module, "optimiser": optimiser}
    if critic is not None and critic_optimiser is not None:
        parts |= {"critic": critic, "critic_optimiser": critic_optimiser}
    about = f"{settings}, features={features}, seed={seed}"
    estimates: list[float] = []
    if checkpoint is not None:
        estimates = checkpoint.load(about, parts, [generator])
    for step in range(len(estimates), settings.steps):
        if settings.settles:
            share = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
            for part, rate in ((optimiser, settings.rate), (critic_optimiser, settings.critic_rate)):
                for group in part.param_groups if part else ():
                    group["lr"] = rate * share
        if critic is not None:
            _train_critic(critic, critic_optimiser, image, source, target, settings, generator)
        optimiser.zero_grad(set_to_none=True)
        reference = target(settings.batch_size, generator)
        samples = image(source(settings.batch_size, generator))
        value, loss = _estimate_and_loss(critic, reference, samples, settings, generator)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, float("inf"))
        if not bool(torch.isfinite(norm)):
            raise NonFiniteError(
                "Adversarial training broke down: a gradient is not finite", found=f"step {step + 1}"
            )
        optimiser.step()
        estimates.append(float(value))
        if checkpoint is not None:
            checkpoint.save_when_due(about, parts, [generator], estimates)
    if checkpoint is not None:
        checkpoint.finish()
    return estimates


def _train_critic(
    critic: nn.Module,
    optimiser: Adam,
    image: Callable[[Tensor], Tensor],
    source: Distribution,
    target: Distribution,
    settings: AdversarialSettings,
    generator: torch.Generator,
) -> None:
    """Do the critic's steps that precede a step of the map."""
    for _ in range(settings.critic_steps):
        with torch.no_grad():
            samples = image(source(settings.batch_size, generator))
        reference = target(settings.batch_size, generator)
        loss = critic_loss(
            settings.divergence,
            critic,
            reference,
            samples,
            generator,
            logit_clamp=settings.logit_clamp,
            r1_weight=settings.gradient_penalty,
        )
        critic_step(optimiser, loss)


def _critic(
    settings: AdversarialSettings, features: int, seed: int, like: Tensor
) -> tuple[nn.Module, Adam] | tuple[None, None]:
    """Build the critic and its Adam optimiser, with the dtype and on the device of ``like``; (None, None)
    for a divergence that is estimated from samples without a critic."""
    from workbench.divergences import SampleDivergence

    if isinstance(settings.divergence, SampleDivergence):
        return None, None
    with global_numbers(seed):
        critic = catalogues.CRITICS.make("mlp").build(features).to(like)
    return critic, torch.optim.Adam(critic.parameters(), lr=settings.critic_rate, betas=settings.betas)


def _estimate_and_loss(
    critic: nn.Module | None,
    reference: Tensor,
    samples: Tensor,
    settings: AdversarialSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return the divergence's estimate, detached, and the loss that the map minimises, both scalars; they
    differ in value only for the non-saturating loss."""
    divergence = settings.divergence
    if critic is None:
        value = divergence.between(reference, samples, generator)
        return value.detach(), value
    at_reference, at_samples = (
        bounded_logits(critic, points, settings.logit_clamp) for points in (reference, samples)
    )
    value = divergence.value(at_reference, at_samples)
    return value.detach(), divergence.non_saturating(at_samples) if settings.non_saturating else value
