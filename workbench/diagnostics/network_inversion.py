"""Inverting a trained network, with names and units on what goes in and on what comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.errors import DataError, IncompatibleError, SpecError
from workbench.core.observation import checked_values
from workbench.core.variable import Variable
from workbench.inversion import INVERSION, ForwardNetwork, Found, InversionMethod, Question
from workbench.problems import Problem
from workbench.training import FittedModel

#: Points along each side of the plane on which the network is drawn.
CELLS = 81
#: Searches in a trained model start so many standard deviations of its data away at most.
_WINDOW = 3.0
_SPREAD_DRAWS = 2000


@dataclass(frozen=True)
class _Map:
    """A forward map and what is known of its two sides."""

    function: Callable[[Tensor], Tensor]
    x: tuple[Variable, ...]
    y: tuple[Variable, ...]
    window: Tensor
    scale: Tensor
    title: str


def invert(
    model: Any,
    observation: Sequence[float],
    *,
    method: str | InversionMethod = "gradient",
    problem: Problem | None = None,
    pair: tuple[int, int] = (0, 1),
    seed: int = 0,
    **settings: Any,
) -> xr.Dataset:
    """Inputs x whose image under a trained network is ``observation``, and the way of the search there.

    Parameters
    ----------
    model : a `ForwardNetwork`; a run or a `FittedModel` that predicts y (an INN); a `Problem` that simulates
        without noise, which is then searched itself; or, with ``problem``, any callable (n, D) -> (n, M).
    method : a key of the catalogue with ``settings``, or a method that has its settings.
    pair : the two inputs over which the network is drawn, through the best point found.
    seed : same seed, same search.

    Returns
    -------
    A Dataset with ``x`` (moment, point, input) and ``misfit`` (moment, point); at the last moment ``y``
    (point, output), ``reached`` and ``at_rest`` (point); ``surface`` (vertical, horizontal, output) is the
    network on the plane of the pair. ``verdict`` and ``sentence`` stand in the attributes.

    Raises `SpecError`, `DataError` or `IncompatibleError` where the parts do not fit.
    """
    if isinstance(method, str):
        method = INVERSION.make(method, **settings)
    elif settings:
        raise SpecError("Settings go with the key of a method", found=", ".join(settings))
    known = _known(model, problem)
    target = _target(observation, known)
    bounds = torch.tensor([[v.low, v.high] for v in known.x], dtype=torch.float64).to(known.window)
    question = Question(target, known.window, bounds, known.scale)
    if not 0 <= min(pair) <= max(pair) < max(len(known.x), 2) or pair[0] == pair[1]:
        raise SpecError("The pair names two inputs", expected=f"0 to {len(known.x) - 1}", found=str(pair))
    return _labelled(known, method, method.search(known.function, question, seed=seed), pair)


def _known(model: Any, problem: Problem | None) -> _Map:
    model = getattr(model, "fitted", model)
    if isinstance(model, ForwardNetwork):
        scale, window = model.scale_y, torch.tensor(model.window, dtype=torch.float64)
        return _Map(model, model.x, model.y, window.to(scale), scale, "forward network")
    if isinstance(model, FittedModel):
        if Capability.FORWARD not in model.capabilities:
            raise IncompatibleError(
                "Inverting needs a network that predicts y from x",
                found="a model that does not",
                suggestion="train the architecture 'inn', or a forward network with train_forward",
            )
        units = model.standardisation
        spread = _WINDOW * units.scale_x[:, None]
        window = units.shift_x[:, None] + torch.tensor([-1.0, 1.0]).to(spread) * spread
        return _Map(model.predict, model.x, model.y, window, units.scale_y, "trained model")
    if isinstance(model, Problem):
        problem, model = model, lambda x: problem.simulate(x, torch.Generator().manual_seed(0))
    if problem is None or not callable(model):
        raise SpecError(
            "There is no network to invert",
            expected="a forward network, a run, a fitted model, a problem, or a function with problem=",
            found=type(model).__name__,
        )
    if not problem.y:
        raise IncompatibleError(f"'{problem.key}' has no observation y to be inverted")
    drawn = problem.draw(_SPREAD_DRAWS, torch.Generator().manual_seed(0)).y
    window = torch.tensor(problem.window, dtype=torch.float64)
    return _Map(model, problem.x, problem.y, window, drawn.std(0).clamp(min=1e-12), problem.title)


def _target(observation: Sequence[float], known: _Map) -> Tensor:
    values = checked_values(observation, known.y, error=DataError)
    return torch.tensor(values, dtype=torch.float64).to(known.window)


def _labelled(known: _Map, method: InversionMethod, found: Found, pair: tuple[int, int]) -> xr.Dataset:
    horizontal, vertical, surface = _surface(known, found, pair)
    shown = [known.x[i] if i < len(known.x) else None for i in pair]

    def numbers(values: Tensor) -> np.ndarray:
        return values.detach().cpu().double().numpy()

    window = numbers(found.question.window)
    return xr.Dataset(
        {
            "x": (("moment", "point", "input"), numbers(found.path)),
            "misfit": (
                ("moment", "point"),
                numbers(found.path_misfit),
                {"long_name": "misfit", "units": "scale of y"},
            ),
            "y": (("point", "output"), numbers(found.y)),
            "reached": ("point", found.reached.cpu().numpy()),
            "at_rest": ("point", found.at_rest.cpu().numpy()),
            "target": ("output", numbers(found.question.target)),
            "scale": ("output", numbers(found.question.scale)),
            "window": (("input", "bound"), window),
            "surface": (("vertical", "horizontal", "output"), surface),
        },
        coords={
            "moment": ("moment", found.moments.numpy(), {"long_name": "iteration"}),
            "input": [v.name for v in known.x],
            "output": [v.name for v in known.y],
            "input_label": ("input", [v.label for v in known.x]),
            "output_label": ("output", [v.label for v in known.y]),
            "horizontal": ("horizontal", horizontal),
            "vertical": ("vertical", vertical),
        },
        attrs={
            "view": "inversion",
            "title": f"{method.title} of the {known.title}",
            "method": method.key,
            "moves": int(method.moves),
            "verdict": found.verdict,
            "sentence": found.sentence,
            "tolerance": found.tolerance,
            "evaluations": found.evaluations,
            "best": found.best,
            "pair": list(pair),
            "slice": int(len(known.x) > len(shown)),
        },
    )


def _surface(known: _Map, found: Found, pair: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The network on a lattice of the pair's window through the best point; empty with a single input."""
    window = found.question.window
    if len(known.x) < 2:
        return np.empty(0), np.empty(0), np.empty((0, 0, len(known.y)))
    middles = (torch.arange(CELLS, dtype=window.dtype, device=window.device) + 0.5) / CELLS
    first, second = (window[i, 0] + (window[i, 1] - window[i, 0]) * middles for i in pair)
    points = found.x[found.best].expand(CELLS * CELLS, -1).clone()
    up, right = torch.meshgrid(second, first, indexing="ij")
    points[:, pair[0]], points[:, pair[1]] = right.reshape(-1), up.reshape(-1)
    with torch.no_grad():
        y = known.function(points).reshape(CELLS, CELLS, -1)
    values = (v.cpu().double().numpy() for v in (first, second, y))
    return tuple(values)


def distances(found: xr.Dataset) -> np.ndarray:
    """(point,) distance of each answer to the nearest other one, in half widths of the window."""
    half = 0.5 * (found["window"][:, 1] - found["window"][:, 0]).values
    x = found["x"].values[-1] / half
    away = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
    np.fill_diagonal(away, math.inf)
    return away.min(1)
