"""The user's own data: rows of a table, with some columns as unknowns ``x`` and some as observed ``y``."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.core.entries import public
from workbench.core.errors import DataError, DataWarning, SpecError, WorkbenchError
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem, one_line
from workbench.problems.user.columns import column_warnings
from workbench.problems.user.kinds import KIND_SETTINGS, Rows, checked_rows
from workbench.problems.user.readers import PLAIN_NAMES, declared_columns, is_instance, read_table, split_path
from workbench.problems.windows import quantile_window, typical_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from workbench.problems.base import Window

_FILE = Path("data", "table.parquet")
_NO_X = "Say which columns of the table are x, the unknowns."


def _stamp(source: Any) -> tuple[int, ...]:
    """Return modification time and size of a file, to notice changes; empty if ``source`` is no file."""
    if not isinstance(source, str):
        return ()
    try:
        status = split_path(source)[0].stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size


@PROBLEMS.register
class TableProblem(Problem):
    """Rows of the user's own table, drawn without replacement.

    Parameters
    ----------
    source : path of a table (CSV and other text, Excel, Parquet, NetCDF, HDF5, Zarr, NumPy, MATLAB, Stata,
        SAS, JSON, ORC, or a ZIP archive with one of them), a pandas or polars DataFrame, a pyarrow Table or
        an xarray Dataset. A heading ``height [m]`` is the column ``height`` in the unit m; other formats
        state units in attributes. ``file.nc#group`` is a group of a file, ``file.xlsx#sheet`` a sheet.
    x, y : names of the columns of unknowns and of observed columns; y may be empty. A vector of a Dataset,
        ``profile`` (sample, z), is the columns ``profile_0``, ``profile_1``, … A Zarr dataset of simulations
        declares both itself.
    log, whole, robust, categories : names of columns of x and y that are learned by their logarithm, hold
        whole numbers, have heavy tails, or hold categories in no order: numbers 0, 1, 2, … or texts.
    period, low, high : periods of cyclic columns, and bounds of columns, by name.
    group : column whose equal values mark rows that belong together, such as the rows of one station: they
        stay on one side of the split into training and held-out rows.
    missing : treatment of rows in which a value is missing or infinite: "refuse" or "drop".

    A table given as ``source`` is read and checked at once, one given by settings when it is first needed.
    """

    key = "table"
    title = "Your own table"
    summary = "Rows of a table (CSV, Parquet, NetCDF and others): you say which columns are x and y."
    reference = "Your data"
    #: The problem reads files of the machine it runs on: a server should not accept ``path`` from a link.
    reads_files = True

    path = param.String(
        "", doc="Path of the table (CSV, Parquet, NetCDF, …); empty for a table given in Python."
    )
    x_columns = param.List([], item_type=str, doc="Names of the columns of x, the unknowns.")
    y_columns = param.List(
        [], item_type=str, doc="Names of the columns of y, the observed quantities; may stay empty."
    )
    categories = param.List(
        [],
        item_type=str,
        doc="Names of the columns that hold categories in no order: texts, or numbers 0, 1, 2, and so on.",
    )
    log = param.List(
        [], item_type=str, doc="Names of the positive columns that are learned by their logarithm."
    )
    whole = param.List(
        [],
        item_type=str,
        doc="Names of the columns that hold whole numbers, such as counts; so do the samples.",
    )
    robust = param.List(
        [],
        item_type=str,
        doc="Names of the columns with heavy tails, whose far values are learned by logarithm.",
    )
    period = param.Dict({}, doc="Periods of cyclic columns by name, such as 360 for an angle in degrees.")
    low = param.Dict({}, doc="Lower bounds of columns by name: no sample lies below.")
    high = param.Dict({}, doc="Upper bounds of columns by name: no sample lies above.")
    group = param.String(
        "",
        doc="Column whose equal values mark rows that belong together, such as rows of one station: they are "
        "not divided between training and validation.",
    )
    group_path = param.String("", doc="Group of a NetCDF, HDF5 or Zarr file, or sheet of an Excel file.")
    row_dimension = param.String(
        "", doc="Dimension of a Dataset that its rows run over, where that does not follow from the columns."
    )
    missing = param.Selector(
        default="refuse",
        objects=["refuse", "drop"],
        doc="If values are missing: refuse the table, or drop the rows that miss one.",
    )

    @public
    def __init__(
        self,
        source: Any = "",
        *,
        x: Sequence[str] = (),
        y: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        for role, columns in (("x", x), ("y", y)):
            if isinstance(columns, str):
                raise _no_list(f"The columns {role}", role, columns)
            if len(columns):
                settings[f"{role}_columns"] = columns
        for name in ("x_columns", "y_columns", "categories", "log", "whole", "robust"):
            columns = settings.get(name)
            if isinstance(columns, str):
                raise _no_list(f"The setting {name}", name, columns)
            if isinstance(columns, (list, tuple)) or is_instance(columns, "pandas", "Index"):
                settings[name] = [str(column) for column in columns]
        for name in ("period", "low", "high"):
            if not isinstance(settings.get(name, {}), Mapping):
                raise SpecError(
                    f"The setting {name} names columns and a number for each",
                    expected=f"{name}={{'column': 24}}, or column:24 in a text of settings",
                    found=repr(settings[name])[:60],
                )
            if name in settings:
                settings[name] = {str(column): number for column, number in settings[name].items()}
        if isinstance(settings.get("group"), int):
            settings["group"] = str(settings["group"])
        by_path = isinstance(source, (str, Path))
        if by_path and str(source):
            settings["path"] = str(source)
            settings = declared_columns(source) | settings if "x_columns" not in settings else settings
        super().__init__(**settings)
        #: A table given in Python, and the path of the copy in a run folder.
        self._table, self._stored_path = (None if by_path else source), ""
        self._rows_cache: Rows | None = None
        self._failure: tuple[tuple, WorkbenchError] | None = None
        if not by_path or str(source):
            if not self.x_columns:
                raise DataError(_NO_X, expected=self._options())
            self._ready()
            for sentence in self.warnings():
                warnings.warn(sentence, DataWarning, stacklevel=3)  # beyond the check of arguments

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
            return ["Upload a table first (CSV, Parquet, NetCDF, …), then say which columns are x and y."]
        if not self.x_columns:
            return [_NO_X]
        error = self.error
        return [one_line(error)] if error is not None else []

    @property
    def error(self) -> WorkbenchError | None:
        """The error of the table with the present settings; None where it is fit to learn from."""
        try:
            self._rows()
        except WorkbenchError as error:
            return error
        return None

    def _options(self) -> str:
        """Return the names of the table's columns; raises `DataError` where it cannot be read."""
        source = self._table if self._table is not None else self.path
        names = read_table(source, group_path=self.group_path).frame.columns
        return f"x=[…] with some of {', '.join(map(str, names[:12]))}{', …' if len(names) > 12 else ''}"

    def warnings(self, samples: int | None = None) -> list[str]:
        """Return what to know of the columns, and how many of the rows ``samples`` pairs leave unused."""
        try:
            rows = self._rows()
        except WorkbenchError:
            return []
        columns = column_warnings(rows.values, rows.variables, rows.places)
        return [*rows.notes, *columns, *self._unused(samples)]

    def record_draw(self, n: int, seed: int) -> None:
        """Warn where training on ``n`` pairs leaves rows unused."""
        for sentence in self._unused(n):
            warnings.warn(sentence, DataWarning, stacklevel=4)

    def _unused(self, samples: int | None) -> list[str]:
        """Return a sentence where ``samples`` pairs (None: all) leave rows unused."""
        if samples is None or self.rows <= samples:
            return []
        return [
            f"The table has {self.rows:,} usable rows, and {samples:,} of them, chosen at random, are used: "
            f"set samples={self.rows} in the training settings to use them all."
        ]

    def _settings_now(self) -> tuple[Any, ...]:
        """Return the settings that determine the rows: after a change the table is read again."""
        return tuple(json.dumps(getattr(self, name), default=str) for name in ("path", *KIND_SETTINGS))

    def _rows(self) -> Rows:
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

    def _read(self, source: Any) -> Rows:
        """Read and check the rows of ``source`` for the present settings; raises `DataError` if unfit."""
        for role, columns in (("x", self.x_columns), ("y", self.y_columns)):
            if any(not name.strip() for name in columns):
                raise DataError(
                    f"The name of a column of {role} is empty",
                    expected="the name of a column",
                    suggestion="give a column without a name one in the table",
                )
        if not self.names:  # a table was uploaded, and its columns are about to be chosen
            raise DataError("No column of the table is chosen", expected="the columns of x, the unknowns")
        both = sorted(set(self.x_columns) & set(self.y_columns))
        if both:
            raise DataError(
                f"The column '{both[0]}' is both in x and in y", expected="each column in one of them"
            )
        duplicates = [n for n in self.names if self.names.count(n) > 1]
        if duplicates:
            raise DataError(f"The column '{duplicates[0]}' was chosen twice", expected="each column once")
        from_folder = bool(self._stored_path) and self._table is None
        extra = [self.group] if self.group and self.group not in self.names else []
        where = {} if from_folder else {"group_path": self.group_path, "rows": self.row_dimension}
        raw = read_table(source, [*self.names, *extra], **where)
        return checked_rows(raw, self, self._settings_now(), stored=from_folder)

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
            pyarrow.field(
                v.name,
                pyarrow.float64(),
                metadata={"units": v.unit, "long_name": v.description}
                | {key: json.dumps(getattr(v, key)) for key in ("labels", "coordinates") if getattr(v, key)},
            )
            for v in rows.variables
        ]
        columns = list(rows.values.T.copy())
        if rows.groups is not None and self.group not in (f.name for f in fields):
            fields.append(pyarrow.field(self.group, pyarrow.int64()))
            columns.append(rows.groups)
        schema = pyarrow.schema(fields, metadata={PLAIN_NAMES: b"1"})
        path = Path(folder) / _FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.table(columns, schema=schema), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load_data(self, folder: Path) -> None:
        """Use the table that `save_data` wrote to ``folder/data`` instead of the source, if there is one."""
        if (Path(folder) / _FILE).is_file():
            self._stored_path, self._rows_cache = str(Path(folder) / _FILE), None

    @property
    def x(self) -> tuple[Variable, ...]:
        return self._variables()[: self._width()]

    @property
    def y(self) -> tuple[Variable, ...]:
        return self._variables()[self._width() :]

    def _width(self) -> int:
        """Return the number of columns of x: a vector of a Dataset has several under one name."""
        try:
            return self._rows().width
        except WorkbenchError:
            return len(self.x_columns)

    @property
    def shapes(self) -> Shapes:
        return Shapes(len(self.x), len(self.y))

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
        rows = self._rows()
        return rows.values[:, : rows.width], rows.values[:, rows.width :]

    @property
    def window(self) -> Window:
        return quantile_window(self._columns()[0])

    @property
    def observation_window(self) -> Window:
        return quantile_window(self._columns()[1])

    @property
    def default_observation(self) -> tuple[float, ...]:
        return typical_row(self._columns()[1])

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor | None, ...]:
        x, y = self._columns()
        groups = self._rows().groups
        rows = torch.randperm(len(x), generator=generator)[:n].numpy()
        pair = torch.from_numpy(x[rows]), torch.from_numpy(y[rows])
        return pair if groups is None else (*pair, torch.from_numpy(groups[rows]))


def _no_list(subject: str, name: str, columns: str) -> SpecError:
    return SpecError(
        f"{subject} must be a list", found=repr(columns), suggestion=f"write {name}=[{columns!r}]"
    )
