"""Views: the catalogue of everything that a running network can show of itself.

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
    """Settings of one snapshot that every view of it shares.

    observation : (M,) in data units, empty for a problem without one.
    fresh : recompute expensive arrays even where recent ones are at hand.
    far : the observation is far from all of the training data.
    notes : a sentence by the key of a view; views add to it.
    """

    observation: tuple[float, ...] = ()
    fresh: bool = True
    far: bool = False
    notes: dict[str, str] = field(default_factory=dict)


class SnapshotPart(ABC):
    """Arrays of a snapshot, under a key by which they can be requested."""

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str] = ""

    @abstractmethod
    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Compute the arrays, by name; empty where this run has none."""

    @classmethod
    def settings(cls) -> tuple[()]:
        """Return no settings: a view has none."""
        return ()


class View(SnapshotPart):
    """A part of a snapshot that can be shown: a title, when it applies, and its Dataset.

    parts : keys of the members whose arrays the Dataset is made of, its own included.
    needs_model, needs_problem : capabilities without which there is nothing to show.
    position : place on a page; views with small numbers come first.
    takes_pair : ``dataset`` shows the two variables of its argument ``pair``.
    over_time : ``dataset`` takes ``records`` and ``steps`` and shows the whole history.
    has_sentence : a page shows the attributes ``verdict`` and ``sentence`` of the Dataset.
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
        """Label the arrays of a snapshot.

        The variables are always the same: those that the snapshot does not hold have length zero, so that a
        plot can be built before the first step and fed later.
        """

    def __call__(self, snapshot: SnapshotLike, **settings: Any) -> xr.Dataset:
        """Return ``dataset(snapshot, **settings)``."""
        return self.dataset(snapshot, **settings)

    def applies(self, experiment: Experiment) -> bool:
        """Return True if the view has something to show for this experiment."""
        architecture, problem = experiment.architecture, experiment.problem
        return self.needs_model <= architecture.capabilities and self.needs_problem <= problem.capabilities

    def position_for(self, experiment: Experiment) -> int:
        """Return the position on the page of this experiment."""
        return self.position

    def parts_for(self, experiment: Experiment) -> tuple[str, ...]:
        """Return the keys of the parts that a snapshot of this experiment needs for the Dataset."""
        return self.parts

    def caption(self, data: xr.Dataset) -> str:
        """Return a few words to stand beside the title of a Dataset's plot."""
        return ""


#: A class that is being registered: the decorator returns it with its own type.
Registered = TypeVar("Registered", bound=SnapshotPart)


class ViewCatalogue(Registry[SnapshotPart]):
    """Catalogue that holds one instance of each member, since views have no settings."""

    def register(self, member: type[Registered]) -> type[Registered]:
        """Add a class; used as a decorator."""
        self._add(member, member)
        return member

    def shown(self) -> dict[str, View]:
        """Return the members that have a Dataset, by key."""
        return {key: view for key, view in self._entries.items() if isinstance(view, View)}


VIEWS = ViewCatalogue("views", "view")


def computes_arrays(part: SnapshotPart) -> bool:
    """Return True if the part computes arrays of its own."""
    return type(part).arrays is not View.arrays
