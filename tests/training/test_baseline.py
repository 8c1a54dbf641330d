"""A start from the data is left for what is better, not for what was luckier."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

import workbench as wb
from workbench.training import baseline


@pytest.fixture
def run():
    return wb.Run(wb.Experiment.recommended("gaussian_linear", 200).replace(steps=2))


def test_a_start_is_left_only_for_a_gain_that_is_beyond_chance(run):
    level = run.start.clone()
    run.start = level + torch.linspace(-1, 1, len(level))  # no gain in the mean, much of it row by row
    run._remember(run.best_loss - 0.01)
    assert run.best_iteration == 0 and run._stale == 1
    run.iteration, run.start = 7, level - 1.0  # every row is likelier by one nat
    run._remember(run.best_loss - 0.01)
    assert run.best_iteration == 7 and run._stale == 0
    run.iteration, run.start = 8, level + 1.0  # once it was surpassed the best validation loss decides
    run._remember(run.best_loss - 0.01)
    assert run.best_iteration == 8


def test_how_often_chance_is_taken_for_a_gain(monkeypatch):
    generator, rows = torch.Generator().manual_seed(0), 200

    def share(gain: float) -> float:
        found = torch.randn(2000, rows, generator=generator) + gain
        known = SimpleNamespace(start=torch.zeros(rows), best_iteration=0, best_state={})
        passed = 0
        for row in found:
            monkeypatch.setattr(baseline, "held_out_log_prob", lambda run, row=row: row)
            passed += baseline.surpassed(known)
        return passed / len(found)

    assert 0.013 < share(0.0) < 0.033  # 2.3 % beyond two standard errors of a normal law
    assert share(4 / rows**0.5) > 0.95


def test_what_was_changed_on_the_way_has_no_start(run):
    assert run.start.shape == (len(run.data.held_out_x),)
    run.change_objective("maximum_likelihood")
    assert run.start is None and baseline.surpassed(run)
    assert wb.Run(wb.Experiment("gaussian_linear", "nice")).start is None
