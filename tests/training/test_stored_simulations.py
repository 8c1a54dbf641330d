"""A run of an own simulator lives from its folder alone: resumed, sampled, diagnosed and reported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

import workbench as wb
from workbench.cli import main
from workbench.core.capability import Capability
from workbench.core.errors import DataError, IncompatibleError, RunError
from workbench.training import RunFolder

D = torch.distributions
SETTINGS = {"measured": [], "samples": 400, "validate_every": 10}
NETWORK = {"key": "realnvp", "settings": {"transforms": 2, "width": 16}}


def make_problem(**changes):
    settings = {"x": ["a", wb.Variable("k", scale="log")], "y": [wb.Variable("s", unit="m")]} | changes
    prior = [D.Uniform(0.1, 0.7), D.LogNormal(0.0, 1.0)]

    def simulate(x):
        return x[:, :1] + x[:, 1:].log() + 0.1 * torch.randn(len(x), 1)

    return wb.SimulatorProblem(prior, simulate, **settings)


def experiment(problem=None, steps=20):
    return wb.Experiment(problem or make_problem(), NETWORK, training=SETTINGS, steps=steps, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run"
    run = wb.Run(experiment(), folder=path)
    for _ in range(8):
        run.step()
    run.save()
    return path


def test_the_folder_holds_the_pairs_bounds_and_kinds(folder):
    problem = RunFolder(folder).experiment().problem
    assert problem.key == "simulator" and problem.rows == 400
    assert (problem.x[0].low, problem.x[0].high) == (0.1, 0.7) and problem.x[1].scale == "log"
    assert problem.y[0].unit == "m"
    assert problem.capabilities == {Capability.OBSERVATION}


def test_resumed_without_the_function_is_straight_on_bit_for_bit(folder, tmp_path):
    straight = wb.Run(experiment())
    for _ in straight:
        pass
    other = tmp_path / "copy"
    other.mkdir()
    for path in folder.rglob("*"):
        if path.is_file():
            (other / path.relative_to(folder)).parent.mkdir(exist_ok=True)
            (other / path.relative_to(folder)).write_bytes(path.read_bytes())
    again = wb.Run.resume(other)
    for _ in again:
        pass
    for name, value in straight.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    again.save()
    assert wb.Run.resume(other).problem.rows == 400


def test_diagnosed_and_reported_without_the_function(folder, tmp_path):
    run = RunFolder(folder).open()
    report = wb.diagnose(run, only=["expected_coverage", "resimulation_error"])
    assert report["expected_coverage"].attrs["verdict"] != "not applicable"
    assert report["resimulation_error"].attrs["verdict"] == "not applicable"
    pairs = run.data.pairs(held_out=True)
    from workbench.diagnostics.checks.base import held_out_pairs

    held_out = held_out_pairs(run.fitted, run.problem, 10, 0)
    assert not held_out.in_sample and torch.allclose(held_out.x, pairs.x[:10], rtol=1e-5)
    run.snapshot()


def test_the_command_line_samples_without_the_function(folder, capsys):
    assert main(["sample", str(folder), "--observation", "0.5", "--draws", "20", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    low, high = (answer["variables"]["a"][q] for q in ("q05", "q95"))
    assert 0.1 <= low < high <= 0.7
    capsys.readouterr()
    remedy = "The simulator's Python function is not in the run's folder: open the run with Run.resume(folder"
    for words in ((), ("--method", "truncated")):
        assert main(["refine", str(folder), "--observation", "0.5", *words]) == 2
        assert capsys.readouterr().err.count(remedy) == 1
    assert main(["diagnose", str(folder), "--only", "resimulation_error", "--json"]) == 0
    check = json.loads(capsys.readouterr().out)["diagnostics"]["resimulation_error"]
    assert check["verdict"] == "not applicable" and check["sentence"].count(remedy) == 1


def test_new_simulations_ask_for_the_function(folder):
    run = RunFolder(folder).open()
    with pytest.raises(IncompatibleError, match="problem=SimulatorProblem"):
        run.problem.simulate(torch.ones(1, 2), torch.Generator())
    with pytest.raises(DataError, match="at most 400.*problem=SimulatorProblem"):
        wb.Run(run.experiment.replace(training=SETTINGS | {"samples": 500}))
    calls = []

    def simulate(x):
        calls.append(len(x))
        return x[:, :1] + x[:, 1:].log() + 0.1 * torch.randn(len(x), 1)

    with_function = make_problem()
    with_function = wb.SimulatorProblem(with_function._source, simulate, with_function.x, with_function.y)
    calls.clear()
    again = RunFolder(folder).open(problem=with_function)
    assert not calls and torch.equal(again.data.train_x, run.data.train_x)
    assert again.problem.simulate(torch.ones(3, 2), torch.Generator()).shape == (3, 1)
    assert Capability.LOG_PRIOR in again.problem.capabilities


def test_another_problem_is_refused(folder):
    with pytest.raises(DataError, match="another x.*log"):
        RunFolder(folder).open(problem=make_problem(x=["a", wb.Variable("k")]))
    with pytest.raises(RunError, match="another problem"):
        RunFolder(folder).open(problem=wb.Experiment("two_moons").problem)


def test_damaged_pairs_are_refused(folder, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "experiment.json").write_bytes((folder / "experiment.json").read_bytes())
    data = bytearray((folder / "data" / "pairs.parquet").read_bytes())
    data[200] ^= 0xFF
    (tmp_path / "data" / "pairs.parquet").write_bytes(data)
    with pytest.raises(RunError, match="training pairs.*damaged"):
        RunFolder(tmp_path).experiment()


def test_a_new_process_needs_no_function(folder):
    code = f"import workbench as wb\nrun = wb.Run.resume({str(folder)!r})\nrun.step()\nprint(run.iteration)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout.strip() == "9", process.stderr
