"""Precision and recall of the model against the data, at every trade-off λ between them.

precision α_λ = ∫ min(λp, q) = E_q min(λr, 1) = E_p min(λ, 1/r),  recall β_λ = α_λ/λ
with p of the data, q of the model, and r = p/q as a function of (x, y)

r comes from the known densities, and from a critic: the run's own where it estimates the ratio; without both,
one that is trained on half of the held-out points and evaluated on the other half. Both means, over q and
over p, are computed and averaged.

Arrays: precision_recall_known and precision_recall_critic (λ, 2), recall first, where they exist;
precision_recall_figures: iteration, 1 for the run's own critic or 0 otherwise, the objective's λ or NaN.
Source: Simon, Webster & Rabin (2019); Verine et al. (2023), arXiv:2305.18910.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.snapshots.base import VIEWS, SnapshotContext, View
from workbench.snapshots.critic_probe import critic_probe
from workbench.snapshots.density_ratio import evaluated_densities, finite_rows, joint_table
from workbench.snapshots.labelling import common_attrs

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Experiment, Run

#: λ at which the sentence for the user reports precision; it reports recall at 1/λ.
EXTREME = 20.0
#: Steps and batch size of the fresh critic, and the smallest number of points to train it on.
_STEPS, _BATCH, _FEWEST = 200, 256, 100


@VIEWS.register
class PrecisionRecall(View):
    """View of the curve of precision against recall."""

    key = "precision_recall"
    title = "Precision and recall"
    summary = (
        "How much of what is drawn looks like data (precision), and how much of the data is drawn "
        "(recall), at every trade-off; (1, 1) is perfect."
    )
    reference = "Simon, Webster & Rabin 2019; Verine et al. 2023, arXiv 2305.18910"
    parts = ("precision_recall",)
    position = 150
    has_sentence = True

    def applies(self, experiment: Experiment) -> bool:
        """Return True for a model that passes gradients through its samples."""
        return Capability.REPARAMETERISED in experiment.architecture.capabilities

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Compute the curves, by the known densities and by a critic, where there are any.

        Where a critic must be trained, its latest curve is reused unless ``context.fresh``, so that training
        takes at most a fifth of the wall time.
        """
        points, model, iteration = run.evaluation_points, run.model, run.iteration
        arrays, densities = {}, evaluated_densities(run)
        if densities is not None:
            arrays["precision_recall_known"] = curve(*densities.log_ratios)
        probe = critic_probe(run)
        if probe is not None:
            samples, _ = model.inverse(points.z, points.y)
            ratios = probe.log_ratio(points.x, points.y), probe.log_ratio(samples, points.y)
            arrays["precision_recall_critic"] = curve(*ratios)
        elif densities is None:
            fresh, iteration = points.cached_expensive(
                "precision_recall",
                run.iteration,
                lambda: (_fresh_curve(run), run.iteration),
                fresh=context.fresh,
            )
            if fresh is not None:
                arrays["precision_recall_critic"] = fresh
        trade_off = float(getattr(getattr(run.loss, "divergence", None), "trade_off", math.nan))
        figures = np.array([iteration, float(probe is not None), trade_off])
        return arrays | {"precision_recall_figures": figures}

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return the curves ``known_*``, by the known densities, and ``critic_*``, by a critic's estimate.

        Each is a pair of variables, such as ``known_recall`` and ``known_precision``, and may be empty.
        ``mark_*`` is the point at the objective's own λ, where it has one. The point (1, 1) is a perfect
        model. ``pair`` is ignored.
        """
        curves = {kind: _curve(snapshot, kind) for kind in ("known", "critic")}
        figures = np.asarray(
            snapshot.arrays.get("precision_recall_figures", np.full(3, np.nan)), dtype=np.float64
        )
        best = curves["known"] if len(curves["known"]) else curves["critic"]
        critic = "the run's critic" if figures[1] == 1 else "a fresh critic"
        mark = _nearest(best, figures[2])
        return xr.Dataset(
            {
                f"{kind}_{name}": (f"{kind}_point", curve[:, column], {"long_name": name, "units": "1"})
                for kind, curve in curves.items()
                for column, name in enumerate(("recall", "precision"))
            }
            | {"mark_recall": ("mark", mark[:, 0]), "mark_precision": ("mark", mark[:, 1])},
            attrs=common_attrs(snapshot, "precision_recall", "Precision and recall")
            | {
                "verdict": "unknown",
                "sentence": _sentence(best, critic if not len(curves["known"]) else "the known densities"),
                "critic_label": critic,
                "measured_at": int(figures[0]) if np.isfinite(figures[0]) else -1,
                "horizontal_label": "recall",
                "vertical_label": "precision",
                "horizontal_window": [-0.02, 1.04],
                "vertical_window": [-0.02, 1.04],
            },
        )


@cache
def slopes() -> Tensor:
    """Return the trade-offs λ (101,), float64: slopes of lines through the origin at evenly spaced angles."""
    return torch.linspace(0, math.pi / 2, 103, dtype=torch.float64)[1:-1].tan()


def curve(at_data: Tensor, at_model: Tensor) -> np.ndarray:
    """Return recall and precision (λ, 2) from log p/q at data points and at points of the model."""
    data, model = (ratios[~ratios.isnan()] for ratios in (at_data, at_model))
    level = slopes().log()[:, None]
    by_model = (level + model).clamp_max(0).exp().mean(-1)
    by_data = torch.minimum(level, -data).exp().mean(-1)
    precision = 0.5 * (by_model + by_data)
    return torch.stack([precision / slopes(), precision], -1).clamp(0, 1).numpy()


def _fresh_curve(run: Run) -> np.ndarray | None:
    """Train a critic on half of the held-out points; return the curve on the others, None with too few."""
    from workbench.divergences.estimate import estimate

    points = run.evaluation_points
    samples, _ = run.model.inverse(points.z, points.y)
    mask = finite_rows(samples)
    if int(mask.sum()) < _FEWEST:
        return None
    y = None if points.y is None else points.y[mask]
    data, model = joint_table(points.x[mask], y), joint_table(samples[mask], y)
    half = len(data) // 2
    with torch.enable_grad():
        estimation = estimate(
            "jensen_shannon",
            data[:half],
            model[:half],
            held_out=False,
            seed=run.experiment.seed,
            steps=_STEPS,
            batch_size=_BATCH,
            warn=False,
        )
    critic: Any = estimation.critic
    return curve(critic(data[half:]), critic(model[half:]))


def _curve(snapshot: SnapshotLike, kind: str) -> np.ndarray:
    points = snapshot.arrays.get(f"precision_recall_{kind}", np.empty((0, 2)))
    return np.asarray(points, dtype=np.float64).reshape(-1, 2)


def _nearest(curve: np.ndarray, trade_off: float) -> np.ndarray:
    """Return the curve's point (1, 2) nearest to precision = λ recall; (0, 2) without a curve or a λ."""
    if not len(curve) or not math.isfinite(trade_off):
        return np.empty((0, 2))
    angle = np.arctan2(curve[:, 1], curve[:, 0])
    return curve[[int(np.abs(angle - math.atan(trade_off)).argmin())]]


def _sentence(curve: np.ndarray, source: str) -> str:
    if not len(curve):
        return "Not measured yet."
    precision = _nearest(curve, EXTREME)[0, 1]
    recall = _nearest(curve, 1 / EXTREME)[0, 0]
    both = float(curve.min(axis=1).max())
    return (
        f"By {source}: precision {precision:.2f} (draws that look like data), recall {recall:.2f} (data that "
        f"is drawn), both at once {both:.2f}."
    )
