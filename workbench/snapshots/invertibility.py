"""Errors of round trips through the network in both directions, and the share of points that it loses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.core.capability import Capability
from workbench.snapshots.base import VIEWS, SnapshotContext, View
from workbench.snapshots.conversions import to_numpy
from workbench.snapshots.labelling import common_attrs

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Run

#: Number of points that are sent through the network in each direction.
POINTS = 128
#: Error of a round trip (standardised units) beyond which a point counts as lost.
LOST = 1e-3
#: Largest median error of a green verdict, and largest share of lost points of an amber one.
GREEN_MEDIAN, AMBER_SHARE = 1e-4, 0.01
#: Bins over the decimal logarithm of the error.
LOG_EDGES = np.linspace(-9.0, 1.0, 41)
DIRECTIONS = {"xzx": "x → z → x", "zxz": "z → x → z"}


@VIEWS.register
class Invertibility(View):
    """View of the errors of x → z → x and z → x → z.

    Arrays invertibility_xzx and invertibility_zxz (N,): largest component of each point's error,
    standardised.
    """

    key = "invertibility"
    title = "Round trips"
    summary = "Errors of round trips through the network: x → z → x and z → x → z."
    parts = ("invertibility",)
    needs_model = frozenset({Capability.LATENT})
    position = 90

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Map held-out data to latents and back, and latents to data and back; return the errors."""
        if Capability.LATENT not in run.model.capabilities:
            return {}
        points = run.evaluation_points
        x, z = points.x[:POINTS], points.z[:POINTS]
        y = None if points.y is None else points.y[:POINTS]
        code, _ = run.model.latent(x, y)
        back, _ = run.model.inverse(code, _own_y(run, x, y))
        samples, _ = run.model.inverse(z, y)
        again, _ = run.model.latent(samples, y)
        return {
            "invertibility_xzx": to_numpy((back - x).abs().amax(-1)),
            "invertibility_zxz": to_numpy((again - z).abs().amax(-1)),
        }

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return the errors of both round trips as numbers, a histogram over log10(error) and a verdict.

        ``largest`` and ``median`` error (direction) are in standardised units; ``lost_share`` is the share of
        points with an error over 1e-3 or not finite. ``verdict``: green when no point is lost and the median
        is at most 1e-4; amber when at most 1 % are lost; red otherwise; "unknown" without numbers. ``pair``
        is ignored.
        """
        errors = [
            np.asarray(snapshot.arrays.get(f"invertibility_{d}", ()), dtype=np.float64).ravel()
            for d in DIRECTIONS
        ]
        return round_trips(errors, common_attrs(snapshot, "invertibility", "Round trips through the network"))


def _own_y(run: Run, x: Tensor, y: Tensor | None) -> Tensor | None:
    """Return the y with which T⁻¹ recovers x: predicted if the network outputs [y, z], else the data's."""
    model: Any = run.model
    return model.predict(x) if Capability.FORWARD in model.capabilities else y


def round_trips(errors: Sequence[np.ndarray], attrs: dict[str, Any]) -> xr.Dataset:
    """Return the Dataset for two samples of errors, x → z → x first.

    The view and the diagnostic check ``invertibility`` share it.
    """
    statistics = np.asarray([_statistics(e) for e in errors])
    verdict = _verdict(statistics)
    share = np.asarray([_histogram(e) for e in errors])
    return xr.Dataset(
        {
            "share": (("direction", "bin"), share, {"long_name": "share of points"}),
            "largest": (
                "direction",
                statistics[:, 0],
                {"long_name": "largest error", "units": "standard deviations"},
            ),
            "median": (
                "direction",
                statistics[:, 1],
                {"long_name": "median error", "units": "standard deviations"},
            ),
            "lost_share": (
                "direction",
                statistics[:, 2],
                {"long_name": f"share with an error over {LOST:g}"},
            ),
        },
        coords={
            "direction": list(DIRECTIONS),
            "direction_label": ("direction", list(DIRECTIONS.values())),
            "log_error": ("bin", 0.5 * (LOG_EDGES[1:] + LOG_EDGES[:-1]), {"long_name": "log10 of the error"}),
        },
        attrs=attrs
        | {
            "verdict": verdict,
            "sentence": _sentence(verdict, statistics),
            "threshold": LOST,
            "horizontal_label": "log₁₀ of the error, standardised",
            "vertical_label": "share below this error",
            "horizontal_window": [float(LOG_EDGES[0]), float(LOG_EDGES[-1])],
            "vertical_window": [-0.03, 1.03],
        },
    )


def _statistics(error: np.ndarray) -> tuple[float, float, float]:
    """Return the largest error, the median error and the share of lost points; NaN without errors."""
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


def _verdict(statistics: np.ndarray) -> str:
    if not np.isfinite(statistics[:, 2]).any():
        return "unknown"
    share, median = np.nanmax(statistics[:, 2]), np.nanmax(statistics[:, 1])
    if share == 0 and median <= GREEN_MEDIAN:
        return "green"
    return "amber" if share <= AMBER_SHARE else "red"


def _sentence(verdict: str, statistics: np.ndarray) -> str:
    if verdict == "unknown":
        return "Not measured yet."
    share, largest = np.nanmax(statistics[:, 2]), np.nanmax(statistics[:, 0])
    losses = f"{100 * share:.3g} % of the points are lost" if share else "no point is lost"
    return f"Largest round-trip error {largest:.1e} standard deviations; {losses}."
