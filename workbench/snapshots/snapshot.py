"""Snapshots: what a run shows of itself, with eyes that hold still.

The latent points, the data points, the lattice and the grid are drawn once from the seed: what moves on
the screen
is learning. A snapshot is a frozen bundle of NumPy arrays; diagnostics put labels on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from workbench.core.errors import SpecError, did_you_mean
from workbench.core.variable import Variable
from workbench.inference.out_of_distribution import concerns, unit_doubts
from workbench.snapshots.arrays import MAKERS, Look
from workbench.training.history import Record

VIEWS = tuple(MAKERS)
#: What a snapshot holds unless it is asked for more: the views that are cheap.
USUAL = ("samples", "latent", "density", "grid", "posterior", "invertibility")


@dataclass(frozen=True)
class SnapshotRequest:
    """Which views, for which observation (data units; empty: the problem's own), and the records after
    ``since``.

    ``fresh`` False lets dear views (calibration, bound, precision_recall) repeat what they measured a moment
    ago, so that a live page takes at most a fifth of the time for them; each says at which iteration it was
    measured.
    """

    views: tuple[str, ...] = USUAL
    observation: tuple[float, ...] = ()
    since: int = 0
    fresh: bool = True

    def __post_init__(self) -> None:
        for view in self.views:
            if view not in VIEWS:
                raise SpecError(
                    f"There is no view '{view}'",
                    expected=", ".join(VIEWS),
                    found=str(view),
                    suggestion=did_you_mean(view, VIEWS),
                )


@dataclass(frozen=True)
class Snapshot:
    """One look at a run. Arrays in data units unless their name says ``latent``, ``grid`` or
    ``invertibility``.

    samples: data_x (N, D), data_y (N, M), samples_x (N, D) · latent: latent_z, latent_reference (N, K) ·
    density: density_x0, density_x1 (G,), density (G, G) with rows along x1, density_target where known ·
    grid: (L, G, G, 2), latent first, data (data units) last · posterior: observation (M,), posterior_x,
    reference_x (or reference_needs, a text: why there is none here), resimulated_y, arm (A, 4, 2), and
    curve_*, fold_* (see `workbench.snapshots.arrays.curves`) where they exist · invertibility:
    invertibility_xzx, invertibility_zxz (N,) · calibration, bound, critic, precision_recall, ocean: see
    their modules in `workbench.snapshots.arrays`

    ``notes`` has a sentence for views that need one.
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
    window: tuple[tuple[float, float], ...]
    observation_window: tuple[tuple[float, float], ...]
    records: tuple[Record, ...] = ()
    events: tuple[dict, ...] = ()
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def take_snapshot(run, request: SnapshotRequest) -> Snapshot:
    """Compute the requested views that apply to this run's model and problem."""
    arrays: dict[str, np.ndarray] = {}
    look = _look(run, request)
    with run.evaluation_mode(), torch.no_grad():
        for view in request.views:
            arrays |= MAKERS[view](run, look)
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
        notes=look.notes,
    )


def _look(run, request: SnapshotRequest) -> Look:
    """The request with what there is to say about its observation."""
    observation = _observation(run, request)
    if not observation:
        return Look(observation, request.fresh)
    units, y = run.data.standardisation, run.problem.y
    shift, scale = units.shift_y.double().cpu(), units.scale_y.double().cpu()
    said = concerns(observation, y, shift, scale, run.data.typicality)
    far = bool(unit_doubts(observation, y, shift, scale))
    return Look(observation, request.fresh, far, {"observation": " ".join(said)} if said else {})


def _observation(run, request: SnapshotRequest) -> tuple[float, ...]:
    if not run.data.has_y:
        return ()
    values = tuple(float(v) for v in (request.observation or run.problem.default_observation))
    if len(values) != len(run.problem.y) or not np.isfinite(values).all():
        names = ", ".join(v.name for v in run.problem.y)
        raise SpecError(
            "The observation does not fit this problem",
            expected=f"{len(run.problem.y)} numbers ({names})",
            found=str(values),
        )
    return values
