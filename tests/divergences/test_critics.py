"""Critics: the properties that each class declares."""

import math

import pytest
import torch
from scipy.optimize import minimize

from workbench.core.errors import DataError
from workbench.critics import CRITICS
from workbench.critics.stabilisers import clamp, gradient_penalty, instance_noise, r1, slopes
from workbench.divergences import DIVERGENCES, mmd_squared
from workbench.nn.critic_networks import gaussian_kernel


@pytest.mark.parametrize("critic", list(CRITICS), ids=lambda c: c.key)
def test_every_critic_gives_one_logit_and_a_gradient_to_every_weight(critic):
    torch.manual_seed(0)
    module = critic().build(3)
    out = module(torch.randn(50, 3))
    assert out.shape == (50, 1)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


@pytest.mark.parametrize("critic", list(CRITICS), ids=lambda c: c.key)
def test_same_seed_same_critic(critic):
    logits = []
    for _ in range(2):
        torch.manual_seed(5)
        logits.append(critic().build(2)(torch.ones(4, 2)))
    assert torch.equal(*logits)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh"])
@pytest.mark.parametrize("lipschitz", [0.5, 3.0])
def test_the_spectral_norm_network_is_never_steeper_than_declared(activation, lipschitz):
    torch.manual_seed(1)
    spec = CRITICS.make("spectral_norm_mlp", width=16, activation=activation, lipschitz=lipschitz)
    network = spec.build(3).double()
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    points = 3 * torch.randn(400, 3, dtype=torch.float64)
    steepest = []
    for _ in range(
        15
    ):  # ascent of the slope itself, with steps at which an unconstrained network would diverge
        steep = slopes(network, points)
        steepest.append(float(steep.detach().max()))
        optimiser.zero_grad()
        (-steep.mean()).backward()
        optimiser.step()
    assert max(steepest) <= lipschitz * (1 + 1e-9) and network.lipschitz == lipschitz
    assert max(steepest) > 0.5 * lipschitz


def test_a_network_without_normalisation_exceeds_a_slope_of_one():
    torch.manual_seed(1)
    network = CRITICS.make("mlp", width=16).build(3).double()
    with torch.no_grad():
        for weight in network.parameters():
            weight *= 4
    assert slopes(network, torch.randn(100, 3, dtype=torch.float64)).max() > 1


def problem(normal, n=25):
    return normal(0, n), 1.0 + 0.7 * normal(1, n)


@pytest.mark.parametrize("key", ["jensen_shannon", "kl", "squared_hellinger", "pearson"])
def test_the_rkhs_solution_is_the_global_optimum(key, normal):
    """Against a general solver for the same convex problem, and by the conditions of Karush, Kuhn and
    Tucker."""
    divergence, (p, q) = DIVERGENCES.make(key), problem(normal)
    spec = CRITICS.make("rkhs_ball", radius=1.5)
    function = spec.solve(divergence.critic_value, p, q)
    value = float(divergence.critic_value(function(p), function(q)))
    centres = torch.cat([p, q])
    kernel = gaussian_kernel(centres, centres, spec.decay)
    root = torch.linalg.cholesky(kernel + 1e-9 * torch.eye(len(kernel), dtype=kernel.dtype))

    def loss(beta):
        beta = torch.tensor(beta, requires_grad=True)
        logits = root @ beta
        value = -divergence.critic_value(logits[: len(p)], logits[len(p) :])
        (slope,) = torch.autograd.grad(value, beta)
        return float(value.detach()), slope.numpy()

    ball = {"type": "ineq", "fun": lambda b: 1.5**2 - b @ b, "jac": lambda b: -2 * b}
    optimum = minimize(
        loss, torch.zeros(len(kernel)).double().numpy(), jac=True, method="SLSQP", constraints=[ball],
        options={"maxiter": 300, "ftol": 1e-13},
    )  # fmt: skip
    assert value == pytest.approx(-optimum.fun, abs=1e-6)
    assert float(function.norm()) <= 1.5 * (1 + 1e-6)
    assert function(torch.linspace(-9, 9, 99)[:, None].double()).abs().max() <= 1.5


def test_the_rkhs_ball_of_a_mean_difference_is_mmd(normal):
    """With the value E_P v - E_Q v the supremum over the ball of radius b is b MMD."""
    p, q = problem(normal, 60)
    spec = CRITICS.make("rkhs_ball", radius=2.0, decay=0.5)
    function = spec.solve(lambda a, b: a.mean() - b.mean(), p, q)
    value = function(p).mean() - function(q).mean()
    assert torch.isclose(value, 2 * mmd_squared(p, q, kernel_name="gaussian").sqrt(), rtol=1e-4)


def test_a_larger_ball_gives_a_larger_value(normal):
    divergence, (p, q) = DIVERGENCES.make("jensen_shannon"), problem(normal, 60)
    values = []
    for radius in (0.1, 1.0, 5.0, 30.0):
        function = CRITICS.make("rkhs_ball", radius=radius).solve(divergence.critic_value, p, q)
        values.append(float(divergence.critic_value(function(p), function(q))))
    assert 0 < values[0] < values[1] < values[2] < values[3] < 2 * math.log(2)


def test_the_models_gradient_is_that_of_the_value_at_the_fixed_solution(normal):
    """Envelope theorem: finite differences of the optimum, for which the critic changes as well, agree."""
    divergence, (p, q) = DIVERGENCES.make("jensen_shannon"), problem(normal)
    spec = CRITICS.make("rkhs_ball", radius=3.0)

    def optimum(shift):
        function = spec.solve(divergence.critic_value, p, q + shift, steps=20_000, tolerance=1e-11)
        return divergence.critic_value(function(p), function(q + shift))

    function = spec.solve(divergence.critic_value, p, q, steps=20_000, tolerance=1e-11)
    shift = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(divergence.value(function(p), function(q + shift)), shift)
    difference = (optimum(1e-3) - optimum(-1e-3)) / 2e-3
    assert torch.isclose(slope[0], difference, rtol=1e-3)
    assert slope.abs() > 0.1


def test_the_rkhs_ball_refuses_samples_that_do_not_match():
    divergence = DIVERGENCES.make("jensen_shannon")
    with pytest.raises(DataError, match="same dimension"):
        CRITICS.make("rkhs_ball").solve(divergence.critic_value, torch.zeros(3, 2), torch.zeros(3, 1))


def linear(slope):
    module = torch.nn.Linear(2, 1).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor(slope, dtype=torch.float64)[None])
    return module


def test_stabilisers_on_a_linear_critic_are_their_closed_forms(normal):
    p, q = normal(0, 20, 2), normal(1, 30, 2)
    steep, flat = linear([3.0, 4.0]), linear([0.3, 0.4])
    assert r1(steep, p).item() == pytest.approx(12.5)
    assert gradient_penalty(steep, p, q).item() == pytest.approx(16.0)
    assert gradient_penalty(flat, p, q).item() == pytest.approx(0.25)
    assert gradient_penalty(flat, p, q, one_sided=True).item() == pytest.approx(0.0)
    assert gradient_penalty(steep, p, q, one_sided=True, target=2.0).item() == pytest.approx(9.0)
    assert clamp(torch.tensor([-9.0, 0.5, 9.0]), 4.0).tolist() == [-4.0, 0.5, 4.0]


def test_stabilisers_give_a_gradient_to_the_critic_and_draw_from_the_generator(normal):
    p, q = normal(0, 20, 2), normal(1, 20, 2)
    torch.manual_seed(0)
    network = CRITICS.make("mlp", width=8, activation="tanh").build(2).double()
    for penalty in (r1(network, p), gradient_penalty(network, p, q)):
        slope = torch.autograd.grad(penalty, list(network.parameters())[:3], allow_unused=True)
        assert slope[0].abs().sum() > 0
    noisy = [instance_noise(p, 0.3, torch.Generator().manual_seed(2)) for _ in range(2)]
    assert torch.equal(*noisy) and (noisy[0] - p).std() == pytest.approx(0.3, rel=0.3)
    with pytest.raises(DataError, match="same dimension"):
        gradient_penalty(network, p, q[:, :1])
