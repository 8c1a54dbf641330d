"""The learned critic beside the optimal one, where both densities are known.

Arrays: for planar problems critic_x0, critic_x1 (G,) in data units, critic_learned and critic_optimal (G, G)
with rows along x1, log p(x | y) - log q(x | y) at the observation, NaN where neither law has mass; for others
critic_at_data and critic_at_model (n, 2), the optimal and the learned log-ratio at points of both laws;
critic_figures (value on the critic's own samples, held out, true, standard errors of the last two, value at
equal laws). Empty where it does not apply; the note has the divergence's title.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from workbench.snapshots.arrays.common import conditions
from workbench.snapshots.critic_probe import judge
from workbench.snapshots.density_ratio import (
    block_error,
    from_densities,
    knows_densities,
    log_densities,
    sides,
)
from workbench.training.evaluation_points import GRID

#: Where both densities are below this share of their peak, the ratio concerns nobody.
_MASS = 3e-3
#: Points of each law at which the two are compared beyond the plane.
_POINTS = 300


def critic(run, look) -> dict[str, np.ndarray]:
    """Grid and figures; computed at each look, since it costs one pass over some thousand points."""
    asked = judge(run)
    if asked is None or not knows_densities(run.problem, run.model.capabilities):
        return {}
    divergence = run.loss.divergence
    look.notes["critic"] = divergence.title
    shown = _grid(run, look, asked) if run.model.features == 2 else _points(run, asked)
    return shown | {"critic_figures": np.array(_figures(run, asked, divergence))}


def _grid(run, look, asked) -> dict[str, np.ndarray]:
    axis0, axis1 = run.evaluation_points.density_axes()
    points = torch.stack(torch.meshgrid(axis0, axis1, indexing="xy"), -1).reshape(-1, 2)
    x = run.data.standardisation.x_in(points).to(run.device, run.dtype)
    y = conditions(run, look.observation, len(x))
    data, model = log_densities(run, x, y)
    learned = asked.log_ratio(x, y)
    empty = (data < data.max() + math.log(_MASS)) & (model < model.max() + math.log(_MASS))
    grids = (torch.where(empty, math.nan, found) for found in (learned, data - model))
    learned, optimal = (found.reshape(GRID, GRID).numpy() for found in grids)
    return {
        "critic_x0": axis0.numpy(),
        "critic_x1": axis1.numpy(),
        "critic_learned": learned,
        "critic_optimal": optimal,
    }


def _points(run, asked) -> dict[str, np.ndarray]:
    """At held-out data and at draws, each with its own y."""
    eyes, found = run.evaluation_points, {}
    y = None if eyes.y is None else eyes.y[:_POINTS]
    made = run.model.inverse(eyes.z[:_POINTS], y)[0]
    for name, x in (("data", eyes.x[:_POINTS]), ("model", made)):
        data, model = log_densities(run, x, y)
        found[f"critic_at_{name}"] = torch.stack([data - model, asked.log_ratio(x, y)], -1).numpy()
    return found


def _figures(run, asked, divergence) -> list[float]:
    eyes, data = run.evaluation_points, run.data
    n = min(len(eyes.z), len(data.train_x))
    own = asked.value(data.train_x[:n], data.train_y[:n] if data.has_y else None, eyes.z[:n])
    held_out = asked.value(eyes.x, eyes.y, eyes.z)
    true = from_densities(divergence, sides(run), data_first=asked.data_first_in_x) or (math.nan,) * 2
    return [
        float(divergence.value(*own)),
        float(divergence.value(*held_out)),
        true[0],
        block_error(divergence.value, *held_out),
        true[1],
        divergence.at_equality,
    ]
