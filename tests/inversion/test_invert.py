"""Inversion of a trained network: the labelled result and its plots."""

from __future__ import annotations

import math

import holoviews as hv
import numpy as np
import pytest
import torch
import xarray as xr

import workbench as wb
from workbench import diagnostics, plots
from workbench.core.errors import DataError, IncompatibleError, SpecError
from workbench.inversion import INVERSION, train_forward
from workbench.problems import PROBLEMS


@pytest.fixture(scope="module")
def network():
    return train_forward(PROBLEMS.make("two_moons_posterior"), samples=4000, steps=300, width=32)


@pytest.fixture(scope="module")
def answer(network):
    return wb.invert(network, [-0.4, 0.3], starts=24, steps=150)


def wave(x):
    return (3 * math.pi * x[:, :1]).sin() + (3 * math.pi * x[:, 1:]).cos()


# ---- the network


def test_a_forward_network_learns_the_mean_of_y(network):
    """The error is close to the simulator's own spread, which no network can predict."""
    problem = PROBLEMS.make("two_moons_posterior")
    generator = torch.Generator().manual_seed(5)
    x = torch.zeros(4000, 2, dtype=torch.float64)
    own = problem.simulate(x, generator).std(0)
    for error, spread in zip(network.held_out_error, own, strict=True):
        assert 0.9 * float(spread) < error < 3 * float(spread)
    assert [v.name for v in network.x] == ["x1", "x2"] and network.window == problem.window


def test_a_forward_network_is_frozen_and_repeatable():
    problem, state = PROBLEMS.make("sine_wave"), torch.get_rng_state()
    one, same, other = (train_forward(problem, samples=200, steps=5, width=8, seed=s) for s in (0, 0, 1))
    assert torch.equal(state, torch.get_rng_state())
    assert not any(p.requires_grad for p in one.parameters())
    x = torch.rand(5, 2, dtype=torch.float64)
    assert torch.equal(one(x), same(x)) and not torch.equal(one(x), other(x))


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(DataError, match="nothing to predict"):
        train_forward(PROBLEMS.make("two_moons"))
    with pytest.raises(SpecError, match="activation"):
        train_forward(PROBLEMS.make("sine_wave"), activation="square")


# ---- the answer


def test_the_answer_is_the_networks(network, answer):
    x = torch.from_numpy(answer["x"].values[-1])
    np.testing.assert_allclose(network(x).numpy(), answer["y"].values, atol=1e-12)
    excess = (answer["y"] - answer["target"]) / answer["scale"]
    np.testing.assert_allclose(np.sqrt((excess**2).mean("output")), answer["misfit"].values[-1], atol=1e-12)
    assert answer.attrs["verdict"] == "reached" and bool(answer["reached"].any())
    assert list(answer["input"].values) == ["x1", "x2"] and answer["target"].values.tolist() == [-0.4, 0.3]


def test_the_surface_is_the_network_on_the_plane(network, answer):
    i, j = 10, 70
    point = torch.tensor([[float(answer["horizontal"][j]), float(answer["vertical"][i])]]).double()
    np.testing.assert_allclose(answer["surface"].values[i, j], network(point)[0].numpy(), atol=1e-9)


def test_every_preimage_of_a_wave_lies_on_its_exact_level_lines():
    problem = PROBLEMS.make("sine_wave")
    settings = {"marks": 80, "generations": 600, "reach": 0.2, "last_reach": 0.02}
    result = wb.invert(wave, [1.0], problem=problem, method="boundary_marking", **settings)
    x = result["x"].values[-1][result["reached"].values]
    height = np.sin(3 * np.pi * x[:, 0]) + np.cos(3 * np.pi * x[:, 1])
    assert len(x) > 60
    assert np.abs(height - 1).max() <= result.attrs["tolerance"] * result["scale"].values[0] + 1e-9
    assert np.abs(x).max() <= 1  # the problem's bounds


def test_a_height_above_every_maximum_is_out_of_reach():
    result = wb.invert(wave, [3.0], problem=PROBLEMS.make("sine_wave"), starts=16, steps=150)
    assert result.attrs["verdict"] == "out_of_reach" and "out of reach" in result.attrs["sentence"]
    np.testing.assert_allclose(result["y"].values[result.attrs["best"]], 2.0, atol=1e-4)


def test_an_invertible_network_is_inverted_by_search_as_by_its_inverse():
    run = wb.Run(wb.Experiment("sine_wave", "inn", steps=5, training={"samples": 500}))
    run.step()
    model = run.fitted
    result = wb.invert(run, [0.5], starts=16, steps=200, tolerance=0.02)
    x = torch.from_numpy(result["x"].values[-1][result["reached"].values])
    assert len(x) > 0
    with torch.no_grad():
        y = model.predict(x)
        z, _ = model.latent(x, y)
        back, _ = model.inverse(z, y)
    # the search result is T⁻¹(y, z) for its own z: on the same sheet that the INN samples
    assert (back.double() - x).abs().max() < 1e-3
    assert (y - 0.5).abs().max() <= 0.02 * float(result["scale"][0]) * 1.01


def test_parts_that_do_not_fit_are_named(network):
    with pytest.raises(DataError, match="wrong number of values"):
        wb.invert(network, [1.0])
    with pytest.raises(DataError, match="not made of numbers"):
        wb.invert(network, "here")
    with pytest.raises(SpecError, match="no inversion method 'gradients'.*Did you mean 'gradient'"):
        wb.invert(network, [0.0, 0.0], method="gradients")
    with pytest.raises(SpecError, match="no network to invert"):
        wb.invert(wave, [1.0])
    with pytest.raises(SpecError, match="pair"):
        wb.invert(network, [0.0, 0.0], pair=(0, 2))
    with pytest.raises(SpecError, match="key of a method"):
        wb.invert(network, [0.0, 0.0], method=INVERSION.make("gradient"), starts=3)
    with pytest.raises(IncompatibleError, match="predicts y from x"):
        wb.invert(wb.Run(wb.Experiment("sine_wave", "realnvp", steps=1, training={"samples": 64})), [1.0])


def test_distances_are_those_between_answers():
    result = xr.Dataset(
        {
            "x": (("moment", "point", "input"), [[[0.0, 0.0], [3.0, 0.0], [3.0, 1.0]]]),
            "window": (("input", "bound"), [[-1.0, 1.0], [0.0, 4.0]]),
        }
    )
    np.testing.assert_allclose(diagnostics.distances(result), [3.0, 0.5, 0.5])


# ---- plots


def test_a_moment_of_the_search_as_points_trails_and_levels(answer):
    for frame in (0, 7, -1):
        page = diagnostics.search(answer, frame=frame)
        near = answer["misfit"].values[frame] <= answer.attrs["tolerance"]
        assert page.sizes["near_point"] == near.sum() and page.sizes["away_point"] == (~near).sum()
        np.testing.assert_array_equal(page["near_horizontal"], answer["x"].values[frame][near, 0])
        assert page.attrs["iteration"] == answer["moment"].values[frame]
    assert diagnostics.search(answer, frame=3)["trail_point"].size == 24 * (3 + 1 + 1)
    with pytest.raises(SpecError, match="no such moment"):
        diagnostics.search(answer, frame=61)


def test_level_lines_are_where_the_network_gives_the_target(network, answer):
    page = diagnostics.search(answer)
    line = np.stack([page["level_horizontal"], page["level_vertical"]], 1)
    line = torch.from_numpy(line[np.isfinite(line).all(1)])
    excess = ((network(line) - torch.tensor([-0.4, 0.3])) / network.scale_y).abs().amin(1)
    assert len(line) > 20 and excess.max() < 0.01


def test_trails_are_drawn_for_points_that_move_only(network):
    result = wb.invert(network, [-0.4, 0.3], method="evolutionary", generations=5, population=10)
    assert diagnostics.search(result)["trail_point"].size == 0


def test_plots_are_updated_and_their_axes_stay(network, answer):
    pipe = hv.streams.Pipe(data=diagnostics.search(answer, frame=0))
    figure = hv.renderer("bokeh").get_plot(hv.DynamicMap(plots.search, streams=[pipe])).state
    ranges = figure.x_range.start, figure.x_range.end, figure.y_range.start, figure.y_range.end
    before = [len(next(iter(r.data_source.data.values()))) for r in figure.renderers]
    pipe.send(diagnostics.search(answer))
    after = [len(next(iter(r.data_source.data.values()))) for r in figure.renderers]
    assert before != after and len(figure.renderers) == 5
    assert ranges == (figure.x_range.start, figure.x_range.end, figure.y_range.start, figure.y_range.end)
    assert ranges == (-1.1, 1.1, -1.1, 1.1)
    curve = hv.render(plots.inversion(answer)).renderers[0].data_source.data
    np.testing.assert_allclose(curve["inversion_vertical"], np.maximum(answer["misfit"].values.min(1), 1e-6))


def test_an_answer_goes_to_a_file_and_is_drawn_from_it(answer, tmp_path):
    answer.to_netcdf(tmp_path / "result.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "result.nc", engine="netcdf4") as data:
        again = diagnostics.search(data.load())
    np.testing.assert_array_equal(again["near_horizontal"], diagnostics.search(answer)["near_horizontal"])
    assert hv.render(plots.search(again)).title.text == again.attrs["title"]
