"""The published comparison: equal sizes and data, classical methods, and the table with its conclusions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from workbench import studies
from workbench.cli import main
from workbench.core.shapes import Shapes
from workbench.problems import PROBLEMS
from workbench.studies import STUDIES, StudyFolder, conclusions, gather, load, run
from workbench.studies.methods import METHODS, alike, count, widened
from workbench.studies.samplers import (
    AdjointSampler,
    ExactSampler,
    PriorSampler,
    RejectionSampler,
    forward_network,
    train_forward,
)
from workbench.training import Experiment, Training
from workbench.training.data import RunData

STORED_RESULTS = Path(__file__).resolve().parents[2] / "datasets" / "results"
TINY = {"observations": 8, "draws": 50, "samples": 600, "steps": 6, "parameters": 2000, "adjoint_steps": 5}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("key", ["kinematics", "ballistics"])
@pytest.mark.parametrize("parameters", [30_000, 100_000])
def test_every_network_is_of_like_size_and_sees_the_same_data(key, parameters):
    study = STUDIES.make(key, parameters=parameters)
    cells = [cell for cell in study.cells() if cell.experiment is not None]
    share = {method.key: method.share for method in METHODS}
    assert len(cells) >= 9 and [s for s in share.values() if s != 1.0] == [1 / 3]
    for cell in cells:
        experiment = cell.experiment
        size = count(experiment.architecture, experiment.problem.shapes)
        target = share[cell.coordinates["method"]] * parameters
        assert size == pytest.approx(target, rel=0.15), cell.id
    assert len({json.dumps(cell.experiment.training.values()) for cell in cells}) == 1
    assert len({json.dumps(cell.experiment.problem.values()) for cell in cells}) == 1


def test_the_width_is_the_best_one():
    from workbench.architectures import ARCHITECTURES

    architecture, shapes = ARCHITECTURES.make("realnvp"), Shapes(4, 2)
    network = alike(architecture, shapes, 20_000)
    misses = [abs(count(widened(architecture, network.width + d), shapes) - 20_000) for d in (-1, 0, 1)]
    assert min(misses) == misses[1] and architecture.width != network.width
    decoder = alike(ARCHITECTURES.make("maf_decoder"), shapes, 100_000)
    assert decoder.decoder_width == 2 * decoder.width  # the ratio of the defaults


def test_a_method_that_is_not_there_says_so(monkeypatch):
    from workbench.studies import comparison
    from workbench.studies.methods import Method

    monkeypatch.setattr(comparison, "METHODS", (Method("later", "Later", "not_yet"), *METHODS))
    cells = STUDIES.make("kinematics", methods=["later", "nonsense", "inn"]).cells()
    assert "not in this version's catalogue" in cells[0].refused
    assert "no method 'nonsense'" in cells[1].refused
    assert not cells[2].refused and cells[2].experiment.objective.key == "inn"


def test_every_cell_has_every_column(tmp_path):
    keys = ["exact", "prior", "abc", "neural_adjoint", "realnvp", "inn_likelihood"]
    study = STUDIES.make("ballistics", methods=keys, **TINY)
    data = run(study, out=tmp_path, device="cpu")
    assert set(data["status"].values) == {"done"}
    for column in study.columns:
        assert np.isfinite(data[column.name].values).all(), column.name
    values = {
        n: dict(zip(keys, data[n].values, strict=True)) for n in ("err_post", "err_resim", "parameters")
    }
    assert abs(values["err_post"]["exact"]) < 0.03 < values["err_post"]["prior"]
    assert values["err_resim"]["exact"] < 1e-12
    assert values["parameters"]["prior"] == 0 and values["parameters"]["realnvp"] > 1000
    assert data["shown_draws"].shape == (6, 3, 300, 4)
    speeds = data["shown_draws"].values[..., 3]
    assert (speeds == speeds.round()).all()
    assert list(data["shown_y"].values[0]) == list(PROBLEMS.make("inverse_ballistics").default_observation)
    curve = data["curve_validation"].sel(cell=4).values
    assert np.isfinite(curve[:6]).all() and np.isnan(curve[6:]).all()


def table(**values) -> xr.Dataset:
    """A finished comparison with these numbers: method = (Err_post, µs a draw, seconds of training)."""
    study = STUDIES.make("kinematics", methods=list(values))
    parts = {
        n: ("cell", [v[i] for v in values.values()])
        for i, n in enumerate(("err_post", "sampling_microseconds", "training_seconds"))
    }
    bare = gather(study, study.cells(), StudyFolder("nowhere"))
    return bare.assign(parts).assign_coords(status=("cell", ["done"] * len(values)))


def test_the_table_says_what_it_shows():
    numbers = {
        "prior": (0.24, 1, 0),
        "abc": (0.03, 5, 0),
        "maf": (0.0008, 2, 9),
        "nice": (0.3, 1, 9),
        "flow_matching": (0.002, 200, 9),
        "mixture_density_network": (0.0001, 1, 9),
    }
    sentences = conclusions.sentences(table(**numbers))
    assert "MAF comes nearest" in sentences[0] and sentences[0].endswith("0.0016, is reached.")
    assert sentences[1] == "MAF draws 100 times as fast as flow matching with 32 evaluations."
    assert (
        sentences[2].startswith("3 of 4 trained methods come nearer than rejection")
        and "NICE" not in sentences[2]
    )
    assert sentences[3].startswith("3 of 4 trained methods beat the prior")
    worse = conclusions.sentences(table(**numbers | {"maf": (0.0032, 2, 9)}))
    assert "missed by a factor of 2.0" in worse[0]
    assert conclusions.with_exact_likelihood() >= {"nice", "realnvp", "neural_spline_coupling", "maf"}
    inexact = {"inn", "flow_matching", "mixture_density_network", "abc"}
    assert not conclusions.with_exact_likelihood() & inexact


def test_the_goal_is_stated_even_where_its_method_was_not_run():
    numbers = {"abc": (0.03, 5, 0), "realnvp": (0.0032, 2, 9)}
    sentences = STUDIES.make("kinematics", methods=list(numbers)).conclusions(table(**numbers))
    assert sentences[0].endswith("0.0016, is missed by a factor of 2.0.")


def test_the_best_of_those_that_draw_fast_is_named():
    numbers = {
        "maf": (0.001, 20, 9),
        "realnvp": (0.0032, 3, 9),
        "glow": (0.004, 2, 9),
        "flow_matching": (0.002, 160, 9),
    }
    sentences = conclusions.sentences(table(**numbers))
    assert sentences[2] == (
        "Of those that draw at least 50 times as fast, RealNVP (53 times) comes nearest: "
        "0.0032, 2.0 times that figure."
    )
    better = conclusions.sentences(table(**numbers | {"realnvp": (0.0012, 3, 9)}))
    assert better[2].endswith("0.0012, which reaches that figure.")
    assert len(conclusions.sentences(table(**numbers | {"realnvp": (0.0009, 3, 9)}))) == 2
    slow = conclusions.sentences(table(**numbers | {"flow_matching": (0.002, 60, 9)}))
    assert slow[2].startswith(
        "None of them draws 50 times as fast as flow matching; Glow comes nearest, with 30 times."
    )


def test_the_middle_setting_lies_between():
    fast, middle = STUDIES.make("kinematics", fast=True), STUDIES.make("kinematics", middle=True)
    full = STUDIES.make("kinematics")
    for name in ("parameters", "samples", "steps", "observations"):
        assert getattr(fast, name) < getattr(middle, name) < getattr(full, name), name
    assert STUDIES.make("ballistics", middle=True, steps=7).steps == 7
    assert studies.setting(gather(middle, middle.cells(), StudyFolder("nowhere"))) == "middle"


@pytest.mark.parametrize("key", ["kinematics", "ballistics"])
@pytest.mark.parametrize("setting", ["fast", "middle"])
def test_a_stored_result_has_the_experiments_of_its_study(key, setting):
    result = load(STORED_RESULTS / f"{key}_{setting}.nc")
    study = STUDIES.make(key, **{setting: True}, methods=[str(m) for m in result["method"].values])
    assert json.loads(result.attrs["settings"]) | {"methods": study.methods} == study.values()
    for cell, table in zip(study.cells(), result["experiment"].values, strict=True):
        # a setting that is younger than the file has its default there
        experiment = Experiment.from_dict(json.loads(str(table))) if str(table) else None
        assert experiment == cell.experiment, cell.id
    assert (result["status"] == "done").all() and result.attrs["complete"]


# ---- the classical ways
def test_rejection_takes_the_nearest_pairs_and_no_others():
    x = torch.arange(1000.0).double()[:, None]
    sampler = RejectionSampler(x, x.clone(), share=0.01)
    draws = sampler.draw(torch.tensor([[500.2], [10.0]]).double(), 200, generator())
    assert draws.shape == (2, 200, 1) and set(draws[0, :, 0].tolist()) == set(range(496, 506))
    assert draws[1].min() >= 5 and draws[1].max() <= 15


def test_rejection_comes_near_the_posterior_with_many_pairs():
    problem = PROBLEMS.make("linear_gaussian")
    pairs, y = problem.draw(200_000, generator()), torch.tensor([problem.default_observation]).double()
    draws = RejectionSampler(pairs.x, pairs.y).draw(y, 5000, generator(1))[0]
    exact = ExactSampler(problem).draw(y, 5000, generator(2))[0]
    assert (draws.mean(0) - exact.mean(0)).abs().max() < 0.06
    assert (draws.std(0) / exact.std(0) - 1).abs().max() < 0.1


def test_the_prior_is_independent_of_the_observation():
    sampler = PriorSampler(PROBLEMS.make("inverse_kinematics"))
    draws = sampler.draw(torch.tensor([[1.5, 0.0], [0.0, 1.0]]).double(), 4000, generator())
    assert (draws.std(1) - torch.tensor([0.25, 0.5, 0.5, 0.5])).abs().max() < 0.02


def test_the_neural_adjoint_finds_solutions_and_puts_the_best_first():
    problem = PROBLEMS.make("inverse_kinematics")
    settings = Training(samples=4000, batch_size=200, early_stopping=False)
    data = RunData(problem, settings, seed=0, device=torch.device("cpu"), dtype=torch.float32)
    torch.manual_seed(0)
    network = forward_network(4, 2, 6000)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(6000, rel=0.05)
    train_forward(network, data, settings, 600)
    y = problem.draw(10, generator(5)).y
    draws = AdjointSampler(network, data, steps=100).draw(y, 20, generator())
    misfits = (
        (problem.simulate(draws.reshape(-1, 4), generator()).reshape(10, 20, 2) - y[:, None]).square().sum(2)
    )
    prior = problem.simulate(problem.draw(200, generator()).x, generator()).reshape(10, 20, 2) - y[:, None]
    assert misfits.median() < 0.01 * prior.square().sum(2).median()
    assert misfits[:, :5].mean() < misfits[:, -5:].mean()
    assert not network[0].weight.requires_grad and draws.shape == (10, 20, 4)


# ---- the command line
def test_the_command_line_runs_a_study_and_goes_on(tmp_path, capsys):
    words = [
        "study",
        "kinematics",
        "--fast",
        "--set",
        "methods=prior,nice",
        "--out",
        str(tmp_path),
        "--device",
        "cpu",
    ]
    for name, value in TINY.items():
        words += ["--set", f"{name}={value}"]
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["method"] for row in answer["rows"]] == ["prior", "nice"] and answer["complete"]
    assert answer["rows"][0]["err_post_replicated"] == 0.242 and answer["settings"]["fast"]
    assert answer["rows"][1]["err_post"] == pytest.approx(float(load(tmp_path)["err_post"][1]))
    assert main(words) == 0
    output = capsys.readouterr()
    assert output.out.startswith("Inverse kinematics, compared (fast setting)") and "Prior only" in output.out
    assert not output.err  # nothing was left to do
    assert main([*words[:-2], "--set", "steps=7"]) == 2  # other settings, same folder
    assert "Another study lives in" in capsys.readouterr().err
    assert main(["study", "kinematic"]) == 2 and "id you mean 'kinematics'" in capsys.readouterr().err
