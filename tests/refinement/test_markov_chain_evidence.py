"""The evidence of tempered populations lies within the error that it claims, over seeds and faults."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.refinement.test_refinement import Normal, columns, wrong
from workbench.core.shapes import Shapes
from workbench.inference.standardisation import Standardisation
from workbench.problems import PROBLEMS
from workbench.refinement import refine
from workbench.training import FittedModel

#: Dimension, and shift and scale of the network in deviations of the exact posterior.
FAULTS = [(2, 0.0, 0.4), (5, 1.0, 1.0), (10, 1.5, 1.0), (10, 0.0, 2.0), (5, 1.5, 0.6)]
DISAGREE = "disagree"


def evidence_errors(fault, seeds, **settings):
    """Return errors of the log evidence in claimed errors, and the claimed errors, over seeds."""
    model, problem, y = wrong(*fault)
    exact = float(problem.log_evidence(torch.tensor([y], dtype=torch.float64)))
    gains = [
        refine(model, y, method="markov_chain", problem=problem, seed=seed, draws=500, **settings).gain
        for seed in seeds
    ]
    claims = np.array([gain.log_evidence_error for gain in gains])
    return (np.array([gain.log_evidence for gain in gains]) - exact) / claims, claims, gains


@pytest.mark.parametrize("fault", [FAULTS[0], FAULTS[4]])
def test_the_evidence_is_within_its_error(fault):
    scores, claims, gains = evidence_errors(fault, range(5), moves=5, crowd=800)
    assert (np.abs(scores) < 2).sum() >= 4 and np.abs(scores).max() < 4
    assert claims.max() < 0.4 and not any(DISAGREE in gain.sentence for gain in gains)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.xfail(
    reason="0.91 of 200 were covered: heavy weights of a narrow network make populations look too much alike",
    strict=False,
)
def test_coverage_of_the_claimed_error_over_forty_seeds_and_five_faults():
    scores = np.concatenate([evidence_errors(fault, range(40))[0] for fault in FAULTS])
    share = float((np.abs(scores) < 2).mean())
    assert 0.92 < share < 0.99  # 200 trials at 95 %: standard error 1.5 %
    assert abs(scores.mean()) < 0.5


def moons(shift, scale):
    """A normal network around one of two crescents, and their problem."""
    problem = PROBLEMS.make("two_moons_posterior")
    standardisation = Standardisation(Shapes(2, 2)).double()
    return FittedModel(Normal(2, shift, scale), standardisation, problem.x, problem.y), problem


def test_shares_of_two_modes_are_right_where_the_network_favours_one():
    model, problem = moons(0.8, 1.5)
    shares = []
    for seed in range(3):
        result = refine(model, [0.0, 0.0], problem=problem, method="markov_chain", draws=2000, seed=seed)
        assert DISAGREE not in result.gain.sentence
        shares.append(float((columns(result.sample(2000)).sum(1) > 0).mean()))
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03) and np.ptp(shares) < 0.15


def test_few_walkers_on_a_poor_network_disagree_and_say_so():
    model, problem, y = wrong(10, shift=4.0, scale=0.3)
    gain = refine(model, y, method="markov_chain", problem=problem, draws=400, crowd=160, moves=1).gain
    assert DISAGREE in gain.sentence or "still depend" in gain.sentence
    assert math.isfinite(gain.log_evidence) and math.isfinite(gain.log_evidence_error)


def test_an_exact_network_is_one_stage_with_an_exact_evidence_and_no_warning():
    model, problem, y = wrong(5)
    exact = float(problem.log_evidence(torch.tensor([y], dtype=torch.float64)))
    gain = refine(model, y, method="markov_chain", problem=problem, draws=400).gain
    assert gain.stages == 1 and gain.log_evidence == pytest.approx(exact, abs=1e-9)
    assert gain.log_evidence_error < 1e-9 and not gain.warnings


def test_a_single_population_claims_no_error():
    model, problem, y = wrong(2, shift=0.5)
    gain = refine(model, y, method="markov_chain", problem=problem, draws=100, crowd=60).gain
    assert gain.log_evidence_error == math.inf and "single population" in gain.sentence
