"""The learned critic beside the optimal one where both densities are known, and the accuracy of its value.

Both are log p(x | y) - log q(x | y), p of the data and q of the model. Arrays for two variables x: critic_x0,
critic_x1 (G,) in data units, critic_learned and critic_optimal (G, G) with rows along x1, at the chosen
observation, NaN where neither distribution has mass. Otherwise: critic_at_data and critic_at_model (n, 2),
the optimal and the learned log-ratio at points of both distributions. Always: critic_figures (the critic's
divergence on its own samples, on held-out ones, the true one, standard errors of the last two, value at equal
distributions). Empty where it does not apply; the note has the divergence's title.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.core.lazy import torch
from workbench.snapshots.base import VIEWS, SnapshotContext, View
from workbench.snapshots.conversions import repeat_observation
from workbench.snapshots.critic_probe import CriticProbe, critic_probe
from workbench.snapshots.density_ratio import (
    block_error,
    divergence_from_densities,
    evaluated_densities,
    has_known_densities,
    log_densities,
)
from workbench.snapshots.labelling import Axis, axis_attrs, common_attrs, number_text, pair_axes

if TYPE_CHECKING:
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment, Run

#: Where both densities are below this fraction of their peak, the log-ratio is NaN.
_MASS = 3e-3
#: Points of each distribution at which both critics are compared unless x has two variables.
_POINTS = 300
#: Log-ratios are clipped to ± this, the ends of the colour scale.
LIMIT = 4.0
#: Tolerance of a difference of divergences, the largest of: standard errors, share of the true value, nats.
ERRORS, SHARE, NATS = 3.0, 0.25, 0.02
_EDGE = 1.05 * LIMIT
#: Axes of the scatter plot that replaces the images unless x has two variables.
_RATIOS = (
    Axis(0, "optimal", "log data/model by the densities", "", -_EDGE, _EDGE),
    Axis(1, "learned", "by the critic", "", -_EDGE, _EDGE),
)


@VIEWS.register
class Critic(View):
    """Log-ratio of data and model density, learned by the critic and optimal."""

    key = "critic"
    title = "Critic"
    summary = (
        "The log-ratio log data/model that the critic has learned, beside the exact one (for other than two "
        "variables: the dotted line); and whether the critic's divergence can be trusted."
    )
    parts = ("critic", "posterior")
    position = 130
    has_sentence = True

    def applies(self, experiment: Experiment) -> bool:
        """Return True for known densities and a divergence whose critic estimates their ratio."""
        from workbench.divergences import DIVERGENCES

        problem, objective = experiment.problem, experiment.objective
        divergence = getattr(objective, "divergence", "")
        if divergence not in DIVERGENCES or not getattr(DIVERGENCES[divergence], "from_ratio", False):
            return False
        marginal = problem.shapes.y and getattr(objective, "direction", "") == "backward_marginal"
        return has_known_densities(problem, experiment.architecture.capabilities) and not marginal

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Compute log-ratios and divergence values; cheap enough for every snapshot."""
        probe = critic_probe(run)
        if probe is None or not has_known_densities(run.problem, run.model.capabilities):
            return {}
        loss: Any = run.loss
        context.notes["critic"] = loss.divergence.title
        ratios = _grid(run, context, probe) if run.model.features == 2 else _points(run, probe)
        return ratios | {"critic_figures": np.array(_figures(run, probe))}

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return ``learned`` and ``optimal`` (vertical, horizontal): log data/model within ±`LIMIT`.

        Both are NaN where neither distribution has mass. Unless x has two variables there is no image: then
        ``at_data`` and ``at_model`` (point, 2) hold the optimal and the learned log p/q at points of both
        distributions, which are the plot's horizontal and vertical axis.

        ``value`` (figure) holds the critic's divergence on its own samples, that on held-out ones, and the
        true one by the known densities. ``verdict``: red when the held-out value differs from either of the
        others by more than the tolerance, the largest of `ERRORS` standard errors, `SHARE` of the true value
        and `NATS`; amber above half of that and where the true value is not finite; green below; "unknown"
        without numbers. ``pair`` is ignored.
        """
        arrays = snapshot.arrays
        planar = len(snapshot.x) == 2
        axes = pair_axes(snapshot.x, snapshot.window, (0, 1), "x") if planar else _RATIOS
        first, second = (np.asarray(arrays.get(f"critic_x{i}", ()), dtype=np.float64) for i in range(2))
        if not first.size:
            first, second = (np.linspace(a.low, a.high, 2) for a in axes)
        blank = np.full((len(second), len(first)), np.nan)
        estimate, optimum = (
            np.clip(np.asarray(arrays.get(f"critic_{kind}", blank), dtype=np.float64), -LIMIT, LIMIT)
            for kind in ("learned", "optimal")
        )
        figures = np.asarray(arrays.get("critic_figures", np.full(6, np.nan)), dtype=np.float64)
        verdict, sentence = _verdict(figures, snapshot.notes.get("critic", ""))
        clouds = {
            f"at_{kind}": ((f"{kind}_point", "side"), _cloud(arrays.get(f"critic_at_{kind}")))
            for kind in ("data", "model")
        }
        nothing = np.empty(0)
        observation = arrays.get("observation", nothing) if snapshot.y and planar else nothing
        where = f" at y = {number_text(observation)}" if np.size(observation) else ""
        return xr.Dataset(
            {
                "learned": (("vertical", "horizontal"), estimate, {"long_name": "log p/q by the critic"}),
                "optimal": (("vertical", "horizontal"), optimum, {"long_name": "log p/q by the densities"}),
                "value": ("figure", figures[:3], {"long_name": "divergence", "units": "nats"}),
                "standard_error": ("figure", np.r_[np.nan, figures[3:5]]),
            }
            | clouds,
            coords={
                "horizontal": ("horizontal", first, {"long_name": axes[0].label}),
                "vertical": ("vertical", second, {"long_name": axes[1].label}),
                "figure": ["training", "held out", "true"],
                "side": ["optimal", "learned"],
            },
            attrs=common_attrs(snapshot, "critic", f"Critic{where}")
            | axis_attrs(*axes)
            | {
                "verdict": verdict,
                "sentence": sentence,
                "color_limits": [-LIMIT, LIMIT],
                "planar": int(planar),
            },
        )


def _grid(run: Run, context: SnapshotContext, probe: CriticProbe) -> dict[str, np.ndarray]:
    axis0, axis1 = run.evaluation_points.density_axes()
    points = torch.stack(torch.meshgrid(axis0, axis1, indexing="xy"), -1).reshape(-1, 2)
    x = run.data.standardisation.x_in(points).to(run.device, run.dtype)
    y = repeat_observation(run, context.observation, len(x))
    data, model = log_densities(run, x, y)
    empty = (data < data.max() + math.log(_MASS)) & (model < model.max() + math.log(_MASS))
    grids = (torch.where(empty, math.nan, ratio) for ratio in (probe.log_ratio(x, y), data - model))
    estimate, optimum = (grid.reshape(len(axis1), len(axis0)).numpy() for grid in grids)
    return {
        "critic_x0": axis0.numpy(),
        "critic_x1": axis1.numpy(),
        "critic_learned": estimate,
        "critic_optimal": optimum,
    }


def _points(run: Run, probe: CriticProbe) -> dict[str, np.ndarray]:
    """Return the optimal and the learned log-ratio at held-out data and at draws, each with its own y."""
    points, arrays = run.evaluation_points, {}
    y = None if points.y is None else points.y[:_POINTS]
    samples = run.model.inverse(points.z[:_POINTS], y)[0]
    for name, x in (("data", points.x[:_POINTS]), ("model", samples)):
        data, model = log_densities(run, x, y)
        arrays[f"critic_at_{name}"] = torch.stack([data - model, probe.log_ratio(x, y)], -1).numpy()
    return arrays


def _figures(run: Run, probe: CriticProbe) -> list[float]:
    loss: Any = run.loss
    points, data, divergence = run.evaluation_points, run.data, loss.divergence
    n = min(len(points.z), len(data.train_x))
    own = probe.logits_of_both(data.train_x[:n], data.train_y[:n] if data.has_y else None, points.z[:n])
    held_out = probe.logits_of_both(points.x, points.y, points.z)
    densities = evaluated_densities(run)
    true = densities and divergence_from_densities(divergence, densities, data_first=probe.data_first_in_x)
    value, error = true or (math.nan, math.nan)
    return [
        float(divergence.value(*own)),
        float(divergence.value(*held_out)),
        value,
        block_error(divergence.value, *held_out),
        error,
        divergence.at_equality,
    ]


def _cloud(points: Any) -> np.ndarray:
    cloud = np.empty((0, 2)) if points is None else np.asarray(points, dtype=np.float64)
    return np.clip(cloud[np.isfinite(cloud).all(1)], -LIMIT, LIMIT)


def _verdict(figures: np.ndarray, title: str) -> tuple[str, str]:
    own, held_out, true, held_out_error, true_error, zero = figures
    if not np.isfinite(held_out):
        return "unknown", "Not measured yet."
    values = f"{title}: {own:.3g} on its own samples, {held_out:.3g} held out"
    if not np.isfinite(true):
        return "amber", f"{values}; the true value is not finite."
    values += f", truly {true:.3g}."
    error = float(np.hypot(held_out_error, true_error))
    tolerance = max(ERRORS * error, SHARE * abs(true - zero), NATS)
    shortfall, memorisation = true - held_out, own - held_out
    worst = max(abs(shortfall), abs(memorisation)) / tolerance
    if worst <= 0.5:
        return "green", f"{values} The number can be trusted."
    reason = (
        "the critic has learned its own samples by heart"
        if abs(memorisation) > abs(shortfall)
        else "the critic's class misses part of the divergence"
        if shortfall > 0
        else "the critic finds more than there is"
    )
    return (
        ("red", f"{values} Not to be trusted: {reason}.")
        if worst > 1
        else ("amber", f"{values} Careful: {reason}.")
    )
