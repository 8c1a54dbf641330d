"""The benchmark of posteriors: its table, its metrics against known answers, and its goals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from workbench.cli import main
from workbench.problems import PROBLEMS
from workbench.studies import STUDIES, load, rows, run, text
from workbench.studies.folder import StudyFolder

STORED_RESULTS = Path(__file__).resolve().parents[2] / "datasets" / "results" / "posteriors.nc"
SMALL = {"tasks": ["gaussian_linear", "slcp"], "simulations": 100, "observations": 1, "draws": 200,
         "methods": ["recipe"]}  # fmt: skip


@pytest.mark.slow
def test_the_smallest_grid_is_a_whole_table(tmp_path):
    study = STUDIES.make("posteriors", **SMALL)
    data = run(study, out=tmp_path, device="cpu")
    assert set(data["status"].values) == {"done"}, data["note"].values
    linear, slcp = rows(data)
    # few draws cannot tell what was refined from what is exact; 100 simulations can be told
    assert linear["c2st_refined"] < 0.62 and "c2st_floor" not in linear and linear["gap"] > 0
    assert slcp["c2st"] > 0.6 and 0.35 < slcp["c2st_floor"] < 0.65 and "gap" not in slcp
    table = text(data)
    assert "replicated: " in table and all(sentence in table for sentence in study.conclusions(data))


@pytest.mark.slow
def test_tasks_as_users_bring_them_are_rows_of_the_table(tmp_path):
    small = SMALL | {"tasks": ["gaussian_mixture"], "methods": ["table", "simulator"]}
    study = STUDIES.make("posteriors", **small)
    data = run(study, out=tmp_path, device="cpu")
    assert set(data["status"].values) == {"done"}, data["note"].values
    table, simulator = rows(data)
    # only the simulator knows the bounds: of a table's draws a part lies outside them
    assert simulator["leak"] < 0.01 < table["leak"]
    assert 0.4 < simulator["c2st"] < 1 and "c2st_refined" not in simulator
    sentences = study.conclusions(data)
    assert any("as a table: C2ST" in s for s in sentences)
    assert any("as a simulator: C2ST" in s for s in sentences)


def test_the_exact_posterior_has_no_gap_and_a_wrong_one_its_divergence():
    study, problem = STUDIES.make("posteriors"), PROBLEMS.make("gaussian_linear")

    def exact(x, y, shift=0.0):
        distribution = torch.distributions.Normal(y / 2 + shift, 0.05**0.5)
        return distribution.log_prob(x).sum(1)

    assert study._gap(problem, exact) == pytest.approx(0, abs=1e-9)
    # a mean that is off by δ in each of ten components costs 10 δ² / (2 · 0.05)
    assert study._gap(problem, lambda x, y: exact(x, y, 0.02)) == pytest.approx(0.04, rel=0.2)

    def half(x, y):  # right where x₁ is positive, and twice as dense, and impossible elsewhere
        return torch.where(x[:, 0] > 0, exact(x, y) + math.log(2), -math.inf)

    assert study._gap(problem, half) == math.inf


@pytest.mark.parametrize("key", ["two_moons_posterior", "gaussian_mixture", "gaussian_linear_uniform"])
def test_the_evidence_is_the_mean_likelihood_over_the_prior(key):
    settings = {"features": 2} if key == "gaussian_linear_uniform" else {}
    problem = PROBLEMS.make(key, **settings)
    n, area = 400_000, np.prod([v.high - v.low for v in problem.x])
    x = problem.prior(n, torch.Generator().manual_seed(1))
    for y in ([-0.3, 0.2], [0.1, 0.95], [-1.0, 0.4]):
        each = (problem.log_joint(x, torch.tensor([y]).double().expand(n, -1)).exp() * area).numpy()
        error = each.std() / np.sqrt(n)
        evidence = float(problem.log_evidence(torch.tensor([y]).double()).exp())
        assert abs(evidence - each.mean()) < 4.5 * error + 2e-3 * evidence


def test_what_is_not_installed_is_a_row_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.studies.posteriors.find_spec", lambda name: None)
    study = STUDIES.make("posteriors", tasks=["slcp"], methods=["sbi_nsf"])
    row = rows(run(study, out=tmp_path, device="cpu"))[0]
    assert row["status"] == "refused" and "bench extra" in row["note"]
    assert row["training_seconds_elsewhere"] == 329


def test_the_verb_bench_runs_the_study(tmp_path, capsys):
    words = ["bench", "posteriors", "--set", "tasks=slcp", "--set", "methods=sbi_nsf", "--out", str(tmp_path)]
    from importlib.util import find_spec

    if find_spec("sbi"):
        pytest.skip("sbi is installed and would be trained")
    assert main(words) == 0
    assert "Posteriors from simulations" in capsys.readouterr().out


def test_a_baseline_measured_elsewhere_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.studies.posteriors.find_spec", lambda name: None)
    study = STUDIES.make("posteriors", tasks=["slcp"], methods=["sbi_nsf"])
    names = ("note", "created", "experiment")
    attributes = dict.fromkeys(names, "") | {
        "status": "done",
        "seconds": 1.0,
        "device": "cpu",
        "versions": "{}",
    }
    StudyFolder(tmp_path).write_cell(study.cells()[0], xr.Dataset({"c2st": 0.9}, attrs=attributes))
    row = rows(run(study, out=tmp_path, device="cpu"))[0]
    assert (row["status"], row["c2st"], row["note"]) == ("done", 0.9, "")


def test_seconds_and_losses_are_compared_with_the_goals():
    numbers = {"training_seconds": [30.0, 40.0, 20.0, np.nan], "gap": [0.06, np.nan, 0.01, np.nan]}
    place = {"task": ["two_moons_posterior", "slcp"] * 2, "method": ["recipe"] * 2 + ["sbi_nsf"] * 2,
             "seed": [0] * 4, "title": list("abcd"), "status": ["done"] * 3 + ["waiting"],
             "note": [""] * 4}  # fmt: skip
    data = xr.Dataset(*({name: ("cell", v) for name, v in part.items()} for part in (numbers, place)))
    study = STUDIES.make("posteriors")
    columns = json.dumps([vars(column) for column in study.columns])
    data = data.assign_attrs(axes='["task", "method", "seed"]', columns=columns, published="[]")
    sentences = study.conclusions(data)
    goals = [s for s in sentences if "goal of 0.05" in s]
    assert goals == ["Two moons: 0.06 nats above the optimum; the goal of 0.05 is missed."]
    assert [s for s in sentences if "training takes 1.5 of" in s and "is missed" in s] == sentences[-1:]
    data["training_seconds"][2] = 400.0
    again = study.conclusions(data)
    assert [s for s in again if "training takes 0.075 of" in s and "is met" in s] == again[-1:]


def test_a_refinement_that_is_refused_costs_its_own_columns_and_is_told(monkeypatch):
    from workbench.core.errors import DataError
    from workbench.studies.posterior_goals import sentences

    def refuse(*_):
        raise DataError("The exact posterior is out of the network's reach")

    study, messages = STUDIES.make("posteriors"), []
    monkeypatch.setattr(type(study), "_refine", refuse)
    context = type("Context", (), {"say": lambda self, text: messages.append(text)})()
    row = study._refine_and_compare(None, PROBLEMS.make("sir"), torch.zeros(10), xr.Dataset(), context)
    assert row.pop("refusals") == 1 and np.isnan(list(row.values())).all() and "c2st_chain" in row
    assert "out of the network's reach" in messages[0]
    place = {"task": ["sir"], "method": ["recipe"], "seed": [0], "title": ["SIR, recommended"],
             "status": ["done"], "note": [""]}  # fmt: skip
    parts = ({"c2st": [0.6], "refusals": [1.0]}, place)
    data = xr.Dataset(*({name: ("cell", v) for name, v in part.items()} for part in parts))
    columns = json.dumps([vars(column) for column in study.columns])
    data = data.assign_attrs(axes='["task", "method", "seed"]', columns=columns, published="[]")
    assert any("SIR, recommended: the refinement was refused at 1 of" in text for text in sentences(data))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # of the libraries below the baseline
def test_the_baseline_is_an_independent_posterior(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("sbi", reason="the bench extra brings it")
    from workbench.studies.sbi_baseline import simulation_based_inference

    problem = PROBLEMS.make("gaussian_linear", features=2)
    baseline = simulation_based_inference(problem, 250, 0)
    y = torch.tensor([0.3, -0.2]).double()
    x = baseline.draw(y, 500)
    assert x.shape == (500, 2) and baseline.seconds > 0 and baseline.parameters > 1000
    assert (x.mean(0) - y / 2).abs().max() < 0.25
    # its density is that of its draws: the mean of 1/q over them, within a box, is the area of the box
    inside = ((x - y / 2).abs() < 0.2).all(1).double()
    area = (inside / baseline.log_prob(x, y.expand(500, -1)).exp()).mean()
    assert float(area) == pytest.approx(0.16, rel=0.3)
    assert not list(tmp_path.iterdir())  # it leaves nothing behind where it was called


def test_the_stored_result_agrees_with_its_card():
    data, card = load(STORED_RESULTS), STORED_RESULTS.with_suffix(".md").read_text(encoding="utf-8")
    assert text(data) in card
    ours = [row for row in rows(data) if row["method"] == "recipe"]
    assert {row["status"] for row in ours} == {"done"} and len(ours) == 7
    assert all(row.get("gap", 0) > -0.01 for row in rows(data))  # nothing is better than the exact posterior
