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
    moved = snapshot(kind)
    for key in ("samples_x", "posterior_x", "latent_z", "resimulated_y", "data_x"):
        if key in moved.arrays:
            moved.arrays[key] = moved.arrays[key] * 50
    still = VIEWS[name](snapshot(kind))
    for key in ("horizontal_window", "vertical_window", "horizontal_label", "color_limits"):
        if key in still.attrs and not (name == "density" and key == "color_limits"):
            assert VIEWS[name](moved).attrs[key] == still.attrs[key]


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_survives_a_file(name, tmp_path):
    for number, made in enumerate((VIEWS[name](snapshot("arm")), VIEWS[name](snapshot()), empty(name))):
        made.to_netcdf(tmp_path / f"{number}.nc", engine="netcdf4")
        with xr.open_dataset(tmp_path / f"{number}.nc", engine="netcdf4") as read:
            xr.testing.assert_equal(read.load(), made)
            assert set(read.attrs) == set(made.attrs)


def test_the_pair_picks_the_columns_and_their_units():
    taken = snapshot("arm")
    shown = diagnostics.posterior(taken, pair=(3, 1))
    np.testing.assert_array_equal(shown["posterior_horizontal"], taken.arrays["posterior_x"][:, 3])
    np.testing.assert_array_equal(shown["reference_vertical"], taken.arrays["reference_x"][:, 1])
    assert shown["posterior_horizontal"].attrs["units"] == "rad"
    assert shown.attrs["horizontal_label"] == "x3 [rad]"
    with pytest.raises(SpecError, match="variable number 4"):
        diagnostics.samples(taken, pair=(4, 0))


def test_a_single_variable_is_spread_evenly():
    taken = snapshot(x=(Variable("t"),), window=((-3.0, 3.0),))
    for key in ("data_x", "samples_x", "latent_z", "latent_reference"):
        taken.arrays[key] = taken.arrays[key][:, :1]
    for view in ("samples", "latent"):
        shown = VIEWS[view](taken)
        heights = shown["data_vertical" if view == "samples" else "latent_vertical"].values
        assert len(np.unique(heights)) == len(heights) and shown.attrs["vertical_window"] == [0.0, 1.0]
    assert diagnostics.density(without(taken, "density"))["model"].max() == 0


def test_density_is_the_models_own_where_it_has_one():
    taken = snapshot()
    shown = diagnostics.density(taken)
    np.testing.assert_allclose(shown["model"], taken.arrays["density"])
    assert shown.attrs["source"] == "density" and shown.attrs["color_limits"][1] == 0.2
    np.testing.assert_allclose(diagnostics.density(taken, pair=(1, 0))["model"], taken.arrays["density"].T)


def test_density_contours_hold_half_and_nine_tenths_of_the_target():
    shown = diagnostics.density(snapshot())
    radius = np.hypot(shown["contour_horizontal"], shown["contour_vertical"]).values
    inner, outer = np.unique(np.round(radius[np.isfinite(radius)], 1))[[0, -1]]
    # a standard normal in the plane: half lies within 1.18, nine tenths within 2.15
    assert abs(inner - 1.18) < 0.1 and abs(outer - 2.15) < 0.1


@pytest.mark.parametrize("of", ["auto", "samples", "posterior"])
def test_a_histogram_stands_in_for_a_missing_density(of):
    shown = diagnostics.density(snapshot("arm"), pair=(1, 2), of=of)
    step = float(np.diff(shown["horizontal"])[0] * np.diff(shown["vertical"])[0])
    assert abs(float(shown["model"].sum()) * step - 1) < 0.03  # a few draws lie outside the window
    assert shown.attrs["source"] == ("samples" if of == "samples" else "posterior")
    assert len(shown["vertex"])


def test_the_grid_measures_areas_as_shares_of_the_window():
    shown = diagnostics.grid(snapshot())
    assert list(shown["stage_name"].values) == ["latent", "after layer 1", "data"]
    np.testing.assert_allclose(shown["log_area"][0], 0, atol=1e-12)
    np.testing.assert_allclose(shown["log_area"][1], np.log(0.25))
    # the data window (±3) is smaller than the latent one (±4.2), so cells look larger there
    np.testing.assert_allclose(shown["log_area"][2], np.log(0.125 * (4.2 / 3) ** 2))


def test_losses_keep_spikes_and_at_most_a_thousand_points():
    long = list(records(8000))
    spike = long[4321]
    spike.parts["loss"] = 77.0
    shown = diagnostics.losses(snapshot(), records=long, steps=9000)
    assert shown.sizes["train_point"] <= 1000 and shown.sizes["validation_point"] <= 1000
    assert float(shown["train"].sel(part="loss").max()) == 77.0
    iterations = shown["train_iteration"].sel(part="loss").values
    assert (np.diff(iterations[np.isfinite(iterations)]) > 0).all()
    assert shown.attrs["horizontal_window"] == [0.0, 9000.0]
    assert shown.attrs["vertical_window"][1] < 10  # one spike does not decide the axis


def test_a_part_that_goes_astray_does_not_flatten_the_loss():
    history = list(records(300))
    for i, record in enumerate(history):
        record.parts["stray"] = 5e4 if i % 7 == 0 else 160.0  # spikes at a seventh of the steps
    before = diagnostics.losses(snapshot(), records=records(300)).attrs["vertical_window"]
    low, high = diagnostics.losses(snapshot(), records=history).attrs["vertical_window"]
    assert low <= before[0] + 0.5 and before[1] <= high < 12 * before[1]
    # and one that is within reach is shown whole
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
    broken = list(records(50))
    broken[20].parts["loss"] = float("nan")
    broken[30].parts["loss"] = float("inf")
    assert np.isfinite(diagnostics.losses(snapshot(), records=broken).attrs["vertical_window"]).all()


def test_marginals_are_densities_and_absent_without_draws():
    shown = diagnostics.posterior(snapshot("arm"))
    mass = (shown["marginal_posterior"] * shown["marginal_edge"].diff("edge").values).sum("bin")
    assert (mass > 0.98).all()
    absent = diagnostics.posterior(without(snapshot("arm"), "reference_x"))
    assert absent.sizes["reference_draw"] == 0 and not absent["marginal_reference"].any()
    assert shown.attrs["title"] == "Posterior at y = (1.5, 0)"


def test_resimulation_error_is_a_root_mean_square_in_the_units_of_y():
    taken = snapshot("arm")
    taken.arrays["resimulated_y"] = np.array([[1.5, 3.0], [1.5, -4.0], [np.nan, 0.0]])
    assert float(diagnostics.resimulation(taken)["error"]) == pytest.approx(np.sqrt(12.5))
    assert np.isnan(diagnostics.resimulation(without(taken, "resimulated_y"))["error"])


@pytest.mark.parametrize(
    "error, verdict, lost",
    [(1e-6, "green", 0), (5e-4, "amber", 0), (np.nan, "red", 1), (0.5, "red", 1)],
)
def test_invertibility_verdicts(error, verdict, lost):
    taken = snapshot()
    taken.arrays["invertibility_zxz"] = np.full(200, error)
    shown = diagnostics.invertibility(taken)
    assert shown.attrs["verdict"] == verdict
    assert float(shown["lost_share"].sel(direction="zxz")) == lost
    assert float(shown["share"].sel(direction="zxz").sum()) == pytest.approx(1)


def test_one_lost_point_in_a_thousand_is_amber_and_two_in_a_hundred_red():
    for lost, verdict in ((1, "amber"), (20, "red")):
        taken = snapshot()
        taken.arrays["invertibility_xzx"] = np.r_[np.full(lost, 1.0), np.full(1000 - lost, 1e-6)]
        assert diagnostics.invertibility(taken).attrs["verdict"] == verdict
    assert diagnostics.empty("invertibility").attrs["verdict"] == "unknown"


def test_an_unknown_view_is_answered_with_a_question():
    with pytest.raises(SpecError, match="[Dd]id you mean 'posterior'"):
        empty("posterier")


def test_a_posterior_without_reference_says_what_one_would_need():
    seen = without(snapshot("arm"), "reference_x")
    seen.arrays["reference_needs"] = np.asarray("a point that the arm can reach")
    shown = VIEWS["posterior"](seen)
    assert shown.attrs["title"].endswith("no reference, it needs a point that the arm can reach")
    assert not shown["marginal_reference"].any() and shown["marginal_posterior"].any()
