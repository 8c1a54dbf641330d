"""Data of plots that compare rows (`Entry`) of the results table: Datasets for ``plots.spread`` and
``plots.posteriors``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from workbench.studies.base import TAGS, Column
from workbench.studies.results_table import Draws, Entry

#: Largest number of curves or point clouds that one plot can distinguish.
MOST = 8
_EXACT = "Exact posterior"


def named(listed: Sequence[Entry]) -> list[str]:
    """Return unique titles of the entries: the seed and then a number are appended where titles are equal."""
    names = [e.title for e in listed]
    if len(set(names)) < len(names):
        names = [n if e.seed is None else f"{n} · seed {e.seed}" for n, e in zip(names, listed, strict=True)]
    return [n if names.count(n) == 1 else f"{n} ({names[: i + 1].count(n)})" for i, n in enumerate(names)]


def spread_data(listed: Sequence[Entry], column: Column, *, log: bool) -> xr.Dataset:
    """Return the Dataset for ``plots.spread`` of one column: per entry its number (``mean``), the individual
    values that the number summarises (``value``), and the published numbers (``figure``)."""
    each = [np.asarray(e.each.get(column.name, []), dtype=float) for e in listed]
    longest = max((len(values) for values in each), default=0)
    value = np.full((len(listed), longest), np.nan)
    for row, values in zip(value, each, strict=True):
        row[: len(values)] = values
    mean = np.asarray([e.numbers.get(column.name, np.nan) for e in listed], dtype=float)
    tags = [tag for tag in TAGS if any((column.name, tag) in e.figures for e in listed)]
    figure = [[e.figures.get((column.name, tag), np.nan) for e in listed] for tag in tags]
    figure = np.asarray(figure, dtype=float).reshape(len(tags), len(listed))
    return xr.Dataset(
        {"value": (("row", "sample"), value), "mean": ("row", mean), "figure": (("tag", "row"), figure)},
        coords={"name": ("row", named(listed)), "tag": ("tag", tags)},
        attrs={
            "title": "",
            "horizontal_label": column.label,
            "vertical_label": "",
            "horizontal_window": _window([value, mean, figure], log=log),
            "vertical_window": [-0.6, max(len(listed), 1) - 0.4],
        },
    )


def _window(parts: Sequence[np.ndarray], *, log: bool) -> list[float]:
    values = np.concatenate([np.ravel(part) for part in parts])
    values = values[np.isfinite(values) & (values > 0 if log else True)]
    if not len(values):
        return [0.1, 1.0] if log else [0.0, 1.0]
    low, high = float(values.min()), float(values.max())
    if log:
        # a few values close to zero by chance must not compress the axis
        low = max(low, high * 1e-6, float(np.quantile(values, 0.02)))
        return [low / 1.5, high * 1.5] if high > low else [low / 2, high * 2]
    room = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    return [low - room, high + room]


def posterior_data(listed: Sequence[Entry], shown: int, pair: tuple[str, str]) -> xr.Dataset:
    """Return the Dataset for ``plots.posteriors``: each entry's stored draws of the two parameters ``pair``
    at the observation of index ``shown``.

    Entries without such draws are left out, and so are all after the first `MOST` that have them.
    """
    able = [e for e in listed if fits(e.draws, shown, pair)][:MOST]
    names = named(able)
    clouds = [_pair(e.draws, shown, pair) for e in able]
    longest = max((len(cloud) for cloud in clouds), default=0)
    x = np.full((len(able), longest, 2), np.nan)
    for row, cloud in zip(x, clouds, strict=True):
        row[: len(cloud)] = cloud
    exact = [e.title.startswith(_EXACT) for e in able]
    reference = x[exact] if any(exact) else x
    windows = [_span(reference[..., side]) for side in (0, 1)]
    return xr.Dataset(
        {"x": (("row", "draw", "side"), x), "exact": ("row", np.asarray(exact, dtype=bool))},
        coords={"name": ("row", names)},
        attrs={
            "title": "",
            "horizontal_label": pair[0].replace("_", " "),
            "vertical_label": pair[1].replace("_", " "),
            "horizontal_window": windows[0],
            "vertical_window": windows[1],
        },
    )


def fits(draws: Draws | None, shown: int, pair: tuple[str, str]) -> bool:
    """True where there are draws of both parameters at the observation of index ``shown``."""
    return draws is not None and set(pair) <= set(draws.parameters) and shown < len(draws.x)


def _pair(draws: Draws, shown: int, pair: tuple[str, str]) -> np.ndarray:
    columns = [draws.parameters.index(name) for name in pair]
    return draws.x[shown][:, columns]


def _span(values: np.ndarray) -> list[float]:
    values = values[np.isfinite(values)]
    if not len(values):
        return [0.0, 1.0]
    low, high = np.quantile(values, [0.002, 0.998])
    room = 0.25 * (high - low) or 0.5
    return [float(low - room), float(high + room)]


def observations(listed: Sequence[Entry]) -> dict[str, int]:
    """Return the observations for which draws are stored, as label -> index; taken from the first entry that
    has draws."""
    first = next((e.draws for e in listed if e.draws is not None), None)
    if first is None:
        return {}
    names = [", ".join(f"{v:.3g}" for v in y) for y in first.y]
    return {f"y = {name}": i for i, name in enumerate(names)}


def parameters(listed: Sequence[Entry]) -> list[str]:
    """Return the parameter names of the first entry with stored draws; none where no entry has any."""
    return list(next((e.draws.parameters for e in listed if e.draws is not None), ()))
