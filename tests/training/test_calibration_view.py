"""The view of calibration: right ranks, its share of the time, and a verdict that can be red."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.export.conftest import small_run
from workbench import diagnostics, plots
from workbench.problems import LinearGaussian
from workbench.snapshots import SnapshotRequest
from workbench.snapshots import calibration as module
from workbench.training import Experiment, Run

ASK = SnapshotRequest(views=("calibration",))


class Exact(torch.nn.Module):
    """In the place of a run's network: the exact posterior, ``width`` times too wide."""

    latent_features, capabilities = 3, frozenset()

    def __init__(self, run, width: float = 1.0):
        super().__init__()
        self.run, self.width = run, width
        _, covariance = run.problem.posterior_moments([0.0])
        self.factor = torch.linalg.cholesky(covariance)

    def parameter_count(self):
        return 0

    def inverse(self, z, y):
        s = self.run.data.standardisation
        x = s.y_out(y.double()) @ self.run.problem.parts.gain.T + self.width * z.double() @ self.factor.T
        return s.x_in(x).to(z), None


def calibration_of(width: float):
    problem = LinearGaussian(noise=0.5)
    settings = {"samples": 2500, "batch_size": 100}
    run = Run(Experiment(problem, "realnvp", training=settings, steps=3), device="cpu")
    run.model = Exact(run, width)
    return diagnostics.calibration(run.snapshot(ASK))


def test_an_exact_posterior_is_green_and_a_narrow_one_red():
    right, narrow = calibration_of(1.0), calibration_of(0.5)
    assert right.attrs["verdict"] == "green" and right.sizes["pair"] == 200
    assert narrow.attrs["verdict"] == "red" and "Overconfident in" in narrow.attrs["sentence"]
    assert ((right["rank"] > 0) & (right["rank"] < 1)).all()
    line = narrow["ecdf_difference"].values[0]
    assert ((line < narrow["band_low"]) | (line > narrow["band_high"])).any()


def test_looking_draws_the_same_numbers_and_leaves_the_training_alone():
    run = small_run("realnvp")
    before = run.generator.get_state()
    first, again = (run.snapshot(ASK).arrays["calibration_rank"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert torch.equal(before, run.generator.get_state())


def test_it_ends_in_time_with_fewer_pairs(monkeypatch):
    run = small_run("realnvp", "linear_gaussian")
    monkeypatch.setattr(module, "SECONDS", -1.0)
    run.evaluation_points._cache.pop("calibration", None)
    assert len(run.snapshot(ASK).arrays["calibration_rank"]) == module.CHUNK
    run.evaluation_points._cache.pop("calibration", None)


def test_without_an_observation_there_is_nothing_and_the_plot_stays_empty():
    snap = small_run("realnvp", "two_moons").snapshot(ASK)
    assert not snap.arrays
    data = diagnostics.calibration(snap)
    assert data.attrs["verdict"] == "unknown" and data.sizes["quantity"] == 0
    assert len(plots.calibration(data).get(1)) == 0


@pytest.mark.parametrize("count", [0, 5, 19])
def test_a_handful_of_pairs_is_no_verdict(count):
    from tests.diagnostics.snapshots import snapshot

    snap = snapshot("arm")
    snap.arrays["calibration_rank"] = snap.arrays["calibration_rank"][:count]
    assert diagnostics.calibration(snap).attrs["verdict"] == "unknown"
