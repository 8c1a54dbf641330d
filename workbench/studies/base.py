"""Base class of the studies, and the parts that a study is made of: cells, columns and published figures.

A member of the catalogue declares its cells and measures one of them; running, resuming, writing and printing
are done for it in `workbench.studies.execution` and `workbench.studies.table`.
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

#: Meaning of the tag of a published figure, for the line under a table.
TAGS = {
    "reported": "printed by the authors, as remembered: not verified",
    "replicated": "measured by others under the same rules as here",
    "digitised": "read off a published figure, to within 15 %",
    "paper": "printed in the paper",
    "elsewhere": "measured for this table at another time and on other observations",
    "code": "found in the authors' program, or what their program gives",
}


@dataclass(frozen=True)
class Column:
    """A number of each cell that the table shows.

    Attributes
    ----------
    name : variable of the cell's Dataset, without dimensions.
    title, unit : heading of the column.
    better : "low", "high", or empty where neither is.
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
    """Layout of a study's figure: one plot for each column, averaged over the coordinates not named here.

    Attributes
    ----------
    along : coordinates on the horizontal axis.
    series : coordinates of which each combination is a line.
    columns : names of the columns.
    connected : True where the values along have an order.    log : True for a logarithmic vertical axis.
    """

    along: tuple[str, ...]
    series: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    connected: bool = True
    log: bool = True


@dataclass(frozen=True)
class Published:
    """A number published by others: its row (a table of coordinates), its column, its value, the tag that
    says how far to trust it (a key of `TAGS`), and its source."""

    row: dict[str, Any]
    column: str
    value: float
    tag: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Cell:
    """One entry of the grid.

    Attributes
    ----------
    coordinates : the same names in the same order for all cells of a study; ``seed`` among them where cells
        are repeated. Texts, whole numbers or numbers.
    title : heading of the row.
    experiment : the experiment to train, for cells that train one network.
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
        """A cell that trains ``Experiment(*parts, **options)``; refused with the reason where it cannot."""
        from workbench.training import Experiment

        try:
            experiment = Experiment(*parts, **options)
        except WorkbenchError as error:
            return cls(coordinates, title, refused=" ".join(str(error).split()))
        reasons = experiment.refusals()
        return cls(coordinates, title, refused=reasons[0]) if reasons else cls(coordinates, title, experiment)

    @property
    def id(self) -> str:
        """Name of the cell's file, from its coordinates."""
        return "-".join(re.sub(r"[^a-z0-9_.]+", "_", str(v).lower()) for v in self.coordinates.values())


class Study(Spec):
    """Base of every study: settings, `cells`, `measure`, and the columns of its table.

    ``quick`` holds the values that ``fast`` puts in place of the defaults; settings given by name win.
    """

    quick: ClassVar[dict[str, Any]] = {}
    columns: ClassVar[tuple[Column, ...]] = ()
    published: ClassVar[tuple[Published, ...]] = ()
    figure: ClassVar[Figure | None] = None
    #: What a reader of a stored result needs to know besides the table; a paragraph.
    remark: ClassVar[str] = ""

    fast = param.Boolean(
        False,
        doc="""
        A small setting. Those stored took from five minutes to an hour on a shared machine, every_divergence
        four hours; each result's card says how long.""",
    )
    seeds = param.Integer(1, bounds=(1, 100), doc="Repetitions of each cell, with seeds 0, 1, 2, …")

    def __init__(self, **values: Any) -> None:
        super().__init__(**((self.quick if values.get("fast") else {}) | values))

    @abstractmethod
    def cells(self) -> list[Cell]:
        """The grid in the order in which it is measured, cheap cells first."""

    @abstractmethod
    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        """The cell's numbers: the columns as variables without dimensions, and any arrays beside them.

        ``context.train`` trains and resumes; ``context.cached`` computes once what several cells need. Errors
        of the workbench (`WorkbenchError`) are stored as the cell's result.
        """

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Sentences computed from a finished table."""
        return []
