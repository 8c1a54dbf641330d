"""A number for each observation as a cumulative share: the model's beside that of an exact one."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

from workbench.plots.style import (
    FIGURE,
    KNOWN,
    LEGEND,
    MODEL,
    NEUTRAL,
    axes,
    hold_still,
    joined,
    line,
    register,
)

NOTHING = np.empty(0)

register(
    hv.opts.Curve("BesideModel", color=MODEL, line_width=2),
    hv.opts.Curve("BesideExact", color=KNOWN, line_width=2, line_dash="dashed"),
    hv.opts.Curve("BesideMark", color=NEUTRAL, line_width=1.5, line_dash="dotted"),
    hv.opts.Overlay("Beside", hooks=[hold_still], **FIGURE, **LEGEND),
)


def posterior_mmd(data: xr.Dataset) -> hv.Overlay:
    """MMD² of the model's posterior to the exact one, dashed of two exact sets."""
    model, exact = data["error_by_observation"].values, data["floor_by_observation"].values
    return shares(data, "posterior_mmd", "MMD² to the exact posterior", model, exact)


def posterior_wasserstein(data: xr.Dataset) -> hv.Overlay:
    """W2 of the model's posterior to the exact one, dashed of two exact sets."""
    model, exact = data["error_by_observation"].values, data["floor_by_observation"].values
    label = "W2 to the exact posterior, in its deviations"
    return shares(data, "posterior_wasserstein", label, model, exact)


def posterior_c2st(data: xr.Dataset) -> hv.Overlay:
    """Accuracy of the classifier at each observation; the dotted line cannot tell."""
    model = data["c2st_by_observation"].values
    return shares(data, "posterior_c2st", "C2ST", model, mark=0.5, window=(0.4, 1.0))


def local_c2st(data: xr.Dataset) -> hv.Overlay:
    """How far the classifier's probability is from 1/2 at each observation, dashed for swapped labels."""
    label = "mean |P − 1/2|"
    return shares(data, "local_c2st", label, data["bias"].values, data["chance"].values, window=(0.0, 0.5))


def resimulation_error(data: xr.Dataset) -> hv.Overlay:
    """Squared distance of resimulated observations; dotted: what an exact posterior scores on average."""
    model = data["error_by_observation"].values if "error_by_observation" in data else NOTHING
    mark = float(data["floor"]) if "floor" in data else np.nan
    return shares(data, "resimulation_error", "squared distance in y", model, mark=mark)


def lipschitz(data: xr.Dataset) -> hv.Overlay:
    """Decimal logarithms of the slopes: solid from x to the latent, dashed back."""
    with np.errstate(divide="ignore"):
        forward, back = (np.log10(data[f"{way}_slope"].values) for way in ("forward", "inverse"))
    names = ("x → z", "z → x")
    return shares(data, "lipschitz", "log₁₀ of the steepest slope", forward, back, names=names)


def out_of_distribution(data: xr.Dataset) -> hv.Overlay:
    """p values of fresh observations, which should follow the diagonal or stay below it; dotted: this one."""
    grid = np.linspace(0, 1, 50)
    names, mark = ("fresh ones", "uniform"), float(data["p"])
    label = "p value of an observation"
    fresh = data["fresh_p"].values
    return shares(data, "out_of_distribution", label, fresh, grid, mark=mark, window=(0, 1), names=names)


def shares(
    data: xr.Dataset,
    prefix: str,
    label: str,
    model: np.ndarray,
    exact: np.ndarray = NOTHING,
    *,
    mark: float = np.nan,
    window: tuple[float, float] | None = None,
    names: tuple[str, str] = ("model", "exact"),
) -> hv.Overlay:
    """Cumulative shares of two sets of numbers (n,), either of which may be empty, and a dotted line."""
    known = np.concatenate([model, exact, [mark]])
    known = known[np.isfinite(known)]
    if window is None:
        low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
        room = 0.05 * (high - low) or 0.5
        window = (low - room, high + room)
    sides = axes(prefix, (label, "share of observations"), (window, (-0.03, 1.03)))
    parts = [
        line(*_steps(model, window), sides, "BesideModel", names[0]),
        line(*_steps(exact, window), sides, "BesideExact", names[1]),
        line([mark, mark], [0, 1], sides, "BesideMark", "marked"),
    ]
    return joined(parts, data, "Beside")


def _steps(values: np.ndarray, window: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The empirical distribution function as a line of steps across the window."""
    values = np.sort(values[np.isfinite(values)])
    if not len(values):
        return np.full(2, np.nan), np.full(2, np.nan)
    share = np.arange(len(values) + 1) / len(values)
    return np.r_[window[0], np.repeat(values, 2), window[1]], np.repeat(share, 2)
