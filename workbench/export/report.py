"""Format ``report``: one HTML file that tells a whole run, opened without a server and without a network.

What was asked in words and as settings, how the loss went, what the network draws, what the diagnostics say
and with which versions all of this was made. The pictures are those of the studio, drawn by Bokeh, whose
program stands in the file; the page forbids itself, by its content security policy, to fetch anything.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import workbench
from workbench import diagnostics
from workbench.core.errors import ExportError, WorkbenchError
from workbench.export.formats import ExportFormat
from workbench.export.manifest import installed_versions
from workbench.export.page import Page, code, figure_grid, paragraph, table
from workbench.snapshots import SnapshotRequest
from workbench.training import Run, RunFolder
from workbench.training.folder import write_whole

_PARTS = ("problem", "architecture", "objective", "training")


class Report(ExportFormat):
    key = "report"
    title = "Report"
    summary = "One HTML page: settings, curves, pictures and the diagnostics' verdicts; needs no network."
    suffix = ".html"
    of_run = True

    def write(
        self,
        fitted: Run | str | Path,
        path: Path,
        function: str = "inverse",
        observation: Sequence[float] = (),
    ) -> dict[str, Any]:
        return {"bytes": report(fitted, path, observation=observation).stat().st_size}


def report(
    run: Run | str | Path,
    path: str | Path,
    *,
    observation: Sequence[float] = (),
    budget: str = "fast",
    seed: int = 0,
) -> Path:
    """Write the report of a run to ``path`` (.html); the same run and seed give the same numbers.

    Parameters
    ----------
    run : a run, or the folder of one, which is read at its last checkpoint and left as it is.
    observation : whose posterior is drawn, in the order of y and in its units (empty: the problem's own).
    budget : of the diagnostics, "fast" (seconds) or "thorough" (minutes).

    Raises `ExportError` for anything but a run, and for a name that is not that of a page.
    """
    path = Path(path)
    if path.suffix not in (".html", ".htm"):
        raise ExportError("A report is a page", expected="FILE.html", found=str(path))
    run = _whole(run)
    page = Page(run.experiment.title)
    _head(page, run)
    _words(page, run)
    _learning(page, run)
    _pictures(page, run, tuple(observation))
    _judged(page, run, budget, seed)
    _settings(page, run)
    _environment(page, run)
    write_whole(path, page.html().encode())
    return path


def _whole(run: Any) -> Run:
    """The run with its history."""
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


def _head(page: Page, run: Run) -> None:
    brief = run.brief()
    page.lead = (
        f"{run.iteration} of {run.experiment.steps} steps in {run.seconds:.0f} s on {brief['device']}, "
        f"{run.parameters} weights, seed {run.experiment.seed}. "
        f"Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by VINA workbench {workbench.__version__}."
    )


def _words(page: Page, run: Run) -> None:
    section = page.section("The experiment")
    for part in _PARTS[:3]:
        spec = getattr(run.experiment, part)
        section.append(paragraph(f"{spec.title}.", spec.summary, spec.reference))
    for sentence in run.experiment.warnings():
        section.append(paragraph("Note.", sentence))
    rows = [
        (role, v.symbol or v.name, v.name, v.unit or "1", v.description)
        for role, variables in (("sought, x", run.problem.x), ("observed, y", run.problem.y))
        for v in variables
    ]
    section.append(table(("", "symbol", "name", "unit", "meaning"), rows, fold=len(rows) > 12))


def _learning(page: Page, run: Run) -> None:
    section = page.section("Learning")
    if not len(run.history):
        section.append(paragraph("", "This run holds no history: it was imported, or has not begun."))
        return
    snapshot = run.snapshot(SnapshotRequest(views=()))
    section.append(figure_grid(_drawn(snapshot, ("losses", "divergences"))))
    validated = [record for record in run.history if "loss" in record.validation]
    if validated:
        best, last = min(validated, key=lambda r: r.validation["loss"]), validated[-1]
        rows = [
            (name, f"step {r.iteration}", *(f"{r.validation.get(k, math.nan):.4g}" for k in last.validation))
            for name, r in (("best loss", best), ("last", last))
        ]
        section.append(table(("on held-out data", "", *last.validation), rows))
    events = [(str(e.get("iteration", "")), str(e.get("message", ""))) for e in run.events]
    if events:
        section.append(table(("step", "event"), events, fold=len(events) > 12))


def _pictures(page: Page, run: Run, observation: tuple[float, ...]) -> None:
    section = page.section("What the network draws")
    snapshot = run.snapshot(SnapshotRequest(observation=observation))
    names = [n for n in diagnostics.VIEWS if n not in ("losses", "divergences")]
    section.append(figure_grid(_drawn(snapshot, names)))
    for sentence in dict.fromkeys(snapshot.notes.values()):
        section.append(paragraph("", sentence))


def _drawn(snapshot: Any, names: Sequence[str]) -> list[tuple[Any, str]]:
    """(HoloViews element, caption) of the views that this snapshot has something for."""
    from workbench import plots

    found = []
    for name in names:
        data, nothing = diagnostics.VIEWS[name](snapshot), diagnostics.empty(name, snapshot)
        if name not in plots.PLOTS or data.equals(nothing):
            continue
        found.append((plots.PLOTS[name](data), _caption(diagnostics.VIEWS[name])))
        if name == "posterior":
            found.append((plots.marginals(data), _caption(plots.marginals)))
    return found


def _caption(function: Any) -> str:
    """The sentence that opens the module of a view or a plot."""
    from inspect import getmodule

    text = (getmodule(function).__doc__ or "").strip().split("\n\n")[0]
    return " ".join(text.split())


def _judged(page: Page, run: Run, budget: str, seed: int) -> None:
    from workbench import plots

    section = page.section("Diagnostics")
    try:
        found = diagnostics.diagnose(run, budget=budget, seed=seed)
    except WorkbenchError as error:
        section.append(paragraph("Not judged.", " ".join(str(error).split())))
        return
    section.append(paragraph("Worst verdict:", found.verdict, mark=found.verdict))
    rows = [(d.attrs["title"], d.attrs["verdict"], d.attrs["sentence"]) for d in found.values()]
    section.append(table(("diagnostic", "verdict", "what was found"), rows, mark=1))
    drawn = plots.JUDGED
    pictures = [
        (drawn[key](data), data.attrs["title"])
        for key, data in found.items()
        if key in drawn and data.attrs["verdict"] != diagnostics.report.NOT_APPLICABLE
    ]
    if pictures:
        section.append(figure_grid(pictures))


def _settings(page: Page, run: Run) -> None:
    section = page.section("All settings")
    for part in _PARTS:
        spec = getattr(run.experiment, part)
        changed = spec.changed()
        rows = [
            (s.name, _short(spec.values()[s.name]), "changed" * (s.name in changed), " ".join(s.doc.split()))
            for s in spec.settings()
        ]
        if rows:
            title = getattr(spec, "title", "") or part
            section.append(table((f"{part}: {title}", "value", "", "meaning"), rows, fold=True))
    section.append(paragraph("To repeat it:", ""))
    section.append(code(run.experiment.to_python()))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else text[:200] + " …"


def _environment(page: Page, run: Run) -> None:
    rows = [*installed_versions().items(), ("machine", platform.machine()), ("system", platform.system())]
    rows += [("device", str(run.device)), ("precision", run.settings.precision)]
    page.section("Environment").append(table(("", ""), [(k, str(v)) for k, v in rows]))
