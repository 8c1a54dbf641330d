"""Inversion of trained forward networks: inputs x with a given image y, with names and units."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.capability import Capability
from workbench.core.entries import public
from workbench.core.errors import DataError, IncompatibleError, SpecError
from workbench.core.lazy import torch
from workbench.core.observation import checked_values
from workbench.core.scale import column_scale, nonzero

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.inference.fitted_model import FittedModel
    from workbench.inversion import ForwardNetwork, Found, InversionMethod
    from workbench.problems import Problem
    from workbench.training import Run

#: Points along each side of the plane on which the network is evaluated for plots.
CELLS = 81
#: Half width of the searched and plotted range of x, in standard deviations about the mean of the data.
_WINDOW = 3.0
#: Number of draws from a problem whose standard deviation is the scale of y.
_SCALE_DRAWS = 2000


@dataclass(frozen=True)
class _ForwardMap:
    """A forward map x -> y with its variables.

    ``window`` (D, 2) is the searched and plotted range of x, ``scale`` (M,) the unit of misfits in y.
    """

    function: Callable[[Tensor], Tensor]
    x: tuple[Variable, ...]
    y: tuple[Variable, ...]
    window: Tensor
    scale: Tensor
    title: str


@public
def invert(
    model: ForwardNetwork | FittedModel | Run | Problem | Callable[[Tensor], Tensor],
    observation: Sequence[float],
    *,
    method: str | InversionMethod = "gradient",
    problem: Problem | None = None,
    pair: tuple[int, int] = (0, 1),
    seed: int = 0,
    **settings: Any,
) -> xr.Dataset:
    """Search for inputs x whose image under a trained network is ``observation``.

    Parameters
    ----------
    model : a `ForwardNetwork`; a run or a `FittedModel` that predicts y (an INN); a `Problem` that simulates
        without noise, which is then inverted itself; or, with ``problem``, any callable (n, D) -> (n, M).
    method : key of an inversion method, with ``settings``; or an instance of `InversionMethod`.
    pair : indices of two inputs; on the plane of both through the best point the network is evaluated for
        plots.
    seed : seed of the search.

    Returns
    -------
    A Dataset with ``x`` (moment, point, input) and ``misfit`` (moment, point), where moments are the recorded
    iterations; for the final x, ``y`` (point, output), ``reached`` (the misfit is within tolerance) and
    ``at_rest`` (no nearby point has a smaller one); ``surface`` (vertical, horizontal, output) is the
    network's output on the plane of the pair. ``verdict`` and ``sentence`` are attributes.

    Raises `SpecError` for a bad method, pair or model, `DataError` for an observation that does not fit, and
    `IncompatibleError` for a model or problem that does not predict y.
    """
    from workbench.inversion import INVERSION, Question

    if isinstance(method, str):
        method = INVERSION.make(method, **settings)
    elif settings:
        raise SpecError("Settings go with the key of a method", found=", ".join(settings))
    forward = _forward_map(model, problem)
    values = checked_values(observation, forward.y, error=DataError)
    target = torch.tensor(values, dtype=torch.float64).to(forward.window)
    bounds = torch.tensor([[v.low, v.high] for v in forward.x], dtype=torch.float64).to(forward.window)
    question = Question(target, forward.window, bounds, forward.scale)
    if not 0 <= min(pair) <= max(pair) < max(len(forward.x), 2) or pair[0] == pair[1]:
        raise SpecError("The pair names two inputs", expected=f"0 to {len(forward.x) - 1}", found=str(pair))
    return _dataset(forward, method, method.search(forward.function, question, seed=seed), pair)


def _forward_map(model: Any, problem: Problem | None) -> _ForwardMap:
    from workbench.inference import FittedModel
    from workbench.inversion import ForwardNetwork
    from workbench.problems import Problem

    model = getattr(model, "fitted", model)
    if isinstance(model, ForwardNetwork):
        scale, window = model.scale_y, torch.tensor(model.window, dtype=torch.float64)
        return _ForwardMap(model, model.x, model.y, window.to(scale), scale, "forward network")
    if isinstance(model, FittedModel):
        if Capability.FORWARD not in model.capabilities:
            raise IncompatibleError(
                "Inverting needs a network that predicts y from x",
                found="a model that does not",
                suggestion="train the architecture 'inn', or a forward network with train_forward",
            )
        window = model.standardisation.window_x(_WINDOW)
        range_y = model.standardisation.window_y(1.0)
        scale = nonzero(0.5 * (range_y[:, 1] - range_y[:, 0])).to(window)
        return _ForwardMap(model.predict, model.x, model.y, window, scale, "trained model")
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
    scale = column_scale(problem.draw(_SCALE_DRAWS, torch.Generator().manual_seed(0)).y)
    window = torch.tensor(problem.window, dtype=torch.float64)
    return _ForwardMap(model, problem.x, problem.y, window, scale, problem.title)


def _dataset(
    forward: _ForwardMap, method: InversionMethod, result: Found, pair: tuple[int, int]
) -> xr.Dataset:
    import xarray as xr

    horizontal, vertical, surface = _surface(forward, result, pair)

    def numbers(values: Tensor) -> np.ndarray:
        return values.detach().cpu().double().numpy()

    return xr.Dataset(
        {
            "x": (("moment", "point", "input"), numbers(result.path)),
            "misfit": (
                ("moment", "point"),
                numbers(result.path_misfit),
                {"long_name": "misfit", "units": "scale of y"},
            ),
            "y": (("point", "output"), numbers(result.y)),
            "reached": ("point", result.reached.cpu().numpy()),
            "at_rest": ("point", result.at_rest.cpu().numpy()),
            "target": ("output", numbers(result.question.target)),
            "scale": ("output", numbers(result.question.scale)),
            "window": (("input", "bound"), numbers(result.question.window)),
            "surface": (("vertical", "horizontal", "output"), surface),
        },
        coords={
            "moment": ("moment", result.moments.numpy(), {"long_name": "iteration"}),
            "input": [v.name for v in forward.x],
            "output": [v.name for v in forward.y],
            "input_label": ("input", [v.label for v in forward.x]),
            "output_label": ("output", [v.label for v in forward.y]),
            "horizontal": ("horizontal", horizontal),
            "vertical": ("vertical", vertical),
        },
        attrs={
            "view": "inversion",
            "title": f"{method.title} of the {forward.title}",
            "method": method.key,
            "moves": int(method.moves),
            "verdict": result.verdict,
            "sentence": result.sentence,
            "tolerance": result.tolerance,
            "evaluations": result.evaluations,
            "best": result.best,
            "pair": list(pair),
            "slice": int(len(forward.x) > len(pair)),
        },
    )


def _surface(
    forward: _ForwardMap, result: Found, pair: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evaluate the network on a grid over the searched range of the inputs ``pair``, other inputs fixed.

    Inputs outside the pair have the values of the best point found. Returns the first input's values, the
    second's (CELLS,), and y (CELLS, CELLS, M) with the second input along the first axis; empty arrays for
    a network with a single input.
    """
    window = result.question.window
    if len(forward.x) < 2:
        return np.empty(0), np.empty(0), np.empty((0, 0, len(forward.y)))
    middles = (torch.arange(CELLS, dtype=window.dtype, device=window.device) + 0.5) / CELLS
    first, second = (window[i, 0] + (window[i, 1] - window[i, 0]) * middles for i in pair)
    points = result.x[result.best].expand(CELLS * CELLS, -1).clone()
    up, right = torch.meshgrid(second, first, indexing="ij")
    points[:, pair[0]], points[:, pair[1]] = right.reshape(-1), up.reshape(-1)
    with torch.no_grad():
        y = forward.function(points).reshape(CELLS, CELLS, -1)
    horizontal, vertical, surface = (v.cpu().double().numpy() for v in (first, second, y))
    return horizontal, vertical, surface


@public
def distances(inversion: xr.Dataset) -> np.ndarray:
    """Return the distance (point,) of each x found by `invert` to the nearest other one.

    The unit is half the width of the searched range of each input.
    """
    half = 0.5 * (inversion["window"][:, 1] - inversion["window"][:, 0]).values
    x = inversion["x"].values[-1] / half
    separation = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
    np.fill_diagonal(separation, math.inf)
    return separation.min(1)
