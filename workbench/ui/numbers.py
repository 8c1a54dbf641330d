"""The posterior in numbers: a table of medians and intervals, with how much was learned of every variable."""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.ui import text

HEAD = ("", "median", "central 50 %", "central 90 %", "prior, central 90 %", "spread against the prior's")


def numbers(model: Any, other: Any = None, prior: Any = None, labels: Any = (), refined: Any = None) -> str:
    """HTML of the laws' intervals, a row a variable; those of what is refined and of a second model stand
    beneath."""
    spread = prior["sd"].values if prior is not None else None
    rows = [
        "<tr>" + "".join(f'<th style="width:auto;padding-right:22px">{head}</th>' for head in HEAD) + "</tr>"
    ]
    for i, label in enumerate(labels):
        before = _interval(prior["quantile"].values[i], 0, 4) if prior is not None else "–"
        rows.append(_row(text.escape(label), model, i, before, spread))
        for name, beneath in (("refined", refined), ("second model", other)):
            if beneath is not None:
                rows.append(_row(f'<span class="wb-note">{name}</span>', beneath, i, "", spread))
    return f'<table class="wb-table" style="width:auto">{"".join(rows)}</table>'


def _row(name: str, law: Any, i: int, before: str, spread: Any) -> str:
    quantile = law["quantile"].values[i]
    left = "–"
    if spread is not None and spread[i] > 0:
        left = f"{100 * law['sd'].values[i] / spread[i]:.0f} %"
    cells = (name, _number(quantile[2]), _interval(quantile, 1, 3), _interval(quantile, 0, 4), before, left)
    return (
        "<tr>"
        + "".join(f'<td style="padding:2px 22px 2px 0;white-space:nowrap">{cell}</td>' for cell in cells)
        + "</tr>"
    )


def _interval(quantile: np.ndarray, low: int, high: int) -> str:
    return f"{_number(quantile[low])} to {_number(quantile[high])}"


def _number(value: float) -> str:
    return text.number(value).replace("-", "−")
