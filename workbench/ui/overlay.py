"""The losses of several runs laid over each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import holoviews as hv
import numpy as np
import xarray as xr

from workbench import diagnostics, plots
from workbench.studies.posterior_comparison import MOST, named
from workbench.studies.results_table import Entry


def curves(runs: Iterable[tuple[str, Iterable[Any]]]) -> xr.Dataset:
    """The total loss of each named run as a Dataset like that of the view ``losses``, one part a run."""
    records: dict[int, SimpleNamespace] = {}
    names = []
    for name, history in runs:
        names.append(name)
        for record in history:
            kept = records.setdefault(
                record.iteration, SimpleNamespace(iteration=record.iteration, parts={}, validation={})
            )
            kept.parts[name] = record.parts.get("loss", np.nan)
            if "loss" in record.validation:
                kept.validation[name] = record.validation["loss"]
    ordered = [records[i] for i in sorted(records)]
    if ordered:  # the view reads the names of the parts off the last record
        ordered[-1].parts = {name: ordered[-1].parts.get(name, np.nan) for name in names}
    return diagnostics.losses(SimpleNamespace(iteration=0, records=ordered), records=ordered)


def overlay(data: xr.Dataset) -> hv.Overlay:
    """Solid for training, dashed for validation, a colour a run."""
    return plots.losses(data).relabel("")


def loss_data(listed: Sequence[Entry]) -> xr.Dataset:
    """Training and validation loss over the iterations, one colour an entry."""
    trained = [e for e in listed if e.curve.shape[1]][:MOST]
    return curves([(name, _records(e.curve)) for name, e in zip(named(trained), trained, strict=True)])


def _records(curve: np.ndarray) -> list[SimpleNamespace]:
    """The stored curve as records, as the overlay of histories reads them."""
    return [
        SimpleNamespace(
            iteration=int(iteration),
            parts={"loss": training},
            validation={"loss": validation} if np.isfinite(validation) else {},
        )
        for iteration, training, validation in curve.T
    ]
