"""The tables of docs/diagnostics.md are those of the stored study, which measures what it says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tools import diagnostics_tables
from workbench import studies
from workbench.diagnostics import DIAGNOSTICS
from workbench.diagnostics.checks import VERDICTS

TEXT = diagnostics_tables.PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_diagnostic():
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    assert {key for line in rows for key in re.findall(r"`(\w+)`", line)} >= set(DIAGNOSTICS.keys())


def test_the_tables_are_those_of_the_stored_study():
    assert TEXT == diagnostics_tables.page(TEXT), "python tools/diagnostics_tables.py writes them anew"
    data = studies.load(diagnostics_tables.RESULT)
    data = data.isel(cell=data["status"].values == "done")
    exact = (data["fault"].values == "exact") & (data["budget"].values == "fast")
    reports = data["reports"].values[exact]
    assert reports.sum() >= 300
    # the goal: an exact posterior is red at most twice in a hundred reports
    assert np.average(data["red"].values[exact], weights=reports) <= 2.0


def test_the_study_counts_verdicts_of_reports(tmp_path, monkeypatch):
    checks = ["calibration", "tarp", "latent_normality"]
    data = studies.run(
        "diagnostics",
        out=tmp_path,
        device="cpu",
        exact_seeds=1,
        replicates=2,
        budgets=["fast"],
        problems=["normal_3"],
        faults=["exact", "ignored", "mode"],
        leave_out=[key for key in DIAGNOSTICS.keys() if key not in checks],
    )
    assert data["fault"].values.tolist() == ["exact", "ignored"]  # there is no second mode to miss
    exact, prior = data["red"].values
    assert exact == 0 and prior == 100 and data["calibration"].values[1] == 0
    assert np.isnan(data["posterior_mmd"].values).all() and (data["reports"].values == 2).all()
    assert set(VERDICTS) == {"green", "amber", "red"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_exact_posterior_is_hardly_ever_accused():
    settings = {"replicates": 100, "exact_seeds": 1, "leave_out": ["posterior_c2st"]}
    study = studies.STUDIES.make("diagnostics", budgets=["fast"], problems=["normal_3"], **settings)
    cell = next(cell for cell in study.cells() if cell.coordinates["fault"] == "exact")
    result = study.measure(cell, None)
    # 1 % of 100; more than 5 happen less than once in a thousand times
    assert float(result["not_green"]) <= 5
