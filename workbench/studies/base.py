"""Base class of the studies, and the parts of a study: cells, columns, figures and published numbers.

A study declares its cells and measures one of them; running, resuming, writing and printing are done for it
in `workbench.studies.execution` and `workbench.studies.table`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import param

from workbench.core.catalogue import Catalogue
from workbench.core.errors import WorkbenchError
from workbench.core.spec import Spec

if TYPE_CHECKING:
    import xarray as xr

    from workbench.studies.study_context import StudyContext
    from workbench.training import Experiment

STUDIES: Catalogue[Study] = Catalogue("studies", "study")

#: Provenance of a published number, by its tag; printed below a table.
TAGS = {
    "reported": "printed by the authors, as remembered: not verified",
    "replicated": "measured by others under the same rules as here",
    "sequential": "sequential NPE, measured by others: simulations for each observation, no exact density",
    "digitised": "read off a published figure, to within 15 %",
    "paper": "printed in the paper",
    "elsewhere": "measured for this table at another time and on other observations",
    "code": "found in the authors' program, or what their program gives",
}


@dataclass(frozen=True)
class Column:
    """A column of the table: one scalar per cell.

    Attributes
    ----------
    name : variable of the cell's Dataset, without dimensions.
    title, unit : heading of the column.
    better : "low" or "high", the values that are preferred; empty for a column without a preference.
    """

    name: str
    title: str
    unit: str = ""
    better: str = ""

    @property
    def label(self) -> str:
        return f"{self.title} [{self.unit}]" if self.unit else self.title


@dataclass(frozen=True)
class Figure:
    """Layout of a study's figure: one plot per column, averaged over the coordinates not named here.

    Attributes
    ----------
    along : coordinates whose combinations are the positions on the horizontal axis.
    series : coordinates whose combinations are the curves.
    columns : names of the columns that are plotted.
    connected : True to connect the points of a curve, for positions that have an order.
    log : True for a logarithmic vertical axis.
    """

    along: tuple[str, ...]
    series: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    connected: bool = True
    log: bool = True


@dataclass(frozen=True)
class Published:
    """A number published by others, to compare with a cell's.

    Attributes
    ----------
    row : coordinates of the cells that it is compared with, by name.
    column : name of its column.
    value : the number itself.
    tag : its provenance, a key of `TAGS`.
    source : citation.
    """

    row: dict[str, Any]
    column: str
    value: float
    tag: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Cell:
    """One point of a study's grid: an experiment to train, or another measurement.

    Attributes
    ----------
    coordinates : name -> string, integer or float; the same names in the same order for all cells of a study,
        ``seed`` among them where cells are repeated.
    title : heading of the row.
    experiment : the experiment to train, for cells that train one network; otherwise None.
    refused : the reason why this cell cannot be measured, as a sentence; empty where it can.
    """

    coordinates: dict[str, str | int | float]
    title: str
    experiment: Experiment | None = None
    refused: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_experiment(
        cls, coordinates: dict[str, str | int | float], title: str, *parts: Any, **options: Any
    ) -> Cell:
        """Make a cell that trains ``Experiment(*parts, **options)``; where the experiment is not possible,
        the cell has none, and ``refused`` holds the reason."""
        from workbench.training import Experiment

        try:
            experiment = Experiment(*parts, **options)
        except WorkbenchError as error:
            return cls(coordinates, title, refused=" ".join(str(error).split()))
        reasons = experiment.refusals()
        return cls(coordinates, title, refused=reasons[0]) if reasons else cls(coordinates, title, experiment)

    @property
    def id(self) -> str:
        """Name of the cell's file without its suffix: its coordinates' values, joined by hyphens."""
        return "-".join(re.sub(r"[^a-z0-9_.]+", "_", str(v).lower()) for v in self.coordinates.values())


class Study(Spec):
    """Base class of every study: settings, `cells`, `measure`, and the columns of its table.

    ``quick`` holds the values that replace the defaults where ``fast`` is True; settings passed by name take
    precedence.
    """

    quick: ClassVar[dict[str, Any]] = {}
    columns: ClassVar[tuple[Column, ...]] = ()
    published: ClassVar[tuple[Published, ...]] = ()
    figure: ClassVar[Figure | None] = None
    #: Caveats for a reader of a stored result, one paragraph; empty for none.
    remark: ClassVar[str] = ""

    fast = param.Boolean(
        False,
        doc="""
        Small networks and short training. The stored fast results took from five minutes to an hour on a
        shared machine, every_divergence four hours; each result's card gives its time.""",
    )
    seeds = param.Integer(1, bounds=(1, 100), doc="Repetitions of each cell, with seeds 0, 1, 2, …")

    def __init__(self, **values: Any) -> None:
        super().__init__(**((self.quick if values.get("fast") else {}) | values))

    @abstractmethod
    def cells(self) -> list[Cell]:
        """Return the cells of the grid in the order in which they are measured, cheap ones first."""

    @abstractmethod
    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        """Measure one cell: return a Dataset with the columns as scalar variables, and any arrays beside
        them.

        ``context.train`` trains the cell's experiment or resumes it; ``context.cached`` computes once what
        several cells share. A `WorkbenchError` that is raised here is stored as the result of the cell.
        """

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Return sentences computed from the result's Dataset, to stand below its table; by default none."""
        return []
