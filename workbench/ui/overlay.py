"""The loss curves of several runs in one plot."""

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
    """Return the total losses of several runs, given as (name, records) pairs, as a Dataset to plot.

    It has the form of the view ``losses``, in which the runs take the place of the parts of a loss.
    """
    records: dict[int, SimpleNamespace] = {}
    names = []
    for name, history in runs:
        names.append(name)
        for record in history:
            merged_record = records.setdefault(
                record.iteration, SimpleNamespace(iteration=record.iteration, parts={}, validation={})
            )
            merged_record.parts[name] = record.parts.get("loss", np.nan)
            if "loss" in record.validation:
                merged_record.validation[name] = record.validation["loss"]
    sequence = [records[i] for i in sorted(records)]
    if sequence:  # the view takes the names of the parts from the last record
        sequence[-1].parts = {name: sequence[-1].parts.get(name, np.nan) for name in names}
    return diagnostics.losses(SimpleNamespace(iteration=0, steps=0, records=sequence), records=sequence)


def overlay(data: xr.Dataset) -> hv.Overlay:
    """Plot the Dataset of `curves`: training losses solid, validation losses dashed, one colour per run."""
    return plots.losses(data).relabel("")


def loss_data(entries: Sequence[Entry]) -> xr.Dataset:
    """Return the losses of the first `MOST` entries of the comparison page's table that have a stored loss
    curve, as a Dataset like that of `curves`."""
    with_curve = [e for e in entries if e.curve.shape[1]][:MOST]
    return curves([(name, _records(e.curve)) for name, e in zip(named(with_curve), with_curve, strict=True)])


def _records(curve: np.ndarray) -> list[SimpleNamespace]:
    """Convert a stored curve (3, n) of iteration, training and validation loss to records for `curves`."""
    return [
        SimpleNamespace(
            iteration=int(iteration),
            parts={"loss": training},
            validation={"loss": validation} if np.isfinite(validation) else {},
        )
        for iteration, training, validation in curve.T
    ]
