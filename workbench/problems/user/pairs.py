"""Pairs (x, y) that were simulated once: kept with their variables in a run's folder, drawn like rows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.capability import Capability
from workbench.core.errors import DataError, RunError, WorkbenchError
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import Problem
from workbench.problems.user.columns import check_far_values, column_warnings
from workbench.problems.user.outputs import refuse_constants
from workbench.problems.windows import quantile_window, typical_row

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

FILE = Path("data", "pairs.parquet")
_ABOUT = b"workbench_pairs"
_VERSION = 1
#: Smallest eigenvalue of the correlations of x below which x lies on a plane.
_DEGENERATE = 1e-10


@dataclass(frozen=True)
class Pairs:
    """Pairs with their variables.

    Parameters
    ----------
    x, y : (n, D) and (n, M), float64.
    x_variables, y_variables : their variables.
    count, seed : number of pairs that a run asked for and the seed of that draw; 0 and -1 where the pairs
        are no draw of a run.
    notes : sentences on them for whoever trains, such as on failures.
    """

    x: Tensor
    y: Tensor
    x_variables: tuple[Variable, ...]
    y_variables: tuple[Variable, ...]
    count: int = 0
    seed: int = -1
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """The notes, and sentences on columns with heavy tails or far values and on x that is degenerate."""
        columns = map(_by_variable, column_warnings(self.y.numpy(), self.y_variables))
        return (*self.notes, *columns, *_dependences(self.x, self.x_variables))

    def is_draw(self, n: int, seed: int) -> bool:
        """True if these are the pairs that a draw of ``n`` with this seed gave."""
        return (n, seed) == (self.count, self.seed)

    def save(self, folder: Path) -> None:
        """Write the pairs to ``folder/data/pairs.parquet``, with a checksum of each page."""
        import pyarrow
        from pyarrow import parquet

        about = {
            "version": _VERSION,
            "x": [v.to_dict() for v in self.x_variables],
            "y": [v.to_dict() for v in self.y_variables],
            "count": self.count,
            "seed": str(self.seed),  # more digits than some readers of JSON keep
            "notes": list(self.notes),
        }
        variables = (*self.x_variables, *self.y_variables)
        fields = [
            pyarrow.field(v.name, pyarrow.float64(), metadata={"units": v.unit, "long_name": v.description})
            for v in variables
        ]
        schema = pyarrow.schema(fields, metadata={_ABOUT: json.dumps(about)})
        columns = torch.cat([self.x, self.y], 1).T.contiguous().numpy()
        path = Path(folder) / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        parquet.write_table(pyarrow.table(list(columns), schema=schema), part, write_page_checksum=True)
        part.replace(path)

    @classmethod
    def load(cls, folder: Path) -> Pairs | None:
        """Read the pairs in a run's folder; None where there are none. Raises `RunError` for damaged ones."""
        path = Path(folder) / FILE
        if not path.is_file():
            return None
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(path, page_checksum_verification=True) as file:
                about = json.loads(file.schema_arrow.metadata[_ABOUT])
                table = file.read()
            if about["version"] > _VERSION:
                raise ValueError(f"version {about['version']}, which is newer than this workbench")
            x, y = (tuple(Variable.from_dict(v) for v in about[role]) for role in "xy")
            if table.column_names != [v.name for v in (*x, *y)]:
                raise ValueError("other columns than its description names")
            values = np.column_stack([column.to_numpy() for column in table.columns])
            if not np.isfinite(values).all():
                raise ValueError("values that are not finite")
        except (OSError, ValueError, KeyError, TypeError, WorkbenchError) as error:
            raise RunError(
                f"The training pairs of run '{Path(folder).name}' are damaged",
                expected=f"{FILE} as the run wrote it",
                found=f"{type(error).__name__}: {str(error)[:200]}",
            ) from error
        rows = torch.from_numpy(values)
        numbers = int(about["count"]), int(about["seed"])
        columns = rows[:, : len(x)].contiguous(), rows[:, len(x) :].contiguous()
        return cls(*columns, x, y, *numbers, notes=tuple(about["notes"]))


#: A table's setting for the scale of a column, in place of which simulators have variables.
_SETTING = re.compile(r"set (log|robust)=\[('.*?')\]")


def _by_variable(sentence: str) -> str:
    """Return a sentence that names a table's setting as one that names a variable."""
    return _SETTING.sub(r"write Variable(\2, scale='\1')", sentence)


def check_pairs(x: Tensor, y: Tensor, variables: tuple[tuple[Variable, ...], tuple[Variable, ...]]) -> None:
    """Raise `DataError` for constant columns and for values that are too far from the others.

    ``variables`` are those of x and of y.
    """
    for values, columns, noun in ((x, variables[0], "parameters"), (y, variables[1], "results")):
        refuse_constants(values, columns, f"A column of the {noun}")
    try:
        check_far_values(y.numpy(), variables[1], np.arange(len(y)))
    except DataError as error:
        raise DataError(
            error.asked,
            expected=error.expected,
            found=error.found,
            suggestion=_by_variable(error.suggestion),
        ) from None


def draw_seed(generator: torch.Generator) -> int:
    """Take one number from the generator, as the seed of all that a draw needs."""
    return int(torch.randint(2**62, (1,), generator=generator))


def _dependences(x: Tensor, variables: tuple[Variable, ...]) -> list[str]:
    """Return a sentence on unknowns of which one follows from the others, as of parts that sum to one."""
    if len(x) <= len(variables) or len(variables) < 2:
        return []
    correlation = torch.corrcoef(x.T)
    values, vectors = torch.linalg.eigh(correlation.nan_to_num())
    if values[0] > _DEGENERATE:
        return []
    names = [v.name for v, c in zip(variables, vectors[:, 0].abs(), strict=True) if c > 0.01]
    return [
        f"One of the unknowns {', '.join(names[:6])}{', …' if len(names) > 6 else ''} follows from the "
        "others (do they sum to one?): a density cannot be learned. Leave one of them out of x."
    ]


class RowsOfPairs(Problem):
    """Base of problems that are pairs, of which each is drawn at most once."""

    #: Pairs whose rows are drawn; set by the subclass.
    _pairs: Pairs

    @property
    def x(self) -> tuple[Variable, ...]:
        return self._pairs.x_variables

    @property
    def y(self) -> tuple[Variable, ...]:
        return self._pairs.y_variables

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.OBSERVATION} if self.y else ())

    @property
    def rows(self) -> int:
        """Number of pairs."""
        return len(self._pairs)

    @property
    def window(self) -> Window:
        return quantile_window(self._pairs.x.numpy())

    @property
    def observation_window(self) -> Window:
        return quantile_window(self._pairs.y.numpy())

    @property
    def default_observation(self) -> tuple[float, ...]:
        return typical_row(self._pairs.y.numpy())

    def warnings(self, samples: int | None = None) -> list[str]:
        notes = list(self._pairs.warnings)
        if samples is not None and samples < len(self._pairs):
            notes.append(
                f"{samples} of {len(self._pairs)} pairs are used; the training setting samples says how many."
            )
        return notes

    def save_data(self, folder: Path) -> None:
        """Write the pairs to ``folder/data``."""
        self._pairs.save(folder)

    def copy(self) -> RowsOfPairs:
        """Return a problem with the same pairs, which are shared."""
        return self._of(self._pairs)

    @classmethod
    def _of(cls, pairs: Pairs) -> Any:
        """Return a problem that is these pairs."""
        problem = cls.__new__(cls)
        Problem.__init__(problem)
        problem._pairs = pairs
        return problem

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._pairs is other._pairs  # type: ignore[attr-defined]

    __hash__ = Problem.__hash__

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return self._draw(n, generator)[0]

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor | None, ...]:
        seed, pairs = draw_seed(generator), self._pairs
        if pairs.is_draw(n, seed):
            return pairs.x, pairs.y
        rows = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))[:n]
        return pairs.x[rows], pairs.y[rows]


def check_same_variables(pairs: Pairs, problem: Problem) -> None:
    """Raise `DataError` where a problem has other variables than the pairs of a run."""
    for role, before, own in (("x", pairs.x_variables, problem.x), ("y", pairs.y_variables, problem.y)):
        if before == own:
            continue
        different = [(a, b) for a, b in zip(before, own, strict=False) if a != b]
        a, b = different[0] if different else (f"{len(before)} variables", f"{len(own)} variables")
        raise DataError(
            f"The run was trained with another {role} than this problem has",
            expected=str(a),
            found=str(b),
            suggestion="give the problem the prior, variables and bounds that the run was trained with",
        )
