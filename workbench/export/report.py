"""Format ``report``: a whole run as one HTML file that opens without a server and without a network.

The experiment in words and as settings, the loss curves, the network's samples, the verdicts of the
diagnostics, and all versions. The plots are those of the studio, rendered by BokehJS, which is part of the
file; the page's content security policy forbids every request.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workbench
from workbench.core.entries import public
from workbench.core.errors import ExportError, WorkbenchError
from workbench.core.numbers import checked_seed
from workbench.core.observation import optional_values
from workbench.export.formats import ExportFormat
from workbench.export.manifest import installed_versions
from workbench.export.page import Code, Figures, Page, Paragraph, Picture, Table

if TYPE_CHECKING:
    from workbench.snapshots import Snapshot
    from workbench.training import Run

_PARTS = ("problem", "architecture", "objective", "training")


class Report(ExportFormat):
    key = "report"
    title = "Report"
    summary = "One HTML page: settings, curves, pictures and the diagnostics' verdicts; needs no network."
    suffix = ".html"
    of_run = True
    expensive = True

    def write(
        self,
        fitted: Run | str | Path,
        path: Path,
        function: str = "inverse",
        observation: Any = (),
    ) -> dict[str, Any]:
        return {"bytes": report(fitted, path, observation=observation).stat().st_size}


@public
def report(
    run: Run | str | Path,
    path: str | Path,
    *,
    observation: Any = (),
    budget: str = "fast",
    seed: int = 0,
) -> Path:
    """Write the report of a run to ``path`` (.html); the same run and seed give the same numbers.

    Parameters
    ----------
    run : a run, or the folder of one, which is read at its latest checkpoint and not changed.
    observation : y of the posterior that is plotted, in its units: numbers in the order of y, or by name
        (empty: the problem's own).
    budget : effort for the diagnostics, "fast" (seconds) or "thorough" (minutes).

    Raises `ExportError` for anything but a run, and for a path that does not end in .html or .htm.
    """
    from workbench.training.folder import write_whole

    path = Path(path)
    if path.suffix not in (".html", ".htm"):
        raise ExportError("A report is a page", expected="FILE.html", found=str(path))
    run = _with_history(run)
    page = Page(run.experiment.title)
    page.lead = _lead(run)
    _add_experiment(page, run)
    _add_learning(page, run)
    _add_samples(page, run, optional_values(observation, run.problem.y))
    _add_diagnostics(page, run, budget, checked_seed(seed))
    _add_settings(page, run)
    _add_environment(page, run)
    write_whole(path, page.html().encode())
    return path


def _with_history(run: Run | str | Path) -> Run:
    """Return a run, or open the one in a folder at its latest checkpoint. Raises `ExportError` for
    anything else."""
    from workbench.training import Run, RunFolder

    if isinstance(run, Run):
        return run
    if not isinstance(run, (str, Path)) or not Path(run).is_dir():
        raise ExportError(
            "Only a run has a report",
            expected="what wb.Run(experiment) gives, or a run's folder",
            found=f"nothing that is a folder at '{run}'"
            if isinstance(run, (str, Path))
            else type(run).__name__,
            suggestion="an exported model has no history; write the report where it was trained",
        )
    return RunFolder(run).open(device="cpu")


def _lead(run: Run) -> str:
    """First paragraph of the report: steps, time, device, number of weights, seed and version."""
    brief = run.brief()
    return (
        f"{run.iteration} of {run.experiment.steps} steps in {run.seconds:.0f} s on {brief['device']}, "
        f"{run.parameters} weights, seed {run.experiment.seed}. "
        f"Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by VINA workbench {workbench.__version__}."
    )


def _add_experiment(page: Page, run: Run) -> None:
    section = page.section("The experiment")
    for part in _PARTS[:3]:
        spec = getattr(run.experiment, part)
        section.append(Paragraph(f"{spec.title}.", spec.summary, spec.reference))
    for sentence in run.experiment.warnings():
        section.append(Paragraph("Note.", sentence))
    rows = [
        (role, v.symbol or v.name, v.name, v.unit or "1", v.description)
        for role, variables in (("sought, x", run.problem.x), ("observed, y", run.problem.y))
        for v in variables
    ]
    section.append(Table(("", "symbol", "name", "unit", "meaning"), rows, fold=len(rows) > 12))


def _add_learning(page: Page, run: Run) -> None:
    from workbench.snapshots import SnapshotRequest

    section = page.section("Learning")
    if not len(run.history):
        section.append(Paragraph("", "This run holds no history: it was imported, or has not begun."))
        return
    snapshot = run.snapshot(SnapshotRequest(views=()))
    section.append(Figures(_pictures(snapshot, ("losses", "divergences"))))
    validations = [record for record in run.history if "loss" in record.validation]
    if validations:
        best, last = min(validations, key=lambda r: r.validation["loss"]), validations[-1]
        rows = [
            (name, f"step {r.iteration}", *(f"{r.validation.get(k, math.nan):.4g}" for k in last.validation))
            for name, r in (("best loss", best), ("last", last))
        ]
        section.append(Table(("on held-out data", "", *last.validation), rows))
    events = [(str(e.get("iteration", "")), str(e.get("message", ""))) for e in run.events]
    if events:
        section.append(Table(("step", "event"), events, fold=len(events) > 12))


def _add_samples(page: Page, run: Run, observation: tuple[float, ...]) -> None:
    from workbench.snapshots import VIEWS, SnapshotRequest

    section = page.section("What the network draws")
    snapshot = run.snapshot(SnapshotRequest(observation=observation))
    names = [name for name in VIEWS.shown() if name not in ("losses", "divergences")]
    section.append(Figures(_pictures(snapshot, names)))
    for sentence in dict.fromkeys(snapshot.notes.values()):
        section.append(Paragraph("", sentence))


def _pictures(snapshot: Snapshot, names: Sequence[str]) -> list[Picture]:
    """Plot each of the views ``names`` for which the snapshot has data, with a caption."""
    from workbench import plots
    from workbench.snapshots import VIEWS, empty

    pictures = []
    for name in names:
        view = VIEWS[name]
        data = view(snapshot)
        if name not in plots.PLOTS or data.equals(empty(name, snapshot)):
            continue
        # not the view's summary, which tells a user of the screen where to tap
        pictures.append(Picture(plots.PLOTS[name](data), _caption(type(view).__module__)))
        if name == "posterior":
            pictures.append(Picture(plots.marginals(data), _caption(plots.marginals.__module__)))
    return pictures


def _caption(module: str) -> str:
    """Return a plot's caption: the first paragraph of the docstring of ``module``, which defines its view or
    its plot."""
    text = (import_module(module).__doc__ or "").strip().split("\n\n")[0]
    return " ".join(text.split())


def _add_diagnostics(page: Page, run: Run, budget: str, seed: int) -> None:
    from workbench import diagnostics, plots

    section = page.section("Diagnostics")
    try:
        verdicts = diagnostics.diagnose(run, budget=budget, seed=seed)
    except WorkbenchError as error:
        section.append(Paragraph("Not diagnosed.", " ".join(str(error).split())))
        return
    section.append(Paragraph("Worst verdict:", verdicts.verdict, mark=verdicts.verdict))
    rows = [(d.attrs["title"], d.attrs["verdict"], d.attrs["sentence"]) for d in verdicts.values()]
    section.append(Table(("diagnostic", "verdict", "result"), rows, mark=1))
    drawings = plots.JUDGED
    pictures = [
        Picture(drawings[key](data), data.attrs["title"])
        for key, data in verdicts.items()
        if key in drawings and data.attrs["verdict"] != diagnostics.report.NOT_APPLICABLE
    ]
    if pictures:
        section.append(Figures(pictures))


def _add_settings(page: Page, run: Run) -> None:
    section = page.section("All settings")
    for part in _PARTS:
        spec = getattr(run.experiment, part)
        changes = spec.changed()
        rows = [
            (s.name, _short(spec.values()[s.name]), "changed" * (s.name in changes), " ".join(s.doc.split()))
            for s in spec.settings()
        ]
        if rows:
            title = getattr(spec, "title", "") or part
            section.append(Table((f"{part}: {title}", "value", "", "meaning"), rows, fold=True))
    section.append(Paragraph("To repeat it:", ""))
    section.append(Code(run.experiment.to_python()))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else text[:200] + " …"


def _add_environment(page: Page, run: Run) -> None:
    rows = [*installed_versions().items(), ("machine", platform.machine()), ("system", platform.system())]
    rows += [("device", str(run.device)), ("precision", run.settings.precision)]
    page.section("Environment").append(Table(("", ""), [(k, str(v)) for k, v in rows]))
