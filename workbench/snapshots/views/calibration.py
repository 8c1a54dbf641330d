"""Whether held-out truths hide among the posterior's draws, while the run goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.inference.statistics import holm, percent, uniformity
from workbench.snapshots.views.common import common_attrs

#: How often an exact posterior leaves the band by chance, at one look.
LEVEL = 0.01
SMALL_ERROR, SMALL_DISTANCE = 0.03, 0.05
LEVELS = np.arange(1, 101) / 101
_FEWEST = 20


def calibration(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """Variables as those of the judged diagnostic of this name, from the ranks that the snapshot holds.

    ``ecdf_difference`` (quantity, place) in the simultaneous band ``band_low`` to ``band_high`` (place,),
    ``calibration_error`` (quantity,). ``pair`` is accepted so that every view is called alike. Source:
    Säilynoja et al. 2022, arXiv 2103.10522.
    """
    ranks = np.asarray(snapshot.arrays.get("calibration_rank", np.empty((0, 0))), dtype=np.float64)
    measured = len(ranks) >= _FEWEST
    names = [v.name for v in snapshot.x][: ranks.shape[1]] if measured else []
    ranks = ranks if measured else np.empty((0, 0))
    tests = [uniformity(column, LEVEL / ranks.shape[1]) for column in ranks.T]
    place = tests[0].grid if tests else np.arange(1, 50) / 50
    nothing = np.full(len(place), np.nan)
    inside = np.abs(ranks[..., None] - 0.5) <= LEVELS / 2
    coverage = inside.mean(0) - LEVELS if measured else np.empty((0, 1))
    error = np.median(np.abs(coverage), axis=1)
    verdict, sentence = _judged(names, tests, coverage, error, len(ranks))
    figures = np.asarray(snapshot.arrays.get("calibration_figures", (np.nan, np.nan)), dtype=np.float64)
    return xr.Dataset(
        {
            "rank": (("pair", "quantity"), ranks),
            "calibration_error": ("quantity", error, {"long_name": "median |coverage - q|"}),
            "ecdf_difference": (
                ("quantity", "place"),
                np.asarray([t.difference for t in tests]).reshape(len(tests), len(place)),
            ),
            "band_low": ("place", tests[0].low if tests else nothing),
            "band_high": ("place", tests[0].high if tests else nothing),
        },
        coords={"quantity": np.asarray(names, dtype=str), "place": place},
        attrs=common_attrs(snapshot, "calibration", "Calibration")
        | {
            "verdict": verdict,
            "sentence": sentence,
            "measured_at": int(figures[0]) if np.isfinite(figures[0]) else -1,
        },
    )


def _judged(names, tests, coverage, error, count) -> tuple[str, str]:
    if not tests:
        return "unknown", "Not measured yet."
    p = holm(np.asarray([t.p for t in tests]))
    distance = max(t.distance for t in tests)
    worst = int(p.argmin())
    told = f"over {count} held-out pairs; largest calibration error {percent(error.max())}."
    if p[worst] >= LEVEL:
        return "green", f"As a right posterior would be, {told}"
    lean = float(np.median(coverage[worst]))
    kind = "overconfident" if lean < -0.01 else "too cautious" if lean > 0.01 else "shifted or misshapen"
    little = error.max() < SMALL_ERROR and distance < SMALL_DISTANCE
    return "amber" if little else "red", f"{kind.capitalize()} in {names[worst]}, {told}"
