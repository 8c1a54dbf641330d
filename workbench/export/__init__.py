"""A run leaves the house: weights that load anywhere, programs, notebooks, and samples as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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

#: Every format by its key.
FORMATS: dict[str, ExportFormat] = {
    format.key: format
    for format in (Weights(), Graph(), Onnx(), Notebook(), Formula(), PosteriorFile(), Report())
}


def export(
    run_or_fitted: Any,
    format: str,
    path: str | Path,
    *,
    function: str = "inverse",
    observation: Sequence[float] = (),
) -> Path:
    """Write a run, or a fitted model, in one of `FORMATS`; the file is there only once it was checked.

    ``function`` says what a graph or an ONNX file computes: inverse, latent, log_prob or predict;
    ``observation`` whose posterior is written or reported (empty: the problem's own).
    Raises `ExportError` with the reason where it cannot be done.
    """
    if format not in FORMATS:
        raise unknown("export format", format, FORMATS, ExportError)
    if FORMATS[format].of_run:
        FORMATS[format].write(run_or_fitted, Path(path), observation=tuple(observation))
        return Path(path)
    fitted, path = fitted_of(run_or_fitted), Path(path)
    key = fitted.manifest.get("experiment", {}).get("architecture", {}).get("key", "")
    reason = FORMATS[format].refusal(key, function, fitted.capabilities) if key else ""
    if reason:
        raise ExportError(f"{FORMATS[format].title} cannot be written", found=reason)
    chosen = {"observation": tuple(observation)} if FORMATS[format].at_observation else {}
    FORMATS[format].write(fitted, path, function, **chosen)
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
