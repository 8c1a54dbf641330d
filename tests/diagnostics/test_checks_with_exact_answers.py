"""Checks against numbers in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chi2, norm

from tests.diagnostics.stand_ins import GaussianStandIn, TwoSided, TwoSidedStandIn, linear
from workbench.core.errors import DataError
from workbench.diagnostics import DIAGNOSTICS, exact_wasserstein

LINEAR = linear()
EXACT = GaussianStandIn(LINEAR)


def test_exact_w2_of_small_sets_by_hand_and_of_a_shift():
    first = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    assert exact_wasserstein(first, first[::-1]) == 0
    # of six pairings the best moves one point by 3 and one by 4
    second = np.array([[5.0, 9.0], [0.0, 3.0], [1.0, 0.0]])
    assert exact_wasserstein(first, torch.from_numpy(second)) == pytest.approx(np.sqrt((9 + 16) / 3))
    cloud = np.random.default_rng(0).normal(size=(50, 3))
    # no pairing beats moving everything along
    assert exact_wasserstein(cloud, cloud + [3.0, 0.0, 4.0]) == pytest.approx(5.0)


@pytest.mark.parametrize("other", [np.zeros((3, 2)), np.zeros((4, 3)), np.full((3, 3), np.nan)])
def test_w2_refuses_what_cannot_be_paired(other):
    with pytest.raises(DataError, match="W2"):
        exact_wasserstein(np.zeros((3, 3)), other)


def test_expected_coverage_of_a_narrow_normal_is_that_of_chi_square():
    width = 0.7
    result = DIAGNOSTICS.make("expected_coverage", observations=3000, draws=200).measure(
        GaussianStandIn(LINEAR, width=width), LINEAR
    )
    level = result["credibility"].values
    # the truth is in the region of mass c if its squared distance is below c's quantile, width² times smaller
    exact = chi2.cdf(width**2 * chi2.ppf(level, 3), 3)
    np.testing.assert_allclose(result["coverage"].values, exact, atol=0.03)
    assert float(result["lean"]) < 0 and "overconfident" in result.attrs["sentence"]
    wide = DIAGNOSTICS.make("expected_coverage").measure(GaussianStandIn(LINEAR, width=1.4), LINEAR)
    assert "conservative" in wide.attrs["sentence"]


def test_contraction_and_z_scores_of_the_linear_problem():
    result = DIAGNOSTICS.make("contraction", observations=4000, draws=200).measure(EXACT, LINEAR)
    _, posterior = LINEAR.posterior_moments([0.0])
    exact = 1 - (posterior.diagonal() / LINEAR.parts.covariance.diagonal()).numpy()
    np.testing.assert_allclose(result["mean_contraction"].values, exact, atol=0.04)
    np.testing.assert_allclose(result["mean_square_z_score"].values, 1, atol=0.08)
    shift = DIAGNOSTICS.make("contraction").measure(GaussianStandIn(LINEAR, shift=0.5), LINEAR)
    np.testing.assert_allclose(shift["mean_z_score"].values, -0.5, atol=0.15)
    assert "means are off" in shift.attrs["sentence"]
    narrow = DIAGNOSTICS.make("contraction").measure(GaussianStandIn(LINEAR, width=0.7), LINEAR)
    np.testing.assert_allclose(narrow["mean_square_z_score"].values, 0.7**-2, rtol=0.2)
    assert "times as far" in narrow.attrs["sentence"]


def test_the_excess_of_w2_is_the_square_of_the_shift():
    shift = 1.0
    result = DIAGNOSTICS.make("posterior_wasserstein", draws=200).measure(
        GaussianStandIn(LINEAR, shift=shift), LINEAR
    )
    # in each of three posterior standard deviations; sliced: a third of it
    assert float(result["error"]) ** 2 == pytest.approx(3 * shift**2 + float(result["floor"]) ** 2, rel=0.15)
    assert float(result["sliced_error"]) ** 2 == pytest.approx(shift**2, rel=0.15)


def test_the_classifier_is_as_good_as_the_optimal_one():
    wrong = GaussianStandIn(LINEAR, shift=1.0)
    distance = torch.linalg.solve_triangular(EXACT.factor, wrong.offset[:, None], upper=False).norm()
    result = DIAGNOSTICS.make("posterior_c2st", observations=2, iterations=50).measure(wrong, LINEAR)
    assert float(result["c2st"]) == pytest.approx(norm.cdf(float(distance) / 2), abs=0.05)


def test_local_c2st_finds_the_observations_at_which_the_model_is_wrong():
    class WrongAbove(GaussianStandIn):
        """Right for y < 0, shifted by two standard deviations for y > 0."""

        def _mean(self, y):
            y = torch.as_tensor(y).double()
            return y @ self.gain.T + self.offset * (y[:, :1] > 0)

    model = WrongAbove(LINEAR, shift=2.0)
    wrong, right = (
        DIAGNOSTICS.make("local_c2st", observation=[y]).measure(model, LINEAR) for y in (1.5, -1.5)
    )
    assert wrong.attrs["verdict"] == "red" and wrong["statistic"].item() > 10 * right["statistic"].item()
    assert wrong.sizes["place"] == 1 and wrong["observation"].item() == 1.5


def test_slopes_of_a_linear_map_are_singular_values():
    result = DIAGNOSTICS.make("lipschitz").measure(EXACT, LINEAR)
    scale = result["forward_slope"].values
    assert np.ptp(scale) < 1e-12  # the same everywhere
    # x in its own standard deviations: those of the 100 points that were drawn
    prior = LINEAR.parts.covariance.diagonal().sqrt()
    exact = torch.linalg.svdvals(torch.linalg.inv(EXACT.factor) * prior)
    assert float(result["forward"]) == pytest.approx(float(exact[0]), rel=0.2)
    assert float(result["inverse"]) == pytest.approx(float(1 / exact[-1]), rel=0.2)
    assert result.attrs["verdict"] == "green"


@pytest.mark.parametrize("width, verdict", [(1e-7, "green"), (1e-9, "amber")])
def test_steep_networks_leave_little_precision(width, verdict):
    class Steep(GaussianStandIn):
        def latent(self, x, y):
            z, log_det = super().latent(x, y)
            return z * torch.tensor([1.0, 1.0, width * 1e-4]), log_det

    assert DIAGNOSTICS.make("lipschitz").measure(Steep(LINEAR), LINEAR).attrs["verdict"] == verdict


def test_an_observation_far_out_is_red_and_one_in_the_tail_amber():
    spread = float(LINEAR.parts.evidence[0, 0]) ** 0.5
    for place, verdict in ((0.5, "green"), (3.3, "amber"), (9.0, "red")):
        member = DIAGNOSTICS.make("out_of_distribution", observation=[place * spread])
        result = member.measure(EXACT, LINEAR)
        assert result.attrs["verdict"] == verdict, result.attrs["sentence"]
    assert "unlike those of the training" in result.attrs["sentence"]


def test_other_training_data_than_the_problems_are_noticed():
    class Elsewhere(GaussianStandIn):
        """Its training saw observations of half the spread."""

        def __init__(self, problem):
            from workbench.inference.out_of_distribution import Typicality
            from workbench.inference.standardisation import Standardisation

            super().__init__(problem)
            y = problem.draw(2000, torch.Generator().manual_seed(0)).y * 0.5
            self.standardisation = Standardisation.learn(y[:, :0], y)
            rows = self.standardisation.y_in(y)
            self.typicality = Typicality(rows[:1000], rows[1000:])

    result = DIAGNOSTICS.make("out_of_distribution", observation=[0.0]).measure(Elsewhere(LINEAR), LINEAR)
    assert result.attrs["verdict"] == "red" and "Too many" in result.attrs["sentence"]


def test_a_missing_mode_is_seen_in_the_contraction_too():
    sides = TwoSided()
    result = DIAGNOSTICS.make("contraction").measure(TwoSidedStandIn(sides, right=1.0), sides)
    assert float(result["mean_square_z_score"].sel(quantity="x1")) > 50
