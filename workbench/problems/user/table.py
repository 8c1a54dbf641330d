"""The user's own data: rows of a table, some columns unknowns ``x`` and some observed ``y``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import param
import torch

from workbench.core.capability import Capability
from workbench.core.errors import DataError, SpecError, WorkbenchError
from workbench.core.shapes import Shapes
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem, first_sentence
from workbench.problems.empirical_windows import quantile_window, typical_row
from workbench.problems.user.readers import RawTable, declared_columns, read_table

MINIMUM_ROWS = 50
_FILE = Path("data", "table.parquet")


@dataclass(frozen=True)
class Column:
    """One column of a table, for a form: ``refusal`` says why it cannot be used, or is empty."""

    name: str
    unit: str
    description: str
    rows: int
    missing: int
    refusal: str


@dataclass(frozen=True)
class _Rows:
    """The clean numbers (n, D + M), float64, their variables, and the settings they were read for."""

    values: np.ndarray
    variables: tuple[Variable, ...]
    settings: tuple


def describe(source: Any) -> list[Column]:
    """Every column of a path, a DataFrame or a Dataset, so that a form can offer those that can be used."""
    raw = read_table(source)
    columns = []
    for name in raw.frame.columns:
        column = raw.frame[name]
        try:
            numbers, refusal = _numbers(column, name), ""
        except DataError as error:
            numbers, refusal = None, first_sentence(error)
        missing = int(np.isnan(numbers).sum()) if numbers is not None else int(column.isna().sum())
        columns.append(
            Column(
                name, raw.units.get(name, ""), raw.descriptions.get(name, ""), len(column), missing, refusal
            )
        )
    return columns


def _stamp(source: Any) -> tuple:
    """Changes when a file appears or is written anew."""
    if not isinstance(source, str):
        return ()
    try:
        status = Path(source).stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size


def _numbers(column: pd.Series, name: str) -> np.ndarray:
    """A column as float64 with NaN where values are missing; `DataError` where it does not hold numbers."""
    kind = column.dtype
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if (
        pd.api.types.is_complex_dtype(kind)
        or pd.api.types.is_datetime64_any_dtype(kind)
        or pd.api.types.is_timedelta64_dtype(kind)
    ):
        raise DataError(
            f"The column '{name}' does not hold plain numbers",
            expected="real numbers",
            found=str(kind),
            suggestion="turn it into a number first, for instance of seconds",
        )
    text = column.astype("string")
    wrong = pd.to_numeric(text, errors="coerce").isna() & text.notna()
    if not wrong.any():
        return pd.to_numeric(text).to_numpy(dtype=np.float64, na_value=np.nan)
    row = int(wrong.to_numpy().argmax())
    hint = (
        "write decimal points instead of commas"
        if "," in str(text[row])
        else "leave missing values empty, and code categories as numbers"
    )
    raise DataError(
        f"The column '{name}' does not hold numbers",
        expected="numbers",
        found=f"{str(text[row])[:40]!r} in row {row + 1} and {int(wrong.sum()) - 1} more such values",
        suggestion=hint,
    )


def _clean(raw: RawTable, names: list[str], missing: str) -> np.ndarray:
    """The named columns as (n, k) finite float64 numbers, or the `DataError` that says what is in the way."""
    values = np.column_stack([_numbers(raw.frame[name], name) for name in names])
    infinite = np.isinf(values).sum(axis=0)
    if infinite.any():
        raise DataError(
            "The table holds infinite values", expected="finite numbers", found=_counts(names, infinite)
        )
    gaps = np.isnan(values).sum(axis=0)
    if gaps.any() and missing == "refuse":
        raise DataError(
            "The table has missing values",
            expected="a number in every row",
            found=_counts(names, gaps),
            suggestion="set missing='drop' to leave such rows out",
        )
    values = values[~np.isnan(values).any(axis=1)]
    if len(values) < MINIMUM_ROWS:
        left = " after rows with missing values were dropped" if gaps.any() else ""
        raise DataError(
            "The table has too few rows to learn from",
            expected=f"at least {MINIMUM_ROWS}",
            found=f"{len(values)}{left}",
        )
    still = [name for name, column in zip(names, values.T, strict=True) if column.min() == column.max()]
    if still:
        raise DataError(
            "A column of the table is constant",
            expected="columns that vary",
            found=", ".join(map(repr, still[:5])),
            suggestion="leave it out of x and y",
        )
    return values


def _counts(names: list[str], counts: np.ndarray) -> str:
    found = [f"{int(c)} in '{n}'" for n, c in zip(names, counts, strict=True) if c]
    return ", ".join(found[:8]) + (f" and {len(found) - 8} more columns" if len(found) > 8 else "")


@PROBLEMS.register
class TableProblem(Problem):
    """Rows of the user's own table, drawn without replacement.

    Parameters
    ----------
    source : path of a CSV, Parquet, NetCDF or Zarr table, a pandas DataFrame or an xarray Dataset. A heading
        ``height [m]`` is the column ``height`` in the unit m; NetCDF and Zarr say units in their attributes.
    x, y : names of the columns to be found and of the columns observed; y may be empty. A Zarr dataset of
        simulations says itself which they are.
    missing : what to do with rows in which a value is missing.

    Given a source, the table is read and checked at once; made from settings, it is read when first needed.
    """

    key = "table"
    title = "Your own table"
    summary = "Rows of a CSV, Parquet, NetCDF or Zarr table: you say which columns are x and y."
    reference = "Your data"
    #: Reads files of the machine it runs on: a server should not take ``path`` from a link.
    reads_files = True

    path = param.String(
        "", doc="Path of the table (CSV, Parquet, NetCDF or Zarr); empty for a table given in Python."
    )
    x_columns = param.List([], item_type=str, doc="Names of the columns that are sought: the unknowns x.")
    y_columns = param.List(
        [], item_type=str, doc="Names of the columns that are observed: y; may stay empty."
    )
    categories = param.List(
        [],
        item_type=str,
        doc="Names of those x columns that hold categories, numbered 0, 1, 2, …: names, not amounts.",
    )
    missing = param.Selector(
        default="refuse",
        objects=["refuse", "drop"],
        doc="Rows in which a value is missing: refuse the table, or drop those rows.",
    )

    def __init__(self, source: Any = "", *, x: Any = (), y: Any = (), **settings: Any) -> None:
        for name, given in (("x", x), ("y", y)):
            if isinstance(given, str):
                raise SpecError(
                    f"The columns {name} must be a list",
                    found=repr(given),
                    suggestion=f"write {name}=[{given!r}]",
                )
            if len(given):
                settings[f"{name}_columns"] = given
        for name in ("x_columns", "y_columns"):
            if isinstance(settings.get(name), (list, tuple, pd.Index)):
                settings[name] = [str(column) for column in settings[name]]
        named = isinstance(source, (str, Path))
        if named and str(source):
            settings["path"] = str(source)
            settings = declared_columns(source) | settings if "x_columns" not in settings else settings
        super().__init__(**settings)
        self._held, self._stored = (None if named else source), ""
        self._rows_cache: _Rows | None = None
        self._failure: tuple[tuple, WorkbenchError] | None = None
        if not named or str(source):
            self._ready()
            self._rows()

    def copy(self) -> TableProblem:
        """The same settings and the same rows; a table given in Python is shared, not copied."""
        other = super().copy()
        other._held, other._stored, other._rows_cache = self._held, self._stored, self._rows_cache
        return other

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and self._held is other._held

    __hash__ = Problem.__hash__

    @property
    def names(self) -> list[str]:
        """The chosen columns, x before y."""
        return [*self.x_columns, *self.y_columns]

    def refusals(self):
        if self._held is None and not (self._stored or self.path):
            return [
                "Upload a table first (CSV, Parquet, NetCDF or Zarr), then say which columns are x and y."
            ]
        if not self.x_columns:
            return ["Say which columns of the table are x, the unknowns."]
        try:
            self._rows()
        except WorkbenchError as error:
            return [first_sentence(error)]
        return []

    def _settings_now(self) -> tuple:
        return self.path, tuple(self.x_columns), tuple(self.y_columns), tuple(self.categories), self.missing

    def _rows(self) -> _Rows:
        """The clean numbers, read once for each choice of columns."""
        if self._rows_cache is None or self._rows_cache.settings != self._settings_now():
            source = self._held if self._held is not None else self._stored or self.path
            now = (self._settings_now(), _stamp(source))
            # a form asks many times: a table that failed is only read again once something has changed
            if self._failure is not None and self._failure[0] == now:
                raise self._failure[1].with_traceback(None)
            try:
                self._rows_cache = self._read(source)
            except WorkbenchError as error:
                self._failure = (now, error)
                raise
        return self._rows_cache

    def _read(self, source: Any) -> _Rows:
        names = self.names
        both = sorted(set(self.x_columns) & set(self.y_columns))
        if both:
            raise DataError(
                f"The column '{both[0]}' is both in x and in y", expected="each column in one of them"
            )
        twice = [n for n in names if names.count(n) > 1]
        if twice:
            raise DataError(f"The column '{twice[0]}' was chosen twice", expected="each column once")
        raw = read_table(source, names)
        kept = list(raw.frame.columns)  # 'height [m]' may have been asked for as 'height' or in full
        values = _clean(raw, kept, self.missing)
        counts = self._counted(values)
        variables = tuple(
            Variable(
                n,
                unit=raw.units.get(n, ""),
                description=raw.descriptions.get(n, ""),
                categories=counts.get(i, 0),
            )
            for i, n in enumerate(kept)
        )
        return _Rows(values, variables, self._settings_now())

    def _counted(self, values: np.ndarray) -> dict[int, int]:
        """Of each column of categories, its place and how many there are. Raises `DataError`."""
        found = {}
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
            found[self.x_columns.index(name)] = int(column.max()) + 1
        return found

    def _variables(self) -> tuple[Variable, ...]:
        """With units where the table can be read; else the bare names, so that a form can still be drawn."""
        try:
            return self._rows().variables
        except WorkbenchError:
            return tuple(Variable(name) for name in self.names)

    def save_data(self, folder):
        """Write the clean columns into ``folder/data/table.parquet``: a run needs the source only once."""
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

    def load_data(self, folder):
        if (Path(folder) / _FILE).is_file():
            self._stored, self._rows_cache = str(Path(folder) / _FILE), None

    @property
    def x(self):
        return self._variables()[: len(self.x_columns)]

    @property
    def y(self):
        return self._variables()[len(self.x_columns) :]

    @property
    def shapes(self):
        return Shapes(len(self.x_columns), len(self.y_columns))

    @property
    def capabilities(self):
        return frozenset({Capability.OBSERVATION} if self.y_columns else ())

    @property
    def rows(self) -> int:
        """Number of usable rows."""
        return len(self._rows().values)

    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        self._ready()
        values = self._rows().values
        return values[:, : len(self.x_columns)], values[:, len(self.x_columns) :]

    @property
    def window(self):
        return quantile_window(self._columns()[0])

    @property
    def observation_window(self):
        return quantile_window(self._columns()[1])

    @property
    def default_observation(self):
        return typical_row(self._columns()[1])

    def _draw(self, n, generator):
        x, y = self._columns()
        rows = torch.randperm(len(x), generator=generator)[:n].numpy()
        return torch.from_numpy(x[rows]), torch.from_numpy(y[rows])
