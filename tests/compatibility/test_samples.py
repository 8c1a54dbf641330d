"""Files on users' disks and links in their addresses: every sample loads, goes on, and says the same.

The samples are described in README.md; they are never made anew. They are unpacked into a folder of the test,
so that nothing writes into them. Where a test asks by the command line, it does what users do.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import sympy
import torch
import xarray as xr

import workbench as wb
from tests.compatibility.answers import TOLERANCE, answers, compare, record_of
from workbench import export
from workbench.cli import main  # the entry point that pyproject.toml names

SAMPLES = Path(__file__).parent / "samples"
RUNS = sorted(path.stem for path in (SAMPLES / "runs").glob("*.zip"))
#: No version of any format will ever be this one.
NEWER = 1_000_000


def read(*parts: str):
    """A JSON file of the samples."""
    return json.loads(SAMPLES.joinpath(*parts).read_text(encoding="utf-8"))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a folder that is stored as a zip, at ``folder``."""
    with zipfile.ZipFile(archive) as members:
        members.extractall(folder)
    return folder


def sample_run(name: str, tmp_path: Path) -> tuple[Path, dict]:
    """The folder of a sample run, and what it said when it was saved."""
    return unpack(SAMPLES / "runs" / f"{name}.zip", tmp_path / name), read("runs", f"{name}.json")


def command(*words: object) -> str:
    """Run a command of ``workbench``, which must succeed, and return its output."""
    output = io.StringIO()
    with redirect_stdout(output):
        code = main([str(word) for word in words])
    assert code == 0, output.getvalue()
    return output.getvalue()


# ---- runs
def check_state(run: wb.Run, reference: dict) -> None:
    """Compare what a resumed run is, and what its model says."""
    experiment, inputs = run.experiment, reference["inputs"]
    parts = (experiment.problem, experiment.architecture, experiment.objective)
    assert [part.key for part in parts] == reference["keys"]
    changes = {"objective": experiment.objective.changed(), "training": experiment.training.changed()}
    assert changes | {"steps": experiment.steps} == reference["changed"]
    assert (run.iteration, run.finished) == (reference["iteration"], reference["finished"])
    compare(list(run.events), reference["events"], (1e-8, 0.0), "events")
    compare([record_of(record) for record in run.history], reference["history"], (1e-8, 0.0), "history")
    values = answers(run.fitted, inputs, list(reference["answers"]))
    compare(values, reference["answers"], TOLERANCE[inputs["precision"]], "answers")


def continue_run(run: wb.Run, reference: dict) -> dict[str, list]:
    """Go on with a run; its steps, and what its model says after them."""
    history = [record_of(run.step()) for _ in range(reference["steps"])]
    values = answers(run.fitted, reference["inputs"], list(reference["continued_answers"]))
    return {"continued_history": history, "continued_answers": values}


def check_run(folder: Path, reference: dict) -> wb.Run:
    """Resume a run, compare what it is and says, go on, and compare again."""
    run = wb.Run.resume(folder, device="cpu")
    check_state(run, reference)
    tolerance = TOLERANCE[reference["inputs"]["precision"]]
    for name, values in continue_run(run, reference).items():
        compare(values, reference[name], tolerance, name)
    assert run.finished == reference["continued_finished"]
    events = [(event["kind"], event["iteration"]) for event in run.events]
    assert events == [(event["kind"], event["iteration"]) for event in reference["continued_events"]]
    return run


@pytest.mark.parametrize("name", RUNS)
def test_a_run_says_the_same_and_goes_on(name, tmp_path):
    folder, reference = sample_run(name, tmp_path)
    run = check_run(folder, reference)
    run.save()
    again = wb.Run.resume(folder, device="cpu")
    assert again.iteration == reference["iteration"] + reference["steps"]
    assert len(again.history) == again.iteration - sum(e["kind"] == "recovery" for e in again.events)


def test_a_run_goes_on_by_the_command_line(tmp_path):
    folder, reference = sample_run("flow", tmp_path)
    last = reference["iteration"] + reference["steps"]
    report = json.loads(command("train", "--resume", folder, "--steps", last, "--device", "cpu", "--json"))
    assert (report["state"], report["steps"]) == ("finished", last)
    assert {path.name for path in folder.iterdir()} >= {
        "checkpoint.pt",
        "events.jsonl",
        "experiment.json",
        "history.jsonl",
        "status.json",
    }


def test_the_samples_span_what_a_run_folder_can_hold():
    names = {"checkpoint.pt", "experiment.json", "history.jsonl", "status.json"}
    names |= {"events.jsonl", "nonfinite-28.npz", "data/table.parquet"}
    members = set()
    for name in RUNS:
        with zipfile.ZipFile(SAMPLES / "runs" / f"{name}.zip") as archive:
            members |= set(archive.namelist())
    assert members == names
    objectives = {read("runs", f"{name}.json")["keys"][2] for name in RUNS}
    assert objectives == set(read("keys.json")["objectives"])


def change_checkpoint(folder: Path, change) -> None:
    """Apply a change to the checkpoint of a run."""
    path = folder / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)


def forget_moments(optimiser: str):
    """Adam begins anew, though it still counts its steps."""

    def change(state: dict) -> None:
        for moments in state[optimiser]["state"].values():
            moments["exp_avg"].zero_()
            moments["exp_avg_sq"].zero_()

    return change


def change_generator(state: dict) -> None:
    state["generator"] = torch.Generator().manual_seed(999).get_state()


def forget_average(state: dict) -> None:
    state["average"]["state"] = state["model"]


def shift_batches(state: dict) -> None:
    state["iteration"] += 1


def forget_slower_rate(state: dict) -> None:
    state["guard"]["factor"] = 1.0


def forget_best(state: dict) -> None:
    state["best"]["state"] = {key: value + 1e-2 for key, value in state["best"]["state"].items()}


def forget_patience(state: dict) -> None:
    state["best"]["stale"] = 0


def forget_critic(state: dict) -> None:
    for name, value in state["loss"].items():
        if name.startswith("critic"):
            value.mul_(0.5)


def forget_live_settings(state: dict) -> None:
    state["live"]["objective"]["weight_z"] = 50.0


@pytest.mark.parametrize(
    "name, change",
    [
        ("flow", forget_moments("optimiser")),
        ("flow", shift_batches),
        ("double", forget_moments("optimiser")),
        ("averaged", forget_average),
        ("inn", change_generator),
        ("inn", forget_live_settings),
        ("flow_matching", change_generator),
        ("vae", change_generator),
        ("critic", forget_moments("critic_optimiser")),
        ("critic", forget_critic),
        ("critic", change_generator),
        ("recovered", forget_slower_rate),
        ("early_stopping", forget_best),
        ("early_stopping", forget_patience),
        ("changed_objective", forget_critic),
        ("regressed_mixtures", forget_moments("optimiser")),
    ],
)
def test_the_comparison_notices_a_state_that_is_lost(name, change, tmp_path):
    """By what the model says after a few more steps, and not only by what the checkpoint says of itself."""
    folder, reference = sample_run(name, tmp_path)
    change_checkpoint(folder, change)
    continuation = continue_run(wb.Run.resume(folder, device="cpu"), reference)
    tolerance = TOLERANCE[reference["inputs"]["precision"]]
    with pytest.raises(AssertionError):
        compare(continuation["continued_answers"], reference["continued_answers"], tolerance)


def test_the_comparison_is_not_disturbed_by_a_checkpoint_that_is_only_written_again(tmp_path):
    folder, reference = sample_run("critic", tmp_path)
    change_checkpoint(folder, lambda state: None)
    check_run(folder, reference)


# ---- exported models
@pytest.mark.parametrize(
    "reference", read("architectures", "reference.json"), ids=lambda e: e["architecture"]
)
def test_the_weights_of_an_architecture_say_the_same(reference, tmp_path):
    path = SAMPLES / "architectures" / f"{reference['architecture']}.zip"
    model, inputs = wb.load(path), reference["inputs"]
    compare(answers(model, inputs, list(reference["answers"])), reference["answers"], TOLERANCE["float32"])
    report = wb.check(path)
    assert report["ok"] and report["architecture"] == reference["architecture"]
    assert (report["problem"], report["parameters"]) == (reference["problem"], reference["parameters"])


def test_there_are_weights_of_every_architecture_of_the_samples():
    names = {path.stem for path in (SAMPLES / "architectures").glob("*.zip")}
    assert names == set(read("keys.json")["architectures"])


@pytest.mark.parametrize("name", ["flow", "averaged", "double", "table", "symbolic"])
def test_weights_say_what_their_run_said(name, tmp_path):
    path, reference = SAMPLES / "exports" / f"weights_{name}.zip", read("runs", f"{name}.json")
    inputs, precision = reference["inputs"], reference["inputs"]["precision"]
    model = wb.load(path)
    compare(answers(model, inputs, list(reference["answers"])), reference["answers"], TOLERANCE[precision])
    report = json.loads(command("check", path, "--json"))
    assert report["ok"] and report["iteration"] == reference["iteration"] and report["dtype"] == precision
    copy = wb.save(model, tmp_path / "copy.zip")
    compare(
        answers(wb.load(copy), inputs, list(reference["answers"])),
        reference["answers"],
        TOLERANCE[precision],
    )
    for key, value in manifest_of(path).items():
        assert type(manifest_of(copy)[key]) is type(value)


def manifest_of(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json"))


def test_every_version_of_the_manifest_is_among_the_samples():
    versions = {manifest_of(path)["format_version"] for path in (SAMPLES / "exports").glob("*.zip")
                if not path.name.startswith("posterior")}  # fmt: skip
    assert versions == {1, 2}


def test_weights_of_format_version_1_say_the_same():
    model, reference = wb.load(SAMPLES / "exports" / "v1_realnvp.zip"), read("exports", "v1_realnvp.json")
    inputs = {name: reference["inputs"][name] for name in "xyz"} | {
        "precision": "float32",
        "observation": None,
    }
    questions = ["latent", "inverse", "log_prob"]
    values = {question: reference["answers"][question] for question in questions}
    compare(answers(model, inputs, questions), values, TOLERANCE["float32"])
    assert [variable.label for variable in model.x] == reference["labels"]


def open_program(path: Path, extra: dict[str, str]):
    """The program; skipped where another torch than that of the samples does not read it, which is torch's
    own promise and not the workbench's."""
    try:
        return torch.export.load(path, extra_files=extra)
    except Exception as error:
        if torch.__version__.partition("+")[0] == "2.13.0":
            raise
        pytest.skip(f"torch {torch.__version__} cannot open a program of torch 2.13.0: {error}")


@pytest.mark.parametrize("function", ["inverse", "log_prob"])
def test_a_program_says_what_its_run_said(function):
    reference, extra = read("runs", "flow.json"), {"manifest.json": ""}
    program = open_program(SAMPLES / "exports" / f"graph_{function}.pt2", extra)
    argument = torch.tensor(reference["inputs"]["z" if function == "inverse" else "x"])
    value = program.module()(argument).tolist()
    compare(value, reference["answers"][function], TOLERANCE["float32"])
    about = json.loads(extra["manifest.json"])
    assert about["output"]["name"] == {"inverse": "x"}.get(function, function)
    assert about["iteration"] == reference["iteration"]


@pytest.mark.parametrize("function", ["inverse", "log_prob"])
def test_an_onnx_file_says_what_its_run_said(function):
    runtime, reference = pytest.importorskip("onnxruntime"), read("runs", "flow.json")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    path = str(SAMPLES / "exports" / f"onnx_{function}.onnx")
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = "z" if function == "inverse" else "x"
    argument = np.array(reference["inputs"][name], dtype=np.float32)
    (value,) = session.run(None, {name: argument})
    # the runtime's own kernels round differently
    compare(value.tolist(), reference["answers"][function], (1e-3, 1e-4))
    about = json.loads(session.get_modelmeta().custom_metadata_map["manifest.json"])
    assert about["inputs"][0]["name"] == name


def test_a_formula_is_that_of_its_weights():
    """Stored text, formulas of today and latent code agree to the three digits that the text has."""
    model = wb.load(SAMPLES / "exports" / "weights_symbolic.zip")
    text = (SAMPLES / "exports" / "formula.txt").read_text(encoding="utf-8").partition("\n\n")[0]
    reference = read("runs", "symbolic.json")
    points, latents = reference["inputs"]["x"], reference["answers"]["latent"]
    for formula in (text, wb.formulas(model).text()):
        for x, z in zip(points, latents, strict=True):
            compare(evaluate(formula, x), z, (0.02, 0.02))


def evaluate(text: str, x: list[float]) -> list[float]:
    """The latent code of one point by the lines of a formula, each in names of those before it."""
    names = {f"x{number}": value for number, value in enumerate(x, 1)}
    for line in text.splitlines():
        name, _, formula = line.partition(" = ")
        names[name] = float(sympy.sympify(formula).subs(names))
    return [value for name, value in names.items() if name.startswith("z")]


def test_a_notebook_runs(tmp_path, monkeypatch):
    """Its cells in the order in which they stand, without the pictures being drawn."""
    monkeypatch.chdir(tmp_path)
    notebook = read("exports", "notebook.ipynb")
    assert notebook["nbformat"] == 4
    names: dict = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"]).replace('hv.extension("bokeh", inline=True)', "")
            exec(compile(source, "notebook", "exec"), names)
    assert names["model"].manifest["iteration"] == names["run"].iteration == 40
    assert names["samples"].sizes["draw"] == 1000


def check_tree(path: Path, reference: Path) -> None:
    """Two trees of draws: all groups, variables, units and numbers of the reference one."""
    engine = {"engine": "zarr", "consolidated": True} if path.suffix == ".zarr" else {"engine": "netcdf4"}
    with xr.open_datatree(path, **engine) as tree, xr.open_datatree(reference, **engine) as old:
        assert set(old.groups) <= set(tree.groups)
        for group in old.groups:
            check_dataset(tree[group].to_dataset(), old[group].to_dataset())


def check_dataset(data: xr.Dataset, reference: xr.Dataset) -> None:
    """All variables, units and numbers of the reference dataset."""
    assert set(reference.variables) <= set(data.variables) and reference.attrs.keys() <= data.attrs.keys()
    for name, variable in reference.variables.items():
        assert data[name].dims == variable.dims
        assert data[name].attrs.get("units") == variable.attrs.get("units")
        if variable.dtype.kind in "fiu":
            np.testing.assert_allclose(data[name].values, variable.values, rtol=1e-3, atol=1e-4, err_msg=name)
        else:
            assert data[name].values.tolist() == variable.values.tolist()


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_a_posterior_file_is_read_and_made_as_before(kind, tmp_path):
    folder, _ = sample_run("averaged", tmp_path)
    reference = SAMPLES / "exports" / f"posterior.{kind}"
    if kind == "zarr":
        reference = unpack(SAMPLES / "exports" / "posterior.zarr.zip", tmp_path / "reference.zarr")
    path = tmp_path / f"posterior.{kind}"
    command("sample", folder, "--observation", "0.3", "--draws", 8, "--seed", 2, "--arviz", "--out", path)
    check_tree(path, reference)


def test_draws_are_read_and_made_as_before(tmp_path):
    folder, _ = sample_run("averaged", tmp_path)
    for kind in ("nc", "csv"):
        command("sample", folder, "--observation", "0.3", "--draws", 8, "--seed", 2,
                "--out", tmp_path / f"draws.{kind}")  # fmt: skip
    with (
        xr.open_dataset(tmp_path / "draws.nc", engine="netcdf4") as data,
        xr.open_dataset(SAMPLES / "exports" / "draws.nc", engine="netcdf4") as old,
    ):
        check_dataset(data, old)
    paths = (tmp_path / "draws.csv", SAMPLES / "exports" / "draws.csv")
    heads = [path.read_text().splitlines()[0] for path in paths]
    assert heads[0] == heads[1]
    numbers, old_numbers = (np.loadtxt(path, delimiter=",", skiprows=1) for path in paths)
    np.testing.assert_allclose(numbers, old_numbers, rtol=1e-4, atol=1e-5)


def test_a_report_tells_the_whole_run():
    page = (SAMPLES / "exports" / "report.html").read_text(encoding="utf-8")
    reference = read("runs", "flow.json")
    best = min(record["validation"].get("loss", np.inf) for record in reference["history"])
    assert "Two moons" in page and f"{reference['iteration']} of 40 steps" in page and f"{best:.4g}" in page
    for heading in ("The experiment", "Learning", "What the network draws", "Diagnostics", "All settings"):
        assert f">{heading}<" in page


# ---- data
def test_a_table_is_read_as_before(tmp_path):
    """The CSV file of the run "table", and the rows that the run keeps in its folder."""
    problem = wb.TableProblem(
        SAMPLES / "exports" / "measurements.csv", x=["height", "width"], y=["period"], missing="drop"
    )
    folder, _ = sample_run("table", tmp_path)
    run = wb.Run.resume(folder, device="cpu")
    assert problem.rows == run.problem.rows == 119
    variables = [(v.name, v.unit) for v in (*run.problem.x, *run.problem.y)]
    assert variables == [("height", "m"), ("width", "m"), ("period", "s")]
    assert variables == [(v.name, v.unit) for v in (*problem.x, *problem.y)]


def test_simulations_are_read_resumed_and_made_as_before(tmp_path):
    request = read("simulations", "request.json")
    whole = unpack(SAMPLES / "simulations" / "whole.zarr.zip", tmp_path / "whole.zarr")
    unpack(SAMPLES / "simulations" / "cut.zarr.part.zip", tmp_path / "cut.zarr.part")
    again = wb.simulate(path=whole, **request)
    assert (again.draws, again.chunks, again.resumed) == (60, 3, 3)
    continuation = wb.simulate(path=tmp_path / "cut.zarr", **request)
    assert (continuation.chunks, continuation.resumed) == (3, 1) and not (tmp_path / "cut.zarr.part").exists()
    with xr.open_zarr(whole) as old, xr.open_zarr(tmp_path / "cut.zarr") as data:
        check_dataset(data.load(), old.load())
    problem = wb.TableProblem(whole)
    assert problem.rows == 60 and len(problem.x) == 4 and len(problem.y) == 2
    with pytest.raises(wb.WorkbenchError, match="holds something else"):
        wb.simulate(path=whole, **(request | {"seed": 5}))


# ---- studies
def sample_study(name: str, tmp_path: Path) -> tuple[Path, dict]:
    folder = unpack(SAMPLES / "studies" / f"{name}.zip", tmp_path / name)
    return folder, read("studies", "reference.json")[name]


def check_rows(rows: list[dict], reference: list[dict], tolerance: tuple[float, float]) -> None:
    """Compare all of the rows but the time that training took."""
    timeless = [{key: value for key, value in row.items() if key != "training_minutes"} for row in reference]
    compare(rows, timeless, tolerance, "rows")


def checksums(folder: Path) -> dict[str, str]:
    """Checksum of each finished cell, and of what the cells share."""
    paths = [*folder.glob("cells/*.nc"), *folder.glob("kept/*.nc")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_a_finished_study_is_read_as_before(tmp_path):
    folder, reference = sample_study("finished", tmp_path)
    data = wb.studies.load(folder)
    assert data.attrs["complete"] == 1 and data.attrs["study"] == reference["study"]
    assert set(reference["attributes"]) <= data.attrs.keys()
    dimensions = {name: list(variable.dims) for name, variable in data.variables.items()}
    assert dimensions.items() >= reference["variables"].items()
    check_rows(wb.studies.rows(data), reference["rows"], (1e-9, 0.0))
    assert reference["rows"][0]["title"] in wb.studies.text(data)


def test_a_finished_study_is_not_measured_again_by_the_command_line(tmp_path):
    folder, reference = sample_study("finished", tmp_path)
    before, words = (
        checksums(folder),
        ["study", reference["study"], "--out", folder, "--device", "cpu", "--json"],
    )
    for name, value in reference["settings"].items():
        words += ["--set", f"{name}={','.join(value) if isinstance(value, list) else value}"]
    report = json.loads(command(*words))
    assert report["complete"] and checksums(folder) == before
    check_rows(report["rows"], reference["rows"], (1e-9, 0.0))


def test_an_interrupted_study_goes_on_where_it_was(tmp_path):
    folder, reference = sample_study("interrupted", tmp_path)
    assert list(wb.studies.load(folder)["status"].values) == ["done", "waiting"]
    (history,) = (path for path in folder.glob("runs/two_moons*/history.jsonl"))
    before, steps, lines = checksums(folder), history.read_text(), []
    settings = reference["settings"]
    data = wb.studies.run(reference["study"], out=folder, device="cpu", say=lines.append, **settings)
    assert data.attrs["complete"] == 1 and [line.partition(" ")[0] for line in lines] == ["2/2"]
    assert len(before) == 2 and checksums(folder).items() >= before.items()
    assert history.read_text().startswith(steps) and steps.count("\n") == 6
    old, new = wb.studies.rows(data)
    check_rows([old], reference["rows"][:1], (1e-9, 0.0))
    # a classifier is trained for C2ST, which amplifies another processor's rounding
    check_rows([new], reference["rows"][1:], (2e-2, 3e-2))


# ---- experiments, links, Python
EXPERIMENTS = read("experiments.json")


@pytest.mark.parametrize("sample", EXPERIMENTS, ids=lambda sample: sample["name"].replace(" ", "-"))
def test_an_experiment_is_read_from_file_and_link_as_before(sample):
    """Every key and value; a later version may know more settings."""
    experiment = wb.Experiment.from_json(json.dumps(sample["experiment"]))
    compare(experiment.to_dict(), sample["experiment"], (0.0, 0.0), sample["name"])
    if "link" in sample:
        for link in (sample["link"], f"http://localhost:5006/?e={sample['link']}"):
            assert wb.Experiment.from_link(link) == experiment
        assert wb.Experiment.from_link(experiment.to_link()) == experiment
    if "python" in sample:
        names: dict = {}
        exec(sample["python"].partition("run = ")[0], names)
        assert names["experiment"] == experiment


def test_every_key_has_an_experiment():
    names = {sample["name"] for sample in EXPERIMENTS}
    keys = read("keys.json")
    for noun in ("problem", "architecture", "objective", "divergence", "critic"):
        members = keys[f"{noun}s"]
        assert {f"{noun} {key}" for key in members} - names <= {"problem simulator"}


def test_a_shared_script_runs():
    sample = next(sample for sample in EXPERIMENTS if sample["name"] == "problem two_moons")
    names: dict = {}
    exec(sample["python"].replace("steps=300", "steps=2"), names)
    assert names["run"].iteration == 2


def test_an_experiment_file_is_trained_by_the_command_line(tmp_path):
    folder, reference = sample_run("critic_spectral_norm", tmp_path)
    report = json.loads(
        command(
            "train",
            folder / "experiment.json",
            "--steps",
            2,
            "--out",
            tmp_path / "run",
            "--device",
            "cpu",
            "--json",
        )  # fmt: skip
    )
    assert report["steps"] == 2 and report["state"] == "finished"
    assert [record["iteration"] for record in reference["history"][:2]] == [1, 2]


# ---- keys, settings and names
KEYS = read("keys.json")


def catalogue(what: str) -> dict[str, dict]:
    """Settings of every member of a catalogue, as ``workbench list`` says them."""
    if what == "training":
        settings = wb.Training.settings()
        return {"training": {s.name: vars(s) | {"bounds": list(s.bounds), "options": list(s.options)}
                             for s in settings}}  # fmt: skip
    return {card["key"]: card["settings"] for card in json.loads(command("list", what, "--json"))}


def complaints_about(settings: dict[str, dict], reference: dict[str, dict]) -> list[str]:
    """List how settings differ from those of 0.1.0: a name, kind, default, option, or narrower bounds."""
    complaints = []
    for name, old in reference.items():
        if name not in settings:
            complaints.append(f"{name} is gone")
            continue
        new = settings[name]
        complaints += [f"{name}: {about}" for about in ("kind", "default") if new[about] != old[about]]
        complaints += [
            f"{name}: no option {option}" for option in old["options"] if option not in new["options"]
        ]
        complaints += [f"{name}: bounds"] if narrower(new["bounds"], old["bounds"]) else []
        complaints += [f"{name}: not live"] if old["live"] and not new["live"] else []
    return complaints


def narrower(new: list, old: list) -> bool:
    """Whether a value within the old bounds may lie outside the new ones."""
    new, old = new or [None, None], old or [None, None]
    low = new[0] is not None and (old[0] is None or new[0] > old[0])
    return low or (new[1] is not None and (old[1] is None or new[1] < old[1]))


#: Defaults that changed with a reason: (key, setting, new default). Reports are not stored: none is lost.
RAISED = {
    # p values must be small enough to stand the correction for the number of checks
    "diagnostics": [("local_c2st", "swaps", 1999)],
}


@pytest.mark.parametrize("what", KEYS)
def test_no_key_setting_option_or_default_is_lost(what):
    members = catalogue(what)
    assert KEYS[what].keys() <= members.keys()
    complaints = {key: complaints_about(members[key], settings) for key, settings in KEYS[what].items()}
    for key, name, default in RAISED.get(what, ()):
        assert members[key][name]["default"] == default
        complaints[key].remove(f"{name}: default")
    assert not {key: lines for key, lines in complaints.items() if lines}


def test_a_lost_setting_is_seen():
    old = {"width": {"kind": "integer", "default": 8, "bounds": [4, None], "options": [], "live": True}}
    for change in (
        {"kind": "number"},
        {"default": 9},
        {"bounds": [5, None]},
        {"bounds": [4, 8]},
        {"live": False},
    ):
        assert complaints_about({"width": old["width"] | change}, old)
    assert complaints_about({}, old) and not complaints_about(old | {"depth": {}}, old)
    assert not complaints_about({"width": old["width"] | {"bounds": [1, None]}}, old)
    choice = {"mode": old["width"] | {"options": ["a", "b"]}}
    assert complaints_about({"mode": old["width"] | {"options": ["a"]}}, choice)


def test_public_names_stay():
    names = read("names.json")
    for module, prefix in (
        (wb, "workbench"),
        (export, "workbench.export"),
        (wb.studies, "workbench.studies"),
    ):
        assert set(names[prefix]) <= set(dir(module))
        assert all(getattr(module, name) is not None for name in names[prefix])
    assert set(names["workbench.export"]) <= set(export.__all__)
    assert set(names["formats"]) <= set(export.FORMATS)


def test_commands_and_their_options_stay():
    for verb, options in read("names.json")["commands"].items():
        text = command(verb, "--help")
        assert not [option for option in options if option not in text], verb


SERVE = """
import json, panel
from workbench.cli import main
def listed(pages, **settings):
    print(json.dumps(list(pages)))
    raise SystemExit
panel.io.server.get_server = listed
main(["serve", "--port", "0"])
"""


def test_addresses_of_pages_stay():
    """In a process of its own: what is served is said once in a process."""
    output = subprocess.run([sys.executable, "-c", SERVE], capture_output=True, text=True, check=True).stdout
    assert set(read("names.json")["pages"]) <= set(json.loads(output.splitlines()[-1]))


def test_a_run_on_the_shelf_has_the_name_that_addresses_carry(tmp_path, monkeypatch):
    """The ID of ``?run=ID`` is the name of a run's folder under the workbench's home."""
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    report = json.loads(command("train", "--problem", "two_moons", "--set", "samples=64", "--steps", 1,
                                "--set", "transforms=2", "--device", "cpu", "--json"))  # fmt: skip
    folder = Path(report["run"])
    assert folder.parent == tmp_path / "runs" and re.fullmatch("[a-z0-9]{6,64}", folder.name)


# ---- what is refused
def test_newer_experiments_are_refused(tmp_path):
    folder, _ = sample_run("flow", tmp_path)
    path = folder / "experiment.json"
    newer = json.loads(path.read_text()) | {"version": NEWER}
    with pytest.raises(wb.WorkbenchError, match="version that is not known"):
        wb.Experiment.from_json(json.dumps(newer))
    path.write_text(json.dumps(newer))
    with pytest.raises(wb.WorkbenchError, match="version that is not known"):
        wb.Run.resume(folder, device="cpu")
    for version in (0, "1", None):
        with pytest.raises(wb.WorkbenchError, match="version that is not known"):
            wb.Experiment.from_dict(newer | {"version": version})


@pytest.mark.parametrize("part", ["problem", "architecture", "objective"])
def test_unknown_keys_and_settings_are_refused(part):
    experiment = EXPERIMENTS[0]["experiment"]
    for wrong in ({"key": "of_tomorrow"}, {"key": experiment[part]["key"], "settings": {"of_tomorrow": 1}}):
        with pytest.raises(wb.WorkbenchError, match="of_tomorrow"):
            wb.Experiment.from_dict(experiment | {part: wrong})
    with pytest.raises(wb.WorkbenchError, match="of_tomorrow"):
        wb.Experiment.from_dict(experiment | {"of_tomorrow": 1})


def test_newer_weights_are_refused(tmp_path):
    source, path = SAMPLES / "exports" / "weights_flow.zip", tmp_path / "newer.zip"
    table = manifest_of(source) | {"format_version": NEWER}
    rest = {key: value for key, value in table.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    table["digest"] = hashlib.sha256(text.encode()).hexdigest()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, json.dumps(table) if name == "manifest.json" else old.read(name))
    with pytest.raises(wb.WorkbenchError, match="newer workbench"):
        wb.load(path)
    assert not wb.check(path)["ok"]


def test_newer_studies_are_refused(tmp_path):
    folder, reference = sample_study("finished", tmp_path)
    path = folder / "study.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": NEWER}))
    with pytest.raises(wb.WorkbenchError):
        wb.studies.run(reference["study"], out=folder, device="cpu", **reference["settings"])
