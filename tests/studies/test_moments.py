"""The study of finite moments: what it measures, and what it concludes from numbers."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.studies import STUDIES, StudyFolder, gather, rows, run


def test_a_small_one_has_every_number(tmp_path):
    study = STUDIES.make(
        "moments", fast=True, alphas=[1.0, 3.0], steps=5, samples=600, draws=2000, transforms=2, width=8
    )
    data = run(study, out=tmp_path, device="cpu")
    assert list(data["status"].values) == ["done"] * 4
    found = {(row["loss"], row["alpha"]): row for row in rows(data)}
    assert found["kl", 1.0]["w1_digitised"] == 1.26 and "w1_relative" not in found["kl", 1.0]
    third = found["likelihood", 3.0]
    assert third["exponent"] == pytest.approx(1 / 3) and 0 < third["w1_floor"] < 0.2
    assert third["w1_relative"] == pytest.approx(third["w1"] / (3 * (2 ** (1 / 3) - 1) / 2))
    assert third["w1"] > third["w1_floor"]  # five steps


def table(w1, spread) -> tuple:
    study = STUDIES.make("moments", alphas=[2.0, 3.0, 5.0])
    bare = gather(study, study.cells(), StudyFolder("nowhere"))
    values = {
        "w1": w1 * 2,
        "w1_relative": list(np.divide(w1, spread)) * 2,
        "floor_relative": [0.02, 0.01, 0.01] * 2,
    }
    made = bare.assign({name: ("cell", v) for name, v in values.items()})
    return study, made.assign_coords(status=("cell", ["done"] * 6))


def test_it_says_whether_the_trend_is_more_than_the_spread():
    study, data = table([0.9, 0.3, 0.1], [1.0, 0.5, 0.3])
    said = study.conclusions(data)
    assert len(said) == 2 and said[0].startswith("Variational KL: W1 goes from 0.9 at α = 2 to 0.1 at α = 5")
    assert said[0].count("-1.00") == 2 and "0.01 to 0.02" in said[0]
    study, data = table([0.9, 0.3, 0.1], [0.9, 0.2, 0.04])
    assert "+1.00" in study.conclusions(data)[0]
