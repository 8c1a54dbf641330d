"""Estimates of a divergence between two samples, with a statement on the direction of their error.

Variational   a new critic is trained on one half of the samples and evaluated on the other. For f-divergences
              the held-out value is a lower bound up to sampling error, and the value on the training samples
              shows how much it overfits.
              The critic is trained as a classifier (Jensen-Shannon) and its log p/q is inserted into the
              bound of the requested divergence: any critic gives a bound, and bounds with an exponential are
              too noisy to be maximised on a few samples. For divergences whose critic gives no ratio (total
              variation, W1) it maximises their own value.
Others        computed from the samples directly, or from subsets of limited size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.core.errors import DataError, SpecError
from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch
from workbench.core.numbers import checked_seed, positive_number, whole_number
from workbench.core.scale import column_scale
from workbench.critics import CRITICS, Critic
from workbench.critics.ascent import critic_loss, critic_step
from workbench.divergences.base import Divergence, FDivergence, SampleDivergence, VariationalDivergence
from workbench.divergences.jensen_shannon import JensenShannon

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Fewest points per sample, without a critic, and with one that is trained and evaluated on different points.
_FEWEST, _FEWEST_WITH_CRITIC = 2, 20
#: Largest norm of the critic's gradient.
_GRADIENT_CLIP = 10.0


@dataclass(frozen=True)
class _Training:
    steps: int
    learning_rate: float
    batch_size: int


@dataclass(frozen=True)
class Estimate:
    """Estimate of a divergence between two samples.

    Attributes
    ----------
    key : key of the divergence in the catalogue.
    value : the estimate to report; from held-out samples if there are any.
    train_value : the estimate from the critic's own training samples.
    standard_error : standard error of ``value`` for the trained critic; NaN unless it is an f-divergence.
    bias : a sentence on the direction of the error.
    n_train, n_held_out : numbers of points for training and evaluation, both samples together.
    critic : the trained critic, points (n, D) -> logits (n,); None for estimates without a critic.
    """

    key: str
    value: float
    train_value: float
    standard_error: float
    bias: str
    n_train: int
    n_held_out: int
    critic: nn.Module | None = None


@public
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
    """Estimate D(P, Q) from samples (n, D) and (m, D), in nats or in the divergence's own units.

    Parameters
    ----------
    divergence : key or Spec.
    held_out : evaluate the critic on other samples than it is trained on; otherwise the value is too high.
    seed : seed of subsets, batches and the critic's initial weights.
    critic, steps, learning_rate, batch_size : the critic and its training, for variational divergences.
    largest : most points per sample for estimates without a critic, whose cost is n².

    Raises `DataError` for samples of different dimension, with too few points, or with values that are not
    finite.
    """
    from workbench.divergences import DIVERGENCES

    seed, learning_rate = checked_seed(seed), positive_number(learning_rate, "critic's learning rate")
    batch_size = whole_number(batch_size, "number of points in a batch")
    largest, steps = whole_number(largest, "largest number of points"), whole_number(steps, "steps", low=0)
    measure = DIVERGENCES.make(divergence) if isinstance(divergence, str) else divergence
    p, q = (torch.as_tensor(s) for s in (samples_p, samples_q))
    _check(p, q, _FEWEST_WITH_CRITIC if isinstance(measure, VariationalDivergence) else _FEWEST)
    generator = torch.Generator().manual_seed(seed)
    p, q = (s.detach().cpu().double()[torch.randperm(len(s), generator=generator)] for s in (p, q))
    if isinstance(measure, SampleDivergence):
        p, q = p[:largest], q[:largest]
        value = float(measure.between(p, q, generator))
        return Estimate(measure.key, value, value, float("nan"), _sentence(measure.bias), len(p) + len(q), 0)
    if not isinstance(measure, VariationalDivergence):
        raise SpecError(f"'{measure.key}' cannot be estimated from samples alone")
    spec = CRITICS.make(critic) if isinstance(critic, str) else critic
    halves = [(s[: len(s) // 2], s[len(s) // 2 :]) if held_out else (s, s) for s in (p, q)]
    (p_train, p_test), (q_train, q_test) = halves
    training = _Training(steps, learning_rate, batch_size)
    function = _trained_critic(measure, spec, p_train, q_train, generator, seed, training)
    with torch.no_grad():
        train = float(measure.value(function(p_train), function(q_train)))
        at_p, at_q = function(p_test), function(q_test)
        value, error = float(measure.value(at_p, at_q)), _standard_error(measure, at_p, at_q)
    evaluation = (
        "evaluated on samples that the critic was not trained on"
        if held_out
        else "evaluated on the critic's own training samples, which is too high"
    )
    bias = _sentence(f"{measure.bias}; {evaluation}")
    n_test = len(p_test) + len(q_test) if held_out else 0
    return Estimate(measure.key, value, train, error, bias, len(p_train) + len(q_train), n_test, function)


def _trained_critic(
    divergence: VariationalDivergence,
    spec: Critic,
    p: Tensor,
    q: Tensor,
    generator: torch.Generator,
    seed: int,
    training: _Training,
) -> nn.Module:
    """Train a critic on p (n, D) and q (m, D); return it as a function of points in data units.

    Where the problem is convex and the critic has a solver, it is solved exactly; otherwise Adam trains it.
    """
    from workbench.nn.critic_networks import FrozenCritic, RatioCritic

    shift, scale = p.new_zeros(p.shape[1]), p.new_ones(p.shape[1])
    if divergence.invariant:
        points = torch.cat([p, q])
        shift, scale = points.mean(0), column_scale(points)
    p, q = (p - shift) / scale, (q - shift) / scale
    if hasattr(spec, "solve") and isinstance(divergence, FDivergence) and divergence.concave:
        return FrozenCritic(spec.solve(divergence.critic_value, p, q), shift, scale, p, q)
    with global_numbers(seed):
        critic = spec.build(p.shape[1]).to(p)
    if divergence.from_ratio:
        _train(JensenShannon(), critic, p, q, generator, training)
        critic = RatioCritic(critic, divergence.optimal_logits)
    else:
        _train(divergence, critic, p, q, generator, training)
    return FrozenCritic(critic, shift, scale, p, q)


def _train(
    divergence: VariationalDivergence,
    critic: nn.Module,
    p: Tensor,
    q: Tensor,
    generator: torch.Generator,
    training: _Training,
) -> None:
    """Train a critic in place with Adam on four fifths of p and q; the other fifth selects the weights."""
    (p, p_last), (q, q_last) = ((s[: -(len(s) // 5)], s[-(len(s) // 5) :]) for s in (p, q))
    optimiser = torch.optim.Adam(critic.parameters(), lr=training.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, training.steps)
    best_score, best_state = -float("inf"), critic.state_dict()
    for step in range(training.steps):
        batch_p, batch_q = (
            s[torch.randint(len(s), (training.batch_size,), generator=generator)]
            if len(s) > training.batch_size
            else s
            for s in (p, q)
        )
        loss = critic_loss(divergence, critic, batch_p, batch_q, generator)
        critic_step(optimiser, loss, gradient_clip=_GRADIENT_CLIP)
        schedule.step()
        if step % 10 == 9 or step == training.steps - 1:
            score = _score(divergence, critic, p_last, q_last, generator)
            if score > best_score:
                best_score = score
                best_state = {name: value.clone() for name, value in critic.state_dict().items()}
    critic.load_state_dict(best_state)


def _score(
    divergence: VariationalDivergence, critic: nn.Module, p: Tensor, q: Tensor, generator: torch.Generator
) -> float:
    """Return what the critic maximises, its value minus its penalty, on samples p (n, D) and q (m, D)."""
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
                suggestion="leave those rows out, and find out where they came from",
            )
