"""Estimates with the quadratic critic: closed forms between Gaussians, bounds elsewhere, and warnings."""

import math
import warnings

import pytest
import torch

from workbench.core.errors import DataWarning
from workbench.divergences import DIVERGENCES, FDivergence, VariationalDivergence, estimate
from workbench.divergences.gaussians import closed_form, look_gaussian, pair

KEYS = [d.key for d in DIVERGENCES if issubclass(d, VariationalDivergence) and d.from_ratio] + [
    "total_variation"
]
#: Distances δ between N(0, 1) and N(δ, 1), whose KL is δ²/2: 0.84 and 9.4 nats.
NEAR, FAR = math.sqrt(2 * 0.84), math.sqrt(2 * 9.4)


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def between_shifted(key, shift):
    """Divergence between N(0, I) and N(m, I) with |m| = ``shift``: quadrature along m over the generator."""
    member = DIVERGENCES.make(key)
    x = torch.linspace(-16, 16 + shift, 400_001, dtype=torch.float64)
    log_ratio = 0.5 * ((x - shift) ** 2 - x**2)
    density = (-0.5 * (x - shift) ** 2).exp() / math.sqrt(2 * math.pi)
    if key == "donsker_varadhan":
        member = DIVERGENCES.make("kl")
    terms = density * member.generator(log_ratio.exp())
    return float(torch.trapezoid(terms, x))


def shifted(n, m, features, shift, seed):
    """Samples of N(0, C) (n, D) and N(d, C) (m, D), with |d| = ``shift`` in units of C."""
    generator = torch.Generator().manual_seed(seed)
    p, q = (torch.randn(k, features, generator=generator, dtype=torch.float64) for k in (n, m))
    direction = torch.randn(features, generator=generator, dtype=torch.float64)
    mixing = torch.randn(features, features, generator=generator, dtype=torch.float64) + 2 * torch.eye(
        features
    )
    return p @ mixing, (q + shift * direction / direction.norm()) @ mixing


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("shift", [NEAR, FAR], ids=["0.84 nats", "9.4 nats"])
def test_defaults_attain_the_closed_form_of_gaussians(key, shift):
    """Within 5 %, or where the samples cannot tell it more precisely, within three standard errors."""
    truth, at_equality = between_shifted(key, shift), DIVERGENCES.make(key).at_equality
    for seed, features in ((0, 1), (1, 4)):
        p, q = shifted(30_000, 20_000, features, shift, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            result = estimate(key, p, q, critic="quadratic", seed=seed)
        assert "closed form" in result.bias
        log_truth, log_value = (math.log1p(v - at_equality) for v in (truth, result.value))
        log_error = result.standard_error / (1 + result.value - at_equality)
        assert abs(log_value - log_truth) < 3 * log_error
        if key not in ("pearson", "neyman"):  # of a size e^19 there, and known to a factor
            assert abs(result.value - truth) < 0.05 * (truth - at_equality)


def test_the_claimed_error_covers_the_error_at_a_usual_sample_size():
    deviations = []
    for seed in range(40):
        p, q = shifted(800, 400, 3, NEAR, seed)
        for key in ("kl", "squared_hellinger"):
            form = closed_form(DIVERGENCES.make(key).between_gaussians, p, q)
            deviations.append((form.value - between_shifted(key, NEAR)) / form.standard_error)
    deviations = torch.tensor(deviations)
    assert deviations.abs().lt(2).double().mean() > 0.88
    assert abs(deviations.mean()) < 0.4


def test_closed_forms_between_gaussians_of_other_shape_agree_with_quadrature():
    """Of P = N(0.4, 0.6²) and Q = N(0, 1), where every divergence is finite or known to be infinite."""
    x = torch.linspace(-12, 12, 400_001, dtype=torch.float64)
    first, second = torch.distributions.Normal(0.4, 0.8), torch.distributions.Normal(0.0, 1.0)
    gaussians = pair(double([0.4]), double([[0.64]]), double([0.0]), double([[1.0]]))
    log_ratio = first.log_prob(x).double() - second.log_prob(x).double()
    density = second.log_prob(x).double().exp()
    for key in KEYS:
        member = DIVERGENCES.make(key)
        form = DIVERGENCES.make("kl") if key == "donsker_varadhan" else member
        truth = float(torch.trapezoid(density * form.generator(log_ratio.exp()), x))
        assert float(member.between_gaussians(gaussians)) == pytest.approx(truth, rel=2e-3), key


def test_an_infinite_divergence_is_infinite_and_warned_of():
    """χ²(P||Q) of P = N(0, 2²) and Q = N(0, 1): the variance of P is more than twice that of Q."""
    p, q = shifted(2000, 2000, 2, 0.0, 0)
    with pytest.warns(DataWarning, match="infinite"):
        result = estimate("pearson", 2 * p, q, critic="quadratic")
    assert result.value == math.inf
    finite = estimate("neyman", 2 * p, q, critic="quadratic")
    assert math.isfinite(finite.value) and not finite.caution


def test_a_value_that_is_smaller_than_its_error_is_warned_of():
    p, q = shifted(400, 400, 2, 0.0, 3)
    with pytest.warns(DataWarning, match="cannot be told from"):
        result = estimate("kl", p, q, critic="quadratic")
    assert result.standard_error > abs(result.value)


def test_a_bound_that_rests_on_a_single_sample_is_warned_of():
    """At 9.4 nats hardly a sample of Q lies where P does, so that E_Q[p/q] = 1 is not seen."""
    p, q = shifted(1000, 1000, 2, FAR, 0)
    with pytest.warns(DataWarning, match="of the variance of its term"):
        estimate("kl", p, q, steps=200)


@pytest.mark.parametrize("features", [1, 3])
def test_samples_of_other_shape_keep_the_bound(features):
    """A uniform distribution on a cube against a normal one: the value is a held-out lower bound."""
    generator = torch.Generator().manual_seed(features)
    normal = torch.randn(4000, features, generator=generator, dtype=torch.float64)
    uniform = torch.rand(4000, features, generator=generator, dtype=torch.float64) * 3
    assert not look_gaussian(normal, uniform) and not look_gaussian(normal**3, normal)
    result = estimate("jensen_shannon", uniform, normal, critic="quadratic")
    assert "lower bound" in result.bias.lower() and result.n_held_out == 4000

    def log_ratio(points):
        inside = ((points > 0) & (points < 3)).all(-1)
        normal_density = torch.distributions.Normal(0.0, 1.0).log_prob(points).sum(-1)
        return torch.where(inside, -math.log(3) * features - normal_density, -60.0)

    truth = float(DIVERGENCES.make("jensen_shannon").value(log_ratio(uniform), log_ratio(normal)))
    assert 0.5 * truth < result.value < truth + 3 * result.standard_error


def test_gaussians_are_seldom_taken_for_other_shapes():
    rejections = sum(not look_gaussian(*shifted(500, 300, 1 + seed % 4, NEAR, seed)) for seed in range(100))
    assert rejections <= 2


def test_the_solver_improves_on_the_fitted_gaussians_where_samples_are_not_gaussian():
    """Two clusters against heavy tails: the log-ratio of the Gaussians with their moments is a start only."""
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, (6000, 1), generator=generator).double() * 2 - 1
    p = 2 * signs + 0.5 * torch.randn(6000, 1, generator=generator, dtype=torch.float64)
    q = torch.randn(6000, 1, generator=generator, dtype=torch.float64).pow(3)
    optimum = estimate("jensen_shannon", p, q, critic="quadratic")
    start = estimate("jensen_shannon", p, q, critic="quadratic", steps=0)
    assert optimum.value > start.value + 3 * start.standard_error


def test_every_f_divergence_has_a_form_for_gaussians():
    gaussians = pair(double([0.4]), double([[0.64]]), double([0.0]), double([[1.0]]))
    for divergence in DIVERGENCES:
        if issubclass(divergence, FDivergence):
            assert math.isfinite(float(divergence().between_gaussians(gaussians)))
