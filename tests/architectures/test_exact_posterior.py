"""Trained on a linear Gaussian problem, conditional members reach the exact posterior, or their own limit."""

from __future__ import annotations

import pytest
import torch

from workbench.architectures import ARCHITECTURES
from workbench.problems import LinearGaussian
from workbench.training import Experiment, Run

OBSERVATIONS = (-1.5, 0.0, 1.0)
#: member -> objective and settings; all of them can represent a Gaussian whose mean is linear in y
EXACT = {
    "conditional_inn": ("maximum_likelihood", {"transforms": 3, "width": 32, "depth": 1}),
    "mixture_density_network": ("maximum_likelihood", {"components": 2, "width": 32, "depth": 1}),
    "flow_matching": ("flow_matching", {"width": 64, "depth": 2}),
    "made": ("maximum_likelihood", {"outputs": "gaussian", "width": 32, "depth": 1}),
    "conditional_vae": ("evidence_lower_bound", {"width": 32, "depth": 1, "activation": "tanh"}),
}


#: what predicts y as a function of x can realise a posterior without noise only, and samples by a decoder
DECODED = {
    "maf_decoder": (
        "maximum_likelihood",
        {"transforms": 3, "width": 32, "depth": 1, "decoder_width": 32, "decoder_depth": 1},
    ),
    "autoencoder": ("reconstruction", {"width": 32, "depth": 1}),
}


def train(
    key: str, objective: str, settings: dict, *, steps: int = 600, noise: float = 0.5
) -> tuple[Run, LinearGaussian]:
    problem = LinearGaussian(features=3, observations=1, noise=noise)
    training = {
        "learning_rate": 5e-3,
        "batch_size": 512,
        "samples": 50_000,
        "averaging": 0.99,
        "early_stopping": False,
    }
    experiment = Experiment(problem, ARCHITECTURES.make(key, **settings), objective, training, steps=steps)
    run = Run(experiment, device="cpu")
    for _ in run:
        pass
    return run, problem


def moment_errors(run: Run, problem: LinearGaussian, draws: int = 20_000) -> tuple[float, float]:
    """Largest error of the posterior's mean, in its standard deviations, and of its covariance whitened."""
    worst_mean = worst_covariance = 0.0
    for observation in OBSERVATIONS:
        mean, covariance = problem.posterior_moments([observation])
        samples = run.fitted.sample(draws, [observation], torch.Generator().manual_seed(1)).double()
        factor = torch.linalg.cholesky(covariance)
        white = torch.linalg.solve_triangular(factor, (samples - mean).T, upper=False)
        worst_mean = max(worst_mean, float(white.mean(1).abs().max()))
        deviation = torch.cov(white) - torch.eye(3, dtype=torch.float64)
        worst_covariance = max(worst_covariance, float(torch.linalg.matrix_norm(deviation, ord=2)))
    return worst_mean, worst_covariance


def kl_divergence(run: Run, problem: LinearGaussian) -> float:
    """KL( p(x | y) ‖ q(x | y) ), averaged over the prior predictive, by 20 000 fresh pairs."""
    pairs = problem.draw(20_000, torch.Generator().manual_seed(9))
    _, covariance = problem.posterior_moments([0.0])
    means = pairs.y @ problem.parts.gain.T
    exact = torch.distributions.MultivariateNormal(torch.zeros(3, dtype=torch.float64), covariance)
    with torch.no_grad():
        log_probs = run.fitted.log_prob(pairs.x, pairs.y).double()
    return float((exact.log_prob(pairs.x - means) - log_probs).mean())


@pytest.mark.slow
@pytest.mark.parametrize("key", EXACT)
def test_the_exact_posterior_is_reached(key):
    # a bound is slower to tighten than a likelihood is to rise
    run, problem = train(key, *EXACT[key], steps=1500 if key == "conditional_vae" else 600)
    mean, covariance = moment_errors(run, problem)
    print(f"{key}: mean off by {mean:.3f} sd, covariance by {covariance:.3f}")
    assert mean < 0.08 and covariance < 0.15
    if "density" in run.model.capabilities:
        gap = kl_divergence(run, problem)
        print(f"{key}: {gap:.4f} nats")
        assert -0.005 < gap < 0.02


@pytest.mark.slow
def test_an_untrained_network_is_far_from_the_exact_posterior():
    run, problem = train("conditional_inn", *EXACT["conditional_inn"], steps=5)
    assert max(moment_errors(run, problem)) > 0.3 and kl_divergence(run, problem) > 0.05


def prior_scaled_errors(run: Run, problem: LinearGaussian, draws: int = 20_000) -> tuple[float, float]:
    """As `moments_off`, in standard deviations of the prior: without noise a posterior is flat one way."""
    scale = problem.parts.covariance.diagonal().sqrt()
    worst_mean = worst_covariance = 0.0
    for observation in OBSERVATIONS:
        mean, covariance = problem.posterior_moments([observation])
        samples = run.fitted.sample(draws, [observation], torch.Generator().manual_seed(1)).double()
        worst_mean = max(worst_mean, float(((samples.mean(0) - mean) / scale).abs().max()))
        deviation = (torch.cov(samples.T) - covariance) / (scale[:, None] * scale)
        worst_covariance = max(worst_covariance, float(torch.linalg.matrix_norm(deviation, ord=2)))
    return worst_mean, worst_covariance


@pytest.mark.slow
@pytest.mark.parametrize("key", DECODED)
def test_a_decoder_comes_near_the_exact_posterior_without_noise(key):
    run, problem = train(key, *DECODED[key], noise=0.0)
    mean, covariance = prior_scaled_errors(run, problem)
    print(f"{key}: mean off by {mean:.3f} prior sd, covariance by {covariance:.3f}")
    assert mean < 0.12 and covariance < 0.25
