"""Base classes and catalogue of views, the things that can be shown of a network during training.

A view is one class in one file. It may compute arrays from a run (``arrays``, which needs torch), and it
turns the arrays of a snapshot into a labelled Dataset (``dataset``, NumPy and xarray only). The plot of a
view is the function of the same name in `workbench.plots`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from workbench.core.capability import Capability
from workbench.core.catalogue import Registry

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment, Run


@dataclass(frozen=True)
class SnapshotContext:
    """Settings of one snapshot that all its views share.

    observation : (M,) in data units, empty for a problem without one.
    fresh : recompute expensive arrays even where recent ones are cached.
    far : the observation is far from all of the training data.
    notes : sentences for the user by key of the view; views add to it.
    """

    observation: tuple[float, ...] = ()
    fresh: bool = True
    far: bool = False
    notes: dict[str, str] = field(default_factory=dict)


class SnapshotPart(ABC):
    """A group of arrays of a snapshot, requested by its key."""

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str] = ""

    @abstractmethod
    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Compute the group's arrays by name; empty where they do not apply to this run."""

    @classmethod
    def settings(cls) -> tuple[()]:
        """Return no settings: unlike the entries of other catalogues, views have none."""
        return ()


class View(SnapshotPart):
    """A snapshot part that can be shown, with a title, the experiments that it applies to, and a Dataset.

    parts : keys of the snapshot parts whose arrays the Dataset is made of, its own included.
    needs_model, needs_problem : capabilities without which there is nothing to show.
    position : place on a page; smaller numbers come first.
    takes_pair : the view shows two variables on its axes; the argument ``pair`` of ``dataset`` has
        their indices.
    over_time : ``dataset`` takes ``records`` and ``steps`` and shows the whole history.
    has_sentence : the Dataset has attributes ``verdict`` and ``sentence`` that a page shows.
    """

    parts: ClassVar[tuple[str, ...]] = ()
    needs_model: ClassVar[frozenset[Capability]] = frozenset()
    needs_problem: ClassVar[frozenset[Capability]] = frozenset()
    position: ClassVar[int] = 1000
    takes_pair: ClassVar[bool] = False
    over_time: ClassVar[bool] = False
    has_sentence: ClassVar[bool] = False

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Return no arrays: by default a view reads those of its ``parts``."""
        return {}

    @abstractmethod
    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return the arrays of a snapshot as a labelled Dataset.

        It always has the same variables: those that the snapshot does not hold have length zero, so that a
        plot can be built before the first step and filled later.
        """

    def __call__(self, snapshot: SnapshotLike, **settings: Any) -> xr.Dataset:
        """Return ``dataset(snapshot, **settings)``."""
        return self.dataset(snapshot, **settings)

    def applies(self, experiment: Experiment) -> bool:
        """Return True if the view has something to show for this experiment."""
        architecture, problem = experiment.architecture, experiment.problem
        return self.needs_model <= architecture.capabilities and self.needs_problem <= problem.capabilities

    def position_for(self, experiment: Experiment) -> int:
        """Return the view's position on the page of this experiment; smaller numbers come first."""
        return self.position

    def parts_for(self, experiment: Experiment) -> tuple[str, ...]:
        """Return the keys of the snapshot parts that the Dataset needs for this experiment."""
        return self.parts

    def caption(self, data: xr.Dataset) -> str:
        """Return a few words to be shown beside the title of the plot; by default none."""
        return ""


#: Type of a class that is registered: the decorator returns it unchanged.
Registered = TypeVar("Registered", bound=SnapshotPart)


class ViewCatalogue(Registry[SnapshotPart]):
    """Catalogue of snapshot parts and views, one instance of each class, since they have no settings."""

    def register(self, member: type[Registered]) -> type[Registered]:
        """Add a class; use as a decorator."""
        self._add(member, member)
        return member

    def shown(self) -> dict[str, View]:
        """Return the views by key, without the snapshot parts that only hold arrays."""
        return {view.key: view for view in self if isinstance(view, View)}


VIEWS = ViewCatalogue("views", "view")


def computes_arrays(part: SnapshotPart) -> bool:
    """Return True if the snapshot part computes arrays of its own instead of reading those of others."""
    return type(part).arrays is not View.arrays
