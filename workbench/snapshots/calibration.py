"""Simulation-based calibration during training: ranks of held-out true values among posterior draws.

rank u of a true value x_i among L draws of the model's posterior given y_i: uniform on (0, 1) under the exact
posterior. Pairs (x_i, y_i) and latents are fixed for the run, so that only learning moves the ranks. At most
``PAIRS`` pairs are used, fewer where they would take longer than ``SECONDS``.

Arrays: calibration_rank (pairs, D); calibration_figures (iteration, draws per pair).
Source: Talts et al. 2018, arXiv 1804.06788; Säilynoja et al. 2022, arXiv 2103.10522.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.snapshots.base import VIEWS, SnapshotContext, View
from workbench.snapshots.labelling import common_attrs

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.inference.calibration import RankCalibration
    from workbench.snapshots.labelling import SnapshotLike
    from workbench.training import Run

PAIRS, DRAWS, CHUNK = 200, 40, 25
#: No further chunk of pairs is started after this many seconds.
SECONDS = 0.5
#: Probability that the curve of an exact posterior leaves the band somewhere.
LEVEL = 0.01
#: With fewer pairs than this there is no verdict.
_FEWEST = 20


@VIEWS.register
class Calibration(View):
    """Calibration during training: a cheap form of the diagnostic check ``calibration``."""

    key = "calibration"
    title = "Calibration"
    summary = (
        "Ranks of held-out true values among posterior draws. Lines of a calibrated posterior stay in the "
        "grey band; an S-shaped line means too narrow or too wide, a hump a shift."
    )
    reference = "Talts et al. 2018, arXiv 1804.06788; Säilynoja et al. 2022, arXiv 2103.10522"
    parts = ("calibration",)
    needs_problem = frozenset({Capability.OBSERVATION})
    position = 120
    has_sentence = True

    def arrays(self, run: Run, context: SnapshotContext) -> dict[str, np.ndarray]:
        """Compute the ranks; empty for a problem without y."""
        points = run.evaluation_points
        if points.y is None:
            return {}
        x, y = points.x[:PAIRS], points.y[:PAIRS]
        return points.cached_expensive(
            "calibration", run.iteration, lambda: _ranks(run, x, y), fresh=context.fresh
        )

    def dataset(self, snapshot: SnapshotLike, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
        """Return the variables of the diagnostic check ``calibration``, from the snapshot's ranks.

        ``ecdf_difference`` (quantity, place) is the empirical distribution function of each parameter's
        ranks, minus the uniform one, at the ranks ``place``; ``band_low`` and ``band_high`` (place,) are its
        simultaneous band, ``calibration_error`` (quantity,) a summary. ``pair`` is ignored.
        """
        from workbench.inference.calibration import rank_calibration

        ranks = np.asarray(snapshot.arrays.get("calibration_rank", np.empty((0, 0))), dtype=np.float64)
        ranks = ranks if len(ranks) >= _FEWEST else np.empty((0, 0))
        result = rank_calibration(ranks, LEVEL) if len(ranks) else None
        names = [v.name for v in snapshot.x][: ranks.shape[1]]
        place = result.tests[0].grid if result else np.arange(1, 50) / 50
        nothing = np.full(len(place), np.nan)
        verdict, sentence = _verdict(result, names, len(ranks))
        figures = np.asarray(snapshot.arrays.get("calibration_figures", (np.nan, np.nan)), dtype=np.float64)
        return xr.Dataset(
            {
                "rank": (("pair", "quantity"), ranks),
                "calibration_error": (
                    "quantity",
                    result.error if result else np.empty(0),
                    {"long_name": "median |coverage - q|"},
                ),
                "ecdf_difference": (
                    ("quantity", "place"),
                    result.ecdf_difference if result else np.empty((0, len(place))),
                ),
                "band_low": ("place", result.tests[0].low if result else nothing),
                "band_high": ("place", result.tests[0].high if result else nothing),
            },
            coords={"quantity": np.asarray(names, dtype=str), "place": place},
            attrs=common_attrs(snapshot, "calibration", "Calibration")
            | {
                "verdict": verdict,
                "sentence": sentence,
                "measured_at": int(figures[0]) if np.isfinite(figures[0]) else -1,
            },
        )


def _ranks(run: Run, x: Tensor, y: Tensor) -> dict[str, np.ndarray]:
    """Compute the ranks of true x (n, D) among draws at their y (n, M), in chunks until time is up."""
    generator = torch.Generator().manual_seed(run.experiment.seed + 8)
    ranks, end = [], time.monotonic() + SECONDS
    for start in range(0, len(x), CHUNK):
        truth, rows = x[start : start + CHUNK], y[start : start + CHUNK].repeat_interleave(DRAWS, 0)
        z = torch.randn(len(rows), run.model.latent_features, generator=generator, dtype=torch.float64)
        draws = run.model.inverse(z.to(rows), rows)[0].reshape(len(truth), DRAWS, -1)
        # values that are not finite count as above; ties are broken at random, so that ranks are continuous
        below = (draws < truth[:, None]).sum(1).double().cpu()
        equal = (draws == truth[:, None]).sum(1).double().cpu()
        share = torch.rand(below.shape, generator=generator, dtype=torch.float64)
        ranks.append((below + share * (equal + 1)) / (DRAWS + 1))
        if time.monotonic() > end:
            break
    return {
        "calibration_rank": torch.cat(ranks).numpy(),
        "calibration_figures": np.array([run.iteration, DRAWS], dtype=np.float64),
    }


def _verdict(result: RankCalibration | None, names: list[str], n: int) -> tuple[str, str]:
    from workbench.inference.statistics import percent

    if result is None:
        return "unknown", "Not measured yet."
    error = f"over {n} held-out pairs; largest calibration error {percent(result.error.max())}."
    if result.verdict == "green":
        return "green", f"As a right posterior would be, {error}"
    fault = result.fault(result.worst).capitalize()
    return result.verdict, f"{fault} in {names[result.worst]}, {error}"
