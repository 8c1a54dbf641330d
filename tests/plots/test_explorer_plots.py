"""Plots of the posterior explorer, without a screen: what stands where; new columns fit old figures."""

from __future__ import annotations

from importlib import import_module

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from workbench.core.variable import Variable
from workbench.diagnostics.posterior_explorer.histogram import histogram
from workbench.plots import corner, plane
from workbench.plots.band import band
from workbench.plots.corner import box_within, cell, mosaic
from workbench.plots.layers import nice_ticks, tick_text

X = tuple(Variable(name, unit="m") for name in "abc")
WINDOWS = ((-4.0, 4.0), (-4.0, 4.0), (-10.0, 10.0))


def sample(seed: int = 0, mean=(0.0, 0.0, 0.0)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2000, 3)) + mean


def datasets_of(seed: int = 0) -> dict:
    numbers = histogram(sample(seed), X, (0, 1, 2), WINDOWS)
    return {"model": numbers, "prior": histogram(sample(9) * 2, X, (0, 1, 2), WINDOWS)}


def lines(seed: int = 0, count: int = 5) -> xr.Dataset:
    attrs = {
        f"{side}_{what}": value
        for side in ("horizontal", "vertical")
        for what, value in (("label", side), ("window", [0.0, 1.0]))
    }
    line = np.random.default_rng(seed).random((count, 4, 2))
    return xr.Dataset(
        {"line": (("drawn", "point", "side"), line), "mark": (("marked", "side"), [[0.5, 0.5]])},
        attrs=attrs | {"title": "Lines"},
    )


def bands(seed: int = 0, count: int = 5) -> xr.Dataset:
    again = np.random.default_rng(seed).random((50, count))
    return xr.Dataset(
        {
            "band": (("level", "component"), np.quantile(again, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)),
            "observed": ("component", again[0]),
        },
        attrs={"label": "[m]", "window": [0.0, 1.0], "names": [f"y{i}" for i in range(count)]},
    )


def observed(seed: int = 0) -> dict:
    points = np.random.default_rng(seed).random((40, 2))
    return {
        "labels": ["u", "v"],
        "windows": ((0, 1), (0, 1)),
        "data": points,
        "observation": points[0],
        "model": points[:7],
    }


MAKERS = {
    "corner": datasets_of,
    "intervals": datasets_of,
    "physical": lambda s: {"model": lines(s)},
    "band": lambda s: {"model": bands(s)},
    "plane": observed,
}


@pytest.mark.parametrize("name", MAKERS)
def test_columns_are_those_of_the_elements_whatever_the_data(name):
    module = import_module(f"workbench.plots.{name}")
    first, later = MAKERS[name](0), MAKERS[name](1)
    assert module.frame(first) == module.frame(later)
    plot = hv.renderer("bokeh").get_plot(getattr(module, name)(first))
    elements = {element.label for element in plot.hmap.last}
    columns = module.columns(later)
    assert set(columns) <= elements
    sources = {key[0]: sub.handles["source"].data for key, sub in plot.subplots.items()}
    for element in plot.hmap.last:
        if element.label in columns:
            assert set(columns[element.label]) <= set(sources[element.group])


def test_a_cell_of_the_pair_plot_holds_its_pair():
    # a and b in one corner each, so that their cell has its mass there and no other cell has
    draws = sample(0) * 0.1 + (3.0, -3.0, 0.0)
    model = histogram(draws, X, (0, 1, 2), WINDOWS)
    picture = mosaic(model, 3)
    rows, columns = np.nonzero(
        picture[64:128, 0:64] > 0.5
    )  # second row, first column; the first row is on top
    assert columns.mean() == pytest.approx(7 / 8 * 64, abs=2) and rows.mean() == pytest.approx(
        7 / 8 * 64, abs=2
    )
    assert not picture[:64].any() and not picture[:, 128:].any()
    numbers = corner({"model": model})
    line = next(e for e in numbers if e.label == "model")
    inside = line.dimension_values(0, flat=True), line.dimension_values(1, flat=True)
    region = (inside[0] < 1) & (inside[1] > 1) & (inside[1] < 2)
    assert np.nanmean(inside[0][region]) == pytest.approx(7 / 8, abs=0.02)
    assert np.nanmean(inside[1][region]) == pytest.approx(1 + 1 / 8, abs=0.02)


def test_a_box_says_what_is_brushed():
    model = datasets_of()["model"]
    assert cell(0.5, 0.5, 3) == (0, 2) and cell(2.5, 2.5, 3) is None
    # the lowest row is c, the first column a
    result = box_within({"x0": 0.25, "x1": 0.5, "y0": 0.0, "y1": 0.5}, model, (0, 1, 2))
    assert result == ((0, -2.0, 0.0), (2, -10.0, 0.0))
    # on the diagonal only the variable counts, and a box is cut at the border of its cell
    assert box_within({"x0": -0.5, "x1": 0.75, "y0": 2.0, "y1": 3.0}, model, (4, 1, 2)) == ((4, -4.0, 2.0),)
    assert box_within({"x0": 2.2, "x1": 2.4, "y0": 2.2, "y1": 2.4}, model, (0, 1, 2)) == ()


def test_brushed_draws_and_the_truth_are_marked_in_every_cell():
    module, datasets = import_module("workbench.plots.corner"), datasets_of()
    assert not len(module.columns(datasets)["truth"]["corner_horizontal"])
    within = datasets["model"]["draw"].values[:, 0] > 0
    numbers = module.columns(datasets | {"within": within, "truth": [0.0, 0.0, 20.0]})
    assert len(numbers["brushed"]["corner_horizontal"]) == 3 * within.sum()
    assert len(numbers["outside"]["corner_horizontal"]) == 3 * (~within).sum()
    # the third value lies outside its window: nothing is marked at a wrong place
    assert np.isfinite(numbers["truth"]["corner_vertical"]).sum() == 1


def test_one_variable_and_one_observed_number_are_drawn_too():
    one = {"model": histogram(sample(), X, (2,), WINDOWS)}
    assert hv.renderer("bokeh").get_plot(corner(one)).state.x_range.end == 1
    single = {
        "labels": ["u"],
        "windows": ((0, 1),),
        "data": np.random.default_rng(0).random((9, 1)),
        "observation": [0.5],
        "model": None,
    }
    assert plane(single).get(0).dimension_values(1).max() < 1


def test_ticks_are_few_round_and_inside():
    for low, high in ((-1.0, 1.0), (0.0, 1e-6), (1500.0, 1650.0), (-3.2, 1000.0), (5.0, 5.001)):
        result = nice_ticks(low, high)
        assert 1 <= len(result) <= 3 and all(low < tick < high for tick in result)
    assert nice_ticks(-2.0, 2.0) == [-1.0, 0.0, 1.0]


def test_a_tick_says_its_number_in_full():
    assert [tick_text(v) for v in (1600.0, -0.5, 0.1 + 0.2, -0.0)] == ["1600", "−0.5", "0.3", "0"]
    assert [tick_text(v) for v in nice_ticks(-4e-17, 4e-17)] == ["−2e−17", "0", "2e−17"]
    assert "0" in [tick_text(v) for v in nice_ticks(-0.3, 0.3)]
    assert [tick_text(v) for v in nice_ticks(1540.0, 1640.0)] == ["1550", "1600"]


@pytest.mark.parametrize(("name", "most"), [("v", 12), ("Re y (148 Hz, 1)", 4)])
def test_names_of_components_do_not_run_into_each_other(name, most):
    data = bands(count=42)
    plot = hv.renderer("bokeh").get_plot(band({"model": data.assign_attrs(names=[name] * 42)}))
    assert 1 <= len(plot.handles["xaxis"].ticker.ticks) <= most
