"""Export of runs and models: weights, graphs, notebooks, formulas, draws, reports and simulations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.core.entries import public
from workbench.core.errors import ExportError, unknown
from workbench.export.formats import ExportFormat, fitted_of
from workbench.export.formula import Formula, Formulas, formulas
from workbench.export.graph import Graph
from workbench.export.notebook import Notebook, notebook
from workbench.export.onnx import Onnx
from workbench.export.posterior import PosteriorFile, to_datatree, write_datatree, write_samples
from workbench.export.report import Report, report
from workbench.export.simulations import simulate
from workbench.export.weights import Weights, check, load, save

if TYPE_CHECKING:
    from workbench.inference import FittedModel
    from workbench.training import Run

#: Every format by its key.
FORMATS: dict[str, ExportFormat] = {
    format.key: format
    for format in (Weights(), Graph(), Onnx(), Notebook(), Formula(), PosteriorFile(), Report())
}


@public
def export(
    run_or_fitted: Run | FittedModel | str | Path,
    format: str,
    path: str | Path,
    *,
    function: str = "inverse",
    observation: Any = (),
) -> Path:
    """Write a run or a fitted model in one of `FORMATS`; the file appears only after it has been checked.

    Parameters
    ----------
    run_or_fitted : a run or a fitted model; for a report a run, or the folder of one.
    function : that a graph or an ONNX file computes: inverse, latent, log_prob or predict.
    observation : y of the posterior in a posterior file or a report, in order or by name (empty: the
        problem's own); a posterior file may hold many.

    Raises `ExportError` with the reason where the format does not apply.
    """
    if format not in FORMATS:
        raise unknown("export format", format, FORMATS, ExportError)
    if FORMATS[format].of_run:
        FORMATS[format].write(run_or_fitted, Path(path), observation=observation)
        return Path(path)
    model, path = fitted_of(run_or_fitted), Path(path)
    key = model.manifest.get("experiment", {}).get("architecture", {}).get("key", "")
    reason = FORMATS[format].refusal(key, function, model.capabilities) if key else ""
    if reason:
        raise ExportError(f"{FORMATS[format].title} cannot be written", found=reason)
    options = {"observation": observation} if FORMATS[format].at_observation else {}
    FORMATS[format].write(model, path, function, **options)
    return path


__all__ = [
    "FORMATS",
    "Formulas",
    "check",
    "export",
    "formulas",
    "load",
    "notebook",
    "report",
    "save",
    "simulate",
    "to_datatree",
    "write_datatree",
    "write_samples",
]
