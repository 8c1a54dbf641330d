"""The command line: output as JSON, files on the disk, and refusals."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import workbench as wb
from workbench.cli import main
from workbench.cli.arguments import BUDGETS, FORMATS, FUNCTIONS, LISTS
from workbench.cli.text import plain
from workbench.training import RunFolder

TINY = [
    "--set",
    "transforms=2",
    "--set",
    "width=6",
    "--set",
    "depth=1",
    "--set",
    "samples=256",
    "--set",
    "batch_size=64",
]
INVERSE = ["--problem", "linear_gaussian", "--architecture", "realnvp", *TINY]


class Shell:
    """Runs a command in this process and captures its output."""

    def __init__(self, capsys) -> None:
        self.capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main([str(word) for word in words])
        output = self.capsys.readouterr()
        assert "Traceback" not in output.err
        return code, output.out, output.err

    def json(self, *words: str):
        code, out, _ = self(*words, "--json")
        assert code == 0, out
        assert out.count("\n") == 1 and "NaN" not in out and "Infinity" not in out
        return json.loads(out)

    def refuses(self, *words: str) -> str:
        """Exit code 2, one sentence on stderr, and the same one as JSON."""
        code, out, err = self(*words, "--json")
        assert code == 2
        sentence = json.loads(out)["error"]
        assert sentence in err and list(json.loads(out)) == ["error"]
        code, out, _ = self(*words)
        assert code == 2 and out == ""
        return sentence


@pytest.fixture
def shell(capsys) -> Shell:
    return Shell(capsys)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    """The folder of a small finished run with an observation."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", *INVERSE, "--steps", "5", "--out", str(folder)]) == 0
    return folder


# ---- help and lists
def test_help_is_quick_and_imports_no_torch():
    code = (
        "import sys\nfrom workbench.cli import main\nassert main(['--help']) == 0\n"
        "print(sorted({'torch', 'zuko', 'panel', 'xarray'} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0 and process.stdout.endswith("[]\n")
    for verb in ("list", "train", "sample", "diagnose", "invert", "export", "check", "serve"):
        assert re.search(rf"^    {verb} ", process.stdout, re.MULTILINE)


def test_as_a_module():
    process = subprocess.run([sys.executable, "-m", "workbench", "--version"], capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, f"vina-workbench {wb.__version__}\n")


def test_repeated_choices_agree():
    """The parser must not import torch, so it repeats a few names."""
    from workbench import diagnostics, export
    from workbench.export.formats import FUNCTIONS as functions

    assert (
        set(FORMATS) == set(export.FORMATS)
        and set(FUNCTIONS) == set(functions)
        and BUDGETS == diagnostics.BUDGETS
    )


@pytest.mark.parametrize("what", [what for what in LISTS if what != "runs"])
def test_lists(shell, what):
    cards = shell.json("list", what)
    assert isinstance(cards, list) and cards
    for card in cards:
        assert {"key", "title", "summary"} <= set(card)
    code, out, _ = shell("list", what)
    assert code == 0 and all(f"{card['key']}\n    {card['title']}." in out for card in cards)


def test_the_card_of_an_architecture_has_its_cost(shell):
    card = next(card for card in shell.json("list", "architectures") if card["key"] == "maf")
    assert (
        card["cost"]["sampling"] == "D passes"
        and "density" in card["capabilities"]
        and "onnx" in card["formats"]
    )


# ---- tables
@pytest.fixture
def hours(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"hour": rng.uniform(0, 24, 80), "flux": 10 ** rng.uniform(-2, 3, 80)})
    frame.assign(ok=frame["flux"] > 1).to_csv(tmp_path / "hours.csv", index=False)
    return tmp_path / "hours.csv"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--x", "fluxx"), r"no column 'fluxx'\. Expected: hour, flux, ok.*Did you mean 'flux'\?$"),
        (("--x", "flux", "--set", "log=ok"), r"'ok' is to have the setting 'log'.*add it to x or y"),
        (("--x", "flux", "--set", "period=24"), r"Expected: NAME:NUMBER, such as hour:24"),
        (("--x", "flux", "--set", "whole=flux"), r"'flux' is to hold whole numbers.*take it out of whole\.$"),
        (("--y", "flux"), r"--data without --x\. 'workbench table .*hours\.csv' lists its columns\.$"),
    ],
)
def test_a_mistake_in_a_column_has_a_true_hint(shell, hours, words, sentence):
    answer = shell.refuses("train", "--data", hours, *words)
    assert re.search(sentence, answer, re.IGNORECASE) and "architecture" not in answer


def test_what_a_column_suggests_is_a_command_that_trains(shell, hours, tmp_path):
    code, out, _ = shell("table", hours)
    assert code == 0 and "--set problem.period=hour:24" in out and "--set problem.categories=ok" in out
    words = shlex.split(out.strip().splitlines()[-1])[1:]
    words += ["--steps", "1", "--out", str(tmp_path / "run")]
    assert shell(*words)[0] == 0
    problem = RunFolder(tmp_path / "run").open().experiment.problem
    assert (
        "--architecture" in words
        and problem.period == {"hour": 24.0}
        and problem.log == ["flux"]
        and problem.categories == ["ok"]
    )


def test_the_syntax_of_the_settings_of_columns_is_told(shell):
    for verb in ("train", "table"):
        code, out, _ = shell(verb, "--help")
        assert code == 0
        for syntax in ("log=A,B", "period=A:24,B:360", "low=A:0", "missing=drop", 'period="hour, local":24'):
            assert syntax in out
    from workbench.cli.arguments import TABLE_SETTINGS
    from workbench.problems.user.kinds import KIND_SETTINGS

    assert all(f"{name}=" in TABLE_SETTINGS for name in KIND_SETTINGS if not name.endswith("_columns"))


def test_the_sheets_of_a_spreadsheet_are_told(shell, tmp_path):
    pytest.importorskip("openpyxl")
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["x", "y"]}).to_excel(book, sheet_name="Readme", index=False)
        pd.DataFrame({"a": np.arange(60.0) ** 2}).to_excel(book, sheet_name="Data", index=False)
    code, out, err = shell("table", path)
    assert code == 0 and out.startswith("2 rows") and "2 sheets, and 'Readme' is read" in err
    for words in ((f"{path}#Data",), (path, "--group-path", "Data"), (path, "--group-path", "2")):
        assert shell.json("table", *words)[0]["name"] == "a"
    answer = shell.refuses("train", "--data", path, "--x", "a")
    assert "'Data'" in answer and "book.xlsx#Data" in answer


def test_a_boolean_to_infer_as_a_number_is_told(shell, hours, tmp_path):
    words = ("train", "--data", hours, "--x", "ok", "--y", "hour", "--steps", "1")
    code, _, err = shell(*words, "--out", tmp_path / "one")
    assert code == 0 and "Note: 'ok' has only the values 0 and 1" in err and "categories=['ok']" in err
    words += ("--architecture", "made", "--set", "problem.categories=ok")
    code, _, err = shell(*words, "--out", tmp_path / "two")
    assert code == 0 and "'ok'" not in err


# ---- train
def test_train_prints_its_result(shell, tmp_path):
    code, out, err = shell("train", *INVERSE, "--steps", 4, "--seed", 3, "--out", tmp_path / "run", "--json")
    assert code == 0
    answer = json.loads(out)
    assert {"run", "steps", "seconds", "steps_per_second", "loss", "parameters"} <= set(answer)
    assert answer["run"] == str(tmp_path / "run") and answer["steps"] == 4 and answer["state"] == "finished"
    assert math.isfinite(answer["loss"]) and answer["seconds"] > 0 and answer["parameters"] > 0
    assert "4/4" in err and "loss=" in err
    folder = RunFolder(tmp_path / "run")
    experiment = folder.experiment()
    assert folder.status()["state"] == "finished" and len(folder.history()) == 4
    assert experiment.architecture.width == 6 and experiment.training.samples == 256 and experiment.seed == 3


def test_the_same_seed_is_the_same_run(shell, tmp_path):
    losses = [shell.json("train", *INVERSE, "--steps", 3, "--out", tmp_path / name)["loss"] for name in "ab"]
    assert losses[0] == losses[1]


def test_without_a_folder_the_run_goes_to_the_home(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    answer = shell.json("train", "--problem", "two_moons", "--architecture", "nice", *TINY, "--steps", 2)
    from workbench.training import Runs

    assert [str(info.path) for info in Runs().list()] == [answer["run"]]


def test_train_from_a_file_with_changes(shell, tmp_path):
    experiment = wb.Experiment(
        "two_moons",
        {"key": "realnvp", "settings": {"transforms": 2, "width": 6}},
        training={"samples": 256},
        steps=9,
        seed=4,
    )
    (path := tmp_path / "experiment.json").write_text(experiment.to_json())
    shell.json("train", path, "--steps", 2, "--set", "problem.noise=0.2", "--out", tmp_path / "run")
    stored_experiment = RunFolder(tmp_path / "run").experiment()
    assert (stored_experiment.steps, stored_experiment.seed) == (2, 4)
    assert stored_experiment.problem.noise == 0.2
    assert stored_experiment.architecture == experiment.architecture


@pytest.fixture
def table(tmp_path) -> Path:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(80, 4)), columns=["a [m]", "b", "c", "d"])
    frame.loc[3, "b"] = np.nan
    frame.to_csv(tmp_path / "data.csv", index=False)
    return tmp_path / "data.csv"


def test_train_on_a_table_and_sample_without_it(shell, table, tmp_path):
    words = [
        "train",
        "--data",
        table,
        "--x",
        "a,b",
        "--y",
        "c,d",
        "--architecture",
        "realnvp",
        *TINY[:6],
        "--steps",
        2,
    ]
    assert "missing" in shell.refuses(*words, "--out", tmp_path / "refused")
    shell.json(*words, "--set", "missing=drop", "--out", tmp_path / "run")
    table.unlink()
    answer = shell.json("sample", tmp_path / "run", "--observation", "0.1,0.2", "--draws", 7)
    assert answer["variables"]["a"]["unit"] == "m" and list(answer["variables"]) == ["a", "b"]


def test_resume_goes_on(shell, tmp_path):
    straight = shell.json(
        "train", *INVERSE, "--set", "schedule=constant", "--steps", 6, "--out", tmp_path / "a"
    )
    shell.json("train", *INVERSE, "--set", "schedule=constant", "--steps", 4, "--out", tmp_path / "b")
    again = shell.json("train", "--resume", tmp_path / "b", "--steps", 6)
    assert again["steps"] == straight["steps"] == 6 and again["loss"] == straight["loss"]
    second = shell.json("train", "--resume", tmp_path / "b", "--steps", 8, "--set", "learning_rate=0.01")
    assert second["steps"] == 8
    assert (
        RunFolder(tmp_path / "b").history()[-1].learning_rate
        != RunFolder(tmp_path / "b").history()[2].learning_rate
    )


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--problem", "two_mons"], "Did you mean 'two_moons'|Did you mean 'two_moons'"),
        (["--problem", "two_moons", "--architecture", "realnv"], "Did you mean 'realnvp'"),
        (["--problem", "two_moons", "--objective", "max_likelihood"], "Did you mean 'maximum_likelihood'"),
        (["--problem", "two_moons", "--set", "widht=3"], "Did you mean"),
        (["--problem", "two_moons", "--set", "width=many"], "cannot be 'many'"),
        (["--problem", "two_moons", "--set", "width"], "--set name=value"),
        (["--problem", "two_moons", "--steps", "0"], "'steps' must be a whole number"),
        (["--problem", "two_moons", "--device", "gpu"], "There is no device 'gpu'"),
        (["--problem", "two_moons", "--objective", "inn"], "Two moons"),
        (["--problem", "two_moons", "--data", "x.csv", "--x", "a"], "takes no table"),
        (["--data", "nowhere.csv", "--x", "a"], "nothing at nowhere.csv"),
        (["--data", "nowhere.csv"], "without --x"),
        (["--problem", "simulator"], "notebook or a script"),
        (["--problem", "drawn"], "Draw at least"),
        (["nowhere.json"], "nowhere.json"),
        (["--resume", "nowhere"], "is not a run"),
        (["--resume", "nowhere", "--problem", "two_moons"], "keeps its experiment"),
        ([], "nothing to train"),
    ],
)
def test_what_cannot_be_trained(shell, tmp_path, monkeypatch, words, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    assert re.search(sentence, shell.refuses("train", *words))


def test_a_run_is_not_overwritten(shell, run_folder):
    before = (run_folder / "checkpoint.pt").read_bytes()
    assert "already holds a run" in shell.refuses("train", *INVERSE, "--out", run_folder)
    assert (run_folder / "checkpoint.pt").read_bytes() == before


def test_a_setting_that_cannot_change_while_it_runs(shell, tmp_path):
    shell.json("train", *INVERSE, "--steps", 2, "--out", tmp_path / "run")
    assert "cannot be changed" in shell.refuses("train", "--resume", tmp_path / "run", "--set", "width=7")
    assert RunFolder(tmp_path / "run").status()["state"] in ("finished", "stopped")


def test_warnings_of_an_objective_are_printed_before_training(shell, tmp_path):
    words = [*INVERSE, "--steps", 1, "--objective", "variational", "--set", "direction=backward_marginal"]
    code, out, err = shell("train", *words, "--out", tmp_path / "run", "--json")
    assert code == 0 and "Note: backward_marginal compares distributions of x alone" in err
    assert "ignores y" in json.loads(out)["warnings"][0]


def test_resume_with_another_divergence(shell, tmp_path):
    words = ["--objective", "variational", "--set", "critic_width=8", "--steps", 2]
    shell.json("train", *INVERSE, *words, "--out", tmp_path / "run")
    again = ["train", "--resume", tmp_path / "run", "--steps", 3, "--set", "objective.divergence=kl"]
    events = shell.json(*again)["events"]
    assert [e["kind"] for e in events] == ["finished", "objective", "finished"]
    assert "kl" in RunFolder(tmp_path / "run").history()[-1].parts
    assert RunFolder(tmp_path / "run").experiment().objective.divergence == "kl"


def test_ctrl_c_saves_the_run_and_resume_goes_on(shell, tmp_path):
    command = [
        sys.executable,
        "-m",
        "workbench",
        "train",
        *INVERSE,
        "--steps",
        "100000",
        "--set",
        "early_stopping=false",
        "--out",
        str(tmp_path / "run"),
        "--json",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
    deadline = time.monotonic() + 60
    while RunFolder(tmp_path / "run").status()["iteration"] < 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    answer = json.loads(out)
    assert (
        answer["state"] == "stopped" and answer["steps"] >= 1 and "--resume" in err and "Traceback" not in err
    )
    again = shell.json("train", "--resume", tmp_path / "run", "--steps", answer["steps"] + 2)
    assert again["steps"] == answer["steps"] + 2 and again["state"] == "finished"


# ---- sample
def test_sample_writes_the_draws_of_the_python_interface(shell, run_folder, tmp_path):
    answer = shell.json(
        "sample", run_folder, "--observation", "0.5", "--draws", 30, "--out", tmp_path / "post.nc"
    )
    assert (
        answer["out"] == str(tmp_path / "post.nc")
        and answer["draws"] == 30
        and answer["observation"] == [0.5]
    )
    reference = wb.Run.resume(run_folder).posterior([0.5]).sample(30)
    with xr.open_dataset(tmp_path / "post.nc") as draws:
        xr.testing.assert_equal(draws.load(), reference)
    assert answer["variables"]["x1"]["mean"] == pytest.approx(float(reference["x1"].mean()))
    code, out, _ = shell("sample", run_folder, "--observation", "0.5", "--out", tmp_path / "post.csv")
    assert code == 0 and "x3" in out and (tmp_path / "post.csv").exists()


def test_reading_a_run_changes_nothing_in_its_folder(shell, run_folder, tmp_path):
    """Another process may be training in it."""
    before = {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run_folder.rglob("*") if path.is_file()
    }
    shell.json("sample", run_folder, "--observation", "0.5", "--draws", 3)
    shell.json("export", run_folder, "--out", tmp_path / "model.zip")
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in run_folder.rglob("*") if p.is_file()}


def test_a_damaged_checkpoint(shell, run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "run")
    table = json.loads((tmp_path / "run" / "experiment.json").read_text())
    table["architecture"]["settings"]["width"] = 7
    (tmp_path / "run" / "experiment.json").write_text(json.dumps(table))
    assert "does not fit its experiment" in shell.refuses("sample", tmp_path / "run", "--observation", "1")
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"torn")
    assert "is damaged" in shell.refuses("sample", tmp_path / "run", "--observation", "1")


def test_sample_a_density_and_for_arviz(shell, tmp_path, run_folder):
    shell.json(
        "train",
        "--problem",
        "two_moons",
        "--architecture",
        "nice",
        *TINY,
        "--steps",
        2,
        "--out",
        tmp_path / "run",
    )
    assert shell.json("sample", tmp_path / "run", "--draws", 5)["observation"] is None
    shell.json("sample", run_folder, "--observation=-0.5", "--out", tmp_path / "post.nc", "--arviz")
    with xr.open_datatree(tmp_path / "post.nc") as tree:
        assert dict(tree["posterior"].sizes) == {"chain": 4, "draw": 250}
        assert {"prior", "posterior_predictive", "sample_stats"} <= set(tree.children)


def test_a_posterior_is_exported_at_an_observation_and_an_odd_one_is_warned_of(shell, run_folder, tmp_path):
    path = tmp_path / "post.zarr"
    code, _, err = shell(
        "export", run_folder, "--format", "posterior", "--observation", "0.25", "--out", path
    )
    assert code == 0 and "warning" not in err
    with xr.open_datatree(path, engine="zarr") as tree:
        assert float(tree["observed_data"]["y1"]) == 0.25
    code, out, err = shell("sample", run_folder, "--observation", "2500", "--draws", 3, "--json")
    assert code == 0 and "workbench: warning:" in err and "is the unit right?" in err
    assert ["is the unit right?" in warning for warning in json.loads(out)["warnings"]] == [True]
    assert "not finite" in shell.refuses(
        "export", run_folder, "--format", "posterior", "--observation", "nan", "--out", path
    )


def test_diagnose_at_an_observation(shell, run_folder):
    words = ("diagnose", run_folder, "--only", "out_of_distribution", "--observation")
    usual, far = (shell.json(*words, y)["diagnostics"]["out_of_distribution"] for y in ("0.1", "40"))
    assert usual["verdict"] == "green" and far["verdict"] == "red" and far["remedy"].startswith("Check")
    assert "wrong number" in shell.refuses(*words, "1,2,3") and "1.2" in shell.refuses(*words, "1,2")


@pytest.mark.parametrize(
    "words, sentence",
    [
        ([], "needs an observation.*y1"),
        (["--observation", "1,2"], "decimal commas.*--observation 1.2"),
        (["--observation", "1,2,3"], "wrong number of values"),
        (["--observation", "one"], "not made of numbers"),
        (["--observation", "nan"], "not finite"),
        (["--observation", "1", "--draws", "0"], "positive whole number"),
        (["--observation", "1", "--out", "draws.pkl"], r"\.nc or \.csv"),
    ],
)
def test_what_cannot_be_sampled(shell, run_folder, words, sentence):
    assert re.search(sentence, shell.refuses("sample", run_folder, *words))


@pytest.mark.parametrize("verb", ["sample", "diagnose"])
def test_a_model_that_is_not_there(shell, tmp_path, verb):
    assert "nothing at" in shell.refuses(verb, tmp_path / "nowhere")
    assert "is not a run" in shell.refuses(verb, tmp_path)
    (tmp_path / "model.zip").write_text("no model")
    assert "cannot be opened" in shell.refuses(verb, tmp_path / "model.zip")


# ---- diagnose, export, check
def test_diagnose(shell, run_folder):
    answer = shell.json("diagnose", run_folder, "--only", "invertibility")
    assert answer["verdict"] == "green" and list(answer["diagnostics"]) == ["invertibility"]
    code, out, _ = shell("diagnose", run_folder, "--only", "invertibility")
    assert code == 0 and "Invertibility" in out and "green" in out
    assert "Did you mean 'calibration'" in shell.refuses("diagnose", run_folder, "--only", "calibratio")


def test_export_check_and_use_the_file(shell, run_folder, tmp_path):
    answer = shell.json("export", run_folder, "--format", "weights", "--out", tmp_path / "model.zip")
    assert answer["bytes"] == (tmp_path / "model.zip").stat().st_size and answer["format"] == "weights"
    report = shell.json("check", tmp_path / "model.zip")
    assert report["ok"] and report["architecture"] == "realnvp" and report["iteration"] == 5
    code, out, _ = shell("check", tmp_path / "model.zip")
    assert code == 0 and "realnvp, trained on linear_gaussian for 5 steps" in out
    draws = [
        shell.json("sample", model, "--observation", "0.5", "--draws", 9)["variables"]
        for model in (run_folder, tmp_path / "model.zip")
    ]
    assert draws[0] == draws[1]


def test_check_refuses(shell, tmp_path):
    (tmp_path / "model.zip").write_text("no model")
    code, out, err = shell("check", tmp_path / "model.zip", "--json")
    report = json.loads(out)
    assert code == 2 and not report["ok"] and report["error"] in err


def test_export_a_notebook_and_what_cannot_be(shell, run_folder, tmp_path):
    shell.json("export", run_folder, "--format", "notebook", "--out", tmp_path / "run.ipynb")
    assert "cells" in json.loads((tmp_path / "run.ipynb").read_text())
    sentence = shell.refuses(
        "export", run_folder, "--format", "graph", "--function", "predict", "--out", tmp_path / "m.pt2"
    )
    assert "has no function 'predict'" in sentence
    assert "Did you mean 'onnx'" in shell.refuses(
        "export", run_folder, "--format", "onx", "--out", tmp_path / "m"
    )
    assert not (tmp_path / "m").exists()


# ---- words that are no commands, and what goes wrong inside
@pytest.mark.parametrize(
    "words, sentence",
    [
        (["trian"], "Did you mean 'train'"),
        (["list", "problem"], "Did you mean 'problems'"),
        (["train", "--step", "3"], "unrecognized arguments"),
        (["train", "--steps", "many"], "invalid int value"),
        (["export", "run"], "required: --out"),
    ],
)
def test_what_cannot_be_read(shell, words, sentence):
    assert sentence in shell.refuses(*words)


def test_without_a_command_there_is_help(shell):
    code, out, _ = shell()
    assert code == 0 and "COMMAND" in out


def test_an_internal_error_is_a_sentence(shell, monkeypatch):
    def broken(args):
        raise ZeroDivisionError("one over zero")

    monkeypatch.setattr("workbench.cli.verbs.list_command", broken)
    code, out, err = shell("list", "problems", "--json")
    assert (
        code == 1 and "ZeroDivisionError: one over zero" in json.loads(out)["error"] and "TRACEBACK=1" in err
    )
    monkeypatch.setenv("WORKBENCH_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["list", "problems"])


def test_serve_calls_the_studio(shell, monkeypatch):
    import workbench.ui.serve as studio

    calls = []
    monkeypatch.setattr(studio, "serve", lambda **options: calls.append(options))
    assert shell("serve", "--port", 5099)[0] == 0
    words = (
        "--origin",
        "a.example",
        "--origin",
        "b.example:8443",
        "--basic-auth",
        "p",
        "--insecure",
        "--show",
    )
    assert shell("explore", "--address", "::1", *words)[0] == 0
    assert shell("serve", "--page", "compare", "--oauth-provider", "github", "--oauth-key", "k")[0] == 0
    plain, explorer, by_provider = calls
    login = plain.pop("login")
    assert plain == {
        "port": 5099,
        "address": "localhost",
        "show": False,
        "origins": (),
        "insecure": False,
        "page": "studio",
    }
    assert not login.required and not login.options()
    assert explorer["address"] == "::1" and explorer["origins"] == ("a.example", "b.example:8443")
    assert explorer["login"].basic_auth == "p" and explorer["insecure"] and explorer["show"]
    assert by_provider["page"] == "compare" and by_provider["login"].provider == "github"
    assert by_provider["login"].oauth["key"] == "k"


def test_json_knows_no_nan():
    value = {"a": float("nan"), "b": [np.float64("inf"), np.arange(2)], "c": (True, None, Path("x"))}
    assert plain(value) == {"a": None, "b": [None, [0, 1]], "c": [True, None, "x"]}


def test_a_resumed_run_says_why_it_trains_nothing_and_goes_on_where_it_is_told(tmp_path, capsys):
    folder = str(tmp_path / "run")
    start = ["train", "--problem", "two_moons", "--architecture", "realnvp", "--set", "architecture.width=8"]
    start += ["--set", "training.samples=200", "--set", "measured=", "--out", folder, "--json"]
    assert main([*start, "--steps", "6"]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", folder, "--steps", "4"]) == 2
    assert "say --steps 10" in capsys.readouterr().err
    assert main(["train", "--resume", folder, "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["steps"] == 6 and "finished at step 6 of 6" in output.err
    run = wb.Run.resume(folder)
    run.stopped_early = True
    run.save()
    run.folder.ownership.release()
    assert main(["train", "--resume", folder, "--json"]) == 0
    output = capsys.readouterr()
    assert "stopped early" in output.err and "--steps 106" in output.err
    assert main(["train", "--resume", folder, "--steps", "9", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 9
