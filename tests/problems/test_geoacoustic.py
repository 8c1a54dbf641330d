"""Geoacoustic inversion: likelihood, phase, and the posterior on a grid."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from workbench.core.capability import Capability
from workbench.problems import PROBLEMS
from workbench.problems.ocean import geoacoustic
from workbench.problems.ocean import geoacoustic_field as field
from workbench.problems.ocean.swellex96 import NOMINAL


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tier(name: str = "swx_2", signal_to_noise: float = 0.0):
    return PROBLEMS.make("geoacoustic", tier=name, signal_to_noise=signal_to_noise)


@pytest.mark.parametrize(
    ("name", "unknowns", "numbers"), [("swx_2", 2, 42), ("swx_4", 4, 126), ("swx_9", 9, 126)]
)
def test_tiers_have_their_unknowns_and_recordings(name, unknowns, numbers):
    problem = tier(name, 5.0)
    samples = problem.draw(40, seeded())
    assert samples.x.shape == (40, unknowns) and samples.y.shape == (40, numbers)
    assert problem.log_joint(samples.x, samples.y).isfinite().all()
    # the truth explains its recording better than another draw does, unless that is its neighbour
    better = problem.log_joint(samples.x, samples.y) > problem.log_joint(samples.x.flip(0), samples.y)
    assert better.double().mean() > 0.9


def test_the_hard_tier_has_seven_tones():
    problem = tier("swx_9_hard", 10.0)
    assert problem.shapes.y == 7 * 42 and problem.draw(2, seeded()).y.isfinite().all()
    assert Capability.REFERENCE_POSTERIOR not in problem.capabilities


def test_the_likelihood_is_the_normal_one_averaged_over_the_phase():
    problem = tier("swx_4", 3.0)
    samples = problem.draw(5, seeded())
    signals = problem.signals(samples.x)
    y = field.as_recordings(samples.y, 21)
    phases = torch.exp(2j * math.pi * torch.arange(2000, dtype=torch.float64) / 2000)
    misfit = (y[None] - phases[:, None, None, None] * signals[None]).abs().square().sum(-1)
    logs = -misfit / problem.noise - 21 * math.log(math.pi * problem.noise)
    reference = (torch.logsumexp(logs, 0) - math.log(2000)).sum(-1)
    box = sum(math.log(v.high - v.low) for v in problem.x)
    torch.testing.assert_close(problem.log_joint(samples.x, samples.y) + box, reference)


def test_only_the_phase_is_removed():
    generator = seeded()
    y = field.complex_noise((50, 3, 21), 1.0, generator)
    rotation = y * torch.exp(2j * math.pi * torch.rand(50, 3, 1, generator=generator, dtype=torch.float64))
    canonical = field.without_phase(y)
    torch.testing.assert_close(field.without_phase(rotation), canonical)
    torch.testing.assert_close(canonical @ canonical.mH, y @ y.mH * (canonical @ canonical.mH) / (y @ y.mH))
    torch.testing.assert_close(canonical.abs(), y.abs())
    torch.testing.assert_close(
        (canonical[..., 1:] * canonical[..., :-1].conj()), (y[..., 1:] * y[..., :-1].conj())
    )
    torch.testing.assert_close(field.as_recordings(field.as_numbers(canonical), 21), canonical)


@pytest.mark.parametrize(("name", "group"), [("swx_2", 1), ("swx_9", geoacoustic.SHARING)])
def test_signals_with_common_sediments_belong_to_their_unknowns(name, group):
    problem = tier(name, 5.0)
    x, signals = problem.signal_draws(11, seeded(3))
    with torch.no_grad():
        torch.testing.assert_close(signals, problem.signals(x))
    low, high = torch.tensor(problem.window, dtype=torch.float64).T
    assert ((x >= low) & (x <= high)).all()
    for i, unknown in enumerate(problem.unknowns):
        different = len(x[:, i].unique())
        assert different == (-(-11 // group) if unknown in field.SEDIMENT else 11), unknown


def test_noise_has_the_level_of_the_setting():
    problem = tier("swx_2", 5.0)
    signals = problem.signals(problem.draw(1, seeded()).x).expand(4000, 1, 21)
    torch.testing.assert_close(signals[0].abs().square().mean(), torch.tensor(1.0, dtype=torch.float64))
    energy = problem.recorded(signals, seeded()).square().sum(1) / 21
    assert float(energy.mean()) == pytest.approx(1 + 10**-0.5, rel=0.02)


def test_the_density_outside_the_prior_is_zero():
    problem = tier()
    y = torch.tensor([problem.default_observation] * 3, dtype=torch.float64)
    x = torch.tensor([[216.5, 1572.0], [212.9, 1572.0], [216.5, 1641.0]], dtype=torch.float64)
    assert problem.log_joint(x, y).isfinite().tolist() == [True, False, False]
    x = x[:1].requires_grad_()
    (gradient,) = torch.autograd.grad(problem.log_joint(x, y[:1]).sum(), x)
    assert gradient.isfinite().all() and (gradient != 0).all()


@pytest.mark.parametrize("signal_to_noise", [0.0, 12.0])
def test_the_grid_posterior_agrees_with_weighted_draws(signal_to_noise):
    problem, n = tier("swx_2", signal_to_noise), 4000
    y = problem.default_observation
    samples = problem.reference_posterior(y, 4000, seeded())
    # uniform draws on a box around the posterior, with weights, no grid
    low, high = samples.min(0).values, samples.max(0).values
    margin = 0.05 * (high - low)
    low, high = (
        v.clamp(*side)
        for v, side in ((low - margin, field.bounds(problem.x)), (high + margin, field.bounds(problem.x)))
    )
    x = low + (high - low) * torch.rand(n, 2, generator=seeded(1), dtype=torch.float64)
    with torch.no_grad():
        logs = problem.log_joint(x, torch.tensor([y], dtype=torch.float64).expand(n, -1))
    weights = torch.softmax(logs, 0)
    size = 1 / float(weights.square().sum())
    assert size > 100
    mean = (weights[:, None] * x).sum(0)
    spread = (weights[:, None] * (x - mean).square()).sum(0).sqrt()
    assert ((samples.mean(0) - mean).abs() < 4 * spread / math.sqrt(size)).all()
    assert ((samples.std(0) / spread - 1).abs() < 4 / math.sqrt(size)).all()


def test_truths_are_draws_of_their_own_posterior():
    problem, ranks = tier(), []
    truth = problem.draw(200, seeded(5))
    for x, y in zip(truth.x, truth.y, strict=True):
        ranks.append((problem.reference_posterior(y, 19, seeded(6 + len(ranks))) < x).sum(0))
    counts = torch.stack(ranks)
    for column in counts.T:
        assert stats.chisquare(torch.bincount(column // 4, minlength=5).numpy()).pvalue > 1e-3


def test_the_nominal_seabed_is_in_its_own_posterior():
    problem = tier()
    samples = problem.reference_posterior(problem.default_observation, 2000, seeded())
    for variable, column in zip(problem.x, samples.T, strict=True):
        low, high = column.quantile(0.005), column.quantile(0.995)
        assert low < NOMINAL[variable.name] < high
