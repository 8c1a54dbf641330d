"""What a study is: a grid of cells, one measurement a cell, and the figures that others have published.

A member of the catalogue says which cells there are and how one is measured; running, resuming, writing and
printing is done for it in `workbench.studies.execution` and `workbench.studies.table`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import param
import xarray as xr

from workbench.core.catalogue import Catalogue
from workbench.core.spec import Spec
from workbench.training import Experiment

if TYPE_CHECKING:
    from workbench.studies.study_context import Bench

STUDIES = Catalogue("studies", "study")

#: What the tag of a figure that is not ours means, for the line under a table.
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
    title, unit : head of the column.
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
    """What a study's figure shows: one plot a column, of means over all that is not named here.

    Attributes
    ----------
    along : coordinates whose values stand along the horizontal axis.
    series : coordinates of which each combination is a line.
    columns : names of the columns.
    connected : whether the values along have an order.    log : whether the vertical axis is logarithmic.
    """

    along: tuple[str, ...]
    series: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    connected: bool = True
    log: bool = True


@dataclass(frozen=True)
class Published:
    """A figure of somebody else: of which row (a table of coordinates), in which column, and how far to
    trust it (a key of `TAGS`)."""

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
    title : of the row, for people.
    experiment : what is trained, for cells that train one network.
    refused : why this cell cannot be measured, as a sentence; empty where it can.
    """

    coordinates: dict[str, str | int | float]
    title: str
    experiment: Experiment | None = None
    refused: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name of the cell's file, from its coordinates."""
        return "-".join(re.sub(r"[^a-z0-9_.]+", "_", str(v).lower()) for v in self.coordinates.values())


class Study(Spec):
    """Base of every study: settings, `cells`, `measure`, and what the table shows.

    ``quick`` holds the values that ``fast`` puts in place of the defaults; what is given by name wins.
    """

    quick: ClassVar[dict[str, Any]] = {}
    columns: ClassVar[tuple[Column, ...]] = ()
    published: ClassVar[tuple[Published, ...]] = ()
    figure: ClassVar[Figure | None] = None
    #: What a reader of a kept result must know beside the table; a paragraph.
    remark: ClassVar[str] = ""

    fast = param.Boolean(
        False,
        doc="""
        A small setting. Those stored took from five minutes to an hour on a shared machine, every_divergence
        four hours; each result's card says how long.""",
    )
    seeds = param.Integer(1, bounds=(1, 100), doc="How often each cell is repeated, with seeds 0, 1, 2, …")

    def __init__(self, **values: Any) -> None:
        super().__init__(**((self.quick if values.get("fast") else {}) | values))

    @abstractmethod
    def cells(self) -> list[Cell]:
        """The grid, in the order in which it is worked off; cheap ones first."""

    @abstractmethod
    def measure(self, cell: Cell, bench: Bench) -> xr.Dataset:
        """The cell's numbers: the columns as variables without dimensions, and any arrays beside them.

        ``bench.train`` trains and resumes; ``bench.kept`` computes what cells share once. Errors of the
        workbench (`WorkbenchError`) are written down as the cell's result.
        """

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """What the finished table says, as sentences that are computed from it."""
        return []
