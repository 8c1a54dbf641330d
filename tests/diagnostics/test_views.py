"""Views: always the same variables, right numbers, fixed axes, and a file that reads back."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from tests.diagnostics.snapshots import records, snapshot, without
from workbench import diagnostics
from workbench.core.errors import SpecError
from workbench.core.variable import Variable
from workbench.diagnostics import VIEWS, empty

KINDS = ("flow", "arm")


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_view_has_the_same_variables_before_and_after_the_first_step(name, kind):
    full, before = VIEWS[name](snapshot(kind)), empty(name, snapshot(kind))
    assert set(full.data_vars) == set(before.data_vars) == set(empty(name).data_vars)
    assert set(full.coords) == set(before.coords)
    assert set(full.attrs) == set(before.attrs)


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "losses"])
@pytest.mark.parametrize("kind", KINDS)
def test_axes_do_not_depend_on_the_numbers(name, kind):
    scaled_snap = snapshot(kind)
    for key in ("samples_x", "posterior_x", "latent_z", "resimulated_y", "data_x"):
        if key in scaled_snap.arrays:
            scaled_snap.arrays[key] = scaled_snap.arrays[key] * 50
    still = VIEWS[name](snapshot(kind))
    for key in ("horizontal_window", "vertical_window", "horizontal_label", "color_limits"):
        if key in still.attrs and not (name == "density" and key == "color_limits"):
            assert VIEWS[name](scaled_snap).attrs[key] == still.attrs[key]


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_survives_a_file(name, tmp_path):
    for number, data in enumerate((VIEWS[name](snapshot("arm")), VIEWS[name](snapshot()), empty(name))):
        data.to_netcdf(tmp_path / f"{number}.nc", engine="netcdf4")
        with xr.open_dataset(tmp_path / f"{number}.nc", engine="netcdf4") as file:
            xr.testing.assert_equal(file.load(), data)
            assert set(file.attrs) == set(data.attrs)


def test_the_pair_picks_the_columns_and_their_units():
    snap = snapshot("arm")
    data = diagnostics.posterior(snap, pair=(3, 1))
    np.testing.assert_array_equal(data["posterior_horizontal"], snap.arrays["posterior_x"][:, 3])
    np.testing.assert_array_equal(data["reference_vertical"], snap.arrays["reference_x"][:, 1])
    assert data["posterior_horizontal"].attrs["units"] == "rad"
    assert data.attrs["horizontal_label"] == "x3 [rad]"
    with pytest.raises(SpecError, match="variable number 4"):
        diagnostics.samples(snap, pair=(4, 0))


def test_a_single_variable_is_spread_evenly():
    snap = snapshot(x=(Variable("t"),), window=((-3.0, 3.0),))
    for key in ("data_x", "samples_x", "latent_z", "latent_reference"):
        snap.arrays[key] = snap.arrays[key][:, :1]
    for view in ("samples", "latent"):
        data = VIEWS[view](snap)
        heights = data["data_vertical" if view == "samples" else "latent_vertical"].values
        assert len(np.unique(heights)) == len(heights) and data.attrs["vertical_window"] == [0.0, 1.0]
    assert diagnostics.density(without(snap, "density"))["model"].max() == 0


def test_density_is_the_models_own_where_it_has_one():
    snap = snapshot()
    data = diagnostics.density(snap)
    np.testing.assert_allclose(data["model"], snap.arrays["density"])
    assert data.attrs["source"] == "density" and data.attrs["color_limits"][1] == 0.2
    np.testing.assert_allclose(diagnostics.density(snap, pair=(1, 0))["model"], snap.arrays["density"].T)


def test_density_contours_hold_half_and_nine_tenths_of_the_target():
    data = diagnostics.density(snapshot())
    radius = np.hypot(data["contour_horizontal"], data["contour_vertical"]).values
    inner, outer = np.unique(np.round(radius[np.isfinite(radius)], 1))[[0, -1]]
    # a standard normal in the plane: half lies within 1.18, nine tenths within 2.15
    assert abs(inner - 1.18) < 0.1 and abs(outer - 2.15) < 0.1


@pytest.mark.parametrize("of", ["auto", "samples", "posterior"])
def test_a_histogram_stands_in_for_a_missing_density(of):
    data = diagnostics.density(snapshot("arm"), pair=(1, 2), of=of)
    step = float(np.diff(data["horizontal"])[0] * np.diff(data["vertical"])[0])
    assert abs(float(data["model"].sum()) * step - 1) < 0.03  # a few draws lie outside the window
    assert data.attrs["source"] == ("samples" if of == "samples" else "posterior")
    assert len(data["vertex"])


def test_the_grid_measures_areas_as_shares_of_the_window():
    data = diagnostics.grid(snapshot())
    assert list(data["stage_name"].values) == ["latent", "after layer 1", "data"]
    np.testing.assert_allclose(data["log_area"][0], 0, atol=1e-12)
    np.testing.assert_allclose(data["log_area"][1], np.log(0.25))
    # the data window (±3) is smaller than the latent one (±4.2), so cells look larger there
    np.testing.assert_allclose(data["log_area"][2], np.log(0.125 * (4.2 / 3) ** 2))


def test_losses_keep_spikes_and_at_most_a_thousand_points():
    long = list(records(8000))
    spike = long[4321]
    spike.parts["loss"] = 77.0
    data = diagnostics.losses(snapshot(), records=long, steps=9000)
    assert data.sizes["train_point"] <= 1000 and data.sizes["validation_point"] <= 1000
    assert float(data["train"].sel(part="loss").max()) == 77.0
    iterations = data["train_iteration"].sel(part="loss").values
    assert (np.diff(iterations[np.isfinite(iterations)]) > 0).all()
    assert data.attrs["horizontal_window"] == [0.0, 9000.0]
    assert data.attrs["vertical_window"][1] < 10  # one spike does not decide the axis


def test_a_part_that_goes_astray_does_not_flatten_the_loss():
    history = list(records(300))
    for i, record in enumerate(history):
        record.parts["stray"] = 5e4 if i % 7 == 0 else 160.0  # spikes at a seventh of the steps
    before = diagnostics.losses(snapshot(), records=records(300)).attrs["vertical_window"]
    low, high = diagnostics.losses(snapshot(), records=history).attrs["vertical_window"]
    assert low <= before[0] + 0.5 and before[1] <= high < 12 * before[1]
    # and one that is within reach lies on the axis
    for record in history:
        record.parts["stray"] = 2 * before[1]
    assert diagnostics.losses(snapshot(), records=history).attrs["vertical_window"][1] > 2 * before[1]


def test_losses_put_the_total_first_and_draw_nothing_twice():
    assert list(diagnostics.losses(snapshot())["part"].values) == ["loss", "fit", "mmd"]
    alone = diagnostics.losses(snapshot(records=records(30, ("negative_log_likelihood",))))
    assert list(alone["part"].values) == ["loss"]


def test_loss_limits_move_in_rare_rounded_steps():
    history = records(400)
    tops = [
        diagnostics.losses(snapshot(), records=history[:i]).attrs["vertical_window"] for i in range(100, 400)
    ]
    assert sum(a != b for a, b in zip(tops[:-1], tops[1:], strict=True)) <= 6


def test_losses_bear_numbers_that_are_not_finite():
    history = list(records(50))
    history[20].parts["loss"] = float("nan")
    history[30].parts["loss"] = float("inf")
    assert np.isfinite(diagnostics.losses(snapshot(), records=history).attrs["vertical_window"]).all()


def test_marginals_are_densities_and_absent_without_draws():
    data = diagnostics.posterior(snapshot("arm"))
    mass = (data["marginal_posterior"] * data["marginal_edge"].diff("edge").values).sum("bin")
    assert (mass > 0.98).all()
    absent = diagnostics.posterior(without(snapshot("arm"), "reference_x"))
    assert absent.sizes["reference_draw"] == 0 and not absent["marginal_reference"].any()
    assert data.attrs["title"] == "Posterior at y = (1.5, 0)"


def test_resimulation_error_is_a_root_mean_square_in_the_units_of_y():
    snap = snapshot("arm")
    snap.arrays["resimulated_y"] = np.array([[1.5, 3.0], [1.5, -4.0], [np.nan, 0.0]])
    assert float(diagnostics.resimulation(snap)["error"]) == pytest.approx(np.sqrt(12.5))
    assert np.isnan(diagnostics.resimulation(without(snap, "resimulated_y"))["error"])


@pytest.mark.parametrize(
    "error, verdict, share",
    [(1e-6, "green", 0), (5e-4, "amber", 0), (np.nan, "red", 1), (0.5, "red", 1)],
)
def test_invertibility_verdicts(error, verdict, share):
    snap = snapshot()
    snap.arrays["invertibility_zxz"] = np.full(200, error)
    data = diagnostics.invertibility(snap)
    assert data.attrs["verdict"] == verdict
    assert float(data["lost_share"].sel(direction="zxz")) == share
    assert float(data["share"].sel(direction="zxz").sum()) == pytest.approx(1)


def test_one_lost_point_in_a_thousand_is_amber_and_two_in_a_hundred_red():
    for count, verdict in ((1, "amber"), (20, "red")):
        snap = snapshot()
        snap.arrays["invertibility_xzx"] = np.r_[np.full(count, 1.0), np.full(1000 - count, 1e-6)]
        assert diagnostics.invertibility(snap).attrs["verdict"] == verdict
    assert diagnostics.empty("invertibility").attrs["verdict"] == "unknown"


def test_an_unknown_view_is_answered_with_a_question():
    with pytest.raises(SpecError, match="[Dd]id you mean 'posterior'"):
        empty("posterier")


def test_a_posterior_without_reference_says_what_one_would_need():
    snap = without(snapshot("arm"), "reference_x")
    snap.arrays["reference_needs"] = np.asarray("a point that the arm can reach")
    data = VIEWS["posterior"](snap)
    assert data.attrs["title"].endswith("no reference, it needs a point that the arm can reach")
    assert not data["marginal_reference"].any() and data["marginal_posterior"].any()
