"""Case studies on the arm: smallest grids, whole tables, and what each way to train stands for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from workbench.divergences import DIVERGENCES
from workbench.studies import STUDIES, rows, run, text
from workbench.studies.latent_dimension import valleys

TINY = {
    "samples": 400, "steps": 2, "batch_size": 32, "width": 8, "observations": 8, "draws": 50,
    "seeds": 1,
}  # fmt: skip
GRIDS = {
    "architectures_and_divergences": {
        "divergences": ["jensen_shannon"],
        "settings_compared": ["ours"],
    },
    "latent_dimension": {"latents": [2, 6, 10], "settings_compared": ["code"]},
    "entropic_regularisation": {"entropies": [0.1, 10.0], "settings_compared": ["code"]},
    "prior_loss": {"weights": [1.0]},
}


#: One grid by default, the others with the slow tests.
QUICK = [key if key == "latent_dimension" else pytest.param(key, marks=pytest.mark.slow) for key in GRIDS]


@pytest.mark.parametrize("key", QUICK)
def test_the_smallest_grid_is_a_whole_table(key, tmp_path):
    study = STUDIES.make(key, **(TINY | GRIDS[key]))
    data = run(study, out=tmp_path, device="cpu")
    assert set(data["status"].values) == {"done"}, data["note"].values
    for column in study.columns:
        assert np.isfinite(data[column.name].values).all(), column.name
    assert data["mmd_each"].dims == ("cell", "observation") and data.attrs["complete"] == 1
    assert ((0 <= data["c2st"]) & (data["c2st"] <= 1)).all() and (data["resimulation_distance"] > 0).all()
    tags = {figure.tag for figure in study.published}
    table = text(data)
    assert all(f"{tag}: " in table for tag in tags)
    reference_rows = [row for row in rows(data) if any(f"resimulation_distance_{tag}" in row for tag in tags)]
    assert bool(reference_rows) == bool(tags) and all(row["title"] in table for row in rows(data))
    assert all(sentence in table for sentence in study.conclusions(data))


def objective(key, **place):
    cells = STUDIES.make(key).cells()
    return next(c for c in cells if place.items() <= c.coordinates.items()).experiment


def test_each_way_to_train_is_what_its_source_says():
    key = "architectures_and_divergences"
    place = {"architecture": "coupling", "divergence": "kl", "seed": 0}
    experiment = objective(key, setting="printed", direction="backward", **place)
    values = experiment.objective.values()
    assert (values["direction"], values["order"]) == ("backward_marginal", "model_first")
    assert values["weight_reconstruction"] == 1.0 and values["generator_gradient"] == "exact"
    assert experiment.problem.convention == "paper" and experiment.architecture.extra_latent == 12
    assert experiment.objective.network_rate * experiment.training.learning_rate == pytest.approx(2e-4)
    code = objective(key, setting="code", direction="backward", **place)
    values = code.objective.values()
    assert (values["direction"], values["order"]) == ("backward_joint", "data_first")
    assert values["weight_reconstruction"] == 0.01 and values["logit_clamp"] == 4.0
    assert values["generator_gradient"] == "non_saturating" and code.problem.convention == "code"
    ours = objective(key, setting="ours", direction="forward", **place)
    values = ours.objective.values()
    assert values["direction"] == "forward_true_y" and values["weight_y"] > 0
    assert values["weight_reconstruction"] == 0 and ours.architecture.extra_latent == 0
    forward = objective(key, setting="printed", direction="forward", **place)
    assert any("zero padding" in sentence for sentence in forward.warnings())


def test_the_grid_has_all_combinations_with_a_figure():
    study = STUDIES.make("architectures_and_divergences", seeds=1)
    places = {json.dumps(figure.row, sort_keys=True) for figure in study.published}
    assert len(places) == 12 and len(study.cells()) == 2 * 6 * 2 * 3
    fast = STUDIES.make("architectures_and_divergences", fast=True)
    residual = [c for c in fast.cells() if c.coordinates["architecture"] == "residual"]
    assert len(fast.cells()) == 24 and {c.coordinates["divergence"] for c in residual} == {"jensen_shannon"}


def test_entropy_is_the_blur_of_the_code_and_its_root_is_that_of_ours():
    place = {"entropy": 0.01, "kind": "biased", "seed": 0}
    code = objective("entropic_regularisation", setting="code", **place).objective
    ours = objective("entropic_regularisation", setting="ours", **place).objective
    assert code.sinkhorn_blur == 0.01 and ours.sinkhorn_blur == pytest.approx(0.1)
    assert not code.sinkhorn_debiased and code.direction == "backward_marginal"
    assert ours.direction == "backward_joint" and ours.weight_reconstruction == 0


def test_latents_are_counted_as_in_the_paper():
    for latents in (2, 38):
        experiment = objective("latent_dimension", latents=latents, setting="code", divergence="kl")
        model = experiment.architecture.build(experiment.problem.shapes)
        assert model.latent_features == latents


def test_prior_losses_have_the_bounds_and_factors_of_their_source():
    loss = objective("prior_loss", prior="uniform", weight=100.0, setting="printed").objective
    code = objective("prior_loss", prior="uniform", weight=100.0, setting="code").objective
    assert (loss.prior_low, loss.prior_high, loss.weight_prior) == (0.0, 1.0, 100.0)
    assert (code.prior_low, code.prior_high, code.weight_prior) == (-0.5, 0.5, 1000.0)
    assert objective("prior_loss", prior="none").objective.prior_loss == "none"
    assert code.weight_likelihood == 1 and code.weight_divergence == 0
    ours = objective("prior_loss", prior="law", weight=100.0, setting="ours").objective
    assert (ours.divergence, ours.direction) == ("energy_distance", "backward_marginal")
    assert (ours.weight_divergence, ours.weight_likelihood, ours.prior_loss) == (100.0, 1.0, "none")


def test_valleys():
    assert [valleys(v) for v in ([1, 2, 3], [3, 1, 2], [1, 2, 1], [2, 3, 1, 4, 0])] == [1, 1, 2, 3]


def test_the_cross_table_has_every_divergence_and_says_what_does_not_fit():
    study = STUDIES.make("every_divergence", seeds=1)
    cells = study.cells()
    assert len(cells) == 4 * 4 * len(DIVERGENCES.keys())
    refusals = {(c.coordinates["problem"], c.coordinates["network"]) for c in cells if c.refused}
    assert refusals == {("two_moons", "inn")} and all("no y" in c.refused for c in cells if c.refused)
    fast = {c.coordinates["divergence"] for c in STUDIES.make("every_divergence", fast=True).cells()}
    assert fast == set(DIVERGENCES.keys())


def test_the_cross_table_evaluates_posteriors_and_densities(tmp_path):
    study = STUDIES.make(
        "every_divergence",
        problems=["two_moons", "eight_modes"],
        networks=["spline", "inn"],
        divergences=["energy_distance"],
        **(TINY | {"draws": 60}),
    )
    data = run(study, out=tmp_path, device="cpu")
    assert list(data["status"].values) == ["done", "done", "refused", "done"]
    results = data.isel(cell=data["status"].values == "done")
    for name in ("mmd", "c2st", "spread", "training_minutes"):
        assert np.isfinite(results[name].values).all(), name
    assert np.isfinite(results["resimulation_distance"].values[1:]).any()
    assert data["note"].values[2] in study.cells()[2].refused and "refused" in text(data)
