"""Tables of size and power in docs/diagnostics.md, from the stored study. As a script: write them.

The study is `workbench bench diagnostics`; its result is stored as datasets/results/diagnostics.nc.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import xarray as xr  # noqa: E402

from tools.readme import table  # noqa: E402
from workbench import studies  # noqa: E402
from workbench.studies.diagnostics import PROBLEMS  # noqa: E402
from workbench.studies.known_posteriors import FAULTS  # noqa: E402

RESULT, PAGE = ROOT / "datasets" / "results" / "diagnostics.nc", ROOT / "docs" / "diagnostics.md"
MARKED = re.compile(r"(<!-- table: size_and_power -->\n).*?(<!-- end of table -->)", re.DOTALL)


def tables(data: xr.Dataset) -> str:
    """Return one table for each budget and problem with a measured cell: checks by faults, in percent."""
    cells = data.isel(cell=data["status"].values == "done")
    parts = []
    for budget in dict.fromkeys(cells["budget"].values.tolist()):
        for problem, (title, _) in PROBLEMS.items():
            here = cells.isel(cell=(cells["budget"].values == budget) & (cells["problem"].values == problem))
            if here.sizes["cell"]:
                parts.append(f"**{title[0].upper()}{title[1:]}**, budget `{budget}`\n\n{_table(here)}")
    return "\n" + "\n".join(parts) + "\n"


def _table(here: xr.Dataset) -> str:
    faults = [fault for fault in FAULTS if fault in here["fault"].values]
    head = ("", *(f"{FAULTS[fault]} ({_reports(here, fault)})" for fault in faults))
    rows = []
    for column in studies.columns(here):
        name = f"`{column.name}`" if column.name not in ("red", "not_green") else f"**{column.title}**"
        values = [_rate(here, fault, column.name) for fault in faults]
        if any(np.isfinite(values)):
            rows.append((name, *("–" if np.isnan(v) else f"{v:.3g}" for v in values)))
    return table(head, rows)


def _of(here: xr.Dataset, fault: str, name: str) -> np.ndarray:
    return here[name].values[here["fault"].values == fault]


def _reports(here: xr.Dataset, fault: str) -> int:
    return int(np.nansum(_of(here, fault, "reports")))


def _rate(here: xr.Dataset, fault: str, name: str) -> float:
    """Return the percentage of a column over all reports of a fault."""
    values, counts = _of(here, fault, name), _of(here, fault, "reports")
    return float(np.average(values, weights=counts))


def page(text: str) -> str:
    """Return the text of the page with its tables written anew."""
    return MARKED.sub(lambda match: match[1] + tables(studies.load(RESULT)) + match[2], text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(PAGE)
