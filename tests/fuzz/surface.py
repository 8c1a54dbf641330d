"""Every public function and method with valid arguments, and the values that are put in their place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import workbench as wb
from workbench.backends import InlineBackend
from workbench.core.shapes import Shapes
from workbench.export import export, notebook, to_datatree, write_datatree, write_samples


@dataclass(frozen=True)
class Material:
    """Small trained runs, their files, and data to call every function with."""

    folder: Path
    planar: wb.Run
    inverse: wb.Run

    @property
    def target(self) -> Path:
        """A folder that functions may write to."""
        return self.folder / "written"


@dataclass(frozen=True)
class Entry:
    """A public callable with the arguments of a call that succeeds."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    #: a call takes a second or more: odd values that may succeed are not tried
    expensive: bool = False

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Iterate over name and annotation of every parameter that can be passed by name."""
        for name, parameter in inspect.signature(self.function).parameters.items():
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                yield name, str(parameter.annotation)


def make_material(folder: Path) -> Material:
    """Train two small networks, of a density and of a posterior, and write their files."""
    small = {"transforms": 2, "width": 8, "depth": 1}
    training = {"samples": 200, "batch_size": 32, "validate_every": 5, "measured": []}
    runs = []
    for problem in ("two_moons", "sine_wave"):
        architecture = {"key": "realnvp", "settings": small}
        runs.append(wb.Run(wb.Experiment(problem, architecture, training=training, steps=6), device="cpu"))
        runs[-1].train(progress=False)
    planar, inverse = runs
    planar.save(folder / "planar")
    inverse.save(folder / "inverse")
    wb.save(planar, folder / "planar.zip")
    (folder / "written").mkdir()
    return Material(folder, planar, inverse)


def _training(m: Material) -> list[Entry]:
    experiment, output = m.planar.experiment, m.target
    scratch = wb.Run(experiment.replace(steps=3), device="cpu")
    scratch.train(progress=False)
    folder = wb.training.RunFolder(m.folder / "planar")
    runs = wb.training.Runs(m.folder)
    return [
        Entry("Experiment", wb.Experiment, {"problem": "two_moons"}),
        Entry("Experiment.recommended", wb.Experiment.recommended, {"problem": "sine_wave"}),
        Entry("Experiment.from_dict", wb.Experiment.from_dict, {"values": experiment.to_dict()}),
        Entry("Experiment.from_json", wb.Experiment.from_json, {"text": experiment.to_json()}),
        Entry("Experiment.from_link", wb.Experiment.from_link, {"link": experiment.to_link()}),
        Entry("Experiment.with_setting", experiment.with_setting, {"name": "width", "value": 8}),
        Entry("Run", wb.Run, {"experiment": experiment, "device": "cpu"}),
        Entry("Run.resume", wb.Run.resume, {"folder": m.folder / "planar", "device": "cpu"}),
        Entry("Run.train", scratch.train, {"progress": False}),
        Entry("Run.attach", scratch.attach, {"folder": output / "attached"}),
        Entry("Run.save", scratch.save, {"folder": output / "saved"}),
        Entry("Run.set", scratch.set, {"name": "learning_rate", "value": 1e-3}),
        Entry("Run.change_objective", scratch.change_objective, {"objective": "maximum_likelihood"}),
        Entry("Run.load_state_dict", scratch.load_state_dict, {"state": scratch.state_dict()}),
        Entry("Run.posterior", m.inverse.posterior, {"observation": [0.1] * len(m.inverse.problem.y)}),
        Entry("Run.sample", m.planar.sample, {"n": 3}),
        Entry("Run.snapshot", m.planar.snapshot, {"request": "samples"}),
        Entry("Training.from_values", wb.Training.from_values, {"values": {}}),
        Entry("Training.set", wb.Training().set, {"name": "samples", "value": 100}),
        Entry("RunFolder", wb.training.RunFolder, {"path": m.folder / "planar"}),
        Entry("RunFolder.open", folder.open, {"device": "cpu"}),
        Entry("RunFolder.fitted", folder.fitted, {"device": "cpu"}),
        Entry("RunFolder.history", folder.history, {"until": 3}),
        Entry("RunFolder.experiment", folder.experiment),
        Entry("Runs", wb.training.Runs, {"root": m.folder}),
        Entry("Runs.folder", runs.folder, {"run_id": "planar"}),
        Entry("Runs.delete", runs.delete, {"run_id": "nothing"}),
        Entry("fits", wb.training.fits, {"part": "problem", "key": "two_moons", "experiment": experiment}),
        Entry("history.since", m.planar.history.since, {"iteration": 2}),
        Entry("history.steps_per_second", m.planar.history.steps_per_second, {"window": 10}),
        Entry("history.truncated", m.planar.history.truncated, {"iteration": 2}),
        Entry("Record.from_json", wb.training.Record.from_json, {"line": m.planar.history[-1].to_json()}),
        Entry(
            "refusals",
            wb.training.refusals,
            {p: getattr(experiment, p) for p in ("problem", "architecture", "objective")},
        ),
        Entry("InlineBackend.start", InlineBackend(eager=False).start, {"device": "cpu"}),
    ]


def _inference(m: Material) -> list[Entry]:
    planar, inverse = m.planar.fitted, m.inverse.fitted
    y = [0.1] * len(inverse.y)
    x, z = torch.zeros(3, len(planar.x)), torch.zeros(3, planar.model.latent_features)
    posterior = inverse.posterior(y)
    draws = posterior.sample(5)
    truth = [0.1] * len(inverse.x)
    return [
        Entry("FittedModel.sample", planar.sample, {"n": 3}),
        Entry("FittedModel.sample_and_count", planar.sample_and_count, {"n": 3}),
        Entry("FittedModel.unchecked_sample", planar.unchecked_sample, {"n": 3}),
        Entry("FittedModel.sample_dataset", planar.sample_dataset, {"n": 3}),
        Entry("FittedModel.sample of a posterior", inverse.sample, {"n": 3, "observation": y}),
        Entry("FittedModel.posterior", inverse.posterior, {"observation": y}),
        Entry("FittedModel.log_prob", planar.log_prob, {"x": x}),
        Entry("FittedModel.latent", planar.latent, {"x": x}),
        Entry("FittedModel.latent of a posterior", inverse.latent, {"x": [truth], "y": y}),
        Entry("FittedModel.inverse", planar.inverse, {"z": z}),
        Entry("FittedModel.predict", planar.predict, {"x": x}),
        Entry("FittedModel.evidence", planar.evidence_lower_bound, {"x": x, "y": None, "noise": z}),
        Entry("FittedModel.concerns", inverse.concerns, {"observation": y}),
        Entry("FittedModel.standardised", inverse.standardised_observation, {"y": y, "n": 2}),
        Entry("FittedModel.to", planar.to, {"device": "cpu"}),
        Entry("Posterior", wb.inference.Posterior, {"fitted": inverse, "observation": y}),
        Entry("Posterior.__getitem__", posterior.__getitem__, {"index": 0}),
        Entry("Posterior.sample", posterior.sample, {"n": 3}),
        Entry("Posterior.log_prob", posterior.log_prob, {"x": [truth]}),
        Entry("Posterior.map", posterior.map, {}, expensive=True),
        Entry("Posterior.mean", posterior.mean, {"n": 5}),
        Entry("Posterior.std", posterior.std, {"n": 5}),
        Entry("Posterior.quantile", posterior.quantile, {"q": 0.5, "n": 5}),
        Entry("Posterior.summary", posterior.summary, {"n": 8}),
        Entry("Posterior.coverage", posterior.coverage, {"x": truth, "n": 8}),
        Entry("Posterior.to_datatree", posterior.to_datatree, {"n": 8}, expensive=True),
        Entry("Posterior.to", posterior.to, {"device": "cpu"}),
        Entry("Posterior.plot", posterior.plot, {"n": 20}, expensive=True),
        Entry("plots.corner", wb.plots.corner, {"draws": draws}, expensive=True),
        Entry("to_datatree", to_datatree, {"draws": draws}),
        Entry("write_samples", write_samples, {"draws": draws, "path": m.target / "draws.csv"}),
        Entry("write_datatree", write_datatree, {"tree": to_datatree(draws), "path": m.target / "t.nc"}),
        Entry("SnapshotRequest", wb.SnapshotRequest, {"views": "samples"}),
        Entry("Snapshot.labelled", m.planar.snapshot("samples").labelled, {"key": "samples"}),
        Entry("snapshots.empty", wb.snapshots.empty, {"view": "samples"}),
        Entry("take_snapshot", wb.snapshots.take_snapshot, {"run": m.planar}),
        *(
            Entry(f"snapshots.{name}", getattr(wb.snapshots, name), {"experiment": m.planar.experiment})
            for name in ("applicable", "at_first", "missing")
        ),
        Entry(
            "snapshots.requested_parts",
            wb.snapshots.requested_parts,
            {"keys": ["samples"], "experiment": m.planar.experiment},
        ),
    ]


def _functions(m: Material) -> list[Entry]:
    output, y = m.target, [0.1] * len(m.inverse.problem.y)
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(40, 2, generator=generator)
    inversion = (
        wb.invert(wb.problems.SineWave(noise=0.0), [0.1] * 1, method="boundary_marking") if 0 else None
    )
    return [
        Entry("save", wb.save, {"run_or_fitted": m.planar, "path": output / "model.zip"}),
        Entry("load", wb.load, {"path": m.folder / "planar.zip"}),
        Entry("check", wb.check, {"path": m.folder / "planar.zip"}),
        Entry("simulate", wb.simulate, {"problem": "sine_wave", "draws": 5, "path": output / "s.zarr"}),
        Entry("report", wb.report, {"run": m.inverse, "path": output / "report.html"}, expensive=True),
        Entry("formulas", wb.formulas, {"run_or_fitted": m.planar}),
        Entry("diagnose", wb.diagnose, {"fitted": m.planar, "only": ["invertibility"]}, expensive=True),
        Entry("invert", wb.invert, {"model": m.inverse, "observation": y}, expensive=True),
        Entry("refine", wb.refine, {"trained": m.inverse, "observation": y}, expensive=True),
        Entry(
            "train_forward",
            wb.train_forward,
            {"problem": wb.problems.SineWave(), "samples": 20, "steps": 2, "width": 4, "depth": 1},
        ),
        Entry(
            "export",
            export,
            {"run_or_fitted": m.planar, "format": "weights", "path": output / "e.zip"},
        ),
        Entry("notebook", notebook, {"experiment": m.planar.experiment}),
        Entry("Variable", wb.Variable, {"name": "x"}),
        Entry("Variable.from_dict", wb.Variable.from_dict, {"values": {"name": "x"}}),
        Entry("TableProblem", wb.TableProblem, {"source": "", "x": ("a",)}),
        Entry("SimulatorProblem", wb.SimulatorProblem, {"prior": lambda n: torch.zeros(n, 1)}),
        Entry(
            "SimulationsProblem",
            wb.SimulationsProblem,
            {"parameters": np.zeros((80, 1)), "results": np.zeros((80, 1))},
        ),
        Entry("describe", wb.problems.describe, {"source": {"a": [1.0, 2.0], "b": [2.0, 3.0]}}),
        Entry(
            "c2st",
            wb.diagnostics.c2st,
            {"reference": points, "model": points.flip(0), "iterations": 2, "folds": 2},
        ),
        Entry("exact_wasserstein", wb.diagnostics.exact_wasserstein, {"first": points, "second": points}),
        Entry("diagnostics.search", wb.diagnostics.search, {"inversion": inversion}),
        Entry("diagnostics.distances", wb.diagnostics.distances, {"inversion": inversion}),
        Entry(
            "estimate",
            wb.divergences.estimate,
            {"divergence": "energy_distance", "samples_p": points, "samples_q": points, "steps": 2},
        ),
        Entry(
            "estimate of an f-divergence",
            wb.divergences.estimate,
            {"divergence": "pearson", "samples_p": points, "samples_q": points, "steps": 2},
        ),
        Entry("mmd_squared", wb.divergences.mmd_squared, {"p": points, "q": points}),
        Entry(
            "precision_recall_curve",
            wb.divergences.precision_recall_curve,
            {"p": torch.ones(4) / 4, "q": torch.ones(4) / 4, "trade_offs": torch.ones(2)},
        ),
        Entry("plots.save", wb.plots.save, {"figure": None, "path": output / "figure.png"}),
        Entry("plots.figure", wb.plots.figure, {"parts": []}),
        Entry("plots.save_figure", wb.plots.save_figure, {"parts": [], "path": output / "f.html"}),
        Entry("studies.load", wb.studies.load, {"path": m.folder / "nothing.nc"}),
        Entry("studies.StudyFolder", wb.studies.StudyFolder, {"path": m.folder / "study"}),
        Entry("studies.run", wb.studies.run, {"study": "nothing"}),
        Entry("plugins.advice", wb.plugins.advice, {"table": None}),
        *(
            Entry(f"studies.{name}", getattr(wb.studies, name), {"data": None})
            for name in ("columns", "figures", "heading", "rows", "setting", "text")
        ),
    ]


def _problems(m: Material) -> list[Entry]:
    generator = torch.Generator().manual_seed(0)
    entries = []
    for key in ("linear_gaussian", "two_moons", "two_moons_posterior"):
        problem = wb.problems.PROBLEMS.make(key)
        x, y = problem.draw(3, generator).x, problem.draw(3, generator).y
        entries += [
            Entry(f"{key}.draw", problem.draw, {"n": 3, "generator": generator}),
            Entry(f"{key}.prior", problem.prior, {"n": 3, "generator": generator}),
            Entry(f"{key}.log_density", problem.log_density, {"x": x}),
            Entry(f"{key}.log_joint", problem.log_joint, {"x": x, "y": y}),
            Entry(f"{key}.log_prior", problem.log_prior, {"x": x}),
            Entry(f"{key}.simulate", problem.simulate, {"x": x, "generator": generator}),
            Entry(
                f"{key}.reference_posterior",
                problem.reference_posterior,
                {"observation": y[0], "n": 3, "generator": generator},
            ),
            Entry(f"{key}.checked_observation", problem.checked_observation, {"observation": y[0]}),
            Entry(f"{key}.warnings", problem.warnings, {"samples": 100}),
            Entry(f"{key}.set", problem.set, {"name": "nothing", "value": 1}),
            Entry(f"{key}.from_values", type(problem).from_values, {"values": {}}),
            Entry(f"{key}.save_data", problem.save_data, {"folder": m.target}),
            Entry(f"{key}.load_data", problem.load_data, {"folder": m.target}),
        ]
    entries += [
        Entry(f"{member.key}.build", member().build, {"shapes": Shapes(2, 0)})
        for member in wb.architectures.ARCHITECTURES
    ]
    return entries


def _plots(m: Material) -> list[Entry]:
    entries = []
    for name in wb.plots.PLOTS:
        plot = wb.plots.PLOTS[name]
        first = next(iter(inspect.signature(plot).parameters))
        entries.append(Entry(f"plots.{name}", plot, {first: m.planar}, expensive=True))
    return entries


def _theory(m: Material) -> list[Entry]:
    entries = []
    values = {"int": 2, "float": 1.5, "Tensor": torch.eye(2), "str": "", "float | None": 1.5}
    values |= {"Divergence": wb.divergences.DIVERGENCES.make("pearson")}
    values["FDivergence"] = values["Divergence"]
    for name in wb.theory.__all__:
        function = getattr(wb.theory, name)
        if not inspect.isfunction(function):
            continue
        parameters = inspect.signature(function).parameters.values()
        arguments = {p.name: values.get(str(p.annotation)) for p in parameters if p.default is p.empty}
        entries.append(Entry(f"theory.{name}", function, arguments, expensive=True))
    return entries


def entries(m: Material) -> list[Entry]:
    """Return every public function and method."""
    parts = (_training, _inference, _functions, _problems, _plots, _theory)
    return [entry for part in parts for entry in part(m)]
