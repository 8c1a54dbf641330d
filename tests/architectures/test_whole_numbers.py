"""Whole numbers and bounds in the recommended network, against posteriors by sums and integrals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats as st
import torch

import workbench as wb
from workbench.architectures import ARCHITECTURES
from workbench.core.shapes import Shapes
from workbench.nn.two_piece_normal import TwoPieceNormal


def whole_model(low=-0.5, features=2):
    """Return an untrained network of one column of whole numbers and others of real ones, with weights."""
    generator = torch.Generator().manual_seed(2)
    counts = torch.poisson(torch.full((3000, 1), 3.0, dtype=torch.float64), generator=generator)
    others = 0.4 * counts + torch.randn(3000, features - 1, generator=generator, dtype=torch.float64)
    x = torch.cat([others, counts], 1) / 2.0
    y = x.sum(1, keepdim=True) + torch.randn(3000, 1, generator=generator, dtype=torch.float64)
    torch.manual_seed(0)
    network = (
        ARCHITECTURES.make("regressed_mixtures", members=2, width=16).build(Shapes(features, 1)).double()
    )
    step = torch.zeros(features, dtype=torch.float64)
    step[-1] = 0.5
    network.learn_whole_numbers(torch.zeros_like(step), step)
    bounds = torch.tensor([[-math.inf], [math.inf]], dtype=torch.float64).repeat(1, features)
    bounds[0, -1] = low / 2
    network.prepare(x, y, bounds)
    with torch.no_grad():
        for parameter in network.network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return network.eval()


@pytest.mark.parametrize("half", [0.003, 0.1, 2.0])
def test_the_mean_of_a_mixture_within_an_interval(half):
    raw = torch.randn(5, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mixture = TwoPieceNormal.read(raw)
    middle = torch.linspace(-2, 2, 5, dtype=torch.float64)
    limits = torch.full((5,), -3.0).double(), torch.full((5,), 6.0).double()
    places = middle[:, None] + half * (2 * (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000 - 1)
    density = torch.stack([mixture.log_prob(v, limits).exp() for v in places.T]).mean(0)
    value = mixture.log_prob(middle, limits, torch.full((5,), half).double()).exp()
    torch.testing.assert_close(value, density, rtol=5e-4, atol=1e-9)


@pytest.mark.parametrize("low", [-0.5, -math.inf])
def test_probabilities_of_whole_numbers_add_up_and_are_those_of_draws(low):
    network, at = whole_model(low), torch.tensor([[2.0]], dtype=torch.float64)
    counts = torch.arange(-8, 30, dtype=torch.float64)
    places = torch.linspace(-9, 12, 1001, dtype=torch.float64)
    points = torch.cartesian_prod(places, counts / 2)
    with torch.no_grad():
        density = network.log_prob(points, at.expand(len(points), -1)).exp().reshape(len(places), -1)
        draws = network.draw(torch.randn(20_000, 3, dtype=torch.float64), at)
    shares = density.sum(0) * float(places[1] - places[0]) * 0.5  # a step is one half wide
    assert float(shares.sum()) == pytest.approx(1.0, abs=2e-3)
    assert low == -math.inf or float(shares[counts < 0].sum()) == 0.0
    k = draws[:, 1] * 2
    torch.testing.assert_close(k, k.round(), atol=1e-9, rtol=0)
    for count, share in zip(counts, shares, strict=True):
        own = k.round() == count
        assert abs(float(own.double().mean()) - share) < 4 * math.sqrt(share * (1 - share) / 2e4) + 2e-3
        if own.sum() > 2000:  # the other column, given the count
            own_density = density[:, counts == count][:, 0]
            mean = float((own_density * places).sum() / own_density.sum())
            assert float(draws[own, 0].mean()) == pytest.approx(mean, abs=0.1)


def test_counts_beside_an_exact_posterior():
    """n ~ Poisson(5), y = n + N(0, 1/4): the posterior is a sum over whole numbers."""
    problem = wb.SimulatorProblem({"n": st.poisson(5)}, lambda x: x + 0.5 * torch.randn_like(x))
    run = wb.Run(wb.Experiment.recommended(problem, 5000).replace(steps=400), device="cpu")
    for _ in run:
        pass
    counts = np.arange(40)
    for y in (1.0, 3.0, 6.5):
        exact = st.poisson(5).pmf(counts) * st.norm(counts, 0.5).pdf(y)
        exact /= exact.sum()
        draws = run.fitted.sample(20_000, [y])[:, 0].numpy().astype(int)
        share = np.bincount(draws, minlength=40)[:40] / len(draws)
        log_prob = run.fitted.log_prob(counts[:, None], np.full((40, 1), y)).detach().exp().numpy()
        assert 0.5 * np.abs(share - exact).sum() < 0.05
        assert 0.5 * np.abs(share - log_prob).sum() < 0.015


@pytest.mark.slow
def test_a_uniform_prior_beside_an_exact_posterior():
    """x ~ U(0, 1), y = x + N(0, 0.09): a normal distribution cut off at 0 and 1."""
    problem = wb.SimulatorProblem({"x": st.uniform(0, 1)}, lambda x: x + 0.3 * torch.randn_like(x))
    run = wb.Run(wb.Experiment.recommended(problem, 5000), device="cpu")
    for _ in run:
        pass
    for y in (-0.4, 0.0, 0.5, 1.0, 1.5):
        exact = st.truncnorm(-y / 0.3, (1 - y) / 0.3, loc=y, scale=0.3)
        draws = run.fitted.sample(10_000, [y])[:, 0].numpy()
        assert st.kstest(draws, exact.cdf).statistic < 0.06
    assert float(run.fitted.log_prob([[0.0]], [[0.0]]).detach()) == pytest.approx(exact_at_edge(), abs=0.3)


def exact_at_edge():
    return st.norm(0, 0.3).logpdf(0) - math.log(st.norm(0, 0.3).cdf(1) - 0.5)
