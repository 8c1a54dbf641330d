"""The studies of finite moments: what they measure, and what they conclude from numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.problems import PROBLEMS
from workbench.studies import STUDIES, StudyFolder, gather, rows, run, text
from workbench.studies.heavy_tails import COLUMNS, build, distances, exponent, pareto
from workbench.studies.realisable_moments import CLASS, strong_teacher


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_small_one_has_every_number(tmp_path):
    study = STUDIES.make(
        "moments", fast=True, networks=["third"], alphas=[1, 3], steps=3, batch_size=16, points=2000
    )
    data = run(study, out=tmp_path, device="cpu")
    assert list(data["status"].values) == ["done"] * 4, data["note"].values
    by_place = {(row["setting"], row["alpha"]): row for row in rows(data)}
    assert by_place["code", 1]["w1_digitised"] == 1.26 and "exponent" not in by_place["code", 1]
    assert "w1_digitised" not in by_place["likelihood", 1]
    for row in (by_place["code", 3], by_place["likelihood", 3]):
        assert row["exponent"] == pytest.approx(1 / 3) and 0 < row["w1_floor"] < 0.2
        assert all(column.name in row for column in COLUMNS)
        # three steps; and the width of the data is that of a sample of it
        exact = PROBLEMS.make("pareto", alpha=3.0).absolute_deviation()
        assert row["w1"] > row["w1_floor"] and row["w1_relative"] == pytest.approx(row["w1"] / exact, rel=0.1)
    assert "digitised: " in text(data) and all(sentence in text(data) for sentence in study.conclusions(data))


def test_a_small_realisable_one(tmp_path):
    study = STUDIES.make("realisable_moments", steps=2, batch_size=16, alphas=[2, 3, 5], seeds=1, points=400)
    data = run(study, out=tmp_path, device="cpu")
    assert set(data["status"].values) == {"done"}, data["note"].values
    assert all(np.isfinite(data[column.name].values).all() for column in COLUMNS)
    (sentence,) = study.conclusions(data)
    assert sentence.startswith("Realisable: W1 goes from") and data["quantiles"].shape == (3, 2, 101)


def table(w1, relative) -> tuple:
    study = STUDIES.make("moments", alphas=[2, 3, 5], networks=["third"], settings_compared=["code"], seeds=1)
    bare = gather(study, study.cells(), StudyFolder("nowhere"))
    floor, tail = [0.02, 0.01, 0.01], [0.1, 0.5, 1.0]
    values = {"w1": w1, "w1_relative": relative, "floor_relative": floor, "tail": tail}
    return study, bare.assign({name: ("cell", v) for name, v in values.items()})


def test_it_says_whether_the_trend_is_more_than_the_width():
    study, data = table([0.9, 0.3, 0.1], [0.9, 0.6, 0.3])
    sentence = study.conclusions(data)[0]
    assert sentence.startswith("third, as in the code: W1 goes from 0.9 at α = 2 to 0.1 at α = 5")
    assert sentence.count("-1.00") == 2 and "0.02 to 0.01" in sentence and "0.1 times" in sentence
    study, data = table([0.9, 0.3, 0.1], [1.0, 1.5, 2.5])
    assert "+1.00" in study.conclusions(data)[0]


def test_distances_of_shifted_samples():
    truth = torch.linspace(0, 1, 2001, dtype=torch.float64)
    values = distances(truth, truth, truth + 0.3)
    assert values["w1"] == pytest.approx(0.3) and values["w1_floor"] == values["floor_relative"] == 0
    assert values["w1_relative"] == pytest.approx(0.3 / 0.25, rel=1e-3)
    assert values["w1_bulk"] == pytest.approx(values["w1_relative"])
    assert values["tail"] == pytest.approx(1.3, rel=2e-3)
    assert distances(truth, truth, truth * torch.nan)["w1"] == np.inf
    assert exponent(5.0) == pytest.approx(0.4) and np.isnan(exponent(1.0))


def test_the_realisable_class_keeps_its_displacement_whatever_the_weights():
    model = build("residual_flow", CLASS, 1, 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(50.0)
        x = pareto(500, 1.0, generator())
        z, _ = model.latent(x, None)
        assert float((z - x).abs().max()) <= model.displacement
        assert torch.allclose(model.inverse(z, None)[0], x, rtol=1e-4, atol=1e-4)
    slope = (z[1:] - z[:-1]).abs() / (x[1:] - x[:-1]).abs().clamp_min(1e-3)
    assert float(slope.max()) <= model.lipschitz * (1 + 1e-3)


def test_the_teacher_is_no_identity_and_makes_data_with_the_latent_s_tail():
    teacher = strong_teacher()
    with torch.no_grad():
        z = pareto(4000, 2.0, generator())
        x, _ = teacher.inverse(z, None)
    assert float((x - z).abs().max()) > 0.2
    # far out the map is a shift: the large quantiles differ by a bounded amount
    assert float((x - z).abs().max()) <= teacher.displacement * (1 + 1e-3)
