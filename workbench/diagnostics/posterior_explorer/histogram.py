"""Posterior draws as a Dataset: histograms, highest-density regions, quantiles and some of the draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.core import highest_density_regions as regions

if TYPE_CHECKING:
    import xarray as xr

    from workbench.core.variable import Variable

#: Most draws that are kept as points, for brushing and for physical views; more would hide each other.
STORED = 2000
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Quantiles are computed from at most this many draws: their error is far below a pixel.
_QUANTILE_DRAWS = 100_000


class RunningHistogram:
    """Histograms of draws that are added in several batches.

    Parameters
    ----------
    x : the D variables.
    axes : indices of the variables that are plotted against each other.
    windows : plotted range (low, high) of every variable.
    """

    def __init__(
        self, x: Sequence[Variable], axes: Sequence[int], windows: Sequence[Sequence[float]]
    ) -> None:
        self.x, self.axes = tuple(x), tuple(int(i) for i in axes)
        self.windows = tuple(tuple(float(v) for v in windows[i]) for i in self.axes)
        self.total, self.non_finite, self.stored = 0, 0, 0
        self.pairs: np.ndarray | None = None
        self.singles: np.ndarray | None = None
        self.parts: list[np.ndarray] = []

    def add(self, draws: np.ndarray) -> None:
        """Add draws (n, D) of all variables; non-finite ones are counted in ``non_finite`` only."""
        finite = np.isfinite(draws).all(1)
        self.non_finite += int((~finite).sum())
        valid = draws if finite.all() else draws[finite]
        pairs, singles = regions.bin_counts(valid[:, self.axes], self.windows)
        self.pairs = pairs if self.pairs is None else self.pairs + pairs
        self.singles = singles if self.singles is None else self.singles + singles
        self.total += len(draws)
        if self.stored < _QUANTILE_DRAWS:
            self.parts.append(valid)
            self.stored += len(valid)

    def dataset(self, **attrs: Any) -> xr.Dataset:
        """Return the Dataset that `histogram` describes, for all draws so far, with further attributes."""
        import xarray as xr

        features = len(self.x)
        draws = np.concatenate(self.parts)[:_QUANTILE_DRAWS] if self.parts else np.empty((0, features))
        usable, nan = self.total - self.non_finite, np.full(features, np.nan)
        spread = regions.spreads(draws[:, self.axes], self.windows)
        outlines = regions.outlines(self.pairs, usable, spread) if len(self.axes) > 1 else []
        lines = {
            f"region_{round(100 * share)}": regions.in_corner([each[k] for each in outlines], len(self.axes))
            for k, share in enumerate(regions.SHARES)
        }
        quantile = np.quantile(draws, LEVELS, axis=0).T if len(draws) else np.full((features, 5), np.nan)
        names = [v.name for v in self.x]
        return xr.Dataset(
            {
                "draw": (("kept", "variable"), draws[:STORED]),
                "quantile": (("variable", "level"), quantile),
                "mean": ("variable", draws.mean(0) if len(draws) else nan),
                "sd": ("variable", draws.std(0) if len(draws) else nan),
                "pair_density": (
                    ("pair", "row", "column"),
                    regions.relative_density(self.pairs, usable, spread),
                ),
                "single_density": (("shown", "bin"), self._densities(usable, spread)),
                **{name: ((f"{name}_point", "side"), points) for name, points in lines.items()},
            },
            coords={"variable": names, "level": list(LEVELS), "shown": [names[i] for i in self.axes]},
            attrs={
                "total": self.total,
                "lost": self.non_finite,
                "windows": [v for window in self.windows for v in window],
                "labels": [self.x[i].label for i in self.axes],
                **attrs,
            },
        )

    def _densities(self, usable: int, spread: np.ndarray) -> np.ndarray:
        """Return the density (variable, fine bin) of each plotted variable, per unit of the variable."""
        width = np.asarray([(high - low) / regions.FINE for low, high in self.windows])
        return regions.smooth(self.singles, usable, spread) / (max(usable, 1) * width[:, None])


def histogram(
    draws: np.ndarray,
    x: Sequence[Variable],
    axes: Sequence[int],
    windows: Sequence[Sequence[float]],
    **attrs: Any,
) -> xr.Dataset:
    """Summarise draws (n, D) of x in a Dataset for plots.

    Parameters
    ----------
    x : the D variables.
    axes : indices of the variables that are plotted against each other.
    windows : plotted range (low, high) of every variable.
    attrs : further attributes.

    Returns
    -------
    A Dataset with ``draw`` (the first few), ``quantile``, ``mean`` and ``sd`` of every variable; for the
    plotted ones ``pair_density`` (1 at its peak), ``single_density`` (per unit of the variable), and
    ``region_50`` and ``region_90``, the outlines of highest-density regions in a corner plot whose cells are
    unit squares (columns to the right, first row on top).
    """
    counts = RunningHistogram(x, axes, windows)
    counts.add(np.asarray(draws, dtype=np.float64))
    return counts.dataset(**attrs)
