"""Train a map against a divergence outside a run: any latent distribution, a critic that sees a part.

backward   the sampler z ↦ x̂ descends D(P_X, P_x̂)         forward   x ↦ ẑ descends D(P_Z, P_ẑ)
In both one distribution, the target, is fixed, and the other is the image of a source under a map that
learns. With a critic each step first ascends the divergence's dual in the critic, then the map descends it;
without one the map descends the estimate from the two samples. Nothing is saved on the way: this training
takes seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.errors import NonFiniteError
from workbench.core.lazy import torch
from workbench.critics.ascent import bounded_logits, critic_loss, critic_step
from workbench.studies import catalogues

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Adam

    from workbench.divergences import Divergence

    #: Draws n points (n, D) with a generator.
    Distribution = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True)
class AdversarialSettings:
    """Settings of the training.

    Attributes
    ----------
    divergence : D(target || image).
    steps, batch_size : of the map.    rate, critic_rate : of Adam.    betas : of both.
    settles : True to lower both rates to zero along a cosine; otherwise they stay.
    critic_steps : for each step of the map.
    non_saturating : True for the non-saturating loss of the map in place of the divergence.
    logit_clamp : largest logit of the critic, 0 for none.    gradient_penalty : R1, on the target.
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
    parameters: list[nn.Parameter],
    source: Distribution,
    target: Distribution,
    settings: AdversarialSettings,
    *,
    features: int = 1,
    seed: int = 0,
) -> list[float]:
    """Train ``parameters`` of ``image`` and return the divergence's estimate at every step.

    ``image`` maps source points (n, K) to points (n, ``features``) that the divergence compares; ``source``
    and ``target`` draw from a generator. Raises `NonFiniteError` where the map's gradient is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(parameters, lr=settings.rate, betas=settings.betas)
    critic, critic_optimiser = _critic(settings, features, seed, parameters[0])
    estimates = []
    for step in range(settings.steps):
        if settings.settles:
            share = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
            for part, rate in ((optimiser, settings.rate), (critic_optimiser, settings.critic_rate)):
                for group in part.param_groups if part else ():
                    group["lr"] = rate * share
        if critic is not None:
            for _ in range(settings.critic_steps):
                with torch.no_grad():
                    samples = image(source(settings.batch_size, generator))
                reference = target(settings.batch_size, generator)
                critic_step(
                    critic_optimiser,
                    critic_loss(
                        settings.divergence,
                        critic,
                        reference,
                        samples,
                        generator,
                        logit_clamp=settings.logit_clamp,
                        r1_weight=settings.gradient_penalty,
                    ),
                )
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
    return estimates


def _critic(
    settings: AdversarialSettings, features: int, seed: int, like: Tensor
) -> tuple[nn.Module, Adam] | tuple[None, None]:
    """The critic and its optimiser, of the type and device of ``like``; None where none is needed."""
    from workbench.divergences import SampleDivergence

    if isinstance(settings.divergence, SampleDivergence):
        return None, None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = catalogues.CRITICS.make("mlp").build(features).to(like)
    return critic, torch.optim.Adam(critic.parameters(), lr=settings.critic_rate, betas=settings.betas)


def _estimate_and_loss(
    critic: nn.Module | None,
    reference: Tensor,
    samples: Tensor,
    settings: AdversarialSettings,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The divergence's estimate, and the loss that the map descends."""
    divergence = settings.divergence
    if critic is None:
        value = divergence.between(reference, samples, generator)
        return value.detach(), value
    at_reference, at_samples = (
        bounded_logits(critic, points, settings.logit_clamp) for points in (reference, samples)
    )
    value = divergence.value(at_reference, at_samples)
    return value.detach(), divergence.non_saturating(at_samples) if settings.non_saturating else value
