"""Format ``notebook``: a Jupyter notebook that repeats an experiment, plots the run and draws samples."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workbench
from workbench.core.capability import Capability
from workbench.core.entries import public
from workbench.core.errors import ExportError, WorkbenchError
from workbench.export.formats import ExportFormat

if TYPE_CHECKING:
    from workbench.inference import FittedModel
    from workbench.problems import Problem
    from workbench.training import Experiment


class Notebook(ExportFormat):
    key = "notebook"
    title = "Jupyter notebook"
    summary = (
        "A notebook that repeats the experiment, plots the run and samples; trains anew, holds no weights."
    )
    suffix = ".ipynb"

    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        from workbench.training import Experiment
        from workbench.training.folder import write_whole

        table = fitted.manifest.get("experiment")
        try:
            experiment = Experiment.from_dict(table)
        except WorkbenchError as error:
            raise ExportError(
                "A notebook cannot repeat this experiment", found=str(error), suggestion=_FROM_FILE
            ) from error
        text = notebook(experiment)
        write_whole(path, text.encode())
        return {"cells": len(json.loads(text)["cells"])}


@public
def notebook(experiment: Experiment) -> str:
    """Return the text of an .ipynb file (format 4.5, without outputs) that repeats an experiment. Raises
    `ExportError` where it could not run."""
    missing = _data_missing(experiment)
    reasons = missing or experiment.refusals()
    if reasons:
        raise ExportError(
            "A notebook cannot repeat this experiment",
            found="; ".join(reasons),
            expected="a problem that is made from its settings or from a file",
            suggestion=_FROM_FILE if missing else "",
        )
    cells = [_cell(number, kind, text) for number, (kind, text) in enumerate(_story(experiment))]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return (
        json.dumps(
            {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5},
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


_FROM_FILE = (
    "a table or simulations from Python are no part of a notebook: write them to a file, as in "
    "table.to_parquet('table.parquet'), and train on TableProblem('table.parquet', …)"
)


def _data_missing(experiment: Experiment) -> list[str]:
    """Return why the problem cannot be made from its settings alone, such as rows that came from Python."""
    problem = experiment.problem
    if not hasattr(type(problem), "rows") or getattr(problem, "path", ""):
        return []
    return [f"the problem '{problem.key}' has rows of its own, which came from Python and not from a file"]


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    # the id is a hash of the cell, so that the same experiment gives the same file
    name = hashlib.sha256(f"{number}{text}".encode()).hexdigest()[:12]
    cell = {"cell_type": kind, "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


_START = """import holoviews as hv

from workbench import diagnostics, plots

hv.extension("bokeh", inline=True)


def show(*pictures, width=430, height=340):
    \"\"\"Pictures side by side, two in a row.\"\"\"
    pictures = [picture.opts(responsive=False, width=width, height=height) for picture in pictures]
    return pictures[0] if len(pictures) == 1 else hv.Layout(pictures).cols(2).opts(shared_axes=False)"""


def _story(experiment: Experiment) -> list[tuple[str, str]]:
    problem, architecture, objective = experiment.problem, experiment.architecture, experiment.objective
    code = experiment.to_python().partition("run = ")[0].rstrip()
    story = [
        (
            "markdown",
            f"# {experiment.title}\n\n"
            f"*{problem.title}*: {problem.summary}\n\n*{architecture.title}*: {architecture.summary}\n\n"
            f"*{objective.title}*: {objective.summary}\n\n"
            f"Written by VINA workbench {workbench.__version__}. The same seed gives the same run.",
        ),
        ("code", _START),
        ("code", code),
        (
            "markdown",
            "## Train\n\nEach step gives a record: the parts of the loss, the learning rate, the time.",
        ),
        ("code", "run = wb.Run(experiment)\nfor record in run:\n    pass\nrecord"),
        ("markdown", "## Look\n\nA snapshot holds the views of a run at one moment."),
        (
            "code",
            "snapshot = run.snapshot()\n"
            "show(plots.losses(diagnostics.losses(snapshot)), width=800, height=300)",
        ),
        ("code", _show("samples", *(["latent"] if Capability.LATENT in architecture.capabilities else []))),
    ]
    answer = _posterior(problem) if problem.y else _density(problem, architecture.capabilities)
    return story + answer + _keep()


def _show(*views: str) -> str:
    return f"show({', '.join(f'plots.{view}(diagnostics.{view}(snapshot))' for view in views)})"


def _density(problem: Problem, capabilities: frozenset[str]) -> list[tuple[str, str]]:
    draws = ("code", "samples = run.sample(1000)\nsamples")
    views = ["density"] if Capability.DENSITY in capabilities else []
    views += ["grid"] if Capability.LATENT in capabilities else []
    if problem.shapes.x != 2 or not views:
        return [draws]
    return [("code", _show(*views)), draws]


def _posterior(problem: Problem) -> list[tuple[str, str]]:
    observation = [float(value) for value in problem.default_observation]
    names = ", ".join(v.label for v in problem.y)
    return [
        ("markdown", f"## Ask\n\nThe posterior: which x could have led to this observation ({names})?"),
        ("code", f"observation = {observation}\nsamples = run.posterior(observation).sample(1000)\nsamples"),
        (
            "code",
            "request = wb.SnapshotRequest(views=('posterior',), observation=tuple(observation))\n"
            "answer = diagnostics.posterior(run.snapshot(request))\n"
            "show(plots.posterior(answer), plots.marginals(answer))",
        ),
    ]


def _keep() -> list[tuple[str, str]]:
    return [
        (
            "markdown",
            "## Keep\n\nThe file holds weights, a manifest and test vectors; `wb.load` checks them all.",
        ),
        ("code", "wb.save(run, 'model.zip')\nmodel = wb.load('model.zip')\nmodel.manifest['iteration']"),
    ]
