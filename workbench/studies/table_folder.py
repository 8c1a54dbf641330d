"""A folder of tables, each to predict one column from all others, with training and test rows.

tables    every NAME.csv and NAME.csv.gz, with or without a heading, numbers only
target    the last column, or the one that targets.json names: {"NAME": "column"}. A heading ``height [m]``
          may be called ``height``; without a heading the columns are column_1, column_2, …
splits    NAME.mask or NAME.mask.gz where it exists: as many rows as the table, one column for each split, 1
          for a test row. Otherwise ten parts of a permutation with a fixed seed, each the test rows once;
          further splits take further permutations
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import DataError, unknown
from workbench.studies.table_methods import Split

if TYPE_CHECKING:
    import pandas as pd

#: The table that is measured where no folder is given.
SHIPPED = Path(__file__).resolve().parents[2] / "datasets" / "concrete_strength.csv"
_ENDINGS, _MASKS, _TARGETS = (".csv", ".csv.gz"), (".mask", ".mask.gz"), "targets.json"
_PARTS, _SEED = 10, 12_000


@dataclass(frozen=True)
class Table:
    """A table of a folder: its name and its path."""

    name: str
    path: Path

    @cached_property
    def frame(self) -> pd.DataFrame:
        """All rows; raises `DataError` where something else than finite numbers stands in the table."""
        import pandas as pd

        heading = pd.read_csv(self.path, nrows=1, header=None).iloc[0]
        no_names = bool(pd.to_numeric(heading, errors="coerce").notna().all())
        frame = pd.read_csv(self.path, header=None if no_names else 0, skipinitialspace=True)
        if no_names:
            frame.columns = [f"column_{i + 1}" for i in range(frame.shape[1])]
        frame.columns = [str(name).strip() for name in frame.columns]
        numbers = frame.apply(pd.to_numeric, errors="coerce").astype(float)
        wrong = ~np.isfinite(numbers.to_numpy())
        if wrong.any() or frame.shape[1] < 2:
            row, column = np.argwhere(wrong)[0] if wrong.any() else (0, 0)
            raise DataError(
                f"The table '{self.name}' cannot be measured",
                expected="two or more columns of finite numbers",
                found=f"'{frame.iloc[row, column]}' in column '{frame.columns[column]}', row {row + 1}"
                if wrong.any()
                else "one column",
                suggestion="leave the rows or the column out",
            )
        return numbers

    @cached_property
    def target(self) -> str:
        """Name of the column to predict."""
        names, file = list(self.frame.columns), self.path.parent / _TARGETS
        choice = json.loads(file.read_text(encoding="utf-8")).get(self.name) if file.exists() else None
        if choice is None:
            return names[-1]
        matches = [name for name in names if choice in (name, name.partition(" [")[0])]
        if not matches:
            raise unknown("column", str(choice), names, owner=f"The table '{self.name}' in {_TARGETS}")
        return matches[0]

    @cached_property
    def _mask(self) -> np.ndarray | None:
        """True for test rows (n, splits), as stored beside the table; None where it is not."""
        paths = [self.path.parent / (self.name + ending) for ending in _MASKS]
        path = next((path for path in paths if path.exists()), None)
        if path is None:
            return None
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = text.decode().replace(",", " ").splitlines()
        mask = np.loadtxt(lines, ndmin=2) > 0
        if len(mask) != len(self.frame) or not mask.any(0).all() or mask.all(0).any():
            raise DataError(
                f"The splits in {path.name} do not fit their table",
                expected=f"{len(self.frame)} rows, with 0 and 1 in every column",
                found=f"{len(mask)} rows",
            )
        return mask

    def split(self, number: int) -> Split:
        """Return the training and test rows of a split 0, 1, 2, …"""
        if self._mask is not None:
            if number >= self._mask.shape[1]:
                raise DataError(
                    f"The table '{self.name}' has no split {number}",
                    expected=f"a split below {self._mask.shape[1]}, as stored beside it",
                    suggestion=f"set seeds to {self._mask.shape[1]}",
                )
            test = self._mask[:, number]
        else:
            order = np.random.default_rng(_SEED + number // _PARTS).permutation(len(self.frame))
            test = np.zeros(len(order), bool)
            test[np.array_split(order, _PARTS)[number % _PARTS]] = True
        return Split(self.frame[~test], self.frame[test], self.target)


def tables(folder: str) -> list[Table]:
    """Return the tables of a folder by name, the shipped one where ``folder`` is empty.

    Raises `DataError` where there is none.
    """
    place = Path(folder).expanduser() if folder else SHIPPED
    files = sorted(place.iterdir()) if place.is_dir() else [place] if place.is_file() else []
    by_name = {}
    for path in files:
        ending = next((e for e in _ENDINGS if path.name.endswith(e)), None)
        if ending is not None:
            by_name[path.name.removesuffix(ending)] = Table(path.name.removesuffix(ending), path)
    if not by_name:
        raise DataError(
            "There is no table to measure",
            expected="a folder with tables NAME.csv or NAME.csv.gz",
            found=str(place),
            suggestion="name one with --folder",
        )
    return list(by_name.values())
