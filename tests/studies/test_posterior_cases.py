"""Case studies on the arm: smallest grids, whole tables, and what each way to train stands for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from workbench.studies import STUDIES, rows, run, text

TINY = {
    "samples": 400, "steps": 2, "batch_size": 32, "width": 8, "observations": 8, "draws": 80, "classified": 1,
    "seeds": 1,
}  # fmt: skip
GRIDS = {
    "architectures_and_divergences": {
        "divergences": ["jensen_shannon"],
        "settings_compared": ["printed", "ours"],
    },
}


@pytest.mark.parametrize("key", GRIDS)
def test_the_smallest_grid_is_a_whole_table(key, tmp_path):
    study = STUDIES.make(key, **(TINY | GRIDS[key]))
    data = run(study, out=tmp_path, device="cpu")
    assert set(data["status"].values) == {"done"}, data["note"].values
    for column in study.columns:
        assert np.isfinite(data[column.name].values).all(), column.name
    assert data["mmd_each"].dims == ("cell", "observation") and data.attrs["complete"] == 1
    assert ((0 <= data["c2st"]) & (data["c2st"] <= 1)).all() and (data["resimulation_distance"] > 0).all()
    tags = {figure.tag for figure in study.published}
    printed = text(data)
    assert all(f"{tag}: " in printed for tag in tags)
    shown = [row for row in rows(data) if any(f"resimulation_distance_{tag}" in row for tag in tags)]
    assert shown and all(row["title"] in printed for row in rows(data))
    assert all(sentence in printed for sentence in study.conclusions(data))


def objective(key, **place):
    cells = STUDIES.make(key).cells()
    return next(c for c in cells if place.items() <= c.coordinates.items()).experiment


def test_each_way_to_train_is_what_its_source_says():
    key = "architectures_and_divergences"
    place = {"architecture": "coupling", "divergence": "kl", "seed": 0}
    printed = objective(key, setting="printed", direction="backward", **place)
    values = printed.objective.values()
    assert (values["direction"], values["order"]) == ("backward_marginal", "model_first")
    assert values["weight_reconstruction"] == 1.0 and values["generator_gradient"] == "exact"
    assert printed.problem.convention == "paper" and printed.architecture.extra_latent == 12
    assert printed.objective.network_rate * printed.training.learning_rate == pytest.approx(2e-4)
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
    assert any("zero padding" in said for said in forward.warnings())


def test_the_grid_has_all_combinations_with_a_figure():
    study = STUDIES.make("architectures_and_divergences", seeds=1)
    places = {json.dumps(figure.row, sort_keys=True) for figure in study.published}
    assert len(places) == 12 and len(study.cells()) == 2 * 6 * 2 * 3
    fast = STUDIES.make("architectures_and_divergences", fast=True)
    residual = [c for c in fast.cells() if c.coordinates["architecture"] == "residual"]
    assert len(fast.cells()) == 24 and {c.coordinates["divergence"] for c in residual} == {"jensen_shannon"}
