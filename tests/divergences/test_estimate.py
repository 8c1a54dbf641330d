"""Estimates of divergences: against the closed forms of Gaussians, and with bad input."""

import math

import pytest
import torch

from workbench.core.errors import DataError, SpecError
from workbench.critics import CRITICS
from workbench.divergences import DIVERGENCES, FDivergence, VariationalDivergence, estimate
from workbench.divergences.base import Divergence

MEAN = torch.tensor([0.7, -0.3], dtype=torch.float64)
SCALE = torch.tensor([[1.1, 0.0], [0.2, 0.85]], dtype=torch.float64)
COVARIANCE = SCALE @ SCALE.T


def log_normal_density(x, mean, covariance):
    return torch.distributions.MultivariateNormal(mean, covariance).log_prob(x)


def densities(x):
    """log p and log q at x (n, 2), for P = N(0, I) and Q = N(mean, covariance)."""
    eye = torch.eye(2, dtype=torch.float64)
    return log_normal_density(x, torch.zeros_like(MEAN), eye), log_normal_density(x, MEAN, COVARIANCE)


def samples(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    p, q = torch.randn(2, n, 2, generator=generator, dtype=torch.float64)
    return p, MEAN + q @ SCALE.T


def kl_of_gaussians(mean_1, covariance_1, mean_2, covariance_2):
    inverse = torch.linalg.inv(covariance_2)
    step = mean_2 - mean_1
    value = (inverse @ covariance_1).trace() - len(mean_1) + step @ inverse @ step
    return float(0.5 * (value + covariance_2.logdet() - covariance_1.logdet()))


def closed_forms():
    eye, zero = torch.eye(2, dtype=torch.float64), torch.zeros_like(MEAN)
    middle = 0.5 * (eye + COVARIANCE)
    overlap = COVARIANCE.det() ** 0.25 / middle.det() ** 0.5
    forward, reverse = (
        kl_of_gaussians(zero, eye, MEAN, COVARIANCE),
        kl_of_gaussians(MEAN, COVARIANCE, zero, eye),
    )
    hellinger = 2 - 2 * overlap * math.exp(-float(MEAN @ torch.linalg.inv(middle) @ MEAN) / 8)
    return {"kl": forward, "reverse_kl": reverse, "jeffreys": forward + reverse, "donsker_varadhan": forward,
            "squared_hellinger": float(hellinger), "alpha": 2 * float(hellinger)}  # fmt: skip


@pytest.mark.parametrize("key", closed_forms())
def test_monte_carlo_form_gives_the_closed_form_of_gaussians(key):
    p, q = samples(40_000)
    value = DIVERGENCES.make(key).from_log_densities(*densities(p), *densities(q))
    assert float(value) == pytest.approx(closed_forms()[key], rel=0.04)


def optimal_quadratic(member):
    """The quadratic critic with the weights of the optimal logit, which is affine in log p/q."""
    critic = CRITICS.make("quadratic").build(2).double()
    offset, slope = (float(v) for v in member.optimal_logits(torch.tensor([0.0, 1.0], dtype=torch.float64)))
    slope -= offset
    precision = torch.linalg.inv(COVARIANCE)
    at_zero = [float(v) for v in densities(torch.zeros(1, 2, dtype=torch.float64))]
    with torch.no_grad():
        critic.matrix.copy_(slope * 0.5 * (precision - torch.eye(2, dtype=torch.float64)))
        critic.vector.copy_(-slope * precision @ MEAN)
        critic.constant.copy_(torch.tensor(offset + slope * (at_zero[0] - at_zero[1])))
    return critic


@pytest.mark.parametrize("key", ["kl", "reverse_kl", "jensen_shannon", "squared_hellinger", "jeffreys"])
def test_a_quadratic_critic_attains_the_divergence_of_gaussians(key):
    """Its best member is the optimal critic: its value is the Monte Carlo value at every sample."""
    member, (p, q) = DIVERGENCES.make(key), samples(2000)
    critic = optimal_quadratic(member)
    with torch.no_grad():
        value = member.value(critic(p)[:, 0], critic(q)[:, 0])
    assert torch.isclose(value, member.from_log_densities(*densities(p), *densities(q)), rtol=1e-8)


@pytest.mark.parametrize("key", ["kl", "jensen_shannon", "squared_hellinger"])
def test_a_trained_quadratic_critic_comes_close_and_does_not_exceed(key):
    p, q = samples(6000, seed=1)
    result = estimate(key, p, q, critic="quadratic")
    member = DIVERGENCES.make(key)
    truth = float(member.from_log_densities(*densities(samples(40_000)[0]), *densities(samples(40_000)[1])))
    assert result.value < truth + 4 * result.standard_error
    assert result.value > truth - 4 * result.standard_error - 0.03 * truth


@pytest.fixture(scope="module")
def estimates():
    """Estimates of every divergence between the two Gaussians, with the default critic."""
    p, q = samples(800, seed=2)
    return {
        d.key: estimate(d.key, p, q, steps=30, batch_size=128)
        for d in DIVERGENCES
    }  # fmt: skip


@pytest.mark.parametrize("divergence", list(DIVERGENCES), ids=lambda d: d.key)
def test_every_divergence_can_be_measured(divergence, estimates):
    result, member = estimates[divergence.key], divergence()
    assert math.isfinite(result.value) and result.value > member.at_equality + 0.01
    assert result.bias.endswith(".") and result.key == divergence.key
    if isinstance(member, VariationalDivergence):
        assert result.critic is not None and "not trained on" in result.bias and result.n_held_out == 800
        assert result.critic(samples(5)[0]).shape == (5,)
    else:
        assert result.critic is None and result.value == result.train_value


@pytest.mark.parametrize(
    "divergence", [d for d in DIVERGENCES if issubclass(d, FDivergence)], ids=lambda d: d.key
)
def test_a_held_out_value_stays_below_the_divergence(divergence, estimates):
    p, q = samples(40_000, seed=5)
    truth = float(divergence().from_log_densities(*densities(p), *densities(q)))
    assert estimates[divergence.key].value < truth + 4 * estimates[divergence.key].standard_error


@pytest.mark.parametrize("critic", list(CRITICS), ids=lambda c: c.key)
def test_every_critic_measures(critic):
    p, q = samples(400, seed=3)
    result = estimate("jensen_shannon", p, q, critic=critic(), steps=60)
    assert 0.02 < result.value < 2 * math.log(2)


@pytest.mark.filterwarnings("ignore:.*cannot be told from:workbench.core.errors.DataWarning")
def test_on_the_critics_own_samples_the_value_is_too_high_and_marked_so():
    """Equal distributions: a critic with many weights finds a difference on its own samples alone."""
    generator = torch.Generator().manual_seed(0)
    p, q = torch.randn(2, 60, 4, generator=generator, dtype=torch.float64)
    spec = CRITICS.make("rkhs_ball", radius=30.0, decay=2.0)
    own, others = (estimate("jensen_shannon", p, q, held_out=h, critic=spec) for h in (False, True))
    assert own.value > 0.5 > 0.1 > others.value
    assert "too high" in own.bias and own.n_held_out == 0
    assert others.train_value > others.value


def test_a_shift_and_a_change_of_units_do_not_change_an_f_divergence():
    p, q = samples(800, seed=4)
    a, b = (
        estimate("jensen_shannon", s * p + t, s * q + t, steps=60).value for s, t in ((1, 0), (1e4, 77.0))
    )
    assert a == pytest.approx(b, rel=1e-6)


def test_w1_is_measured_in_the_units_of_x():
    """A truly 1-Lipschitz critic between N(0, 1) and N(2, 1): at most 2, and close."""
    generator = torch.Generator().manual_seed(0)
    p, q = torch.randn(2, 1000, 1, generator=generator, dtype=torch.float64)
    free = DIVERGENCES.make("wasserstein_critic", penalty_weight=0)
    result = estimate(
        free, p, q + 2, critic=CRITICS.make("spectral_norm_mlp", width=16), steps=200, learning_rate=0.02
    )
    assert 1.5 < result.value < 2.0 + 0.2


def test_same_seed_same_number_and_the_global_generator_is_left_alone():
    p, q = samples(100)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    values = [estimate("jensen_shannon", p, q, steps=20, seed=s).value for s in (1, 1, 2)]
    assert values[0] == values[1] != values[2]
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    "p, q, match",
    [
        (torch.zeros(50, 2), torch.zeros(50, 3), "same dimension"),
        (torch.zeros(50), torch.zeros(50), "same dimension"),
        (torch.zeros(5, 2), torch.zeros(50, 2), "too few"),
        (torch.full((50, 2), float("nan")), torch.zeros(50, 2), "50 of 50 rows of P"),
        (torch.zeros(50, 2), torch.full((50, 2), float("inf")), "rows of Q"),
    ],
)
@pytest.mark.parametrize("key", ["kl", "energy_distance"])
def test_samples_that_cannot_be_compared_are_refused(key, p, q, match):
    if key == "energy_distance" and match == "too few":
        p = p[:1]
    with pytest.raises(DataError, match=match):
        estimate(key, p, q)


def test_unknown_keys_are_refused_with_a_guess():
    with pytest.raises(SpecError, match="did you mean 'pearson'|Did you mean 'pearson'"):
        estimate("pearsn", torch.zeros(50, 1), torch.zeros(50, 1))


def test_every_card_is_full():
    for divergence in DIVERGENCES:
        member = divergence()
        assert member.definition and member.estimator and member.bias and member.expense and member.needs
        assert member.pinsker_reason.endswith(".")
    assert issubclass(divergence, Divergence)
