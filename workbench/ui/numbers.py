"""Table of a posterior's medians, central intervals, and spread relative to the prior's, per variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.kinds_of_values import calendar, digits_for, value_text
from workbench.ui import text

if TYPE_CHECKING:
    import xarray as xr

    from workbench.core.variable import Variable

HEAD = ("", "median", "central 50 %", "central 90 %", "prior, central 90 %", "spread against the prior's")


def numbers(
    model: xr.Dataset,
    other: xr.Dataset | None = None,
    prior: xr.Dataset | None = None,
    variables: Sequence[Variable] = (),
    refined: xr.Dataset | None = None,
) -> str:
    """Format medians, intervals and spread as an HTML table, one row per variable.

    The Datasets are histograms with ``quantile`` and ``sd`` of the ``variables``. Below the row of the model
    there is one for ``refined``, a refined posterior, and for ``other``, a second model, if given. Numbers
    have the digits that their spread needs, and dates are dates.
    """
    spread = prior["sd"].values if prior is not None else None
    rows = [
        "<tr>" + "".join(f'<th style="width:auto;padding-right:22px">{head}</th>' for head in HEAD) + "</tr>"
    ]
    for i, variable in enumerate(variables):
        before = _interval(variable, prior, i, 0, 4) if prior is not None else "–"
        rows.append(_row(text.escape(variable.label), variable, model, i, before, spread))
        for name, data in (("refined", refined), ("second model", other)):
            if data is not None:
                heading = f'<span class="wb-note">{name}</span>'
                rows.append(_row(heading, variable, data, i, "", spread))
    return f'<table class="wb-table" style="width:auto">{"".join(rows)}</table>'


def _row(
    name: str, variable: Variable, data: xr.Dataset, i: int, before: str, spread: np.ndarray | None
) -> str:
    share = "–"
    if spread is not None and spread[i] > 0:
        share = f"{100 * data['sd'].values[i] / spread[i]:.0f} %"
    median = _number(variable, data["quantile"].values[i, 2], data["sd"].values[i])
    inner, outer = (_interval(variable, data, i, *levels) for levels in ((1, 3), (0, 4)))
    cells = (name, median, inner, outer, before, share)
    return (
        "<tr>"
        + "".join(f'<td style="padding:2px 22px 2px 0;white-space:nowrap">{cell}</td>' for cell in cells)
        + "</tr>"
    )


def _interval(variable: Variable, data: xr.Dataset, i: int, low: int, high: int) -> str:
    quantile, spread = data["quantile"].values[i], data["sd"].values[i]
    return f"{_number(variable, quantile[low], spread)} to {_number(variable, quantile[high], spread)}"


def _number(variable: Variable, value: float, spread: float) -> str:
    if calendar(variable):
        return value_text(variable, value, spread=spread)
    cell = (
        text.number(value)
        if digits_for(value, spread) <= 4
        else value_text(variable, value, unit=False, spread=spread)
    )
    return cell.replace("-", "−")
