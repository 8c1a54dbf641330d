"""What the two studies of finite moments share: Pareto laws, the distance between samples, and the columns.

W1        between sorted samples. Where the mean is infinite so is the true value, and what is printed is that
          of so many draws
Floor     W1 of two samples of the data, which already falls with α by itself
Relative  W1 over the mean absolute deviation of the data: the spread rises as α falls, and W1 with it
Bulk      W1 between the quantiles 1 % and 99 %, relative as well
Tail      99.9 % quantile of the draws over that of the data: below one, the tail is too light
Exponent  of the bound on W1 by the loss, which tends to (α − 1) / (2α)
Source: VINA, arXiv:2602.20480, section 4.1.6.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import xarray as xr
from scipy.stats import spearmanr
from torch import Tensor

from workbench.architectures import ARCHITECTURES
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.problems import PROBLEMS
from workbench.studies.base import Column
from workbench.studies.cell_means import grouped

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
#: Quantile levels of a cell's curve, finer towards the upper end.
LEVELS = 1 - np.geomspace(1.0, 1e-4, 101)


def pareto(n: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Draws (n, 1) of the law with density α / x^(α + 1) for x ≥ 1."""
    return PROBLEMS.make("pareto", alpha=alpha).draw(n, generator).x[:, :1].float()


def build(key: str, settings: dict, features: int, seed: int) -> Model:
    """A network without an observation, in training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES.make(key, **settings).build(Shapes(features, 0))


def exponent(alpha: float) -> float:
    """a / (2 (1 + a)) in the limit a → α − 1; NaN where there is no such a > 0."""
    return (alpha - 1) / (2 * alpha) if alpha > 1 else math.nan


def distances(truth: Tensor, again: Tensor, made: Tensor) -> dict[str, float]:
    """W1 of samples (n,) in all its forms; ``again`` is a second sample of the truth. Infinite where a draw
    is not finite."""
    truth, again, made = (s.nan_to_num(math.inf).sort().values for s in (truth, again, made))
    deviation = float((truth - truth.median()).abs().mean())
    apart, floor = (truth - made).abs(), float((truth - again).abs().mean())
    inner = slice(len(truth) // 100, len(truth) - len(truth) // 100)
    last = int(0.999 * (len(truth) - 1))
    return {
        "w1": float(apart.mean()),
        "w1_floor": floor,
        "w1_relative": float(apart.mean()) / deviation,
        "floor_relative": floor / deviation,
        "w1_bulk": float(apart[inner].mean()) / deviation,
        "tail": float(made[last] / truth[last]),
    }


def measured(truth: Tensor, again: Tensor, made: Tensor, alpha: float) -> dict:
    """A cell's variables from samples (n,): the columns, and the quantiles (2, 101) of truth and draws."""
    numbers = distances(truth, again, made) | {"exponent": exponent(alpha)}
    both = np.quantile(torch.stack([truth, made]).nan_to_num(math.inf).numpy(), LEVELS, axis=1).T
    return {name: ((), value) for name, value in numbers.items()} | {
        "quantiles": (("law", "level"), both.astype(np.float32))
    }


def trend(data: xr.Dataset, title: str, **where) -> str:
    """Whether W1 falls with α > 1, and whether it still does when the width of the data is taken out; empty
    below three points."""
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
