"""Snapshots: frozen arrays of a run at one iteration.

Latent points, data points, lattice and grid are drawn once from the run's seed, so that only learning changes
the arrays. A snapshot holds NumPy arrays; the views label them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from workbench.core.argument_kinds import describe
from workbench.core.entries import public
from workbench.core.errors import SpecError
from workbench.core.lazy import torch
from workbench.core.numbers import whole_number
from workbench.core.observation import checked_values, optional_values
from workbench.core.variable import Variable
from workbench.snapshots.base import VIEWS, SnapshotContext, View, computes_arrays

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from workbench.training import Record, Run

#: Views of a default request: the cheap ones.
USUAL = ("samples", "latent", "density", "grid", "posterior", "invertibility")


@dataclass(frozen=True)
class SnapshotRequest:
    """Contents that a snapshot should have.

    Parameters
    ----------
    views : keys of `VIEWS`; a view without arrays of its own stands for the parts that it reads.
    observation : in data units; empty: the problem's own.
    since : only records of the history after this iteration.
    fresh : False lets expensive views (calibration, bound, precision_recall, ocean) reuse recent arrays, so
        that computing these takes at most a fifth of the wall time; all but ocean store the iteration at
        which they were measured.
    """

    views: tuple[str, ...] = USUAL
    observation: tuple[float, ...] = ()
    since: int = 0
    fresh: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.views, Iterable):
            raise SpecError(
                "The views of a snapshot are keys",
                expected="a key or a list of them",
                found=describe(self.views),
            )
        if not isinstance(self.fresh, bool):
            raise SpecError(
                "'fresh' of a snapshot's request", expected="True or False", found=describe(self.fresh)
            )
        if self.observation is not None and not hasattr(self.observation, "__iter__"):
            raise SpecError(
                "The observation of a snapshot is a list of numbers", found=describe(self.observation)
            )
        views = (self.views,) if isinstance(self.views, str) else tuple(self.views)
        object.__setattr__(self, "since", whole_number(self.since, "iteration that records follow", low=0))
        object.__setattr__(self, "views", views)
        for view in views:
            VIEWS[view]  # raises SpecError where there is none

    @property
    def parts(self) -> tuple[str, ...]:
        """Keys of the snapshot parts that compute the requested arrays, each once."""
        keys: dict[str, None] = {}
        for key in self.views:
            member = VIEWS[key]
            parts = member.parts if isinstance(member, View) and not computes_arrays(member) else (key,)
            keys.update(dict.fromkeys(parts))
        return tuple(keys)


@dataclass(frozen=True)
class Snapshot:
    """State of a run at one iteration, with arrays by name (see the classes of the views).

    Arrays are in data units unless their name says ``latent``, ``grid``, ``invertibility`` or ``bound``.
    ``notes`` holds sentences for the user by key of the view, and under ``observation`` if the observation is
    unusual.
    """

    iteration: int
    seconds: float
    steps: int
    steps_per_second: float
    device: str
    parameters: int
    finished: bool
    x: tuple[Variable, ...]
    y: tuple[Variable, ...]
    window: tuple[tuple[float, ...], ...]
    observation_window: tuple[tuple[float, ...], ...]
    records: tuple[Record, ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    @public
    def labelled(self, key: str, **settings: Any) -> xr.Dataset:
        """Return the labelled Dataset of a view. Raises `SpecError` for an unknown key."""
        return cast(Any, VIEWS[key])(self, **settings)


def _as_request(request: SnapshotRequest | str | Sequence[str] | None) -> SnapshotRequest:
    if request is None:
        return SnapshotRequest()
    if isinstance(request, SnapshotRequest):
        return request
    if isinstance(request, str) or (
        isinstance(request, list | tuple) and all(isinstance(key, str) for key in request)
    ):
        return SnapshotRequest(views=(request,) if isinstance(request, str) else tuple(request))
    raise SpecError(
        "A snapshot cannot be requested like this",
        expected="a SnapshotRequest, the key of a view, or a list of keys",
        found=repr(request)[:80],
    )


@public
def take_snapshot(run: Run, request: SnapshotRequest | str | Sequence[str] | None = None) -> Snapshot:
    """Compute the arrays of the requested views that apply to this run's model and problem.

    ``request`` is a `SnapshotRequest`, a key of `VIEWS`, several keys, or None for the default request.
    Raises `SpecError` for an unknown key or a request of another kind.
    """
    request = _as_request(request)
    arrays: dict[str, np.ndarray] = {}
    context = _context(run, request)
    with run.evaluation_mode(), torch.no_grad():
        for key in request.parts:
            arrays |= VIEWS[key].arrays(run, context)
    return Snapshot(
        iteration=run.iteration,
        seconds=run.seconds,
        steps=run.experiment.steps,
        steps_per_second=run.steps_per_second,
        device=str(run.device),
        parameters=run.parameters,
        finished=run.finished,
        x=tuple(run.problem.x),
        y=tuple(run.problem.y),
        window=run.evaluation_points.window,
        observation_window=run.evaluation_points.observation_window,
        records=run.history.since(request.since),
        events=tuple(run.events),
        arrays=arrays,
        notes=context.notes,
    )


def _context(run: Run, request: SnapshotRequest) -> SnapshotContext:
    """Return the settings that the views share, with a note if the observation is unlike the training's."""
    from workbench.inference.out_of_distribution import concerns, unit_doubts

    observation = _observation(run, request)
    if not observation:
        return SnapshotContext(observation, request.fresh)
    units, y = run.data.standardisation, run.problem.y
    moments = units.moments_y()
    row = units.y_in(torch.tensor([observation], dtype=torch.float64))
    sentences = concerns(observation, y, *moments, run.data.typicality, row)
    far = bool(unit_doubts(observation, y, *moments))
    notes = {"observation": " ".join(sentences)} if sentences else {}
    return SnapshotContext(observation, request.fresh, far, notes)


def _observation(run: Run, request: SnapshotRequest) -> tuple[float, ...]:
    if not run.data.has_y:
        return ()
    y = run.problem.y
    return optional_values(request.observation, y) or checked_values(run.problem.default_observation, y)
