"""Shared parts of the studies `moments` and `realisable_moments`: Pareto data, distances of samples, columns.

W1        1-Wasserstein distance between sorted samples. Where the mean is infinite so is the true value, and
          the number printed is that of n draws
Floor     W1 between two independent samples of the data: the W1 that an exact model would reach with n
          draws. It falls as the tail index α rises
Relative  W1 over the mean absolute deviation of the data: the spread rises as α falls, and W1 with it
Bulk      W1 between the quantiles 1 % and 99 %, also relative
Tail      99.9 % quantile of the draws over that of the data: below one, the tail is too light
Exponent  of the theorem's bound on W1 by a power of the loss, which tends to (α − 1) / (2α)

Source: VINA, arXiv:2602.20480, section 4.1.6.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch
from workbench.core.shapes import Shapes
from workbench.studies import catalogues
from workbench.studies.base import Column
from workbench.studies.cell_means import grouped

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.core.model import Model

COLUMNS = (
    Column("w1", "W1", "", "low"),
    Column("w1_floor", "floor", "", "low"),
    Column("w1_relative", "relative", "", "low"),
    Column("floor_relative", "floor, relative"),
    Column("w1_bulk", "bulk", "", "low"),
    Column("tail", "99.9 % quantile, made over true"),
    Column("exponent", "exponent of the bound"),
    Column("training_seconds", "training", "s", "low"),
)
#: Levels at which a cell's quantiles are stored, finer towards the upper end.
LEVELS = 1 - np.geomspace(1.0, 1e-4, 101)


def pareto(n: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draw (n, 1) from the Pareto distribution with density α / x^(α + 1) for x ≥ 1."""
    return catalogues.PROBLEMS.make("pareto", alpha=alpha).draw(n, generator).x[:, :1].float()


def build(key: str, settings: dict[str, Any], features: int, seed: int) -> Model:
    """Build a network of ``features`` components that is not conditioned on y, in training mode, with
    initial weights from ``seed``."""
    with global_numbers(seed):
        return catalogues.ARCHITECTURES.make(key, **settings).build(Shapes(features, 0))


def exponent(alpha: float) -> float:
    """Exponent (α − 1) / (2α) of the bound on W1: the limit of a / (2 (1 + a)) for moments of order 1 + a
    < α; NaN for α ≤ 1, where there is no a > 0."""
    return (alpha - 1) / (2 * alpha) if alpha > 1 else math.nan


def distances(truth: Tensor, again: Tensor, draws: Tensor) -> dict[str, float]:
    """Return the columns from ``w1`` to ``tail`` by name, from samples (n,) of the data (``truth``), a second
    sample of the data (``again``, for the floor) and draws of the network; values that are not finite count
    as infinite."""
    truth, again, draws = (s.nan_to_num(math.inf).sort().values for s in (truth, again, draws))
    deviation = float((truth - truth.median()).abs().mean())
    apart, floor = (truth - draws).abs(), float((truth - again).abs().mean())
    inner = slice(len(truth) // 100, len(truth) - len(truth) // 100)
    last = int(0.999 * (len(truth) - 1))
    return {
        "w1": float(apart.mean()),
        "w1_floor": floor,
        "w1_relative": float(apart.mean()) / deviation,
        "floor_relative": floor / deviation,
        "w1_bulk": float(apart[inner].mean()) / deviation,
        "tail": float(draws[last] / truth[last]),
    }


def cell_dataset(
    samples: tuple[Tensor, Tensor, Tensor], alpha: float, seconds: float, losses: list[float]
) -> xr.Dataset:
    """Return a cell's Dataset from ``samples``: the data, a second sample of the data, and draws of the
    network, (n,) each.

    It holds the columns, the quantiles (2, 101) of data and draws, and at most 60 points of the training
    loss.
    """
    import xarray as xr

    truth, again, draws = samples
    numbers = distances(truth, again, draws) | {"exponent": exponent(alpha)}
    both = np.quantile(torch.stack([truth, draws]).nan_to_num(math.inf).numpy(), LEVELS, axis=1).T
    return xr.Dataset(
        {name: ((), value) for name, value in numbers.items()}
        | {
            "quantiles": (("law", "level"), both.astype(np.float32)),
            "training_seconds": ((), seconds),
            "curve_training": ("point", thinned(losses)),
        }
    )


def thinned(values: list[float], count: int = 60) -> list[float]:
    """Every k-th value, with k such that at most ``count`` remain."""
    return values[:: max(1, len(values) // count)][:count]


def trend(data: xr.Dataset, title: str, **where: Any) -> str:
    """Return a sentence on the change of W1 with α > 1, absolute and relative to the width of the data;
    empty for fewer than three values of α."""
    from scipy.stats import spearmanr

    names = ("w1", "w1_relative", "floor_relative", "tail")
    w1, relative, floor, tail = (
        {a: v for a, v in grouped(data, name, "alpha", **where).items() if a > 1} for name in names
    )
    if len(w1) < 3 or not w1.keys() == relative.keys() == floor.keys() == tail.keys():
        return ""
    first, last = min(w1), max(w1)
    raw, plain = (spearmanr(list(v), list(v.values())).statistic for v in (w1, relative))
    return (
        f"{title}: W1 goes from {w1[first]:.3g} at α = {first:g} to {w1[last]:.3g} at α = {last:g} (rank "
        f"correlation with α {raw:+.2f}), relative to the width of the data from {relative[first]:.3g} to "
        f"{relative[last]:.3g} ({plain:+.2f}), where two samples of the data differ by {floor[first]:.3g} to "
        f"{floor[last]:.3g}. At α = {first:g} the 99.9 % quantile of the draws is {tail[first]:.2g} times "
        "that of the data."
    )
