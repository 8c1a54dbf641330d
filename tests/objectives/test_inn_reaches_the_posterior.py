"""Trained long enough, the invertible network has the exact posterior of the linear Gaussian problem."""

import pytest
import torch

from workbench.diagnostics import DIAGNOSTICS
from workbench.training import Experiment, Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("objective", ["inn", "variational"])
def test_trained_it_has_the_exact_posterior_and_untrained_it_has_not(objective):
    run = Run(Experiment("linear_gaussian", "inn", objective, steps=1500, seed=0), device="cpu")
    judge = DIAGNOSTICS.make("posterior_mmd", draws=400)
    before = float(judge.measure(run.fitted, run.problem)["error"])
    for _ in run:
        pass
    after = float(judge.measure(run.fitted, run.problem)["error"])
    assert before > 0.1 and after < 0.01

    observation = torch.tensor(run.problem.default_observation, dtype=torch.float64)
    mean, covariance = run.problem.posterior_moments(observation.tolist())
    drawn = run.fitted.sample(20_000, observation, torch.Generator().manual_seed(0)).double()
    deviation = covariance.diagonal().sqrt()
    assert ((drawn.mean(0) - torch.as_tensor(mean)).abs() < 0.15 * deviation).all()
    assert ((drawn.std(0) / deviation - 1).abs() < 0.15).all()
