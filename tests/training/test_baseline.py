"""A baseline from the data is replaced by a significant improvement alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import workbench as wb
from workbench.training import baseline


@pytest.fixture
def run():
    return wb.Run(wb.Experiment.recommended("gaussian_linear", 200).replace(steps=2))


def test_the_baseline_is_replaced_only_by_a_significant_gain(run):
    level = run.baseline.clone()
    run.baseline = level + torch.linspace(-1, 1, len(level))  # no gain in the mean, much of it row by row
    run._update_best(run.best_loss - 0.01)
    assert run.best_iteration == 0 and run._stale == 1
    run.iteration, run.baseline = 7, level - 1.0  # every row is likelier by one nat
    run._update_best(run.best_loss - 0.01)
    assert run.best_iteration == 7 and run._stale == 0
    run.iteration, run.baseline = 8, level + 1.0  # after a first improvement the best validation loss decides
    run._update_best(run.best_loss - 0.01)
    assert run.best_iteration == 8


def test_the_rate_of_false_gains(monkeypatch):
    generator, rows = torch.Generator().manual_seed(0), 200

    def share(gain: float) -> float:
        gains = torch.randn(2000, rows, generator=generator) + gain
        stand_in = SimpleNamespace(baseline=torch.zeros(rows), best_iteration=0, best_state={})
        count = 0
        for row in gains:
            monkeypatch.setattr(baseline, "held_out_log_prob", lambda run, row=row: row)
            count += baseline.exceeds_baseline(stand_in)
        return count / len(gains)

    assert 0.013 < share(0.0) < 0.033  # 2.3 % beyond two standard errors of a normal distribution
    assert share(4 / rows**0.5) > 0.95


def test_a_run_with_another_objective_has_no_baseline(run):
    assert run.baseline.shape == (200,)  # training rows too: networks are judged by those they leave out
    run.change_objective("maximum_likelihood")
    assert run.baseline is None and baseline.exceeds_baseline(run)
    assert wb.Run(wb.Experiment("gaussian_linear", "nice")).baseline is None
