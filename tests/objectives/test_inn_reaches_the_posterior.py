"""Trained long enough, the invertible network has the exact posterior, and finds every mode."""

import pytest
import torch

from workbench.diagnostics import DIAGNOSTICS
from workbench.problems.inverse.eight_modes import CENTRES, LABELS
from workbench.training import Experiment, Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("objective", ["inn", "variational"])
def test_trained_it_has_the_exact_posterior_and_untrained_it_has_not(objective):
    run = Run(Experiment("linear_gaussian", "inn", objective, steps=1500, seed=0), device="cpu")
    check = DIAGNOSTICS.make("posterior_mmd", draws=400)
    before = float(check.measure(run.fitted, run.problem)["published_error"])
    for _ in run:
        pass
    after = float(check.measure(run.fitted, run.problem)["published_error"])
    assert before > 0.1 and after < 0.01

    observation = torch.tensor(run.problem.default_observation, dtype=torch.float64)
    mean, covariance = run.problem.posterior_moments(observation.tolist())
    draws = run.fitted.sample(20_000, observation, torch.Generator().manual_seed(0)).double()
    deviation = covariance.diagonal().sqrt()
    assert ((draws.mean(0) - torch.as_tensor(mean)).abs() < 0.15 * deviation).all()
    assert ((draws.std(0) / deviation - 1).abs() < 0.15).all()


def test_all_eight_modes_are_found_evenly():
    run = Run(Experiment("eight_modes", "inn", "inn", steps=2000, seed=0), device="cpu")
    for _ in run:
        pass
    centres = torch.tensor(CENTRES, dtype=torch.float64)
    for label in range(len(run.problem.y)):
        observation = torch.nn.functional.one_hot(torch.tensor(label), len(run.problem.y)).double()
        draws = run.fitted.sample(2000, observation, torch.Generator().manual_seed(0)).double()
        distance, nearest = torch.cdist(draws, centres).min(1)
        right = [mode for mode, its in enumerate(LABELS["some"]) if its == label]
        shares = torch.bincount(nearest, minlength=8)[right] / len(draws)
        assert float((distance < 4 * 0.2).double().mean()) > 0.9
        assert ((shares - 1 / len(right)).abs() < 0.1).all()
