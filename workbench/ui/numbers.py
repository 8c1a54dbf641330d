"""Table of a posterior's medians, central intervals, and spread relative to the prior's, per variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.ui import text

if TYPE_CHECKING:
    import xarray as xr

HEAD = ("", "median", "central 50 %", "central 90 %", "prior, central 90 %", "spread against the prior's")


def numbers(
    model: xr.Dataset,
    other: xr.Dataset | None = None,
    prior: xr.Dataset | None = None,
    labels: Sequence[str] = (),
    refined: xr.Dataset | None = None,
) -> str:
    """Format medians, intervals and spread as an HTML table, one row per variable.

    The Datasets are histograms with ``quantile`` and ``sd``; ``labels`` names the variables. Below the row of
    the model there is one for ``refined``, a refined posterior, and for ``other``, a second model, if given.
    """
    spread = prior["sd"].values if prior is not None else None
    rows = [
        "<tr>" + "".join(f'<th style="width:auto;padding-right:22px">{head}</th>' for head in HEAD) + "</tr>"
    ]
    for i, label in enumerate(labels):
        before = _interval(prior["quantile"].values[i], 0, 4) if prior is not None else "–"
        rows.append(_row(text.escape(label), model, i, before, spread))
        for name, data in (("refined", refined), ("second model", other)):
            if data is not None:
                rows.append(_row(f'<span class="wb-note">{name}</span>', data, i, "", spread))
    return f'<table class="wb-table" style="width:auto">{"".join(rows)}</table>'


def _row(name: str, data: xr.Dataset, i: int, before: str, spread: np.ndarray | None) -> str:
    quantile = data["quantile"].values[i]
    share = "–"
    if spread is not None and spread[i] > 0:
        share = f"{100 * data['sd'].values[i] / spread[i]:.0f} %"
    cells = (name, _number(quantile[2]), _interval(quantile, 1, 3), _interval(quantile, 0, 4), before, share)
    return (
        "<tr>"
        + "".join(f'<td style="padding:2px 22px 2px 0;white-space:nowrap">{cell}</td>' for cell in cells)
        + "</tr>"
    )


def _interval(quantile: np.ndarray, low: int, high: int) -> str:
    return f"{_number(quantile[low])} to {_number(quantile[high])}"


def _number(value: float) -> str:
    return text.number(value).replace("-", "−")
