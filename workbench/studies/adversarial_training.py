"""Training a sampler against a divergence where a run cannot: any latent, and a critic that sees a part.

backward   the sampler z ↦ x̂ descends D(P_X, P_x̂)         forward   x ↦ ẑ descends D(P_Z, P_ẑ)
Both are the same game: one law is fixed, the other is the image of a source under a map that learns. With a
critic each step first climbs the divergence's dual, then the map descends it; without one the map descends
the estimate from the two samples. Nothing is kept on the way: these games take seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.core.errors import NonFiniteError
from workbench.critics import CRITICS
from workbench.critics.stabilisers import clamp
from workbench.divergences import Divergence, SampleDivergence

Law = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True)
class Rules:
    """How the game is played.

    Attributes
    ----------
    divergence : D(target || image).
    steps, batch_size : of the map.    rate, critic_rate : of Adam.    betas : of both.
    settles : both rates fall to zero along a cosine; otherwise they stay.
    critic_steps : for each step of the map.
    non_saturating : the map climbs the critic's gain instead of descending the divergence.
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


def play(
    image: Callable[[Tensor], Tensor],
    parameters: list[nn.Parameter],
    source: Law,
    target: Law,
    rules: Rules,
    *,
    features: int = 1,
    seed: int = 0,
) -> list[float]:
    """Trains ``parameters`` of ``image``: source points (n, K) to points (n, ``features``) that the
    divergence sees. ``source`` and ``target`` draw from a generator. Returns the divergence's estimate at
    every step.

    Raises `NonFiniteError` where the map's gradient is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    mover = torch.optim.Adam(parameters, lr=rules.rate, betas=rules.betas)
    critic, climber = _critic(rules, features, seed, parameters[0])
    found = []
    for step in range(rules.steps):
        if rules.settles:
            share = 0.5 * (1 + math.cos(math.pi * step / rules.steps))
            for optimiser, rate in ((mover, rules.rate), (climber, rules.critic_rate)):
                for group in optimiser.param_groups if optimiser else ():
                    group["lr"] = rate * share
        if critic is not None:
            for _ in range(rules.critic_steps):
                with torch.no_grad():
                    made = image(source(rules.batch_size, generator))
                _climb(critic, climber, target(rules.batch_size, generator), made, rules, generator)
        mover.zero_grad(set_to_none=True)
        fixed, made = target(rules.batch_size, generator), image(source(rules.batch_size, generator))
        value, loss = _descended(critic, fixed, made, rules, generator)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, float("inf"))
        if not bool(torch.isfinite(norm)):
            raise NonFiniteError("The game broke down: a gradient is not finite", found=f"step {step + 1}")
        mover.step()
        found.append(float(value))
    return found


def _critic(rules: Rules, features: int, seed: int, like: Tensor):
    if isinstance(rules.divergence, SampleDivergence):
        return None, None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = CRITICS.make("mlp").build(features).to(like)
    return critic, torch.optim.Adam(critic.parameters(), lr=rules.critic_rate, betas=rules.betas)


def _climb(critic, climber, fixed: Tensor, made: Tensor, rules: Rules, generator: torch.Generator) -> None:
    fixed = fixed.detach().requires_grad_(rules.gradient_penalty > 0)
    at_fixed, at_made = _logits(critic, fixed, rules), _logits(critic, made, rules)
    loss = rules.divergence.penalty(critic, fixed, made, generator)
    loss = loss - rules.divergence.critic_value(at_fixed, at_made)
    if rules.gradient_penalty > 0:
        (slope,) = torch.autograd.grad(at_fixed.sum(), fixed, create_graph=True)
        loss = loss + 0.5 * rules.gradient_penalty * slope.square().sum(-1).mean()
    climber.zero_grad(set_to_none=True)
    loss.backward()
    climber.step()


def _descended(critic, fixed: Tensor, made: Tensor, rules: Rules, generator) -> tuple[Tensor, Tensor]:
    """The divergence's estimate, and what the map descends."""
    if critic is None:
        value = rules.divergence.between(fixed, made, generator)
        return value.detach(), value
    at_fixed, at_made = _logits(critic, fixed, rules), _logits(critic, made, rules)
    value = rules.divergence.value(at_fixed, at_made)
    return value.detach(), rules.divergence.non_saturating(at_made) if rules.non_saturating else value


def _logits(critic: nn.Module, points: Tensor, rules: Rules) -> Tensor:
    logits = critic(points)[:, 0]
    return clamp(logits, rules.logit_clamp) if rules.logit_clamp > 0 else logits
