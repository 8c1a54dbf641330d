"""The geoacoustic study: its grid, the paper's tables, and a whole small table."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from torch.distributions import Normal

from workbench.studies import STUDIES, geoacoustic_evaluation, rows, run, text

TINY = {
    "samples": 200, "steps": 2, "batch_size": 32, "width": 8, "observations": 8, "draws": 100,
    "classified": 1,
    "networks": ["config_1", "flow"], "losses": ["likelihood", "jensen_shannon"], "nine_samples": 0,
}  # fmt: skip


def test_both_networks_meet_five_losses_and_the_papers_configurations_are_the_papers():
    study = STUDIES.make("geoacoustic", seeds=1)
    cells = [c for c in study.cells() if c.experiment is not None and c.coordinates["problem"] == "vina"]
    assert len(cells) == 4 * 5 and not any(c.refused for c in cells)
    for key, (latents, width, blocks) in {"config_1": (18, 64, 3), "config_2": (2, 403, 4)}.items():
        experiment = next(c for c in cells if c.coordinates["network"] == key).experiment
        assert experiment.problem.shapes.x == 72 and experiment.problem.shapes.y == 70
        assert 2 + experiment.architecture.extra_latent == latents
        assert (experiment.architecture.width, experiment.architecture.transforms) == (width, blocks)
    flow = next(c for c in cells if c.coordinates["network"] == "flow").experiment
    assert flow.problem.shapes.x == 2


def test_the_papers_tables_stand_in_their_rows():
    study = STUDIES.make("geoacoustic", seeds=1)
    places = [c.coordinates for c in study.cells()]
    assert len(study.published) == 6 * 4
    assert all(any(f.row.items() <= place.items() for place in places) for f in study.published)


def test_the_nine_unknowns_stand_alone_where_no_network_of_the_paper_is_asked_for():
    (cell,) = STUDIES.make("geoacoustic", networks=[], seeds=1).cells()
    assert cell.coordinates["problem"] == "swx_9" and not cell.refused
    assert cell.experiment.architecture.embedding_channels == 21 and cell.experiment.training.fresh_noise


def test_without_stored_references_the_harder_tier_is_refused_with_the_way_to_make_them(tmp_path):
    cell = STUDIES.make("geoacoustic", stored=str(tmp_path / "none.nc")).cells()[1]
    assert cell.coordinates["problem"] == "swx_9" and "make_geoacoustic_reference" in cell.refused


def test_the_divergence_is_that_of_two_normal_distributions():
    generator = torch.Generator().manual_seed(0)
    exact, network = Normal(0.0, 1.0), Normal(torch.tensor(0.5).double(), 2.0)
    x = torch.randn(40_000, 1, generator=generator, dtype=torch.float64)
    run = SimpleNamespace(
        problem=SimpleNamespace(log_joint=lambda x, y: exact.log_prob(x)[:, 0] - 7.0),
        fitted=SimpleNamespace(log_prob=lambda x, y: network.log_prob(x)[:, 0]),
    )
    value = geoacoustic_evaluation._divergence(run, x, torch.zeros(3), -7.0)
    assert value == pytest.approx(math.log(2) + (1 + 0.25) / 8 - 0.5, abs=0.01)


@pytest.mark.slow
def test_a_small_grid_is_a_whole_table(tmp_path, monkeypatch):
    for name, value in (("_WALKERS", 12), ("_BURN", 2), ("_BETWEEN", 1)):
        monkeypatch.setattr(geoacoustic_evaluation, name, value)
    study = STUDIES.make("geoacoustic", **TINY)
    data = run(study, out=tmp_path, device="cpu")
    assert set(data["status"].values) == {"done"}, data["note"].values
    networks = data.isel(cell=slice(1, None))
    for column in ("depth_squared", "speed_squared", "c2st", "mmd", "spread", "coverage", "training_seconds"):
        assert np.isfinite(networks[column].values).all(), column
    # draws of the exact posterior are told from none, and those of an untrained network from all
    assert float(data["c2st"][0]) < 0.65 < float(networks["c2st"].min())
    assert float(data["depth_squared"][0]) < 0.1 < float(networks["depth_squared"].min())
    reference_rows = [row for row in rows(data) if "depth_squared_paper" in row]
    assert len(reference_rows) == 2 and "Nearest to the exact posterior" in text(data)


@pytest.mark.slow
def test_nine_unknowns_are_evaluated_before_and_after_refinement(tmp_path):
    from workbench.problems import PROBLEMS

    problem = PROBLEMS.make("geoacoustic", tier="swx_9", signal_to_noise=5.0)
    pairs = problem.draw(1, torch.Generator().manual_seed(0))
    references = xr.Dataset(
        {
            "x": (("observation", "parameter"), pairs.x.numpy()),
            "y": (("observation", "observed"), pairs.y.numpy()),
            "reference": (
                ("observation", "draw", "parameter"),
                problem.prior(100, torch.Generator().manual_seed(1))[None].numpy(),
            ),
            "seconds": ("observation", [100.0]),
            "log_evidence": ("observation", [-80.0]),
        }
    )
    references.to_netcdf(tmp_path / "stored.nc")
    settings = {"nine_samples": 200, "nine_steps": 2, "nine_width": 8, "refined_draws": 200}
    study = STUDIES.make("geoacoustic", **(TINY | settings), stored=str(tmp_path / "stored.nc"))
    (cell,) = [c for c in study.cells() if c.coordinates["problem"] == "swx_9"]
    study.cells = lambda: [cell]
    data = run(study, out=tmp_path / "study", device="cpu")
    assert set(data["status"].values) == {"done"}, data["note"].values
    for column in ("c2st", "c2st_refined", "effective_share", "speed_up", "c2st_floor", "kl"):
        assert np.isfinite(data[column].values).all(), column
