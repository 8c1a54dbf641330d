"""The posterior explorer: counts that add up, regions with the right mass, and an exact posterior."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from tests.diagnostics.stand_ins import GaussianStandIn
from workbench.core import highest_density_regions as regions
from workbench.core.errors import SpecError
from workbench.core.variable import Variable
from workbench.diagnostics.posterior_explorer import PosteriorExplorer, Query, RunningHistogram
from workbench.diagnostics.posterior_explorer.histogram import histogram
from workbench.diagnostics.posterior_explorer.physical import LEVELS, PHYSICAL, physical, views
from workbench.inference.standardisation import Standardisation
from workbench.problems import PROBLEMS, LinearGaussian

WINDOW = ((-5.0, 5.0), (-8.0, 8.0))


@pytest.fixture(scope="module")
def plane() -> np.ndarray:
    """Draws of a correlated normal distribution with standard deviations 1 and 2 and correlation 0.6."""
    z = np.random.default_rng(3).normal(size=(200_000, 2))
    return z @ np.array([[1.0, 1.2], [0.0, 1.6]])


class Exact(GaussianStandIn):
    """The exact posterior with what the explorer needs of a FittedModel."""

    def __init__(self, problem):
        super().__init__(problem)
        samples = problem.draw(2000, torch.Generator().manual_seed(1))
        self.standardisation = Standardisation.learn(samples.x, samples.y)
        self.model = nn.Linear(1, 1)
        self.model.device = torch.device("cpu")

    def sample(self, n, observation=None, generator=None):
        return super().sample(n, torch.as_tensor(observation, dtype=torch.float64).expand(n, -1), generator)

    def standardised_observation(self, y, n):
        if not np.isfinite(y).all():
            raise SpecError("The observation holds values that are not finite")

    def concerns(self, observation):
        return ()


class Prior:
    """Draws of the prior, whatever is observed."""

    capabilities, model = frozenset(), nn.Linear(1, 1)

    def __init__(self, problem):
        self.x, self.y, self.problem = problem.x, problem.y, problem
        self.model.device = torch.device("cpu")
        samples = problem.draw(200, torch.Generator().manual_seed(1))
        self.standardisation = Standardisation.learn(samples.x, samples.y)

    def sample(self, n, observation=None, generator=None):
        return self.problem.draw(n, generator).x

    def standardised_observation(self, y, n):
        return None

    def concerns(self, observation):
        return ()


@pytest.fixture(scope="module")
def explorer():
    problem = LinearGaussian(features=3, observations=1, noise=0.5)
    return PosteriorExplorer(Exact(problem), problem)


# ---- counts and regions
def test_regions_of_a_normal_distribution_have_its_area(plane):
    result = histogram(plane, LinearGaussian().x[:2], (0, 1), WINDOW)
    cell = np.ptp(WINDOW[0]) * np.ptp(WINDOW[1])
    for share in regions.SHARES:
        line = result[f"region_{round(100 * share)}"].values
        pieces = np.split(line, np.flatnonzero(np.isnan(line[:, 0])))
        outline = max((p[~np.isnan(p[:, 0])] for p in pieces), key=len)
        x, y = outline[:, 0], outline[:, 1]
        area = cell * 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
        # {q <= -2 log(1 - m)} of a normal law, q its quadratic form
        exact = 2 * math.pi * math.sqrt(np.linalg.det(np.cov(plane.T))) * -math.log(1 - share)
        assert area == pytest.approx(exact, rel=0.03)


def test_a_region_holds_its_share_of_the_draws(plane):
    counts, _ = regions.bin_counts(plane[:3000], WINDOW)
    density = regions.smooth(counts, 3000, regions.spreads(plane[:3000], WINDOW))[0]
    for share in (0.3, 0.5, 0.9):
        (t,) = regions.levels(density, counts[0], [share], 3000)
        share_inside = counts[0][density >= t].sum() / 3000
        assert share <= share_inside < share + 0.02


def test_parts_add_up_to_the_whole_and_what_is_outside_is_left_out(plane):
    x = LinearGaussian().x[:2]
    whole, parts = RunningHistogram(x, (0, 1), WINDOW), RunningHistogram(x, (0, 1), WINDOW)
    draws = np.concatenate([plane[:5000], [[np.nan, 0.0], [100.0, 0.0]]])
    whole.add(draws)
    for part in np.array_split(draws, 7):
        parts.add(part)
    assert np.array_equal(whole.pairs, parts.pairs) and np.array_equal(whole.singles, parts.singles)
    assert whole.non_finite == 1 and whole.total == 5002
    assert whole.pairs.sum() <= 5000 and whole.singles[0].sum() <= 5000
    straight, *_ = np.histogram2d(
        plane[:5000, 1], plane[:5000, 0], bins=regions.BINS, range=[WINDOW[1], WINDOW[0]]
    )
    assert np.abs(straight - whole.pairs[0]).sum() <= 4  # a point on an edge may fall to either side


def test_densities_and_intervals_are_in_the_units_of_the_variables(plane):
    result = histogram(plane, LinearGaussian().x[:2], (0, 1), WINDOW)
    width = np.ptp(WINDOW[1]) / regions.FINE
    assert float(result["single_density"].values[1].sum() * width) == pytest.approx(1.0, abs=0.01)
    assert result["quantile"].values[1] == pytest.approx([-3.29, -1.349, 0.0, 1.349, 3.29], abs=0.05)


def test_a_narrow_distribution_is_drawn_as_narrow_as_it_is(plane):
    x, narrow = LinearGaussian().x[:2], 0.02 * plane[:2000]
    result = histogram(narrow, x, (0, 1), WINDOW)
    for i, (low, high) in enumerate(WINDOW):
        place = low + (np.arange(regions.FINE) + 0.5) * (high - low) / regions.FINE
        density = result["single_density"].values[i]
        width = np.sqrt(np.average((place - np.average(place, weights=density)) ** 2, weights=density))
        # bins and blur may widen it by half a bin each, and by what a bandwidth adds to a spread
        bin_width = (high - low) / regions.FINE
        assert width < np.hypot(1.1 * narrow[:, i].std(), bin_width)
    outer = result["region_90"].values
    assert np.nanmax(np.ptp(outer[~np.isnan(outer[:, 0])], axis=0)) < 0.1
    wide = regions.blur(2000, np.array([1.0, np.inf]), regions.BINS)
    assert wide == pytest.approx([1.6, 1.6])  # two far modes are not run into each other


def test_one_variable_has_no_pairs(plane):
    result = histogram(plane, LinearGaussian().x[:2], (1,), WINDOW)
    assert result.sizes["pair"] == 0 and result["region_50"].size == 0 and result.sizes["shown"] == 1


# ---- the explorer
def test_the_exact_posterior_is_reproduced(explorer):
    problem, observation = explorer.problem, tuple(explorer.problem.default_observation)
    result = explorer.answer(Query(observation, draws=2000))
    mean, covariance = problem.posterior_moments(list(observation))
    sd = covariance.diagonal().sqrt()
    assert np.abs((result.histogram["mean"].values - mean.numpy()) / sd.numpy()).max() < 0.1
    assert result.histogram["sd"].values == pytest.approx(sd.numpy(), rel=0.06)
    assert not result.warnings and result.histogram.attrs["total"] == 2000


def test_noise_holds_still_while_the_observation_moves(explorer):
    first = explorer.answer(Query(tuple(explorer.problem.default_observation)))
    other = explorer.answer(Query(tuple(v + 0.1 for v in explorer.problem.default_observation)))
    shift = other.histogram["draw"].values - first.histogram["draw"].values
    assert np.ptp(shift, axis=0).max() < 1e-9  # a linear problem: every draw moves by the same
    again = explorer.answer(Query(tuple(explorer.problem.default_observation)))
    assert np.array_equal(again.histogram["draw"].values, first.histogram["draw"].values)


def test_more_draws_come_in_parts(explorer):
    query = Query(tuple(explorer.problem.default_observation), draws=30_000, more=True, at_rest=True)
    totals = [explorer.answer(Query(query.observation, draws=2000)).histogram.attrs["total"]]
    for _ in range(3):
        totals.append(explorer.answer(query).histogram.attrs["total"])
    assert totals == [2000, 22_000, 30_000, 30_000]


def test_an_observation_outside_of_the_training_is_warned_about(explorer):
    far = [0.0] * len(explorer.problem.y)
    far[0] = 1e3
    warnings = explorer.answer(Query(tuple(far))).warnings
    assert "Outside" in warnings[0] and explorer.problem.y[0].name in warnings[0]
    assert len(warnings) > 1  # whether the unit is right


def test_a_truth_is_simulated_and_checked(explorer):
    truth = tuple(0.3 for _ in explorer.problem.x)
    first, second = (explorer.answer(Query(truth=truth)).observation for _ in range(2))
    assert first == second and len(first) == len(explorer.problem.y)
    with pytest.raises(SpecError, match="parameters"):
        explorer.answer(Query(truth=(1.0,) * (len(truth) + 1)))


def test_reference_and_prior_share_the_windows_of_the_query(explorer):
    windows = tuple((-1.0, 2.0) for _ in explorer.problem.x)
    query = Query(tuple(explorer.problem.default_observation), axes=(1, 0), windows=windows)
    for result in (explorer.reference(query), explorer.prior(query), explorer.answer(query).histogram):
        assert result.attrs["windows"] == [-1.0, 2.0, -1.0, 2.0]
        assert list(result["shown"].values) == [explorer.problem.x[i].name for i in (1, 0)]


def test_a_brush_narrows_what_is_resimulated(explorer):
    observation = tuple(explorer.problem.default_observation)
    everything = explorer.answer(Query(observation, at_rest=True))
    middle = float(everything.histogram["quantile"].values[0, 2])
    half = explorer.answer(Query(observation, at_rest=True, within=((0, middle, 1e9),)))
    assert 0 < half.resimulation.sizes["again_draw"] <= everything.resimulation.sizes["again_draw"]
    none = explorer.answer(Query(observation, at_rest=True, within=((0, 1e9, 2e9),)))
    assert none.resimulation is None and none.picture is None


def test_without_its_problem_a_model_still_answers(explorer):
    alone = PosteriorExplorer(explorer.fitted, None)
    about = alone.about()
    assert "not here" in about.note and not about.pictures and not len(about.rows)
    result = alone.answer(Query(about.default_observation, at_rest=True))
    assert result.resimulation is None and result.histogram.attrs["total"] == 2000


def test_a_band_of_several_units_can_be_read_back():
    class Mixed(LinearGaussian):
        @property
        def y(self):
            return tuple(Variable(v.name, unit=u) for v, u in zip(super().y, ("m", "s"), strict=True))

    problem = Mixed(features=3, observations=2, noise=0.5)
    explorer = PosteriorExplorer(Exact(problem), problem)
    result = explorer.answer(Query((1.5, -0.5), at_rest=True)).resimulation
    assert "spread" in result.attrs["label"] and (result["scale"] != 1).all()
    assert (result["middle"] + result["scale"] * result["observed"]).values == pytest.approx([1.5, -0.5])


# ---- physical views
@pytest.mark.parametrize(
    "key", ["inverse_kinematics", "inverse_ballistics", "radial_velocity", "geoacoustic"]
)
def test_a_problem_is_drawn_by_what_it_can(key):
    problem = PROBLEMS.make(key)
    keys = views(problem)
    assert keys and all(PHYSICAL[name].applies(problem) for name in keys)
    draws = problem.draw(50, torch.Generator().manual_seed(0)).x.numpy()
    draws[0] = np.nan  # what a network lost is not drawn
    for name in keys:
        data = physical(problem, name, draws, tuple(problem.default_observation))
        assert data.attrs["plot"] and data.attrs["key"] == name


def test_the_velocity_has_the_reference_in_the_same_picture(monkeypatch):
    problem = PROBLEMS.make("radial_velocity")
    samples = {"reference": problem.draw(80, torch.Generator().manual_seed(1)).x}
    monkeypatch.setattr(type(problem), "_reference_posterior", lambda *_: samples["reference"])
    explorer = PosteriorExplorer(Prior(problem), problem)
    query = Query(tuple(problem.default_observation), picture="radial_velocity", at_rest=True)
    alone, both = explorer.answer(query).picture, explorer.view_with_reference(query)
    assert np.isnan(alone["reference_low"]).all() and np.isfinite(both["reference_low"]).all()
    xr.testing.assert_equal(alone["model_low"], both["model_low"])
    curves = problem.curve(samples["reference"], torch.as_tensor(both["at"].values))
    assert both["reference_low"].values == pytest.approx(np.quantile(curves, 0.05, axis=0))
    assert explorer.view_with_reference(replace(query, picture="")) is None
    # what a brush leaves is drawn beside the whole reference
    within = explorer.view_with_reference(replace(query, within=((0, 8.0, 12.0),)))
    assert not np.allclose(within["model_low"], both["model_low"])
    xr.testing.assert_equal(within["reference_low"], both["reference_low"])


def test_any_problem_may_bring_a_figure():
    class Slope(LinearGaussian):
        def figure(self, x):
            place = torch.linspace(0, 1, 5, dtype=x.dtype)
            lines = torch.stack([place.expand(len(x), -1), x[:, :1] * place], -1)
            return lines, {"title": "Slope", "horizontal_label": "t [s]", "vertical_label": "s [m]",
                           "function": True}  # fmt: skip

    problem = Slope()
    assert views(problem) == ("figure",) and views(LinearGaussian()) == () and views(None) == ()
    draws = np.random.default_rng(0).normal(size=(500, len(problem.x)))
    data = physical(problem, "figure", draws, ())
    assert data["line"].shape == (60, 5, 2)
    # at t = 1 the band is that of the parameter itself
    assert data["band"].values[:, -1] == pytest.approx(np.quantile(draws[:, 0], LEVELS))
