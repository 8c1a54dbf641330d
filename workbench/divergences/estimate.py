"""A divergence as a ruler: a number for two samples, with what is known of its error.

Variational   a fresh critic is trained on one half of the samples and judged on the other. For f-divergences
              the held-out value is a lower bound up to sampling error, and the training value shows the
              overfit.
              The critic is trained as a classifier (Jensen-Shannon) and its log p/q is put into the bound of
              the divergence that was asked for: any critic gives a bound, and the bounds with an exponential
              are too rough to climb on a few samples. Those without a ratio (total variation, W1) climb their
              own.
Others        direct, on all samples or a subset of the largest size that is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.core.errors import DataError, SpecError
from workbench.critics import CRITICS, Critic
from workbench.divergences.base import Divergence, FDivergence, SampleDivergence, VariationalDivergence
from workbench.divergences.jensen_shannon import JensenShannon

#: A critic cannot be trained on, and judged with, fewer points than this on a side.
_FEWEST, _FEWEST_WITH_CRITIC = 2, 20


@dataclass(frozen=True)
class _Training:
    steps: int
    learning_rate: float
    batch_size: int


@dataclass(frozen=True)
class Estimate:
    """What was measured: ``value`` is the one to report; ``train_value`` is that on the critic's own samples.

    ``standard_error`` is that of the held-out mean for the critic found, NaN where there is no such simple
    one. ``critic`` maps points (n, D) to logits (n,) for a critic's view, and is None for direct estimates.
    """

    key: str
    value: float
    train_value: float
    standard_error: float
    bias: str
    n_train: int
    n_held_out: int
    critic: nn.Module | None = None


class _FromRatio(nn.Module):
    """The divergence's optimal logit for the log p/q that a classifier gives. (n, D) -> (n, 1)."""

    def __init__(self, classifier: nn.Module, divergence: VariationalDivergence) -> None:
        super().__init__()
        self.classifier, self.divergence = classifier, divergence

    def forward(self, u: Tensor) -> Tensor:
        return self.divergence.optimal_logits(self.classifier(u))


class _Fitted(nn.Module):
    """A critic of standardised points, from points in data units (n, D) to logits (n,).

    It is held within the logits that it gave on its own samples: between them it knows something, beyond it
    extrapolates, and one wild exponential spoils a mean. What is held is still a critic.
    """

    def __init__(self, critic: nn.Module, shift: Tensor, scale: Tensor, p: Tensor, q: Tensor) -> None:
        super().__init__()
        self.critic = critic
        with torch.no_grad():
            seen = critic(torch.cat([p, q]))
        for name, value in (("shift", shift), ("scale", scale), ("low", seen.min()), ("high", seen.max())):
            self.register_buffer(name, value)
        self.requires_grad_(False)

    def forward(self, u: Tensor) -> Tensor:
        return self.critic((u - self.shift) / self.scale)[:, 0].clamp(self.low, self.high)


def estimate(
    divergence: str | Divergence,
    samples_p: Tensor,
    samples_q: Tensor,
    *,
    held_out: bool = True,
    seed: int = 0,
    critic: str | Critic = "mlp",
    steps: int = 400,
    learning_rate: float = 3e-3,
    batch_size: int = 512,
    largest: int = 2000,
) -> Estimate:
    """D(P, Q) from samples (n, D) and (m, D), in nats or in the units that the divergence says.

    ``held_out=False`` trains and judges on the same samples, which is too high. ``largest`` limits the
    samples a side of direct estimates that cost n². Raises `DataError` for samples that cannot be compared.
    """
    from workbench.divergences import DIVERGENCES

    made = DIVERGENCES.make(divergence) if isinstance(divergence, str) else divergence
    p, q = (torch.as_tensor(s) for s in (samples_p, samples_q))
    _check(p, q, _FEWEST_WITH_CRITIC if isinstance(made, VariationalDivergence) else _FEWEST)
    generator = torch.Generator().manual_seed(seed)
    p, q = (s.detach().cpu().double()[torch.randperm(len(s), generator=generator)] for s in (p, q))
    if isinstance(made, SampleDivergence):
        p, q = p[:largest], q[:largest]
        value = float(made.between(p, q, generator))
        return Estimate(made.key, value, value, float("nan"), _sentence(made.bias), len(p) + len(q), 0)
    if not isinstance(made, VariationalDivergence):
        raise SpecError(f"'{made.key}' cannot be estimated from samples alone")
    spec = CRITICS.make(critic) if isinstance(critic, str) else critic
    halves = [(s[: len(s) // 2], s[len(s) // 2 :]) if held_out else (s, s) for s in (p, q)]
    (p_train, p_test), (q_train, q_test) = halves
    training = _Training(steps, learning_rate, batch_size)
    function = _fitted(made, spec, p_train, q_train, generator, seed, training)
    with torch.no_grad():
        train = float(made.value(function(p_train), function(q_train)))
        at_p, at_q = function(p_test), function(q_test)
        value, error = float(made.value(at_p, at_q)), _standard_error(made, at_p, at_q)
    judged = (
        "judged on samples that the critic has not seen" if held_out else "judged on the critic's own samples"
    )
    bias = _sentence(f"{made.bias}; {judged}" + ("" if held_out else ", which is too high"))
    n_test = len(p_test) + len(q_test) if held_out else 0
    return Estimate(made.key, value, train, error, bias, len(p_train) + len(q_train), n_test, function)


def _fitted(divergence, spec, p, q, generator, seed, training: _Training) -> _Fitted:
    """A trained critic of points in data units; convex classes are solved, others climb."""
    shift, scale = p.new_zeros(p.shape[1]), p.new_ones(p.shape[1])
    if divergence.invariant:
        pooled = torch.cat([p, q])
        shift, scale = pooled.mean(0), pooled.std(0).clamp_min(1e-12)
    p, q = (p - shift) / scale, (q - shift) / scale
    if hasattr(spec, "solve") and isinstance(divergence, FDivergence) and divergence.concave:
        return _Fitted(spec.solve(divergence.critic_value, p, q), shift, scale, p, q)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        critic = spec.build(p.shape[1]).to(p)
    if divergence.from_ratio:
        _climb(JensenShannon(), critic, p, q, generator, training)
        critic = _FromRatio(critic, divergence)
    else:
        _climb(divergence, critic, p, q, generator, training)
    return _Fitted(critic, shift, scale, p, q)


def _climb(divergence, critic: nn.Module, p: Tensor, q: Tensor, generator, training: _Training) -> None:
    """Adam on four fifths of the samples; the critic is left at its best value on the last fifth."""
    (p, p_last), (q, q_last) = ((s[: -(len(s) // 5)], s[-(len(s) // 5) :]) for s in (p, q))
    optimiser = torch.optim.Adam(critic.parameters(), lr=training.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.steps)
    best, kept = -float("inf"), critic.state_dict()
    for step in range(training.steps):
        batch_p, batch_q = (
            s[torch.randint(len(s), (training.batch_size,), generator=generator)]
            if len(s) > training.batch_size
            else s
            for s in (p, q)
        )
        value = divergence.critic_value(critic(batch_p), critic(batch_q))
        loss = divergence.penalty(critic, batch_p, batch_q, generator) - value
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(critic.parameters(), 10.0)
        optimiser.step()
        schedule.step()
        if step % 10 == 9 or step == training.steps - 1:
            reached = _score(divergence, critic, p_last, q_last, generator)
            if reached > best:
                best, kept = reached, {k: v.clone() for k, v in critic.state_dict().items()}
    critic.load_state_dict(kept)


def _score(divergence, critic: nn.Module, p: Tensor, q: Tensor, generator) -> float:
    """What the critic climbs, on samples that it does not climb on."""
    penalty = divergence.penalty(critic, p, q, generator).detach()
    with torch.no_grad():
        return float(divergence.critic_value(critic(p), critic(q)) - penalty)


def _standard_error(divergence: VariationalDivergence, at_p: Tensor, at_q: Tensor) -> float:
    if not isinstance(divergence, FDivergence):
        return float("nan")
    parts = divergence.gain(at_p), divergence.cost(at_q)
    return float(sum(part.var() / len(part) for part in parts) ** 0.5)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].rstrip(".") + "."


def _check(p: Tensor, q: Tensor, fewest: int) -> None:
    if p.ndim != 2 or q.ndim != 2 or p.shape[1] != q.shape[1] or p.shape[1] < 1:
        raise DataError(
            "A divergence compares two samples of the same dimension",
            expected="(n, D) and (m, D)",
            found=f"{tuple(p.shape)} and {tuple(q.shape)}",
        )
    if min(len(p), len(q)) < fewest:
        raise DataError(
            "There are too few samples to estimate this divergence",
            expected=f"at least {fewest} on each side",
            found=f"{len(p)} and {len(q)}",
        )
    for name, sample in (("P", p), ("Q", q)):
        bad = int((~torch.isfinite(sample)).any(-1).sum())
        if bad:
            raise DataError(
                "A divergence needs finite samples",
                found=f"{bad} of {len(sample)} rows of {name} are not finite",
                suggestion="leave those rows out, and look at where they came from",
            )
