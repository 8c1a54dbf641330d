"""Make the compatibility samples: what users may have on their disks, written by version 0.1.0.

The samples in ``samples`` were made once, with version 0.1.0 at commit 69c7de2, on a CPU with one thread:

    git worktree add ../workbench-0.1.0 69c7de2
    cp -r tests/compatibility ../workbench-0.1.0/tests/
    cd ../workbench-0.1.0
    PYTHONPATH=. OMP_NUM_THREADS=1 python tests/compatibility/make_samples.py FOLDER

It only runs with that version, and refuses a folder that exists: samples are never made anew. What a later
version writes becomes a sample of its own, made by a program of its own. Seeds are fixed; dates, durations
and the versions of libraries are those of the making. What names the machine is taken out: host and process
of ``status.json``, and the source lines that torch notes in programs and ONNX files.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import workbench as wb  # noqa: E402
from tests.compatibility.answers import QUESTIONS, STEPS, answer, answers, record_of  # noqa: E402

VERSION = "0.1.0"
TINY = {"transforms": 2, "width": 4, "depth": 1}
#: Further settings that make a network small, where an architecture has them.
SMALL = TINY | {
    "members": 2,
    "bells": 2,
    "bins": 4,
    "signal": 2,
    "integrand_width": 4,
    "decoder_width": 4,
    "decoder_depth": 1,
}
TRAINING = {"samples": 200, "batch_size": 32, "validate_every": 4, "learning_rate": 0.01, "warm_up": 3}
CATALOGUES = (
    "problems",
    "architectures",
    "objectives",
    "divergences",
    "critics",
    "diagnostics",
    "inversion",
    "refinement",
    "studies",
)
COMMANDS = (
    "list",
    "train",
    "sample",
    "diagnose",
    "invert",
    "refine",
    "report",
    "simulate",
    "export",
    "check",
    "study",
    "bench",
    "explore",
    "serve",
)
POINTS = [[round(2 * np.cos(t), 3), round(np.sin(2 * t), 3)] for t in np.linspace(0, 6, 12).tolist()]


def command(*words: str) -> str:
    """Run one command of ``workbench`` and return what it prints."""
    from workbench.cli import main

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
        code = main(words)
    if code:
        raise SystemExit(f"workbench {' '.join(words)}: exit code {code}: {output.getvalue()}")
    return output.getvalue()


def write(path: Path, value: Any) -> None:
    """A JSON file; large tables of numbers stay on one line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def write_entries(path: Path, entries: list[dict]) -> None:
    """A JSON list with one entry a line."""
    lines = (json.dumps(entry, ensure_ascii=False, allow_nan=False) for entry in entries)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def pack(folder: Path) -> None:
    """Replace a folder by ``NAME.zip``: few files, a quarter of the size, and nobody writes into it."""
    with zipfile.ZipFile(folder.with_name(f"{folder.name}.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    shutil.rmtree(folder)


def shorten(value: Any, digits: int = 9) -> Any:
    """Numbers with as many digits as single precision has; the rest as it is."""
    if isinstance(value, list):
        return [shorten(entry, digits) for entry in value]
    if isinstance(value, dict):
        return {key: shorten(entry, digits) for key, entry in value.items()}
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


# ---- runs
@dataclass(frozen=True)
class Sample:
    """A run that is stopped mid-way, and what happened to it before."""

    problem: Any
    architecture: Any
    objective: Any = "maximum_likelihood"
    training: dict[str, Any] = field(default_factory=dict)
    steps: int = 40
    stop: int = 10
    before: dict[int, Callable[[wb.Run], None]] = field(default_factory=dict)


def architecture(key: str, **settings: Any) -> dict[str, Any]:
    return {"key": key, "settings": TINY | settings}


def variational(divergence: str, **settings: Any) -> dict[str, Any]:
    small = {"divergence": divergence, "critic_width": 4, "critic_depth": 1}
    return {"key": "variational", "settings": small | settings}


def turn(run: wb.Run) -> None:
    """Change live settings of a run with the objective of the INN."""
    run.set("objective.weight_z", 20.0)
    run.set("learning_rate", 0.005)
    run.set("steps", 36)


def change(run: wb.Run) -> None:
    """Train on with another objective."""
    run.change_objective(variational("jensen_shannon", weight_likelihood=0.5))


def poison(run: wb.Run) -> None:
    """Make the loss of the next attempt not finite, once."""
    parts = run.loss.parts

    def parts_without_numbers(*arguments: Any) -> dict[str, torch.Tensor]:
        run.loss.parts = parts
        return {name: value * torch.nan for name, value in parts(*arguments).items()}

    run.loss.parts = parts_without_numbers


def samples() -> dict[str, Sample]:
    """Every sample run by its name."""
    coupling = architecture("realnvp")
    mixtures = {"members": 2, "width": 4, "depth": 1, "bells": 2}
    ensemble = TINY | {"members": 2, "bins": 4}
    return {
        "flow": Sample("two_moons", coupling),
        "averaged": Sample(
            "linear_gaussian",
            architecture("neural_spline_coupling", bins=4),
            training={
                "averaging": 0.9,
                "optimiser": "adamw",
                "weight_decay": 0.01,
                "noise_y": 0.1,
                "gradient_clip": 1.0,
                "measured": ["sliced_wasserstein"],
            },
        ),
        "inn": Sample("inverse_kinematics", architecture("inn"), "inn", before={6: turn}),
        "critic": Sample("two_moons", coupling, variational("kl", critic_averaging=0.9)),
        "critic_spectral_norm": Sample(
            "two_moons", coupling, variational("wasserstein_critic", critic="spectral_norm_mlp")
        ),
        "critic_quadratic": Sample(
            "two_moons", coupling, variational("squared_hellinger", critic="quadratic")
        ),
        "critic_kernel": Sample("two_moons", coupling, variational("f_gamma", critic="rkhs_ball")),
        "early_stopping": Sample(
            "pinwheel",
            architecture("maf"),
            training={"learning_rate": 0.3, "schedule": "constant", "validate_every": 2, "patience": 3},
            stop=10,
        ),
        "changed_objective": Sample("linear_gaussian", coupling, before={6: change}),
        "regressed_mixtures": Sample(
            "two_moons_posterior", {"key": "regressed_mixtures", "settings": mixtures}, stop=9
        ),
        "regressed_ensemble": Sample(
            "gaussian_mixture", {"key": "regressed_ensemble", "settings": ensemble}, stop=9
        ),
        "flow_matching": Sample(
            "linear_gaussian",
            {"key": "flow_matching", "settings": {"width": 4, "depth": 1}},
            "flow_matching",
        ),
        "vae": Sample(
            "two_moons",
            {"key": "vae", "settings": {"width": 4, "depth": 1, "code_features": 2}},
            "evidence_lower_bound",
        ),
        "autoencoder": Sample(
            "rings", {"key": "autoencoder", "settings": {"width": 4, "depth": 1}}, "reconstruction"
        ),
        "table": Sample(table(), coupling),
        "drawn": Sample({"key": "drawn", "settings": {"points": POINTS, "jitter": 0.2}}, coupling),
        "embedding": Sample(
            "slcp",
            architecture("conditional_inn", embedding="deep_set", embedding_channels=2, embedding_features=3),
        ),
        "double": Sample("eight_gaussians", architecture("glow"), training={"precision": "float64"}),
        "recovered": Sample(
            "checkerboard", coupling, training={"averaging": 0.8}, before={27: poison}, stop=30
        ),
        "reverse_kl": Sample("rings", architecture("iaf"), "reverse_kl"),
        "symbolic": Sample(
            "two_moons",
            {"key": "symbolic_regression", "settings": {"width": 4, "library": "trigonometric"}},
        ),
    }


def table() -> wb.TableProblem:
    """Measurements of a user: a CSV file with units in its headings and one value missing."""
    generator = np.random.default_rng(5)
    height, width = generator.normal(1.5, 0.4, 120), generator.gamma(3.0, 0.5, 120)
    period = 2 * np.sqrt(np.abs(height)) + 0.1 * width + generator.normal(0, 0.05, 120)
    rows = [f"{a:.4f},{b:.4f},{c:.4f}" for a, b, c in zip(height, width, period, strict=True)]
    rows[17] = rows[17].rpartition(",")[0] + ","
    path = Path("measurements.csv")
    path.write_text("\n".join(["height [m],width [m],period [s]", *rows]) + "\n", encoding="utf-8")
    return wb.TableProblem(path, x=["height", "width"], y=["period"], missing="drop")


def inputs_of(run: wb.Run, rows: int = 6) -> dict[str, Any]:
    """Points, latents and observations at which a run's model is asked."""
    pairs, generator = run.data.pairs(held_out=True), torch.Generator().manual_seed(7)
    z = torch.randn(rows, run.model.latent_features, generator=generator, dtype=torch.float64)
    has_y = bool(run.problem.y)
    return {
        "precision": run.settings.precision,
        "x": [[round(value, 6) for value in row] for row in pairs.x[:rows].tolist()],
        "z": [[round(value, 6) for value in row] for row in z.tolist()],
        "y": [[round(value, 6) for value in row] for row in pairs.y[:rows].tolist()] if has_y else None,
        "observation": [round(value, 6) for value in pairs.y[0].tolist()] if has_y else None,
    }


def questions_for(fitted: Any, inputs: dict[str, Any]) -> list[str]:
    """Those that the model can answer."""
    questions = []
    for question in QUESTIONS:
        with contextlib.suppress(wb.WorkbenchError):
            answer(fitted, question, inputs)
            questions.append(question)
    return questions


def make_run(name: str, sample: Sample, folder: Path) -> wb.Run:
    """Train, save and continue one run; its answers before and after stand beside its folder."""
    experiment = wb.Experiment(
        sample.problem,
        sample.architecture,
        sample.objective,
        TRAINING | sample.training,
        steps=sample.steps,
        seed=3,
    )
    run = wb.Run(experiment, device="cpu", folder=folder / name)
    while run.iteration < sample.stop:
        if run.iteration in sample.before:
            sample.before[run.iteration](run)
        run.step()
    run.save()
    inputs = inputs_of(run)
    questions = questions_for(run.fitted, inputs)
    experiment = run.experiment
    reference = {
        "inputs": inputs,
        "keys": [experiment.problem.key, experiment.architecture.key, experiment.objective.key],
        "changed": {
            "objective": experiment.objective.changed(),
            "training": experiment.training.changed(),
            "steps": experiment.steps,
        },
        "iteration": run.iteration,
        "finished": run.finished,
        "events": list(run.events),
        "history": [record_of(record) for record in run.history],
        "answers": answers(run.fitted, inputs, questions),
        "steps": STEPS,
        "continued_history": [record_of(run.step()) for _ in range(STEPS)],
        "continued_answers": answers(run.fitted, inputs, questions),
        "continued_finished": run.finished,
        "continued_events": list(run.events),
    }
    digits = 9 if inputs["precision"] == "float32" else 17
    write(folder / f"{name}.json", shorten(reference, digits))
    anonymise(folder / name)
    return run


def anonymise(folder: Path) -> None:
    """Take host and process number out of a run's status."""
    path = folder / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"host": "sample", "pid": 0}), encoding="utf-8")


# ---- exports
def usual_objective(key: str, problem: str) -> str:
    """The first objective that trains this architecture."""
    for objective in (
        "flow_matching",
        "maximum_likelihood",
        "evidence_lower_bound",
        "inn",
        "reconstruction",
    ):
        if not wb.Experiment(problem, key, objective).refusals():
            return objective
    raise KeyError(key)


def make_weights(folder: Path) -> None:
    """A weights file of every architecture, with what its model says."""
    from workbench.architectures import ARCHITECTURES

    reference = []
    for member in ARCHITECTURES:
        problem = "linear_gaussian" if "conditional" in member.capabilities else "two_moons"
        settings = {s.name: SMALL[s.name] for s in member.settings() if s.name in SMALL}
        experiment = wb.Experiment(
            problem,
            {"key": member.key, "settings": settings},
            usual_objective(member.key, problem),
            {"samples": 64, "batch_size": 16, "learning_rate": 0.05, "warm_up": 0},
            steps=3,
            seed=1,
        )
        run = wb.Run(experiment, device="cpu")
        for _ in run:
            pass
        wb.save(run, folder / f"{member.key}.zip")
        inputs = inputs_of(run, rows=3)
        reference.append(
            {
                "architecture": member.key,
                "problem": problem,
                "parameters": run.parameters,
                "inputs": inputs,
                "answers": answers(run.fitted, inputs, questions_for(run.fitted, inputs)),
            }
        )
    write_entries(folder / "reference.json", shorten(reference))


def without_paths_in_program(path: Path) -> None:
    """Drop the source lines, with the paths of one machine, that torch notes beside each operation."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(entry) for key, entry in value.items() if key != "stack_trace"}
        return [clean(entry) for entry in value] if isinstance(value, list) else value

    with zipfile.ZipFile(path) as archive:
        members = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            if name.endswith("models/model.json"):
                data = json.dumps(clean(json.loads(data)), separators=(",", ":")).encode()
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def without_paths_in_onnx(path: Path) -> None:
    """Drop the source lines, with the paths of one machine, that the converter notes beside each node."""
    import onnx

    model = onnx.load(path)
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        for node in graph.node:
            del node.metadata_props[:]
    path.write_bytes(model.SerializeToString())


def without_bokeh(path: Path) -> None:
    """Replace the program of Bokeh, a megabyte and a half, by a comment; the page is kept for its words."""
    import re

    page = path.read_text(encoding="utf-8")
    page = re.sub(
        r"(<script[^>]*>)(.{20000,}?)(</script>)",
        r"\1/* Taken out of this sample: Bokeh and its data. */\3",
        page,
        flags=re.DOTALL,
    )
    path.write_text(page, encoding="utf-8")


def make_exports(folder: Path, runs: Path) -> None:
    """The run "flow" or "averaged" in every format, by the command line where it has a verb."""
    flow, average = str(runs / "flow"), str(runs / "averaged")
    for name in ("flow", "averaged", "double", "table", "symbolic"):
        command("export", str(runs / name), "--out", str(folder / f"weights_{name}.zip"))
    for function in ("inverse", "log_prob"):
        path = folder / f"graph_{function}.pt2"
        command("export", flow, "--format", "graph", "--function", function, "--out", str(path))
        without_paths_in_program(path)
    for function in ("inverse", "log_prob"):
        path = folder / f"onnx_{function}.onnx"
        command("export", flow, "--format", "onnx", "--function", function, "--out", str(path))
        without_paths_in_onnx(path)
    command("export", average, "--format", "notebook", "--out", str(folder / "notebook.ipynb"))
    # "workbench export --format formula" ended with an error in this version; the function did not
    formulas = wb.formulas(wb.Run.resume(runs / "symbolic", device="cpu"))
    (folder / "formula.txt").write_text(f"{formulas.text()}\n\n{formulas.latex()}\n", encoding="utf-8")
    command("export", flow, "--format", "report", "--out", str(folder / "report.html"))
    without_bokeh(folder / "report.html")
    draws = ["--observation", "0.3", "--draws", "8", "--seed", "2"]
    for name in ("posterior.nc", "posterior.zarr"):
        command("sample", average, *draws, "--arviz", "--out", str(folder / name))
    for name in ("draws.nc", "draws.csv"):
        command("sample", average, *draws, "--out", str(folder / name))


def make_simulations(folder: Path) -> None:
    """A dataset of simulations, and one of which only the first chunk was made before it was cut off."""
    problem = {"problem": "inverse_kinematics", "draws": 60, "chunk": 20, "seed": 4}

    class Cut(Exception):
        """The process ends in the middle of its work."""

    def cut(done: int, total: int) -> None:
        raise Cut

    wb.simulate(path=folder / "whole.zarr", **problem)
    with contextlib.suppress(Cut):
        wb.simulate(path=folder / "cut.zarr", progress=cut, **problem)
    write(folder / "request.json", problem)


# ---- studies
STUDY = {
    "networks": ["coupling"],
    "divergences": ["energy_distance"],
    "steps": 10,
    "samples": 200,
    "batch_size": 32,
    "width": 4,
    "observations": 8,
    "draws": 50,
    "seeds": 1,
}
PROBLEMS = {"finished": ["linear_gaussian"], "interrupted": ["linear_gaussian", "two_moons"]}


def kill_after(steps: int) -> Callable[[], None]:
    """Have the process of a study end after ``steps`` steps of training; return a function that undoes it."""
    step, budget = wb.Run.step, iter(range(steps))

    def step_within_budget(run: wb.Run) -> Any:
        if next(budget, None) is None:
            raise KeyboardInterrupt
        return step(run)

    wb.Run.step = step_within_budget

    def undo() -> None:
        wb.Run.step = step

    return undo


def make_studies(folder: Path, home: Path) -> None:
    """A finished study, and another one killed in the middle of its second cell."""
    key = "every_divergence"
    wb.studies.run(key, out=folder / "finished", device="cpu", problems=PROBLEMS["finished"], **STUDY)
    undo = kill_after(STUDY["steps"] + 6)
    with contextlib.suppress(KeyboardInterrupt):
        wb.studies.run(
            key, out=folder / "interrupted", device="cpu", problems=PROBLEMS["interrupted"], **STUDY
        )
    undo()
    # what comes of the killed study when it goes on is what comes of one that was never killed
    wb.studies.run(key, out=home / "whole", device="cpu", problems=PROBLEMS["interrupted"], **STUDY)
    for status in folder.rglob("status.json"):
        anonymise(status.parent)
    reference = {}
    for name, place in {"finished": folder / "finished", "interrupted": home / "whole"}.items():
        data, settings = wb.studies.load(place), STUDY | {"problems": PROBLEMS[name]}
        reference[name] = {
            "study": key,
            "settings": settings,
            "rows": wb.studies.rows(data),
            "text": wb.studies.text(data).splitlines(),
            "variables": {name: list(variable.dims) for name, variable in data.variables.items()},
            "attributes": sorted(data.attrs),
        }
    write(folder / "reference.json", reference)


# ---- experiments and links
def other_value(setting: Any) -> Any:
    """A value of a setting that is not its default; None where there is no simple one."""
    if setting.kind == "boolean":
        return not setting.default
    if setting.kind == "choice":
        return next((option for option in reversed(setting.options) if option != setting.default), None)
    if setting.kind in ("integer", "number") and len(setting.bounds or (None, None)) == 2:
        low, high = setting.bounds or (None, None)
        value = setting.default + 1 if setting.kind == "integer" else round(1.25 * setting.default + 0.01, 6)
        if high is not None and value > high:
            value = low if low is not None and low != setting.default else None
        return value
    return None


def other_values(member: type, most: int = 2) -> dict[str, Any]:
    """A setting or two of a member with other values than the defaults."""
    values: dict[str, Any] = {}
    for setting in member.settings():
        value = other_value(setting)
        if value is None:
            continue
        with contextlib.suppress(wb.WorkbenchError):
            member.from_values(values | {setting.name: value})
            values[setting.name] = value
        if len(values) == most:
            break
    return values


def experiments() -> dict[str, wb.Experiment]:
    """One experiment for each key of the catalogues that an experiment may name."""
    from workbench.architectures import ARCHITECTURES
    from workbench.critics import CRITICS
    from workbench.divergences import DIVERGENCES
    from workbench.objectives import OBJECTIVES
    from workbench.problems import PROBLEMS

    collection: dict[str, wb.Experiment] = {}
    for member in PROBLEMS:
        if member.key == "simulator":  # functions of Python: neither a file nor a link can hold them
            continue
        settings = other_values(member)
        if member.key == "drawn":
            settings = {"points": POINTS, "jitter": 0.2}
        if member.key == "table":
            settings = {"path": "measurements.csv", "x_columns": ["height"], "y_columns": ["period"]}
        collection[f"problem {member.key}"] = wb.Experiment(
            {"key": member.key, "settings": settings}, steps=300
        )
    for member in ARCHITECTURES:
        problem = "linear_gaussian" if "conditional" in member.capabilities else "two_moons"
        collection[f"architecture {member.key}"] = wb.Experiment(
            problem,
            {"key": member.key, "settings": other_values(member)},
            usual_objective(member.key, problem),
            {"learning_rate": 0.004, "batch_size": 128},
            seed=4,
        )
    for member in OBJECTIVES:
        collection[f"objective {member.key}"] = wb.Experiment(
            "inverse_kinematics",
            "inn",
            {"key": member.key, "settings": other_values(member)},
            {"averaging": 0.9},
        )
    for member in DIVERGENCES:
        settings = {f"{member.key}_{name}": value for name, value in other_values(member).items()}
        names = {setting.name for setting in OBJECTIVES["variational"].settings()}
        settings = {name: value for name, value in settings.items() if name in names}
        collection[f"divergence {member.key}"] = wb.Experiment(
            "two_moons",
            "realnvp",
            {"key": "variational", "settings": {"divergence": member.key} | settings},
            {"measured": [member.key]},
        )
    for member in CRITICS:
        collection[f"critic {member.key}"] = wb.Experiment(
            "two_moons",
            "realnvp",
            {"key": "variational", "settings": {"critic": member.key, "critic_steps": 3}},
        )
    collection["recommended"] = wb.Experiment.recommended("gaussian_linear", 5000, seed=9)
    return collection


def make_experiments(path: Path) -> None:
    """Each experiment as its file's table and, where it can travel, as a link and as Python."""
    entries = []
    for name, experiment in experiments().items():
        entry = {"name": name, "experiment": experiment.to_dict()}
        if name.startswith("problem"):
            entry["python"] = experiment.to_python()
        with contextlib.suppress(wb.WorkbenchError):
            entry["link"] = experiment.to_link()
        entries.append(entry)
    write_entries(path, entries)


# ---- names
def options_of(verb: str) -> list[str]:
    """The long options of a command."""
    import re

    return sorted(set(re.findall(r"--[a-z]+", command(verb, "--help"))))


def make_names(folder: Path) -> None:
    """Keys and settings of the catalogues, public names, and what can be typed."""
    from workbench import export

    def description(settings: dict[str, dict]) -> dict[str, dict]:
        parts = ("kind", "default", "bounds", "options", "live")
        return {name: {part: about[part] for part in parts} for name, about in settings.items()}

    lists = {what: json.loads(command("list", what, "--json")) for what in CATALOGUES}
    keys = {
        what: {card["key"]: description(card["settings"]) for card in cards} for what, cards in lists.items()
    }
    training = {
        s.name: {
            "kind": s.kind,
            "default": s.default,
            "bounds": list(s.bounds),
            "options": list(s.options),
            "live": s.live,
        }
        for s in wb.Training.settings()
    }
    path = folder / "keys.json"
    lines = [
        f"{json.dumps(what)}: {{\n"
        + ",\n".join(f"{json.dumps(key)}: {json.dumps(about)}" for key, about in members.items())
        + "\n}"
        for what, members in (keys | {"training": {"training": training}}).items()
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    names = {
        "workbench": dir(wb),
        "workbench.export": sorted(export.__all__),
        "workbench.studies": sorted(wb.studies.__all__),
        "formats": sorted(export.FORMATS),
        "commands": {verb: options_of(verb) for verb in COMMANDS},
        "pages": ["/", "/compare", "/inversion", "/posterior"],
        "addresses": {"experiment": "/?e=LINK", "run": "/?run=ID", "posterior": "/posterior?run=ID&y=1.5,0"},
    }
    (folder / "names.json").write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")


def main(folder: Path) -> None:
    if wb.__version__ != VERSION or Path(wb.__file__).resolve().parents[1] != ROOT:
        raise SystemExit(f"Run this with version {VERSION}, see the top of the file; found {wb.__file__}")
    if folder.exists():
        raise SystemExit(f"{folder} exists: samples are never made anew")
    torch.set_num_threads(1)
    folder.mkdir(parents=True)
    os.environ["WORKBENCH_HOME"] = str(folder / "home")
    os.chdir(folder)  # the table's path is written as it is given: a plain name
    for name, sample in samples().items():
        run = make_run(name, sample, Path("runs"))
        print(name, run.iteration, run.events[-1:] or "")
    make_weights(Path("architectures"))
    Path("exports").mkdir()
    make_exports(Path("exports"), Path("runs"))
    for name in ("v1_realnvp.zip", "v1_realnvp.json"):  # written in format version 1, before this program
        shutil.copy(ROOT / "tests" / "export" / "data" / name, Path("exports", name))
    make_simulations(Path("simulations"))
    make_studies(Path("studies"), Path("home"))
    make_experiments(Path("experiments.json"))
    make_names(Path("."))
    shutil.rmtree("home", ignore_errors=True)
    Path("measurements.csv").rename("exports/measurements.csv")
    folders = [path for name in ("runs", "simulations", "studies") for path in Path(name).iterdir()]
    for path in [*folders, Path("exports", "posterior.zarr")]:
        if path.is_dir():
            pack(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]).resolve())
