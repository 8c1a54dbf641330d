"""The user's own data: rows of a table, with some columns as unknowns ``x`` and some as observed ``y``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.core.errors import DataError, SpecError, WorkbenchError
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem, one_line
from workbench.problems.user.numbers import column_numbers, table_numbers
from workbench.problems.user.readers import declared_columns, is_instance, read_table
from workbench.problems.windows import quantile_window, typical_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import xarray as xr
    from torch import Tensor

    from workbench.problems.base import Window

_FILE = Path("data", "table.parquet")


@dataclass(frozen=True)
class Column:
    """One column of a table as a form lists it; ``refusal`` is the reason why it cannot be used, or empty."""

    name: str
    unit: str
    description: str
    rows: int
    missing: int
    refusal: str


@dataclass(frozen=True)
class _Rows:
    """Checked rows of a table (n, D + M), float64, their variables, and the settings they were read for."""

    values: np.ndarray
    variables: tuple[Variable, ...]
    settings: tuple


def describe(source: Any) -> list[Column]:
    """Return one `Column` per column of a path, a DataFrame or a Dataset, usable or not."""
    raw = read_table(source)
    columns = []
    for name in raw.frame.columns:
        column = raw.frame[name]
        try:
            numbers, refusal = column_numbers(column, name), ""
        except DataError as error:
            numbers, refusal = None, one_line(error)
        missing = int(np.isnan(numbers).sum()) if numbers is not None else int(column.isna().sum())
        columns.append(
            Column(
                name, raw.units.get(name, ""), raw.descriptions.get(name, ""), len(column), missing, refusal
            )
        )
    return columns


def _stamp(source: Any) -> tuple[int, ...]:
    """Return modification time and size of a file, to notice changes; empty if ``source`` is no file."""
    if not isinstance(source, str):
        return ()
    try:
        status = Path(source).stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size


@PROBLEMS.register
class TableProblem(Problem):
    """Rows of the user's own table, drawn without replacement.

    Parameters
    ----------
    source : path of a CSV, Parquet, NetCDF or Zarr table, a pandas DataFrame or an xarray Dataset. A heading
        ``height [m]`` is the column ``height`` in the unit m; NetCDF and Zarr state units in attributes.
    x, y : names of the columns of unknowns and of observed columns; y may be empty. A Zarr dataset of
        simulations declares both itself.
    missing : treatment of rows in which a value is missing: "refuse" or "drop".

    A table given as ``source`` is read and checked at once, one given by settings when it is first needed.
    """

    key = "table"
    title = "Your own table"
    summary = "Rows of a CSV, Parquet, NetCDF or Zarr table: you say which columns are x and y."
    reference = "Your data"
    #: The problem reads files of the machine it runs on: a server should not accept ``path`` from a link.
    reads_files = True

    path = param.String(
        "", doc="Path of the table (CSV, Parquet, NetCDF or Zarr); empty for a table given in Python."
    )
    x_columns = param.List([], item_type=str, doc="Names of the columns of x, the unknowns.")
    y_columns = param.List(
        [], item_type=str, doc="Names of the columns of y, the observed quantities; may stay empty."
    )
    categories = param.List(
        [],
        item_type=str,
        doc="Names of those x columns that hold categories in no order, numbered 0, 1, 2, and so on.",
    )
    missing = param.Selector(
        default="refuse",
        objects=["refuse", "drop"],
        doc="If values are missing: refuse the table, or drop the rows that miss one.",
    )

    def __init__(
        self,
        source: str | Path | pd.DataFrame | xr.Dataset = "",
        *,
        x: Sequence[str] = (),
        y: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        for role, columns in (("x", x), ("y", y)):
            if isinstance(columns, str):
                raise SpecError(
                    f"The columns {role} must be a list",
                    found=repr(columns),
                    suggestion=f"write {role}=[{columns!r}]",
                )
            if len(columns):
                settings[f"{role}_columns"] = columns
        for name in ("x_columns", "y_columns"):
            columns = settings.get(name)
            if isinstance(columns, (list, tuple)) or is_instance(columns, "pandas", "Index"):
                settings[name] = [str(column) for column in columns]
        by_path = isinstance(source, (str, Path))
        if by_path and str(source):
            settings["path"] = str(source)
            settings = declared_columns(source) | settings if "x_columns" not in settings else settings
        super().__init__(**settings)
        #: A table given in Python, and the path of the copy in a run folder.
        self._table, self._stored_path = (None if by_path else source), ""
        self._rows_cache: _Rows | None = None
        self._failure: tuple[tuple, WorkbenchError] | None = None
        if not by_path or str(source):
            self._ready()
            self._rows()

    def copy(self) -> TableProblem:
        """Return a problem with the same settings and rows; a table given in Python is shared, not copied."""
        other = super().copy()
        other._table, other._stored_path = self._table, self._stored_path
        other._rows_cache = self._rows_cache
        return other

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and self._table is other._table

    __hash__ = Problem.__hash__

    @property
    def names(self) -> list[str]:
        """Names of the columns in use, x before y."""
        return [*self.x_columns, *self.y_columns]

    def refusals(self) -> list[str]:
        if self._table is None and not (self._stored_path or self.path):
            return [
                "Upload a table first (CSV, Parquet, NetCDF or Zarr), then say which columns are x and y."
            ]
        if not self.x_columns:
            return ["Say which columns of the table are x, the unknowns."]
        try:
            self._rows()
        except WorkbenchError as error:
            return [one_line(error)]
        return []

    def _settings_now(self) -> tuple[Any, ...]:
        """Return the settings that determine the rows: after a change the table is read again."""
        return self.path, tuple(self.x_columns), tuple(self.y_columns), tuple(self.categories), self.missing

    def _rows(self) -> _Rows:
        """Return the checked rows, read again only after a change; raises `DataError` if they are unfit."""
        if self._rows_cache is None or self._rows_cache.settings != self._settings_now():
            source = self._table if self._table is not None else self._stored_path or self.path
            now = (self._settings_now(), _stamp(source))
            # forms ask often: a table that failed is read again only when settings or file have changed
            if self._failure is not None and self._failure[0] == now:
                raise self._failure[1].with_traceback(None)
            try:
                self._rows_cache = self._read(source)
            except WorkbenchError as error:
                self._failure = (now, error)
                raise
        return self._rows_cache

    def _read(self, source: Any) -> _Rows:
        """Read and check the rows of ``source`` for the present settings; raises `DataError` if unfit."""
        names = self.names
        both = sorted(set(self.x_columns) & set(self.y_columns))
        if both:
            raise DataError(
                f"The column '{both[0]}' is both in x and in y", expected="each column in one of them"
            )
        duplicates = [n for n in names if names.count(n) > 1]
        if duplicates:
            raise DataError(f"The column '{duplicates[0]}' was chosen twice", expected="each column once")
        raw = read_table(source, names)
        names = list(raw.frame.columns)  # the settings may name 'height [m]' as 'height' or in full
        values = table_numbers(raw, names, self.missing)
        counts = self._category_counts(values)
        variables = tuple(
            Variable(
                n,
                unit=raw.units.get(n, ""),
                description=raw.descriptions.get(n, ""),
                categories=counts.get(i, 0),
            )
            for i, n in enumerate(names)
        )
        return _Rows(values, variables, self._settings_now())

    def _category_counts(self, values: np.ndarray) -> dict[int, int]:
        """Return {column index: number of categories}; raises `DataError` unless they are coded 0, 1, 2, …"""
        counts = {}
        for name in self.categories:
            if name not in self.x_columns:
                raise DataError(
                    f"The column '{name}' is to hold categories",
                    expected="a column of x",
                    found=", ".join(self.x_columns),
                    suggestion="add it to x, or take it out of the categories",
                )
            column = values[:, self.x_columns.index(name)]
            if (column < 0).any() or (column != column.round()).any():
                wrong = column[(column < 0) | (column != column.round())][0]
                raise DataError(
                    f"The column '{name}' is to hold categories",
                    expected="whole numbers 0, 1, 2, …",
                    found=f"{wrong:g}",
                    suggestion="number the categories from 0, or take the column out of the categories",
                )
            counts[self.x_columns.index(name)] = int(column.max()) + 1
        return counts

    def _variables(self) -> tuple[Variable, ...]:
        """Return the variables of x and y with units, or with names alone while the table cannot be read."""
        try:
            return self._rows().variables
        except WorkbenchError:
            return tuple(Variable(name) for name in self.names)

    def save_data(self, folder: Path) -> None:
        """Write the checked columns to ``folder/data/table.parquet``, so that a run outlives its source."""
        import pyarrow
        from pyarrow import parquet

        self._ready()
        rows = self._rows()
        fields = [
            pyarrow.field(name, pyarrow.float64(), metadata={"units": v.unit, "long_name": v.description})
            for name, v in zip(self.names, rows.variables, strict=True)
        ]
        table = pyarrow.table(list(rows.values.T.copy()), schema=pyarrow.schema(fields))
        path = Path(folder) / _FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load_data(self, folder: Path) -> None:
        """Use the table that `save_data` wrote to ``folder/data`` instead of the source, if there is one."""
        if (Path(folder) / _FILE).is_file():
            self._stored_path, self._rows_cache = str(Path(folder) / _FILE), None

    @property
    def x(self) -> tuple[Variable, ...]:
        return self._variables()[: len(self.x_columns)]

    @property
    def y(self) -> tuple[Variable, ...]:
        return self._variables()[len(self.x_columns) :]

    @property
    def shapes(self) -> Shapes:
        return Shapes(len(self.x_columns), len(self.y_columns))

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.OBSERVATION} if self.y_columns else ())

    @property
    def rows(self) -> int:
        """Number of usable rows."""
        return len(self._rows().values)

    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x (n, D) and y (n, M); raises `DataError` while the table cannot be read."""
        self._ready()
        values = self._rows().values
        return values[:, : len(self.x_columns)], values[:, len(self.x_columns) :]

    @property
    def window(self) -> Window:
        return quantile_window(self._columns()[0])

    @property
    def observation_window(self) -> Window:
        return quantile_window(self._columns()[1])

    @property
    def default_observation(self) -> tuple[float, ...]:
        return typical_row(self._columns()[1])

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        x, y = self._columns()
        rows = torch.randperm(len(x), generator=generator)[:n].numpy()
        return torch.from_numpy(x[rows]), torch.from_numpy(y[rows])
