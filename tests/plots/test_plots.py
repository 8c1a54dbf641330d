"""Plots without a screen: fed through a Pipe, axes that hold still, glyphs that carry the data."""

from __future__ import annotations

import subprocess
import sys

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import Legend

from tests.diagnostics.snapshots import records, snapshot, without
from workbench import diagnostics, plots
from workbench.core.variable import Variable
from workbench.plots import PLOTS, style
from workbench.snapshots import VIEWS
from workbench.training.history import Record

#: A plot for each view, and a second one for the posterior.
NAMES = (*VIEWS.shown(), "marginals")
#: Plots whose glyphs always have the same number of rows: what comes later shows in their values.
BY_VALUE = ("density", "invertibility", "marginals", "bound", "critic", "divergences")
#: Plots that stay empty where nothing is observed.
OF_AN_OBSERVATION = (
    "posterior",
    "marginals",
    "resimulation",
    "arm",
    "radial_velocity",
    "phase_folded",
    "calibration",
)
OF_AN_OBSERVATION += ("sound_speed_profile", "ambiguity_surface", "transmission_loss")
#: Plots of what the four unknowns of the arm do not have.
PLANAR = ("precision_recall",)


def data(name: str, snap, **settings) -> xr.Dataset:
    view = "posterior" if name == "marginals" else name
    return diagnostics.VIEWS[view](snap, **settings)


def before(name: str, problem=None) -> xr.Dataset:
    return diagnostics.empty("posterior" if name == "marginals" else name, problem)


def live(name: str, first: xr.Dataset):
    """A plot as the studio builds it: the pipe, and the figure that it feeds."""
    pipe = hv.streams.Pipe(data=first)
    plot = hv.renderer("bokeh").get_plot(hv.DynamicMap(PLOTS[name], streams=[pipe]))
    return pipe, plot.state


def ranges(figure) -> tuple[float, ...]:
    return figure.x_range.start, figure.x_range.end, figure.y_range.start, figure.y_range.end


def lengths(figure) -> list[int]:
    """How many rows each glyph draws, in the order of the glyphs."""
    return [len(next(iter(r.data_source.data.values()), ())) for r in figure.renderers]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["flow", "arm"])
def test_a_plot_built_before_the_first_step_shows_what_comes_later(name, kind):
    snap = snapshot(kind)
    pipe, figure = live(name, before(name, snap))
    glyphs = [type(r.glyph).__name__ for r in figure.renderers]
    empty = lengths(figure)
    pipe.send(data(name, snap))
    assert [type(r.glyph).__name__ for r in figure.renderers] == glyphs
    rows = lengths(figure)
    same_sizes = data(name, snap).sizes == before(name, snap).sizes  # by value alone, or not in this snapshot
    if not same_sizes and not (kind == "flow" and name in OF_AN_OBSERVATION):
        assert rows != empty or name in BY_VALUE or (kind == "arm" and name in PLANAR)
    pipe.send(before(name, snap))  # a reset goes back
    assert lengths(figure) == empty


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("losses", "divergences", "grid")])
def test_axes_hold_still_while_numbers_move(name):
    snap = snapshot("arm")
    # the axes of a measured curve are those of the measurement, which is there with the first snapshot
    first = data(name, snap) if name in ("radial_velocity", "phase_folded") else before(name, snap)
    pipe, figure = live(name, first)
    limits = ranges(figure)
    for scale in (1.0, 30.0, 1e-3):
        scaled_snap = snapshot("arm")
        for key in ("samples_x", "posterior_x", "resimulated_y", "latent_z", "curve", "fold", "ocean_speeds"):
            scaled_snap.arrays[key] = scaled_snap.arrays[key] * scale
        pipe.send(data(name, scaled_snap))
        assert ranges(figure) == limits


def test_a_users_zoom_survives_an_update_and_a_new_problem_moves_the_axes():
    pipe, figure = live("samples", data("samples", snapshot()))
    assert ranges(figure) == (-3.0, 3.0, -3.0, 3.0)
    figure.x_range.update(start=0.0, end=1.0)
    pipe.send(data("samples", snapshot()))
    assert ranges(figure) == (0.0, 1.0, -3.0, 3.0)
    other = snapshot(window=((-9.0, 9.0), (0.0, 1.0)), x=(Variable("a", "α", "m"), Variable("b", "β")))
    pipe.send(data("samples", other))
    assert ranges(figure) == (-9.0, 9.0, 0.0, 1.0)
    assert [figure.xaxis[0].axis_label, figure.yaxis[0].axis_label] == ["α [m]", "β"]


def test_equal_labels_do_not_mix_up_the_axes():
    pipe, figure = live("samples", before("samples"))
    same = snapshot(x=(Variable("a", "u"), Variable("b", "u")))
    pipe.send(data("samples", same))
    source = figure.renderers[0].data_source.data
    np.testing.assert_array_equal(source["samples_horizontal"], same.arrays["data_x"][:, 0])
    np.testing.assert_array_equal(source["samples_vertical"], same.arrays["data_x"][:, 1])


def test_an_absent_reference_leaves_its_glyph_empty():
    snap = without(snapshot("arm"), "reference_x", "arm_reference")
    for name in ("posterior", "arm", "marginals"):
        pipe, figure = live(name, data(name, snapshot("arm")))
        full = len(figure.renderers)
        pipe.send(data(name, snap))
        assert len(figure.renderers) == full
    _, figure = live("posterior", data("posterior", snap))
    assert lengths(figure) == [0, 200]


def test_no_two_plots_share_a_dimension():
    """Equal names would link the axes of plots that have nothing to do with each other."""
    snap, owners = snapshot("arm"), {}
    for name in NAMES:
        for dimension in PLOTS[name](data(name, snap)).dimensions():
            assert owners.setdefault(dimension.name, name) == name


def test_losses_follow_the_objective_and_its_planned_length():
    pipe, figure = live("losses", before("losses"))
    pipe.send(data("losses", snapshot()))
    assert ranges(figure)[:2] == (0.0, 400.0)

    def names() -> list[str]:
        return [item.label.value for item in figure.select(Legend)[0].items if item.visible]

    assert names() == ["loss", "fit", "mmd"]
    pipe.send(data("losses", snapshot(records=records(90, ("a", "b", "c")), steps=90)))
    assert names() == ["loss", "a", "b", "c"] and ranges(figure)[1] == 90.0
    pipe.send(data("losses", snapshot(records=records(90, ("one",)))))
    assert names() == ["loss"]


def test_the_grid_has_a_layer_for_every_stage_and_answers_beyond_with_the_nearest():
    layers = data("grid", snapshot())
    areas = [
        float(np.nanmean(plots.grid(layers, layer).dimension_values(2))) for layer in (0, 1, 2, 9, -1, -9)
    ]
    assert areas[2] == areas[3] == areas[4] and areas[0] == areas[5] == 0
    assert plots.grid(layers, 1).label.endswith("after layer 1")
    figure = hv.render(plots.grid(layers))
    assert len(figure.renderers[0].data_source.data["xs"]) == 64


def test_density_colours_are_fixed_by_the_target():
    pipe, figure = live("density", before("density", snapshot()))
    pipe.send(data("density", snapshot()))
    mapper = figure.renderers[0].glyph.color_mapper
    assert (mapper.low, mapper.high) == (0.0, 0.2)
    louder = snapshot()
    louder.arrays["density"] = louder.arrays["density"] * 10
    pipe.send(data("density", louder))
    assert (mapper.low, mapper.high) == (0.0, 0.2)


def test_marginals_name_every_variable_with_its_range():
    pipe, figure = live("marginals", before("marginals"))
    pipe.send(data("marginals", snapshot("arm")))
    assert figure.yaxis[0].major_label_overrides[3] == "x0 [rad]\n−3 to 3"
    assert figure.y_range.end == pytest.approx(3.98)
    tops = [max(rows[0][0]) for rows in figure.renderers[0].data_source.data["ys"]]
    assert all(3 - i <= top < 4 - i for i, top in enumerate(tops))


def test_the_arm_is_drawn_limb_by_limb():
    _, figure = live("arm", data("arm", snapshot("arm")))
    joints = snapshot("arm").arrays["arm"]
    source = figure.renderers[2].data_source.data
    assert len(source["arm_horizontal"]) == 60
    np.testing.assert_array_equal(source["arm_horizontal_end"], joints[:, 1:, 0].ravel())


@pytest.mark.parametrize("name", NAMES)
def test_plots_fit_the_page(name):
    figure = hv.render(PLOTS[name](data(name, snapshot("arm"))))
    assert figure.sizing_mode == "stretch_both" or figure.sizing_mode == "stretch_width"
    assert figure.min_height == style.MIN_HEIGHT
    assert figure.background_fill_alpha == figure.border_fill_alpha == 0
    assert figure.output_backend == "canvas"
    assert figure.title.text and figure.xaxis[0].axis_label
    assert {type(tool).__name__ for tool in figure.tools} <= {
        "PanTool",
        "WheelZoomTool",
        "ResetTool",
        "SaveTool",
    }
    assert figure.toolbar.active_drag is None and figure.toolbar.active_scroll is None


@pytest.mark.parametrize("name", NAMES)
def test_a_plot_can_be_drawn_from_a_file(name, tmp_path):
    original = data(name, snapshot("arm"))
    original.to_netcdf(tmp_path / "view.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "view.nc", engine="netcdf4") as file:
        figures = [hv.render(PLOTS[name](d)) for d in (original, file.load())]
    for first, second in zip(*(figure.renderers for figure in figures), strict=True):
        for a, b in zip(first.data_source.data.values(), second.data_source.data.values(), strict=True):
            assert repr(a) == repr(b)


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colour", [*style.SERIES, style.NEUTRAL])
def test_colours_show_on_light_and_on_dark(colour):
    for page in ("#ffffff", "#1e1e1e"):
        bright, dim = sorted((luminance(colour), luminance(page)), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 3


def test_plots_need_neither_networks_nor_diagnostics():
    code = "import sys, workbench.plots; print(*(m in sys.modules for m in ('torch', 'workbench.training')))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["False", "False"]


def test_the_legend_of_precision_and_recall_names_what_is_drawn():
    pipe, figure = live("precision_recall", before("precision_recall"))
    legend = figure.select_one(Legend)

    def named():
        return [item.label.value for item in legend.items if item.visible]

    assert named() == ["perfect"]
    pipe.send(data("precision_recall", snapshot()))
    assert named() == ["perfect", "densities", "critic", "λ"]
    pipe.send(data("precision_recall", without(snapshot(), "precision_recall_known")))
    assert named() == ["perfect", "critic", "λ"]


def test_many_measured_divergences_stand_in_rows_of_the_legend():
    def measured(names):
        last = Record(10, 0.1, 1e-3, {"loss": 1.0}, {f"measured.{name}": 0.01 for name in names})
        return diagnostics.VIEWS["divergences"](snapshot(), records=[last], steps=20)

    pipe, figure = live("divergences", measured(["kl", "sinkhorn"]))
    legend = figure.select_one(Legend)
    assert legend.ncols == "auto" and legend.items[0].label.value == "KL 0.01"
    pipe.send(measured(["kl", "sinkhorn", "maximum_mean_discrepancy", "max_sliced_wasserstein"]))
    assert legend.ncols == 2 and sum(item.visible for item in legend.items) == 4
