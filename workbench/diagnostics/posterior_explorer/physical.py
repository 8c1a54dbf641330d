"""Physical views of posterior draws: poses of an arm, flights of a ball, curves over time or depth.

A view applies to the problems that have the method it needs:

figure(x)    (n, D) -> (lines (n, points, 2), attributes), for problems in general. The attributes are
             ``title``, ``horizontal_label``, ``vertical_label``; ``function``, True where all lines have the
             same horizontal positions, so that quantile bands can be drawn; and optionally ``marks`` (k, 2),
             fixed points. A method ``observed_points(observation)`` -> (k, 2) replaces these by the
             observation's points.
arm(x)       (n, D) -> (n, joints, 2) poses in m
flight(x)    (n, D) -> (n, points, 2) in m
curve(…)     used by the snapshot views ``radial_velocity`` and ``phase_folded``

To add a view, add a `Physical` to `PHYSICAL`; for a view of `workbench.snapshots`,
``_snapshot_view(name, title, method)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.errors import WorkbenchError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.problems import Problem

#: Largest number of plotted lines; more would hide each other.
LINES = 60
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Physical:
    """One kind of physical view of posterior draws.

    plot : name of the function in `workbench.plots` that plots the Dataset.
    applies : problem -> bool.
    make : (problem, x (n, D), observation) -> Dataset; with ``beside``, it takes draws of the reference
        posterior as a fourth argument.
    about : explanation of the view in a few words.
    beside : True for a view that shows posterior and reference in the same plot.
    """

    key: str
    title: str
    plot: str
    applies: Callable[[Problem], bool]
    make: Callable[..., xr.Dataset]
    about: str = ""
    beside: bool = False


def _lines(
    lines: Any,
    title: str,
    labels: tuple[str, str],
    marks: Sequence[Sequence[float]] | np.ndarray = (),
    function: bool = False,
) -> xr.Dataset:
    """Return the Dataset of a physical view made of lines (draw, point, side), side 0 horizontal, 1 vertical.

    ``marks`` (k, 2) are further points. With ``function``, all lines have the same horizontal positions, and
    quantiles of the vertical ones are added as ``band``.
    """
    import xarray as xr

    lines = np.asarray(lines, dtype=np.float64)
    marks = np.asarray(marks, dtype=np.float64).reshape(-1, 2)
    variables = {
        "line": (("drawn", "point", "side"), lines[:LINES]),
        "mark": (("marked", "side"), marks),
    }
    if function and len(lines):
        band = np.nanquantile(lines[..., 1], LEVELS, axis=0)
        variables["band"] = (("level", "point"), band)
        variables["band_place"] = ("point", lines[0, :, 0])
    window = _window(lines, marks)
    return xr.Dataset(
        variables,
        attrs={
            "view": "physical",
            "title": title,
            "horizontal_label": labels[0],
            "vertical_label": labels[1],
            "horizontal_window": list(window[0]),
            "vertical_window": list(window[1]),
        },
    )


def _window(lines: np.ndarray, marks: np.ndarray) -> list[tuple[float, float]]:
    """Return plot limits [(low, high), (low, high)] of the horizontal and the vertical axis.

    On each axis they span the 0.5 to 99.5 % quantiles of the points of ``lines`` (n, points, 2) and all
    ``marks`` (k, 2), with a margin; (0, 1) if no point is finite.
    """
    points = lines.reshape(-1, 2)
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        return [(0.0, 1.0), (0.0, 1.0)]
    limits = []
    for i in (0, 1):
        low, high = np.quantile(points[:, i], [0.005, 0.995])
        low, high = min([low, *marks[:, i]]), max([high, *marks[:, i]])
        margin = 0.06 * (high - low) or 0.5
        limits.append((float(low - margin), float(high + margin)))
    return limits


def _figure(problem: Problem, x: np.ndarray, observation: tuple[float, ...]) -> xr.Dataset:
    lines, attrs = problem.figure(_within_bounds(problem, x))
    labels = attrs["horizontal_label"], attrs["vertical_label"]
    marks = attrs.get("marks", ())
    if hasattr(problem, "observed_points") and observation:
        marks = problem.observed_points(observation)
    return _lines(lines, attrs["title"], labels, marks, attrs.get("function", False))


def _arm(problem: Problem, x: np.ndarray, observation: tuple[float, ...]) -> xr.Dataset:
    marks = [observation[:2]] if len(observation) >= 2 else ()
    return _lines(problem.arm(_within_bounds(problem, x)), "Arm", ("horizontal [m]", "vertical [m]"), marks)


def _flight(problem: Problem, x: np.ndarray, observation: tuple[float, ...]) -> xr.Dataset:
    marks = [(observation[0], 0.0)] if observation else ()
    lines = problem.flight(_within_bounds(problem, x))
    return _lines(lines, "Flight", ("distance [m]", "height [m]"), marks)


def _standard_arrays(problem: Problem, draws: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    from workbench.snapshots.posterior import physical_arrays

    return physical_arrays(problem, draws)


def _profile_arrays(problem: Problem, draws: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    from workbench.snapshots.ocean import ocean_arrays

    return ocean_arrays(problem, draws, expensive=False)


def _ocean_arrays(problem: Problem, draws: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    from workbench.snapshots.ocean import ocean_arrays

    return ocean_arrays(problem, draws)


def _snapshot_view(
    name: str,
    title: str,
    method: str,
    arrays_of: Callable[[Problem, dict[str, np.ndarray]], dict[str, np.ndarray]] = _standard_arrays,
    about: str = "",
) -> Physical:
    """Make a `Physical` of the snapshot view ``name``, for problems that have the method ``method``.

    ``arrays_of(problem, draws)`` computes the arrays that the snapshot view reads.
    """

    def make(
        problem: Problem,
        x: np.ndarray,
        observation: tuple[float, ...],
        reference: np.ndarray | None = None,
    ) -> xr.Dataset:
        from workbench.snapshots import VIEWS, Blank

        draws = {"observation": np.asarray(observation), "posterior_x": _within_bounds(problem, x).numpy()}
        if reference is not None:
            draws["reference_x"] = np.asarray(reference, dtype=np.float64)
        y = {"y": problem.y, "observation_window": problem.observation_window}
        arrays = draws | arrays_of(problem, draws)
        return VIEWS[name](Blank(x=problem.x, window=problem.window, arrays=arrays, **y))

    return Physical(name, title, name, lambda problem: hasattr(problem, method), make, about, beside=True)


def _within_bounds(problem: Problem, x: np.ndarray) -> Tensor:
    """Clip draws x (n, D) to the problem's bounds, since a network may place some outside."""
    x = np.clip(x, [v.low for v in problem.x], [v.high for v in problem.x])
    return torch.as_tensor(np.asarray(x, dtype=np.float64))


#: Physical views by key, in order of preference: the first that applies to a problem is its default.
PHYSICAL = {
    view.key: view
    for view in (
        Physical(
            "figure",
            "Physical view",
            "physical",
            lambda problem: hasattr(problem, "figure"),
            _figure,
            "each line is one draw",
        ),
        Physical(
            "arm",
            "Arm",
            "physical",
            lambda problem: hasattr(problem, "arm"),
            _arm,
            "poses that the posterior proposes",
        ),
        Physical(
            "flight",
            "Flight",
            "physical",
            lambda problem: hasattr(problem, "flight"),
            _flight,
            "throws that the posterior proposes",
        ),
        _snapshot_view("radial_velocity", "Velocity", "curve"),
        _snapshot_view("phase_folded", "Folded", "curve"),
        _snapshot_view("sound_speed_profile", "Sound speed", "speed_profiles", _profile_arrays),
        _snapshot_view("ambiguity_surface", "Match", "speed_profiles", _ocean_arrays),
        _snapshot_view("transmission_loss", "Transmission loss", "speed_profiles", _ocean_arrays),
    )
}


def views(problem: Problem | None) -> tuple[str, ...]:
    """Return the keys of the physical views that apply to a problem, in order of preference."""
    return tuple(key for key, view in PHYSICAL.items() if problem is not None and view.applies(problem))


def physical(
    problem: Problem,
    key: str,
    x: np.ndarray,
    observation: tuple[float, ...],
    reference: np.ndarray | None = None,
) -> xr.Dataset | None:
    """Return the physical view ``key`` of posterior draws x (n, D); non-finite draws are left out.

    ``reference`` (n, D) are draws of the exact posterior, for views that show both in one plot. None for an
    unknown key, without finite draws, and where the problem raises a `WorkbenchError`.
    """
    x = np.asarray(x, dtype=np.float64)
    x = x[np.isfinite(x).all(1)]
    if key not in PHYSICAL or not len(x):
        return None
    try:
        with torch.no_grad():
            view = PHYSICAL[key]
            references = (reference,) if reference is not None and view.beside else ()
            data = view.make(problem, x, tuple(observation), *references)
            return data.assign_attrs(key=key, plot=view.plot, about=view.about)
    except WorkbenchError:
        return None
