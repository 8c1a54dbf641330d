"""How far a round trip through the network misses, both ways, and how many latents it loses."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import common_attrs

#: A point whose round trip misses by more than this (standardised units) has lost its code.
LOST = 1e-3
#: Green: nothing lost and half of all round trips at least this close. Amber: at most this share is lost.
GREEN_MEDIAN, AMBER_SHARE = 1e-4, 0.01
#: Bins over the decimal logarithm of the error.
LOG_EDGES = np.linspace(-9.0, 1.0, 41)
DIRECTIONS = {"xzx": "x → z → x", "zxz": "z → x → z"}


def invertibility(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """Errors of both round trips as numbers, a histogram over log10(error) and a verdict.

    ``largest``, ``median`` and ``lost_share`` (direction) are in standardised units; an error that is not
    finite counts as lost. ``verdict``: green when no point is lost (error over 1e-3) and the median is at
    most 1e-4; amber when at most 1 % are lost; red otherwise; "unknown" without numbers. ``pair`` is
    accepted so that every view is called alike.
    """
    errors = [
        np.asarray(snapshot.arrays.get(f"invertibility_{d}", ()), dtype=np.float64).ravel()
        for d in DIRECTIONS
    ]
    return round_trips(errors, common_attrs(snapshot, "invertibility", "Round trips through the network"))


def round_trips(errors: list[np.ndarray], attrs: dict[str, Any]) -> xr.Dataset:
    """The Dataset of two error samples, x → z → x first; shared with the judged diagnostic."""
    figures = np.asarray([_figures(e) for e in errors])
    verdict = _verdict(figures)
    share = np.asarray([_histogram(e) for e in errors])
    return xr.Dataset(
        {
            "share": (("direction", "bin"), share, {"long_name": "share of points"}),
            "largest": (
                "direction",
                figures[:, 0],
                {"long_name": "largest error", "units": "standard deviations"},
            ),
            "median": (
                "direction",
                figures[:, 1],
                {"long_name": "median error", "units": "standard deviations"},
            ),
            "lost_share": ("direction", figures[:, 2], {"long_name": f"share with an error over {LOST:g}"}),
        },
        coords={
            "direction": list(DIRECTIONS),
            "direction_label": ("direction", list(DIRECTIONS.values())),
            "log_error": ("bin", 0.5 * (LOG_EDGES[1:] + LOG_EDGES[:-1]), {"long_name": "log10 of the error"}),
        },
        attrs=attrs
        | {
            "verdict": verdict,
            "sentence": _sentence(verdict, figures),
            "threshold": LOST,
            "horizontal_label": "log₁₀ of the error, standardised",
            "vertical_label": "share below this error",
            "horizontal_window": [float(LOG_EDGES[0]), float(LOG_EDGES[-1])],
            "vertical_window": [-0.03, 1.03],
        },
    )


def _figures(error: np.ndarray) -> tuple[float, float, float]:
    if not error.size:
        return np.nan, np.nan, np.nan
    full = np.where(np.isfinite(error), error, np.inf)
    return float(full.max()), float(np.median(full)), float((full > LOST).mean())


def _histogram(error: np.ndarray) -> np.ndarray:
    if not error.size:
        return np.zeros(len(LOG_EDGES) - 1)
    finite = np.where(np.isfinite(error), error, np.inf)
    with np.errstate(divide="ignore"):
        inside = np.clip(np.log10(finite), LOG_EDGES[0], LOG_EDGES[-1])
    return np.histogram(inside, bins=LOG_EDGES)[0] / error.size


def _verdict(figures: np.ndarray) -> str:
    if not np.isfinite(figures[:, 2]).any():
        return "unknown"
    lost, median = np.nanmax(figures[:, 2]), np.nanmax(figures[:, 1])
    if lost == 0 and median <= GREEN_MEDIAN:
        return "green"
    return "amber" if lost <= AMBER_SHARE else "red"


def _sentence(verdict: str, figures: np.ndarray) -> str:
    if verdict == "unknown":
        return "Not measured yet."
    lost, largest = np.nanmax(figures[:, 2]), np.nanmax(figures[:, 0])
    share = f"{100 * lost:.3g} % of the points are lost" if lost else "no point is lost"
    return f"Largest round-trip error {largest:.1e} standard deviations; {share}."
