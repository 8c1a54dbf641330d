"""Precision and recall of the model at every trade-off λ.

precision α_λ = ∫ min(λp, q) = E_q min(λr, 1) = E_p min(λ, 1/r),  recall β_λ = α_λ/λ,  r = p/q of (x, y)

r comes from the known densities, and from a critic: the run's own where it knows the ratio; where neither is
there, one that is trained for this on half of the held-out points and asked on the other half. Both means
are taken and averaged. Arrays: precision_recall_known and precision_recall_critic (λ, 2), recall first, where
they exist; precision_recall_figures (iteration, own critic 1 or fresh one 0, the objective's λ or NaN).
Source: Simon, Webster & Rabin (2019); Verine et al. (2023), arXiv:2305.18910.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from workbench.divergences import estimate
from workbench.snapshots.critic_probe import judge
from workbench.snapshots.density_ratio import finite_rows, joined, sides

#: Trade-offs as slopes of lines through the origin, at even angles.
ANGLES = torch.linspace(0, math.pi / 2, 103, dtype=torch.float64)[1:-1]
_STEPS, _BATCH, _FEWEST = 200, 256, 100


def precision_recall(run, look) -> dict[str, np.ndarray]:
    """The curves; a critic of their own is trained at most a fifth of the time of a live page."""
    divergence = getattr(run.loss, "divergence", None)
    found, known = {}, sides(run)
    if known is not None:
        found["precision_recall_known"] = curve(*known.log_ratios)
    asked = judge(run)
    if asked is not None:
        made, _ = run.model.inverse(run.evaluation_points.z, run.evaluation_points.y)
        seen = (
            asked.log_ratio(run.evaluation_points.x, run.evaluation_points.y),
            asked.log_ratio(made, run.evaluation_points.y),
        )
        found["precision_recall_critic"] = curve(*seen)
        when = run.iteration
    elif known is None:
        fresh, when = run.evaluation_points.cached_expensive(
            "precision_recall", run.iteration, lambda: (_fresh(run), run.iteration), fresh=look.fresh
        )
        if fresh is not None:
            found["precision_recall_critic"] = fresh
    else:
        when = run.iteration
    trade_off = float(getattr(divergence, "trade_off", math.nan))
    return found | {"precision_recall_figures": np.array([when, float(asked is not None), trade_off])}


def curve(at_data: Tensor, at_model: Tensor) -> np.ndarray:
    """(λ, 2) recall and precision from L = log p/q at data points and at points of the model."""
    kept = [side[~side.isnan()] for side in (at_data, at_model)]
    level = ANGLES.tan().log()[:, None]
    by_model = (level + kept[1]).clamp_max(0).exp().mean(-1)
    by_data = torch.minimum(level, -kept[0]).exp().mean(-1)
    precision = 0.5 * (by_model + by_data)
    recall = precision / ANGLES.tan()
    return torch.stack([recall, precision], -1).clamp(0, 1).numpy()


def _fresh(run) -> np.ndarray | None:
    """By a critic that is trained on one half of the held-out points and asked on the other."""
    eyes = run.evaluation_points
    made, _ = run.model.inverse(eyes.z, eyes.y)
    kept = finite_rows(made)
    if int(kept.sum()) < _FEWEST:
        return None
    y = None if eyes.y is None else eyes.y[kept]
    data, model = joined(eyes.x[kept], y), joined(made[kept], y)
    half = len(data) // 2
    with torch.enable_grad():
        ruled = estimate(
            "jensen_shannon",
            data[:half],
            model[:half],
            held_out=False,
            seed=run.experiment.seed,
            steps=_STEPS,
            batch_size=_BATCH,
        )
    return curve(ruled.critic(data[half:]), ruled.critic(model[half:]))
