"""Severities that mean the same in any dimension, and verdicts that are corrected for their number."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, norm

from tests.diagnostics.stand_ins import GaussianStandIn, linear
from workbench.diagnostics import DIAGNOSTICS, diagnose
from workbench.diagnostics.advice import in_family, plain_summary
from workbench.diagnostics.family import Finding, family_verdicts
from workbench.diagnostics.severity import normal_displacement, rank_displacement
from workbench.inference.exchangeable import mean_p_values, sum_p_value
from workbench.inference.out_of_distribution import Typicality
from workbench.inference.statistics import uniformity
from workbench.studies.known_posteriors import (
    FAULTS,
    KnownModel,
    KnownPosterior,
    log_tails,
    normal_scores_of_tails,
    tails_of_normal_scores,
)

LINEAR = linear()


def measured(key: str, fault: str, seed: int = 0, *, features: int = 3, modes: int = 1, **settings):
    problem = KnownPosterior(features=features, modes=modes)
    return DIAGNOSTICS.make(key, **settings).measure(KnownModel(problem, fault), problem, seed=seed)


def test_verdicts_are_corrected_by_holm_and_certain_faults_are_not():
    findings = {
        "by_chance": Finding("red", 0.004),
        "fault": Finding("red", 1e-6),
        "certain": Finding("red", 0.0),
        "inverse": Finding("amber", math.nan),
        "fine": Finding("green", 0.4),
        "other": Finding("green", 0.9),
    }
    verdicts = family_verdicts(findings)
    assert [verdicts[key].verdict for key in findings] == ["green", "red", "red", "amber", "green", "green"]
    # third of five p values: three are left
    assert verdicts["by_chance"].corrected_p == pytest.approx(3 * 0.004)
    assert "not counted" in verdicts["by_chance"].sentence and not verdicts["fault"].sentence
    assert family_verdicts({"only": Finding("red", 0.004)})["only"].verdict == "red"


def test_checks_that_ran_one_by_one_have_the_verdicts_of_the_report():
    model = GaussianStandIn(LINEAR, width=0.93)
    only = ["latent_normality", "calibration", "expected_coverage", "tarp", "contraction"]
    whole = diagnose(model, LINEAR, only=only)
    single = {key: diagnose(model, LINEAR, only=[key]).summary()["diagnostics"][key] for key in only}
    together = in_family(single)
    assert {key: r["verdict"] for key, r in together.items()} == {
        key: data.attrs["verdict"] for key, data in whole.items()
    }
    results = {key: {"title": key} | result for key, result in single.items()}
    assert plain_summary(results)[0] == whole.verdict == plain_summary(together | results)[0]
    assert set(whole.summary()["diagnostics"]["tarp"]) >= {"verdict", "sentence", "p_value", "severity"}


@pytest.mark.parametrize("n", [200, 2000])
def test_the_displacement_of_ranks_is_a_shift_or_a_width_in_any_dimension(n):
    generator = np.random.default_rng(0)
    z = generator.normal(size=n)
    assert normal_displacement(z) < 0.1 and rank_displacement(norm.cdf(z)) < 0.1
    assert rank_displacement(norm.cdf(z + 0.5)) == pytest.approx(0.5, abs=0.1)
    assert rank_displacement(norm.cdf(1.5 * z)) == pytest.approx(0.5, abs=0.1)
    from scipy.stats import chi2

    for features in (1, 3, 10):
        square = generator.normal(size=(n, features)) ** 2
        u = chi2.cdf(square.sum(1) / 0.8**2, features)
        assert rank_displacement(u, features) == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize("key", ["posterior_wasserstein", "posterior_mmd"])
@pytest.mark.parametrize("features", [3, 10])
def test_a_posterior_of_less_than_half_the_width_is_red_in_any_dimension(key, features):
    problem = KnownPosterior(features=features)
    model = KnownModel(problem)
    model.factor = 0.4 * model.factor
    result = DIAGNOSTICS.make(key).measure(model, problem)
    assert result.attrs["verdict"] == "red" and result.attrs["p_value"] < 1e-3
    # every direction is 0.6 deviations too narrow
    assert result.attrs["severity"] == pytest.approx(0.6, abs=0.08)
    assert "0.5" in result.attrs["sentence"] or "0.6" in result.attrs["sentence"]


@pytest.mark.parametrize("fault", ["shift", "correlation"])
def test_severities_against_draws_do_not_know_the_dimension(fault):
    values = [measured("posterior_mmd", fault, features=d).attrs["severity"] for d in (3, 10)]
    if fault == "shift":
        assert values == pytest.approx([0.3, 0.3], abs=0.08)
    assert min(values) > 0.15


def test_small_p_values_of_ranks_are_bounds_and_large_ones_as_before():
    u = np.random.default_rng(0).uniform(size=300)
    assert uniformity(u, 0.01).p > 1e-4
    narrow = uniformity(u / 2, 0.01)
    # all of 300 points below a half, at one place of the grid
    assert 2 * binom.sf(299, 300, 0.5) <= narrow.p < 1e-20


def test_doubled_tails_are_seen_in_the_latent():
    assert measured("latent_normality", "tails").attrs["verdict"] != "green"
    assert measured("latent_normality", "tails")["ks_p"].min() > 1e-4  # which the other tests hardly see
    assert [measured("latent_normality", "exact", s).attrs["verdict"] for s in range(3)] == ["green"] * 3


def test_random_balls_see_lost_correlations():
    assert [measured("tarp", "correlation", s).attrs["verdict"] for s in range(2)] == ["red"] * 2
    assert [measured("tarp", "exact", s).attrs["verdict"] for s in range(3)] == ["green"] * 3


class Exponential(KnownPosterior):
    """x = y + an exponential number: a skewed posterior."""

    def _draw(self, n, generator):
        y = torch.randn(n, self.observed, generator=generator, dtype=torch.float64)
        return ExponentialModel(self).sample(n, y, generator), y


class ExponentialModel(KnownModel):
    def sample(self, n, observation, generator=None):
        u = torch.rand(n, self.problem.features, generator=generator, dtype=torch.float64)
        return torch.as_tensor(observation).double()[:, :1] - torch.log1p(-u)


def test_an_exact_exponential_posterior_is_rejected_at_the_level():
    problem = Exponential(features=1, observed=1)
    member = DIAGNOSTICS.make("contraction", level=0.05, observations=200, draws=50)
    p = [member.measure(ExponentialModel(problem), problem, seed=s).attrs["p_value"] for s in range(200)]
    # 5 % of 200 are 10; more than 19 happen less than once in two hundred times
    assert np.sum(np.asarray(p) < 0.05) <= 19


def test_the_p_value_of_exchangeable_scores_is_that_of_all_their_combinations():
    generator = np.random.default_rng(0)
    values = generator.exponential(size=(5, 7))
    values -= values.mean(1, keepdims=True)
    sums = values[0]
    for row in values[1:]:
        sums = np.add.outer(sums, row).ravel()
    for shift in range(7):
        rows = np.roll(values, shift, axis=1)
        total = rows[:, 0].sum()
        exact = 2 * min((sums >= total - 1e-12).mean(), (sums <= total + 1e-12).mean())
        assert sum_p_value(rows) == pytest.approx(min(1.0, exact), rel=0.15, abs=0.002)
    # no rounding in the tails, and nothing to test where all is equal
    far = np.stack([np.full(100, 1.0)] + [np.zeros(100)] * 50, 1)
    assert 0 < sum_p_value(far - far.mean(1, keepdims=True)) < 1e-100
    mask, _, p = mean_p_values(np.ones((4, 1)), np.ones((4, 3, 1)), np.ones((4, 1)), np.full(1, 1e-12))
    assert not mask.any() and p.size == 0


@pytest.mark.parametrize("modes", [1, 2])
def test_a_model_that_ignores_the_observation_is_not_green(modes):
    result = measured("contraction", "ignored", modes=modes)
    assert result.attrs["verdict"] == "red" and abs(float(result["response"])) < 0.01
    assert "depend on the observation" in result.attrs["sentence"]
    assert "learned nothing" in result.attrs["sentence"]
    assert measured("contraction", "exact", modes=modes).attrs["verdict"] == "green"


def test_where_nothing_can_be_learned_the_check_says_so():
    class Nothing(KnownPosterior):
        gain = property(lambda self: torch.zeros(self.features, self.observed, dtype=torch.float64))

    problem = Nothing()
    result = DIAGNOSTICS.make("contraction").measure(KnownModel(problem), problem)
    assert result.attrs["verdict"] == "amber" and "has learned nothing" in result.attrs["sentence"]


def test_one_draw_in_twenty_thousand_that_is_not_finite_leaves_the_density_green():
    class Leaking(GaussianStandIn):
        def sample(self, n, observation=None, generator=None):
            x = super().sample(n, observation, generator)
            x[17] = torch.nan
            return x

    result = DIAGNOSTICS.make("held_out_density").measure(Leaking(LINEAR), LINEAR)
    assert result.attrs["verdict"] == "green" and float(result["non_finite_share"]) == 1 / 20_000
    assert abs(float(result["gap"])) < 1e-6 and "not finite" in result.attrs["sentence"]


@pytest.mark.parametrize("rows", [40, 150, 1000])
def test_fresh_observations_of_small_trainings_raise_no_false_alarm_and_a_shift_is_seen(rows):
    generator, p, shift_p = torch.Generator().manual_seed(0), [], []
    for _ in range(60):
        y = torch.randn(rows, 2, generator=generator, dtype=torch.float64)
        test = Typicality(y[: rows // 2], y[rows // 2 :])
        fresh = torch.randn(500, 2, generator=generator, dtype=torch.float64)
        p.append(test.shift_p_value(fresh))
        shift_p.append(test.shift_p_value(3 * fresh))
    assert np.sum(np.asarray(p) < 0.05) <= 8 and np.mean(np.asarray(shift_p) < 0.01) > 0.9


def test_few_rows_to_compare_with_are_told():
    few = DIAGNOSTICS.make("out_of_distribution", draws=100).measure(GaussianStandIn(LINEAR), LINEAR)
    many = DIAGNOSTICS.make("out_of_distribution").measure(GaussianStandIn(LINEAR), LINEAR)
    assert "no p value can be below" in few.attrs["sentence"]
    assert "no p value" not in many.attrs["sentence"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("modes", [1, 2])
def test_known_models_have_the_densities_of_their_draws(fault, modes):
    problem = KnownPosterior(features=2, modes=modes)
    model = KnownModel(problem, fault)
    y = torch.full((40_000, 2), 0.3, dtype=torch.float64)
    x = model.sample(len(y), y, torch.Generator().manual_seed(0))
    # the mean of a bounded function over another density equals its integral under the model
    wide = 4 * torch.randn(400_000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    log_wide = -0.5 * (wide / 4).square().sum(1) - math.log(2 * math.pi * 16)
    weights = (model.log_prob(wide, y[:1].expand(len(wide), 2)) - log_wide).exp()
    assert float(weights.mean()) == pytest.approx(1.0, abs=0.02)
    for function in (torch.sin, lambda v: (v.abs() > 2).double()):
        mine, exact = function(x).mean(0), (weights[:, None] * function(wide)).mean(0)
        assert torch.allclose(mine, exact, atol=0.02)


def test_maps_of_doubled_tails():
    z = torch.linspace(-5, 5, 1001, dtype=torch.float64)
    t = tails_of_normal_scores(z)
    assert torch.allclose(normal_scores_of_tails(t), z) and bool((t.diff() > 0).all())
    assert float(torch.trapezoid(log_tails(z).exp(), z)) == pytest.approx(1.0, abs=0.01)


def test_the_simulator_of_known_posteriors_gives_their_joint_distribution():
    problem = KnownPosterior(features=3, modes=2)
    pairs = problem.draw(40_000, torch.Generator().manual_seed(0))
    again = problem.simulate(pairs.x, torch.Generator().manual_seed(1))
    first, second = (torch.cov(torch.cat([pairs.x, y], 1).T) for y in (pairs.y, again))
    assert torch.allclose(first, second, atol=0.15)
    # and given the side, which carries the sign of the regression
    side = pairs.x.sum(1) > 0
    first, second = (torch.cov(torch.cat([pairs.x[side], y[side]], 1).T) for y in (pairs.y, again))
    assert torch.allclose(first, second, atol=0.06)
