"""Estimates of a divergence between two samples, with a statement on the direction of their error.

Variational   a new critic is trained on one half of the samples and evaluated on the other. For f-divergences
              the held-out value is a lower bound up to sampling error, and the value on the training samples
              shows how much it overfits.
              The critic is trained as a classifier (Jensen-Shannon) and its log p/q is inserted into the
              bound of the requested divergence: any critic gives a bound, and bounds with an exponential are
              too noisy to be maximised on a few samples. For divergences whose critic gives no ratio (total
              variation, W1) it maximises their own value.
Gaussian      the quadratic critic starts from the log-ratio of the Gaussians fitted to its training samples
              and is improved by a convex solver; the one that is better on samples that neither was fitted to
              is used. Where tests do not contradict that both samples are Gaussian, the value is not the
              bound, whose exponentials few samples resolve beyond a few nats, but the closed form
              (`gaussians`).
Others        computed from the samples directly, or from subsets of limited size.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.core.entries import public
from workbench.core.errors import DataError, DataWarning, SpecError
from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch
from workbench.core.numbers import checked_seed, positive_number, whole_number
from workbench.core.scale import column_scale
from workbench.critics import CRITICS, Critic
from workbench.critics.ascent import critic_loss, critic_step
from workbench.divergences.base import Divergence, FDivergence, SampleDivergence, VariationalDivergence
from workbench.divergences.gaussians import closed_form, look_gaussian
from workbench.divergences.jensen_shannon import JensenShannon
from workbench.divergences.reliability import bound_terms, caution, standard_error

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
    standard_error : standard error of ``value``, of the bound for the trained critic or of the closed form of
        Gaussians; NaN unless it is an f-divergence or a closed form.
    bias : a sentence on the direction of the error.
    n_train, n_held_out : numbers of points for training and evaluation, both samples together.
    critic : the trained critic, points (n, D) -> logits (n,); None for estimates without a critic.
    caution : the reason why ``value`` is not to be relied on, as a sentence, which is also warned of; empty
        if there is none.
    """

    key: str
    value: float
    train_value: float
    standard_error: float
    bias: str
    n_train: int
    n_held_out: int
    critic: nn.Module | None = None
    caution: str = ""


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
    warn: bool = True,
) -> Estimate:
    """Estimate D(P, Q) from samples (n, D) and (m, D), in nats or in the divergence's own units.

    Parameters
    ----------
    divergence : key or Spec.
    held_out : evaluate the critic on other samples than it is trained on; otherwise the value is too high.
    seed : seed of subsets, batches and the critic's initial weights.
    critic, steps, learning_rate, batch_size : the critic and its training, for variational divergences. The
        quadratic critic of a divergence whose optimal critic is a function of p/q is solved for: it needs no
        rate and no batches. Beside it, samples that look Gaussian get the closed form of Gaussians.
    largest : most points per sample for estimates without a critic, whose cost is n².
    warn : false for views that repeat their estimates: what is warned of is in ``caution`` all the same.

    Warns (`DataWarning`) of infinite values, of a standard error as large as the value, and of one that rests
    on a single sample. Raises `DataError` for samples of different dimension, with too few points, or with
    values that are not finite.
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
    training = _Training(steps, learning_rate, batch_size)
    result = _by_critic(measure, spec, p, q, held_out, generator, seed, training)
    if warn and result.caution:
        warnings.warn(result.caution, DataWarning, stacklevel=3)  # beyond the check of arguments
    return result


def _by_critic(
    measure: VariationalDivergence,
    spec: Critic,
    p: Tensor,
    q: Tensor,
    held_out: bool,
    generator: torch.Generator,
    seed: int,
    training: _Training,
) -> Estimate:
    """Estimate a divergence by a critic of a class, from samples p (n, D) and q (m, D) in random order."""
    halves = [(s[: len(s) // 2], s[len(s) // 2 :]) if held_out else (s, s) for s in (p, q)]
    (p_train, p_test), (q_train, q_test) = halves
    function = _trained_critic(measure, spec, p_train, q_train, generator, seed, training)
    with torch.no_grad():
        train = float(measure.value(function(p_train), function(q_train)))
        at_p, at_q = function(p_test), function(q_test)
        value, error = float(measure.value(at_p, at_q)), standard_error(measure, at_p, at_q)
    evaluation = (
        "evaluated on samples that the critic was not trained on"
        if held_out
        else "evaluated on the critic's own training samples, which is too high"
    )
    bias = _sentence(f"{measure.bias}; {evaluation}")
    n_test = len(p_test) + len(q_test) if held_out else 0
    gaussian = None
    if held_out and spec.gaussian and look_gaussian(p, q):
        gaussian = closed_form(measure.between_gaussians, p, q, measure.at_equality)
    if gaussian is not None:
        value, error = gaussian.value, gaussian.standard_error
        bias = (
            "Unbiased to first order for Gaussians, which tests of both samples do not contradict: the "
            "closed form between the Gaussians fitted to all samples; for other distributions it is neither "
            "a lower nor an upper bound."
        )
    reason = caution(measure, value, error, () if gaussian else bound_terms(measure, at_p, at_q))
    n_train = len(p_train) + len(q_train)
    return Estimate(measure.key, value, train, error, bias, n_train, n_test, function, reason)


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
    if divergence.from_ratio or isinstance(divergence, FDivergence):
        solution = _solved_ratio(divergence, spec, p, q, training)
        if solution is not None:
            return FrozenCritic(solution, shift, scale, p, q)
    with global_numbers(seed):
        critic = spec.build(p.shape[1]).to(p)
    if divergence.from_ratio:
        _train(JensenShannon(), critic, p, q, generator, training)
        critic = RatioCritic(critic, divergence.optimal_logits)
    else:
        _train(divergence, critic, p, q, generator, training)
    return FrozenCritic(critic, shift, scale, p, q)


def _solved_ratio(
    divergence: VariationalDivergence, spec: Critic, p: Tensor, q: Tensor, training: _Training
) -> nn.Module | None:
    """Return the critic of the class's own estimate of log p/q, improved where possible; None without one.

    Both are fitted to four fifths of p and q; the other fifth selects the better one for ``divergence``.
    """
    from workbench.nn.critic_networks import RatioCritic

    (p, p_last), (q, q_last) = ((s[: -(len(s) // 5)], s[-(len(s) // 5) :]) for s in (p, q))
    start, optimum = spec.fit(p, q), spec.fit(p, q)
    if start is None or optimum is None:
        return None
    _classify(optimum, p, q, training.steps)
    critics = [RatioCritic(c, divergence.optimal_logits) for c in (start, optimum)]
    scores = []
    for classifier, critic in zip((start, optimum), critics, strict=True):
        with torch.no_grad():
            ratio = JensenShannon().value(classifier(p_last), classifier(q_last))
            scores.append((float(ratio), float(divergence.value(critic(p_last), critic(q_last)))))
    better = all(new > old for old, new in zip(*scores, strict=True))
    return critics[1] if better else critics[0]


def _classify(critic: nn.Module, p: Tensor, q: Tensor, steps: int) -> None:
    """Maximise the Jensen-Shannon bound over a critic's weights, in place, by L-BFGS on all samples."""
    if steps == 0:
        return
    optimiser = torch.optim.LBFGS(
        critic.parameters(), max_iter=steps, tolerance_change=1e-10, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = critic_loss(JensenShannon(), critic, p, q, None)
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)


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
