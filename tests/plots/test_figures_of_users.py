"""Plots of what the API returns, and figures as files."""

from __future__ import annotations

import re

import holoviews as hv
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from PIL import Image

from tests.diagnostics.snapshots import snapshot
from workbench import plots
from workbench.core.errors import DataError, ExportError, SpecError
from workbench.plots.draws import columns_of, corner_dataset, windows_of
from workbench.snapshots import VIEWS

NAMES = ("a", "b", "c")
CENTRES, SPREADS = np.array([0.0, 2.4e6, 3e-20]), np.array([1.0, 5.0, 1e-21])


def table(n: int = 3000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3)) * SPREADS + CENTRES


def dataset(values: np.ndarray) -> xr.Dataset:
    return xr.Dataset({n: ("draw", values[:, i], {"units": "m"}) for i, n in enumerate(NAMES)})


FORMS = {
    "dataset": dataset,
    "chains": lambda v: xr.Dataset(
        {n: (("chain", "draw"), v[:, i].reshape(2, -1)) for i, n in enumerate(NAMES)}
    ),
    "datatree": lambda v: xr.DataTree.from_dict({"posterior": dataset(v), "prior": dataset(3 * v)}),
    "dataarray": lambda v: xr.DataArray(v.T, dims=("name", "draw"), coords={"name": list(NAMES)}),
    "frame": lambda v: pd.DataFrame(v, columns=list(NAMES)),
    "dict": lambda v: {n: v[:, i] for i, n in enumerate(NAMES)},
    "dict of tensors": lambda v: {n: torch.tensor(v[:, i], requires_grad=True) for i, n in enumerate(NAMES)},
    "array": lambda v: v,
    "tensor": lambda v: torch.tensor(v, requires_grad=True),
    "list": lambda v: v.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
def test_draws_of_every_form_are_the_same_columns(form):
    values = table(200)
    columns = columns_of(FORMS[form](values))
    names = ["x1", "x2", "x3"] if form in ("array", "tensor", "list") else list(NAMES)
    assert list(columns) == names
    np.testing.assert_array_equal(np.column_stack(list(columns.values())), values)


def test_a_variable_of_several_components_is_several_columns():
    draws = xr.Dataset({"profile": (("draw", "depth"), np.arange(6.0).reshape(3, 2), {"units": "m/s"})})
    columns = columns_of(draws)
    assert columns.labels == {"profile[0]": "profile[0] [m/s]", "profile[1]": "profile[1] [m/s]"}
    np.testing.assert_array_equal(columns["profile[1]"], [1.0, 3.0, 5.0])
    assert isinstance(plots.corner(draws, variables=["profile[1]"]), hv.Overlay)


def test_a_corner_plot_shows_the_quantiles_of_the_draws_in_any_unit():
    values = table()
    columns = columns_of(dataset(values))
    windows = windows_of([columns], NAMES)
    data = corner_dataset(columns, NAMES, windows)
    np.testing.assert_allclose(
        data["quantile"].values, np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0).T
    )
    widths = np.array([high - low for low, high in windows])
    np.testing.assert_allclose(data["single_density"].values.mean(1) * widths, 1.0, atol=0.02)
    # the same draws in other units give the same figure
    in_other_units = corner_dataset(
        columns_of(values * 2.0**40), ["x1", "x2", "x3"], np.array(windows) * 2.0**40
    )
    np.testing.assert_allclose(in_other_units["region_90"].values, data["region_90"].values, atol=1e-9)


def test_a_corner_plot_compares_distributions_and_marks_the_truth():
    figure = plots.corner(
        dataset(table()),
        reference=table(seed=1),
        prior={n: table(seed=2)[:, i] for i, n in enumerate(NAMES)},
        truth={"c": 3e-20, "a": 0.5, "b": 2.4e6},
    )
    lengths = {part.label: len(part) for part in figure}
    assert lengths["model"] and lengths["reference"] and lengths["prior"] and lengths["truth"] == 3
    assert not lengths["refined"]
    truth = next(part for part in figure if part.group == "CornerTruth").array()
    window = windows_of([columns_of(d) for d in (table(), table(seed=1), table(seed=2))], ["x1"])[0]
    assert truth[0, 0] == pytest.approx((0.5 - window[0]) / (window[1] - window[0]))


@pytest.mark.parametrize(
    "draws, settings, words",
    [
        (3, {}, "Found: int"),
        ({"a": np.array(["u", "v"])}, {}, "numbers for 'a'"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, {}, "3 of a, 4 of b"),
        (np.zeros((3, 2, 2)), {}, "shape"),
        (dataset(table(9)).expand_dims(observation=2), {}, r"isel\(observation=0\)"),
        (dataset(table(9)), {"variables": ["d"]}, "no variable 'd'"),
        (dataset(table(9)), {"truth": [1.0]}, "3: a, b, c"),
        (dataset(table(9)), {"truth": {"a": 1.0, "B": 2.0}}, "no true value 'b'.*did you mean 'B'|'b'"),
        (dataset(table(9)), {"refernce": table(9)}, "did you mean 'reference'|Did you mean 'reference'"),
        (np.full((5, 1), np.nan), {}, "finite"),
    ],
)
def test_what_cannot_be_plotted_is_refused_with_a_reason(draws, settings, words):
    with pytest.raises((DataError, SpecError), match=words):
        plots.corner(draws, **settings)


def test_many_variables_are_cut_with_a_warning():
    with pytest.warns(UserWarning, match="first 8 of 12 variables"):
        plots.corner(np.random.default_rng(0).normal(size=(50, 12)))


def test_plots_take_a_snapshot_or_a_run():
    snap = snapshot("arm")
    data = VIEWS["losses"](snap)
    from_snapshot = plots.losses(snap)
    for a, b in zip(from_snapshot, plots.losses(data), strict=True):
        assert a.dimension_values(1).tolist() == pytest.approx(b.dimension_values(1).tolist(), nan_ok=True)

    class Run:
        def snapshot(self, key):
            assert key == "posterior"
            return snap

    assert isinstance(plots.marginals(Run()), hv.Overlay)


# ---- files


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_a_figure_is_saved_in_every_format_without_a_browser(tmp_path):
    figure = plots.corner(dataset(table()))
    for ending in ("png", "svg", "pdf", "html"):
        path = plots.save(figure, tmp_path / f"corner.{ending}")
        assert path.stat().st_size > 5000
    image = pixels(tmp_path / "corner.png")
    orange = (abs(image - [212, 103, 12]).sum(2) < 60).mean()
    assert image.shape[1] == pytest.approx(640 / 96 * 200, abs=2) and 0.002 < orange < 0.2
    svg = (tmp_path / "corner.svg").read_text()
    assert svg.startswith("<?xml") and ">a [m]<" in svg and "second model" not in svg
    assert (tmp_path / "corner.pdf").read_bytes().startswith(b"%PDF")
    page = (tmp_path / "corner.html").read_text()
    assert not re.search(r'<(script|link)[^>]* (src|href)="https?://', page)
    first = (tmp_path / "corner.svg").read_bytes()
    plots.save(figure, tmp_path / "corner.svg")
    assert (tmp_path / "corner.svg").read_bytes() == first


@pytest.mark.parametrize("name", [*VIEWS.shown(), "marginals"])
def test_every_plot_can_be_an_image(name, tmp_path):
    plots.save(getattr(plots, name)(snapshot("arm")), tmp_path / "figure.png", dpi=50)
    image = pixels(tmp_path / "figure.png")
    assert image.std() > 3  # not blank


def test_points_stand_at_their_coordinates(tmp_path):
    points = hv.Points([(0.0, 0.0), (1.0, 1.0)]).opts(size=12, color="#ff0000", line_alpha=0)
    plots.save(points.redim.range(x=(-1, 3), y=(-1, 3)), tmp_path / "p.png", width=400, height=400, dpi=96)
    image = pixels(tmp_path / "p.png")
    rows, columns = np.nonzero((image[..., 0] > 200) & (image[..., 1] < 60))
    first, second = columns < columns.mean(), columns > columns.mean()
    assert rows[first].mean() > rows[second].mean() + 50  # (0, 0) lies below and left of (1, 1)
    assert columns[second].mean() - columns[first].mean() == pytest.approx(
        rows[first].mean() - rows[second].mean(), rel=0.25
    )


def test_a_layout_is_one_sheet(tmp_path):
    layout = hv.Layout([hv.Curve([1, 2, 3]), hv.Points([(1, 2)]), hv.Image(np.eye(3))]).cols(2)
    plots.save(layout, tmp_path / "sheet.png", width=300, height=200, dpi=96)
    assert pixels(tmp_path / "sheet.png").shape[:2] == (400, 600)


def test_files_that_cannot_be_written_are_refused(tmp_path, monkeypatch):
    figure = hv.Curve([1, 2, 3])
    with pytest.raises(ExportError, match=r"ends in \.png, \.svg, \.pdf, \.html"):
        plots.save(figure, tmp_path / "figure.tiff")
    with pytest.raises(ExportError, match="no figure.*plots.corner"):
        plots.save(table(), tmp_path / "figure.png")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ExportError, match="[Pp]ip install matplotlib"):
        plots.save(figure, tmp_path / "figure.png")
