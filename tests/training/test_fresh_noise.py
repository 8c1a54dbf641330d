"""New noise in every batch: the same distribution, other numbers, and the same ones for the same seed."""

from __future__ import annotations

import pytest
import torch

from workbench.problems import PROBLEMS
from workbench.training import Training
from workbench.training.data import RunData


def data(fresh: bool = True, key: str = "geoacoustic", seed: int = 0) -> RunData:
    settings = Training(samples=200, batch_size=180, fresh_noise=fresh)
    return RunData(PROBLEMS.make(key), settings, seed=seed, device=torch.device("cpu"), dtype=torch.float64)


def ordered(batch) -> torch.Tensor:
    """Observations in the order of the first unknown: every epoch shuffles the rows."""
    return batch.y[batch.x[:, 0].argsort()]


def test_epochs_have_the_same_signals_and_other_noise():
    run_data = data()
    first, second = ordered(run_data.batch(0, 0.0)), ordered(run_data.batch(1, 0.1))
    assert not torch.equal(first, second)
    fixed_noise = data(fresh=False)
    assert torch.equal(ordered(fixed_noise.batch(0, 0.0)), ordered(fixed_noise.batch(1, 0.1)))
    # as far from each other as two recordings of one signal are, and nearer than those of two signals
    apart = (first - second).square().sum(1).median()
    assert apart < (first - second.roll(50, 0)).square().sum(1).median()


def test_noise_has_the_distribution_of_the_draws():
    run_data = data()
    many = torch.cat([run_data.batch(i, 0.0).y for i in range(30)])
    reference = run_data.train_y
    assert float((many.mean(0) - reference.mean(0)).abs().max()) < 0.25
    assert abs(float(many.square().mean()) - 1) < 0.05


def test_phases_stay_phases_in_standardised_units():
    run_data = data()
    s, vectors = run_data.standardisation, PROBLEMS.make("geoacoustic").phase_free
    assert vectors == 21 and not s.shift_y.any()
    assert (s.scale_y.unflatten(0, (-1, 42)) == s.scale_y[::42, None]).all()
    assert float(run_data.train_y.square().mean()) == pytest.approx(1.0)
    # elsewhere every column has its own mean and spread
    other = data(key="gaussian_linear").train_y
    assert float(other.mean(0).abs().max()) < 1e-6
    assert torch.allclose(other.std(0, unbiased=False), torch.ones(10, dtype=torch.float64))


def test_batches_follow_from_seed_and_number_alone():
    assert torch.equal(data().batch(3, 0.2).y, data().batch(3, 0.2).y)
    assert not torch.equal(data().batch(3, 0.2).y, data(seed=1).batch(3, 0.2).y)


def test_other_problems_are_not_changed():
    first, second = (data(fresh=f, key="gaussian_linear").batch(0, 0.0) for f in (True, False))
    assert torch.equal(first.x, second.x) and torch.equal(first.y, second.y)
