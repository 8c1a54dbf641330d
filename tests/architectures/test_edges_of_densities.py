"""At the edges of the bounds a density has no spikes: it ends at the value beside the edge, or at nothing."""

from __future__ import annotations

import pytest
import torch

import workbench as wb


@pytest.mark.parametrize(
    "architecture",
    ["recommended", pytest.param("neural_spline_coupling", marks=pytest.mark.slow), "maf"],
)
def test_the_density_at_an_edge_is_that_beside_it(architecture):
    prior = {"a": torch.distributions.Uniform(0.0, 1.0), "b": torch.distributions.Uniform(0.0, 1.0)}
    problem = wb.SimulatorProblem(prior, lambda x: x + 0.1 * torch.randn_like(x), y=["c", "d"])
    if architecture == "recommended":
        experiment = wb.Experiment.recommended(problem, simulations=600).replace(steps=200)
    else:
        experiment = wb.Experiment(
            problem, architecture, "maximum_likelihood", {"samples": 2000, "learning_rate": 5e-3}, steps=300
        )
    posterior = wb.Run(experiment, device="cpu").train(progress=False).posterior([1.0, 0.5])
    a = torch.tensor([0.0, 1e-9, 1e-6, 1e-3, 0.999, 1 - 1e-4, 1 - 1e-6, 1.0], dtype=torch.float64)
    log_prob = posterior.log_prob(torch.stack([a, torch.full_like(a, 0.5)], 1))
    assert (log_prob[:4] < -3).all()  # ten deviations away
    exact = 2.08 + 1.38  # a half normal distribution times a normal one, both of deviation 0.1
    assert (log_prob[4:] < exact + 1.5).all() and log_prob[4] > exact - 1
    outside = torch.tensor([[1.0001, 0.5], [0.5, -1e-6], [5.0, 0.5]], dtype=torch.float64)
    assert posterior.log_prob(outside).isinf().all()
