"""The posterior in the world that it is about: poses of an arm, flights of a ball, curves over time or depth.

A problem says what it can draw by its methods, and a view here says which methods it needs:

figure(x)    (n, D) -> (lines (n, points, 2), attributes): any problem may have it. The attributes name the
             axes: ``title``, ``horizontal_label``, ``vertical_label``; ``function`` True where all lines
             share their horizontals, so that a band can be drawn; ``marks`` (k, 2) for what is fixed
             (optional), instead of which ``observed_points(observation)`` (k, 2) may say where in the
             figure the observation is.
arm(x)       (n, D) -> (n, joints, 2) poses in m
flight(x)    (n, D) -> (n, points, 2) in m

curve(…)     what the studio's views ``radial_velocity`` and ``phase_folded`` need

A view of another kind is one more `Physical` in `PHYSICAL`: which problems it applies to, how its Dataset
is made, and the name of the plot that draws it. A view of the studio that is made of `pictured` arrays is
one line: ``_of_studio(name, title, method)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr

from workbench.core.errors import WorkbenchError
from workbench.snapshots.arrays.ocean import pictured_ocean
from workbench.snapshots.arrays.standard import pictured
from workbench.snapshots.views import VIEWS
from workbench.snapshots.views.common import Blank

#: So many lines are drawn of a law; more would be a blot.
LINES = 60
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Physical:
    """A physical view: ``applies(problem)``, ``make(problem, x (n, D), observation)`` -> Dataset, and the
    function of `workbench.plots` that draws it. With ``beside``, ``make`` takes draws of the reference as
    well, for the same picture."""

    key: str
    title: str
    plot: str
    applies: Callable[[Any], bool]
    make: Callable[..., xr.Dataset]
    about: str = ""
    beside: bool = False


def _lines(
    lines: Any, title: str, labels: tuple[str, str], marks: Any = (), function: bool = False
) -> xr.Dataset:
    """Lines (draw, point, side) with their quantiles where they are functions of the horizontal."""
    lines = np.asarray(lines, dtype=np.float64)
    marks = np.asarray(marks, dtype=np.float64).reshape(-1, 2)
    made = {
        "line": (("drawn", "point", "side"), lines[:LINES]),
        "mark": (("marked", "side"), marks),
    }
    if function and len(lines):
        band = np.nanquantile(lines[..., 1], LEVELS, axis=0)
        made["band"] = (("level", "point"), band)
        made["band_place"] = ("point", lines[0, :, 0])
    window = _window(lines, marks)
    return xr.Dataset(
        made,
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
    """Where nearly all of the lines are, with a little room."""
    points = lines.reshape(-1, 2)
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        return [(0.0, 1.0), (0.0, 1.0)]
    found = []
    for i in (0, 1):
        low, high = np.quantile(points[:, i], [0.005, 0.995])
        low, high = min([low, *marks[:, i]]), max([high, *marks[:, i]])
        room = 0.06 * (high - low) or 0.5
        found.append((float(low - room), float(high + room)))
    return found


def _figure(problem: Any, x: np.ndarray, observation: tuple[float, ...]) -> xr.Dataset:
    lines, attrs = problem.figure(_inside(problem, x))
    labels = attrs["horizontal_label"], attrs["vertical_label"]
    marks = attrs.get("marks", ())
    if hasattr(problem, "observed_points") and observation:
        marks = problem.observed_points(observation)
    return _lines(lines, attrs["title"], labels, marks, attrs.get("function", False))


def _arm(problem: Any, x: np.ndarray, observation: tuple[float, ...]) -> xr.Dataset:
    marks = [observation[:2]] if len(observation) >= 2 else ()
    return _lines(problem.arm(_inside(problem, x)), "Arm", ("horizontal [m]", "vertical [m]"), marks)


def _flight(problem: Any, x: np.ndarray, observation: tuple[float, ...]) -> xr.Dataset:
    marks = [(observation[0], 0.0)] if observation else ()
    return _lines(problem.flight(_inside(problem, x)), "Flight", ("distance [m]", "height [m]"), marks)


def _of_studio(
    name: str, title: str, method: str, arrays_of: Callable[[Any, dict], dict] = pictured, about: str = ""
) -> Physical:
    """The studio's view ``name`` of problems that have ``method``; ``arrays_of(problem, found)`` makes what
    the view reads."""

    def make(problem: Any, x: np.ndarray, observation: tuple[float, ...], reference: Any = None):
        found = {"observation": np.asarray(observation), "posterior_x": _inside(problem, x).numpy()}
        if reference is not None:
            found["reference_x"] = np.asarray(reference, dtype=np.float64)
        y = {"y": problem.y, "observation_window": problem.observation_window}
        arrays = found | arrays_of(problem, found)
        return VIEWS[name](Blank(x=problem.x, window=problem.window, arrays=arrays, **y))

    return Physical(name, title, name, lambda problem: hasattr(problem, method), make, about, beside=True)


def _inside(problem: Any, x: np.ndarray) -> torch.Tensor:
    """Draws of a network may leave the bounds in which a problem means anything: they are put back."""
    inside = np.clip(x, [v.low for v in problem.x], [v.high for v in problem.x])
    return torch.as_tensor(np.asarray(inside, dtype=np.float64))


#: By key, the most telling first; a problem gets the first that applies, and the others to choose from.
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
        _of_studio("radial_velocity", "Velocity", "curve"),
        _of_studio("phase_folded", "Folded", "curve"),
        _of_studio(
            "sound_speed_profile", "Sound speed", "speed_profiles", partial(pictured_ocean, dear=False)
        ),
        _of_studio("ambiguity_surface", "Match", "speed_profiles", pictured_ocean),
        _of_studio("transmission_loss", "Transmission loss", "speed_profiles", pictured_ocean),
    )
}


def views(problem: Any) -> tuple[str, ...]:
    """Keys of the physical views that apply to a problem, the most telling first; empty without one."""
    return tuple(key for key, view in PHYSICAL.items() if problem is not None and view.applies(problem))


def physical(
    problem: Any, key: str, x: np.ndarray, observation: tuple[float, ...], reference: Any = None
) -> xr.Dataset | None:
    """The view ``key`` of the finite ones of draws x (n, D), with draws of the ``reference`` (n, D) where the
    view has them in the same picture; None where the problem cannot draw them."""
    x = np.asarray(x, dtype=np.float64)
    x = x[np.isfinite(x).all(1)]
    if key not in PHYSICAL or not len(x):
        return None
    try:
        with torch.no_grad():
            view = PHYSICAL[key]
            known = (reference,) if reference is not None and view.beside else ()
            made = view.make(problem, x, tuple(observation), *known)
            return made.assign_attrs(key=key, plot=view.plot, about=view.about)
    except WorkbenchError:
        return None
