"""VINA's geoacoustic inversion: field, noise among the unknowns, and its posterior."""

from __future__ import annotations

import pytest
import torch

from workbench.problems import PROBLEMS
from workbench.problems.ocean import geoacoustic_field as field
from workbench.problems.ocean import geoacoustic_paper as paper


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_interpolated_sediment_agrees_with_the_solution():
    guide = field.waveguide(paper.TONES, paper.HYDROPHONES, True)
    m = field.uniform_draws(paper.SEABED, 6, seeded())
    members = {
        "depth": m[:, 0],
        "speed": m[:, 1],
        "increase": paper.BOTTOM_SPEED - m[:, 1],
        "tilt": m.new_zeros(1),
    }
    exact, interpolation = guide.pressure(field.seabed(members)), paper.pressure(m[:, 0], m[:, 1])
    assert float((exact - interpolation).abs().max() / exact.abs().max()) < 1e-6


def test_y_follows_from_the_unknowns_when_noise_is_one_of_them():
    problem = PROBLEMS.make("geoacoustic_paper")
    samples = problem.draw(30, seeded())
    assert samples.x.shape == (30, 72) and samples.y.shape == (30, 70)
    torch.testing.assert_close(problem.simulate(samples.x, seeded(1)), samples.y)
    torch.testing.assert_close(problem.noise_free(samples.x[:, :2]) + samples.x[:, 2:], samples.y)


def test_signal_and_noise_have_their_levels():
    problem = PROBLEMS.make("geoacoustic_paper", signal_to_noise=15.0)
    samples = problem.draw(300, seeded())
    noise = samples.x[:, 2:]
    assert float((samples.y - noise).square().mean()) == pytest.approx(0.5, rel=0.1)
    assert float(noise.square().mean()) == pytest.approx(0.5 * 10**-1.5, rel=0.03)


def test_posterior_draws_reproduce_the_observation_and_agree_with_weighted_draws():
    problem = PROBLEMS.make("geoacoustic_paper")
    y = torch.tensor(problem.default_observation, dtype=torch.float64)
    samples = problem.reference_posterior(y, 300, seeded())
    torch.testing.assert_close(problem.simulate(samples, seeded()), y.expand(300, -1))
    # noise of the posterior is as large as noise is
    assert float(samples[:, 2:].square().mean()) == pytest.approx(problem.spread**2, rel=0.5)
    bare = PROBLEMS.make("geoacoustic_paper", noise_appended=False)
    m = bare.reference_posterior(y, 1000, seeded())
    centre, spread = m.mean(0), m.std(0)
    x = centre + 4 * spread * (2 * torch.rand(800, 2, generator=seeded(2), dtype=torch.float64) - 1)
    with torch.no_grad():
        weights = torch.softmax(bare.log_joint(x, y.expand(len(x), -1)), 0)
    mean = (weights[:, None] * x).sum(0)
    size = 1 / float(weights.square().sum())
    assert size > 30 and ((mean - centre).abs() < 4 * spread / size**0.5).all()
