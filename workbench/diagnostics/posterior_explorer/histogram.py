"""One law of x as the explorer shows it: counts, regions, intervals and a few of its draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from workbench.core.variable import Variable
from workbench.diagnostics.posterior_explorer import highest_density_regions

#: So many draws are kept as points, for brushing and for pictures; more would only hide each other.
KEPT = 2000
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Quantiles are taken from at most so many draws: their error is far below a pixel.
_MOST_SORTED = 100_000


class Tally:
    """Counts of a law that come in parts. All parts have the same windows and variables."""

    def __init__(
        self, x: Sequence[Variable], chosen: Sequence[int], windows: Sequence[Sequence[float]]
    ) -> None:
        self.x, self.chosen = tuple(x), tuple(int(i) for i in chosen)
        self.windows = tuple(tuple(float(v) for v in windows[i]) for i in self.chosen)
        self.total, self.lost, self.sorted = 0, 0, 0
        self.pairs, self.singles, self.parts = None, None, []

    def add(self, draws: np.ndarray) -> None:
        """Count draws (n, D) of all variables; those that are not finite are counted as lost."""
        finite = np.isfinite(draws).all(1)
        self.lost += int((~finite).sum())
        kept = draws if finite.all() else draws[finite]
        pairs, singles = highest_density_regions.counted(kept[:, self.chosen], self.windows)
        self.pairs = pairs if self.pairs is None else self.pairs + pairs
        self.singles = singles if self.singles is None else self.singles + singles
        self.total += len(draws)
        if self.sorted < _MOST_SORTED:
            self.parts.append(kept)
            self.sorted += len(kept)

    def dataset(self, **attrs: Any) -> xr.Dataset:
        """What is known so far, see `law`."""
        known = np.concatenate(self.parts)[:_MOST_SORTED] if self.parts else np.empty((0, len(self.x)))
        usable = self.total - self.lost
        spread = highest_density_regions.spreads(known[:, self.chosen], self.windows)
        found = highest_density_regions.outlines(self.pairs, usable, spread) if len(self.chosen) > 1 else []
        lines = {
            f"region_{round(100 * share)}": _offset([each[k] for each in found], len(self.chosen))
            for k, share in enumerate(highest_density_regions.SHARES)
        }
        quantile = np.quantile(known, LEVELS, axis=0).T if len(known) else np.full((len(self.x), 5), np.nan)
        names = [v.name for v in self.x]
        return xr.Dataset(
            {
                "draw": (("kept", "variable"), known[:KEPT]),
                "quantile": (("variable", "level"), quantile),
                "mean": ("variable", known.mean(0) if len(known) else np.full(len(self.x), np.nan)),
                "sd": ("variable", known.std(0) if len(known) else np.full(len(self.x), np.nan)),
                "pair_density": (
                    ("pair", "row", "column"),
                    highest_density_regions.relief(self.pairs, usable, spread),
                ),
                "single_density": (("shown", "bin"), self._densities(usable, spread)),
                **{name: ((f"{name}_point", "side"), points) for name, points in lines.items()},
            },
            coords={"variable": names, "level": list(LEVELS), "shown": [names[i] for i in self.chosen]},
            attrs={
                "total": self.total,
                "lost": self.lost,
                "windows": [v for window in self.windows for v in window],
                "labels": [self.x[i].label for i in self.chosen],
                **attrs,
            },
        )

    def _densities(self, usable: int, spread: np.ndarray) -> np.ndarray:
        """Density of each shown variable over the fine bins of its window, in 1/unit."""
        width = np.asarray([(high - low) / highest_density_regions.FINE for low, high in self.windows])
        return highest_density_regions.smoothed(self.singles, usable, spread) / (
            max(usable, 1) * width[:, None]
        )


def law(
    draws: np.ndarray,
    x: Sequence[Variable],
    chosen: Sequence[int],
    windows: Sequence[Sequence[float]],
    **attrs: Any,
) -> xr.Dataset:
    """Draws (n, D) of a law of x as a Dataset.

    ``chosen`` are the variables that are drawn against each other, ``windows`` (low, high) of every variable.
    Holds ``draw`` (the first few), ``quantile``, ``mean``, ``sd`` of every variable; of the chosen ones
    ``pair_density`` (1 at its peak), ``single_density`` in 1/unit and the outlines ``region_50``,
    ``region_90`` in the triangle's own units (each cell is one by one, columns to the right, the first row
    on top).
    """
    tally = Tally(x, chosen, windows)
    tally.add(np.asarray(draws, dtype=np.float64))
    return tally.dataset(**attrs)


def _offset(lines: list[np.ndarray], count: int) -> np.ndarray:
    """All cells' outlines as one line with gaps, in the triangle's units."""
    moved = [
        line + (column, count - 1 - row)
        for line, (column, row) in zip(lines, highest_density_regions.pairs(count), strict=True)
    ]
    return np.concatenate(moved) if moved else np.empty((0, 2))
