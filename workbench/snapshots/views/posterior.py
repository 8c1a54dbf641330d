"""The posterior at the chosen observation beside the reference, as a pair and as all marginals."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from workbench.snapshots.views.common import (
    POINTS,
    axis,
    axis_attrs,
    cloud,
    common_attrs,
    number_text,
    pair_axes,
    rows,
)

#: Bins of a marginal across its window.
BINS = 60


def posterior(snapshot: Any, *, pair: tuple[int, int] = (0, 1)) -> xr.Dataset:
    """Draws ``posterior_*`` and ``reference_*`` of a pair, and the marginals of every variable.

    ``marginal_posterior`` and ``marginal_reference`` (variable, bin) are densities in 1/unit over the bins
    of the window with edges ``marginal_edge``. The reference is empty where none is known.
    """
    axes = pair_axes(snapshot.x, snapshot.window, pair, "x")
    drawn, reference = rows(snapshot, "posterior_x", None), rows(snapshot, "reference_x", None)
    observation = rows(snapshot, "observation").ravel()
    every = [axis(snapshot.x, snapshot.window, i, "x") for i in range(len(snapshot.x))]
    edges = np.asarray([np.linspace(a.low, a.high, BINS + 1) for a in every]).reshape(-1, BINS + 1)
    title = f"Posterior at y = {number_text(observation)}" if observation.size else "Posterior"
    if "reference_needs" in snapshot.arrays:
        title += f" · no reference, it needs {snapshot.arrays['reference_needs']}"
    return xr.Dataset(
        {
            **cloud("posterior", drawn[:POINTS], *axes),
            **cloud("reference", reference[:POINTS], *axes),
            "observation": ("observed", observation),
            "marginal_posterior": (("variable", "bin"), _marginals(drawn, edges), {"long_name": "density"}),
            "marginal_reference": (
                ("variable", "bin"),
                _marginals(reference, edges),
                {"long_name": "density"},
            ),
            "marginal_edge": (("variable", "edge"), edges, {"long_name": "edge of a bin"}),
            "window": (("variable", "bound"), np.asarray([[a.low, a.high] for a in every]).reshape(-1, 2)),
        },
        coords={
            "variable": ("variable", np.asarray([a.name for a in every] or [""])[: len(every)]),
            "label": ("variable", np.asarray([a.label for a in every] or [""])[: len(every)]),
        },
        attrs=common_attrs(snapshot, "posterior", title) | axis_attrs(*axes),
    )


def _marginals(draws: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Density of each column over its bins: (variable, bin); all zero without draws."""
    if not len(draws):
        return np.zeros((len(edges), BINS))
    counts = np.asarray([np.histogram(draws[:, i], bins=e)[0] for i, e in enumerate(edges)], dtype=np.float64)
    return counts / (len(draws) * np.diff(edges, axis=1))
