"""Integral probability metrics and transport distances against closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.special import erf
from scipy.stats import wasserstein_distance

from workbench.core.errors import SpecError
from workbench.divergences import DIVERGENCES, SampleDivergence
from workbench.divergences.f_gamma import best_shift
from workbench.divergences.sliced_wasserstein import line_wasserstein

DIRECT = [d for d in DIVERGENCES if issubclass(d, SampleDivergence)]
each = pytest.mark.parametrize("divergence", DIRECT, ids=lambda d: d.key)


def quantiles(n, mean=0.0, scale=1.0):
    """n points (n, 1) of a normal distribution at the middles of equal slices: a sample without noise."""
    levels = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return (mean + scale * math.sqrt(2) * torch.erfinv(2 * levels - 1))[:, None]


def folded(mu, variance):
    """E|N(μ, v)|."""
    if variance == 0:
        return abs(mu)
    return math.sqrt(2 * variance / math.pi) * math.exp(-(mu**2) / 2 / variance) + mu * erf(
        mu / math.sqrt(2 * variance)
    )


# ---- every one of them


@each
def test_zero_for_the_same_sample_and_positive_otherwise(divergence, normal):
    p, q = normal(0, 60, 2), 0.4 + 1.3 * normal(1, 50, 2)
    member = divergence()
    assert member.between(p, p.clone()).abs() < 1e-9
    assert member.between(p, q) > 1e-3
    assert torch.isclose(member.between(p, q), member.between(q, p), rtol=1e-6)


@each
def test_a_gradient_on_disjoint_supports_points_home(divergence):
    p = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    shift = torch.tensor(20.0, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(divergence().between(p, p + shift), shift)
    assert slope > 0


@each
def test_finite_gradients_where_points_coincide(divergence, normal):
    p = normal(0, 20, 2)
    q = p.clone().requires_grad_()
    (slope,) = torch.autograd.grad(divergence().between(p, q), q)
    assert torch.isfinite(slope).all()


@each
def test_gradient_is_that_of_finite_differences(divergence, normal):
    settings = {"blur": 0.5, "scaling": 0.97} if divergence.key == "sinkhorn" else {}
    member, p = divergence(**settings), normal(0, 30, 2)
    base = 0.5 + normal(1, 30, 2)
    shift = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(member.between(p, base + shift), shift)
    difference = (member.between(p, base + 1e-4) - member.between(p, base - 1e-4)) / 2e-4
    assert torch.isclose(slope, difference, rtol=2e-2)


@each
def test_the_same_generator_gives_the_same_number(divergence, normal):
    p, q = normal(0, 20, 3), normal(1, 20, 3)
    values = [divergence().between(p, q, torch.Generator().manual_seed(s)) for s in (1, 1)]
    assert torch.equal(*values)


BY_ROWS = {"energy_distance": {"unbiased": True}, "maximum_mean_discrepancy": {"unbiased": True}}


def belonging(generator, n, shift=0.0):
    """(x, y) and (x', y), both x exactly y here: rows that belong together are one point, less a shift."""
    y = torch.randn(n, 1, generator=generator, dtype=torch.float64)
    return torch.cat([y, y], -1), torch.cat([y + shift, y], -1)


@pytest.mark.parametrize("key", BY_ROWS)
def test_rows_that_belong_together_are_not_compared_and_the_rest_is_unbiased(key):
    """For equal distributions the mean is zero; a comparison of the rows that are equal makes it negative."""
    member = DIVERGENCES.make(key, **BY_ROWS[key])
    generator = torch.Generator().manual_seed(0)
    pairs = [belonging(generator, 12) for _ in range(300)]
    apart = torch.stack([member.between_rows(p, q) for p, q in pairs])
    assert apart.mean().abs() < 4 * apart.std() / 300**0.5 + 1e-12
    together = torch.stack([member.between(p, q) for p, q in pairs])
    assert together.mean() < -1e-2


@pytest.mark.parametrize("key, share", [("energy_distance", 0.6), ("maximum_mean_discrepancy", 0.85)])
def test_a_shared_y_takes_scatter_out_of_the_gradient(key, share):
    """The gradient in a shift has the same mean as from two halves, and less variance; a kernel that is
    narrow sees few pairs either way."""
    member, generator = DIVERGENCES.make(key, **BY_ROWS[key]), torch.Generator().manual_seed(1)
    slopes = {"rows": [], "halves": []}
    for _ in range(150):
        p, q = belonging(generator, 24)
        shift = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
        model = q + shift * torch.tensor([1.0, 0.0], dtype=torch.float64)
        for name, value in (
            ("rows", member.between_rows(p, model)),
            ("halves", member.between(p[:12], model[12:])),
        ):
            slopes[name].append(torch.autograd.grad(value, shift, retain_graph=True)[0])
    rows, halves = (torch.stack(slopes[name]) for name in slopes)
    assert (rows.mean() - halves.mean()).abs() < 4 * halves.std() / 150**0.5
    assert rows.std() < share * halves.std()


@each
def test_a_training_value_is_zero_on_average_for_equal_distributions_and_so_is_its_gradient(divergence):
    """Two samples of one distribution differ by more if they are wide: such a loss would shrink the model."""
    member, generator = divergence(**BY_ROWS.get(divergence.key, {})), torch.Generator().manual_seed(2)
    draws = {"value": [], "slope": []}
    for _ in range(60):
        p, q = torch.randn(2, 24, 2, generator=generator, dtype=torch.float64)
        scale = torch.ones((), dtype=torch.float64, requires_grad=True)
        value = member.between_rows(p, scale * q, generator)
        draws["value"].append(value.detach())
        draws["slope"].append(torch.autograd.grad(value, scale)[0])
    for name, values in draws.items():
        values = torch.stack(values)
        selective = divergence.key == "max_sliced_wasserstein"  # the direction is the sample's own choice
        if not (selective and name == "value"):
            assert values.mean().abs() < 4 * values.std() / 60**0.5, name


def test_on_a_line_the_training_value_is_the_product_of_two_differences(normal):
    p, q = normal(0, 20), 0.3 + normal(1, 20)
    p1, p2, q1, q2 = (half.sort(0).values for half in (p[:10], p[10:], q[:10], q[10:]))
    value = DIVERGENCES.make("sliced_wasserstein", slices=1).between_rows(p, q)
    assert torch.isclose(value, ((p1 - q1) * (p2 - q2)).mean())


# ---- energy distance


def test_energy_distance_between_gaussians():
    m1, s1, m2, s2 = 0.0, 1.0, 0.8, 0.5
    truth = 2 * folded(m1 - m2, s1**2 + s2**2) - folded(0, 2 * s1**2) - folded(0, 2 * s2**2)
    value = DIVERGENCES.make("energy_distance").between(quantiles(2000, m1, s1), quantiles(2000, m2, s2))
    assert float(value) == pytest.approx(truth, rel=2e-3)


def test_energy_distance_is_the_dual_at_its_witness(normal):
    member, p, q = DIVERGENCES.make("energy_distance"), normal(0, 40, 2), 1 + normal(1, 30, 2)
    dual = member.witness(p, p, q).mean() - member.witness(q, p, q).mean()
    assert torch.isclose(dual, member.between(p, q), rtol=1e-12)


def test_unbiased_energy_distance_is_centred_for_equal_distributions_and_the_biased_is_not():
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randn(200, 2, 30, 2, generator=generator, dtype=torch.float64)
    for is_unbiased in (True, False):
        member = DIVERGENCES.make("energy_distance", unbiased=is_unbiased)
        values = torch.stack([member.between(p, q) for p, q in pairs])
        z = values.mean() / (values.std() / 200**0.5)
        assert abs(z) < 4 if is_unbiased else z > 10
    with pytest.raises(SpecError, match="at least two"):
        DIVERGENCES.make("energy_distance", unbiased=True).between(pairs[0, 0, :1], pairs[0, 1])


# ---- transport on a line


@pytest.mark.parametrize("sizes", [(40, 40), (40, 25), (7, 50)])
def test_transport_on_a_line_is_exact_also_for_unequal_sizes(sizes, normal):
    p, q = normal(0, sizes[0]), 0.5 + 2 * normal(1, sizes[1])
    reference = wasserstein_distance(p[:, 0].numpy(), q[:, 0].numpy())
    assert float(line_wasserstein(p, q, 1)) == pytest.approx(reference, rel=1e-12)
    cost = (p - q.T).square().numpy()
    n, m = cost.shape
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    plan = linprog(
        cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=[1 / n] * n + [1 / m] * m, method="highs"
    )
    assert float(line_wasserstein(p, q, 2)) == pytest.approx(plan.fun, rel=1e-8)


def test_transport_between_gaussians_on_a_line():
    p, q = quantiles(4000, 0.0, 1.0), quantiles(4000, 0.7, 0.6)
    assert float(line_wasserstein(p, q, 1)) == pytest.approx(folded(0.7, 0.4**2), rel=1e-3)
    assert float(line_wasserstein(p, q, 2)) == pytest.approx(0.7**2 + 0.4**2, rel=2e-3)


def test_dual_of_transport_on_a_line_at_the_optimal_critic(normal):
    """The critic with slope sign(G - F) is 1-Lipschitz and attains W1."""
    p, q = normal(0, 40)[:, 0], 0.3 + 1.5 * normal(1, 40)[:, 0]
    points = torch.cat([p, q]).sort().values
    below = [(points[:-1, None] >= s).double().mean(1) for s in (p, q)]
    heights = torch.cat([points.new_zeros(1), ((below[1] - below[0]).sign() * points.diff()).cumsum(0)])
    at_p, at_q = (heights[torch.searchsorted(points, s)] for s in (p, q))
    member = DIVERGENCES.make("wasserstein_critic")
    assert torch.isclose(member.value(at_p, at_q), line_wasserstein(p[:, None], q[:, None], 1)[0], rtol=1e-12)


# ---- slices


def white(sample):
    """The sample with mean 0 and covariance I exactly, so that only its shape is random."""
    sample = sample - sample.mean(0)
    return sample @ torch.linalg.inv(torch.linalg.cholesky(sample.T.cov(correction=0))).T


def test_sliced_wasserstein_between_gaussians():
    """For N(0, I) and N(Δ, s² I) in the plane: E (θᵀΔ)² + (1 - s)² = |Δ|²/2 + (1 - s)²."""
    generator = torch.Generator().manual_seed(0)
    p, q = (white(s) for s in torch.randn(2, 2000, 2, generator=generator, dtype=torch.float64))
    q = 0.5 * q + torch.tensor([1.0, -0.5], dtype=torch.float64)
    value = DIVERGENCES.make("sliced_wasserstein", slices=2000).between(p, q, generator)
    assert float(value) == pytest.approx(1.25 / 2 + 0.25, rel=0.05)


def test_sliced_wasserstein_with_unequal_covariances():
    """Against E_θ[(√θᵀΣ₁θ - √θᵀΣ₂θ)²] by quadrature over the circle."""
    scales = torch.tensor([2.0, 0.3], dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    p, q = (white(s) for s in torch.randn(2, 2000, 2, generator=generator, dtype=torch.float64))
    angles = torch.linspace(0, 2 * math.pi, 2001, dtype=torch.float64)[:-1]
    theta = torch.stack([angles.cos(), angles.sin()], -1)
    truth = ((theta * scales).norm(dim=-1) - 1).square().mean()
    value = DIVERGENCES.make("sliced_wasserstein", slices=1000).between(p * scales, q, generator)
    assert float(value) == pytest.approx(float(truth), rel=0.1)


def test_the_best_direction_is_found():
    """Two samples that differ in one of five directions only."""
    generator = torch.Generator().manual_seed(2)
    direction = torch.tensor([0.5, -0.5, 0.5, 0.1, 0.49], dtype=torch.float64)
    direction = direction / direction.norm()
    p = torch.randn(500, 5, generator=generator, dtype=torch.float64)
    q = p[torch.randperm(500, generator=generator)] + 3 * direction
    member = DIVERGENCES.make("max_sliced_wasserstein")
    best, mean = member.between(p, q), DIVERGENCES.make("sliced_wasserstein").between(p, q)
    assert float(best) == pytest.approx(9.0, rel=0.02) and mean < 0.5 * best


# ---- Sinkhorn


def exact_transport(p, q):
    """½ W2² between samples of equal size, by linear programming."""
    cost = (0.5 * torch.cdist(p, q).square()).numpy()
    n = len(cost)
    constraints = np.vstack([np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))])
    return linprog(cost.ravel(), A_eq=constraints, b_eq=[1 / n] * (2 * n), method="highs").fun


def sinkhorn(**settings):
    return DIVERGENCES.make("sinkhorn", scaling=0.95, **settings)


@pytest.mark.parametrize("debiased", [True, False])
def test_little_blur_is_optimal_transport(debiased, normal):
    p, q = normal(0, 25, 2), 1 + 0.5 * normal(1, 25, 2)
    value = sinkhorn(blur=0.01, debiased=debiased).between(p, q)
    assert float(value) == pytest.approx(exact_transport(p, q), rel=0.01)


def test_much_blur_is_half_an_mmd(normal):
    """Debiased: half the energy distance for r = 1, half the squared distance of the means for r = 2."""
    p, q = normal(0, 40, 2), 1 + 2 * normal(1, 40, 2)
    means = 0.5 * (p.mean(0) - q.mean(0)).square().sum()
    assert torch.isclose(sinkhorn(blur=300.0).between(p, q), means, rtol=1e-3)
    energy = 0.5 * DIVERGENCES.make("energy_distance").between(p, q)
    assert torch.isclose(sinkhorn(order=1, blur=1000.0).between(p, q), energy, rtol=1e-2)
    independent = (0.5 * torch.cdist(p, q).square()).mean()
    assert torch.isclose(sinkhorn(blur=300.0, debiased=False).between(p, q), independent, rtol=1e-3)


@pytest.mark.parametrize("blur", [0.1, 1.0])
def test_sinkhorn_against_a_plain_iteration(blur, normal):
    """OT_ε by the textbook's alternating maximisation of the dual, until it has converged."""
    p, q = normal(0, 30, 2), 0.5 + normal(1, 30, 2)
    cost, epsilon = 0.5 * torch.cdist(p, q).square(), blur**2
    f, g = torch.zeros(30, dtype=torch.float64), torch.zeros(30, dtype=torch.float64)
    for _ in range(3000):
        f = -epsilon * (((g - cost) / epsilon).logsumexp(1) - math.log(30))
        g = -epsilon * (((f[:, None] - cost) / epsilon).logsumexp(0) - math.log(30))
    value = sinkhorn(blur=blur, debiased=False).between(p, q)
    assert float(value) == pytest.approx(float(f.mean() + g.mean()), rel=5e-3)


def test_without_debiasing_equal_samples_are_not_at_zero_and_a_shrunk_one_is_closer(normal):
    p = normal(0, 60, 2)
    with_bias, without_bias = sinkhorn(blur=1.0, debiased=False), sinkhorn(blur=1.0)
    assert with_bias.between(p, p) > 0.1 > 1e-9 > without_bias.between(p, p).abs()
    assert with_bias.between(p, 0.5 * p) < with_bias.between(p, p)
    assert without_bias.between(p, 0.5 * p) > 0.01


# ---- (f, Γ)


@pytest.mark.parametrize(
    "base", ["kl", "reverse_kl", "jensen_shannon", "squared_hellinger", "pearson", "neyman"]
)
def test_the_shift_is_the_best_one_and_tightens_the_bound(base, distributions):
    """(f*)' has mean one there; at the f-divergence's own optimal critic the shift is zero; a constant added
    to the critic changes nothing."""
    p, _ = distributions(0)
    divergence = DIVERGENCES.make(base)
    f_gamma = DIVERGENCES.make("f_gamma", base=base)
    counts = torch.tensor([1, 2, 3, 1, 2, 1, 2])
    q = counts.double() / counts.sum()
    best = divergence.gain(divergence.optimal_logits((p / q).log())).repeat_interleave(counts)
    assert best_shift(divergence, best).abs() < 1e-6
    for critic in (best, 0.3 * best - 0.2):
        # Γ = all functions: the value is a bound of D_f, and no worse than f's own
        shift = best_shift(divergence, critic)
        values = (critic - shift).clone().requires_grad_()
        (slope,) = torch.autograd.grad(divergence.conjugate(values).sum(), values)
        assert float(slope.mean()) == pytest.approx(1.0, abs=1e-5)
        assert torch.isclose(f_gamma.value(critic, critic), f_gamma.value(critic + 7, critic + 7), atol=1e-8)
    at_p = divergence.gain(divergence.optimal_logits((p / q).log()))
    value = (p * at_p).sum() - best_shift(divergence, best) - divergence.conjugate(best).mean()
    assert torch.isclose(value, divergence.primal(p, q), rtol=1e-6)


def test_with_kl_it_is_the_bound_of_donsker_and_varadhan(normal):
    at_p, at_q = normal(0, 50)[:, 0], normal(1, 60)[:, 0]
    mine = DIVERGENCES.make("f_gamma", base="kl").value(at_p, at_q)
    assert torch.isclose(mine, DIVERGENCES.make("donsker_varadhan").value(at_p, at_q), rtol=1e-9)


@pytest.mark.parametrize("base", ["kl", "jensen_shannon"])
@pytest.mark.parametrize("lipschitz", [0.3, 1.0, 100.0])
def test_between_point_masses_and_below_both_of_its_limits(base, lipschitz, distributions):
    """On three points with an L-Lipschitz critic, by search over the critic's two free values."""
    points = torch.tensor([0.0, 1.0, 3.0], dtype=torch.float64)
    p, q = torch.tensor([[0.2, 0.5, 0.3], [0.5, 0.25, 0.25]], dtype=torch.float64)
    divergence, f_gamma = DIVERGENCES.make(base), DIVERGENCES.make("f_gamma", base=base)
    in_q, in_p = (20 * q).round().long(), (20 * p).round().long()
    best = -math.inf
    for a in torch.linspace(-1, 1, 17, dtype=torch.float64):
        for b in torch.linspace(-1, 1, 17, dtype=torch.float64):
            g = torch.stack(
                [a.new_zeros(()), a * min(lipschitz, 3), (a * min(lipschitz, 3) + 2 * b * min(lipschitz, 3))]
            )
            best = max(best, float(f_gamma.value(g.repeat_interleave(in_p), g.repeat_interleave(in_q))))
    w1 = wasserstein_distance(points.numpy(), points.numpy(), p.numpy(), q.numpy())
    assert 0 < best <= min(float(divergence.primal(p, q)), lipschitz * w1) + 1e-9
    if lipschitz == 100.0:
        assert best > 0.9 * float(divergence.primal(p, q))


def test_penalties_hold_a_linear_critic_to_its_slope(normal):
    """Slope 5: c (5 - 1)² on both sides of 1, c (5/L - 1)⁺² for (f, Γ)."""
    critic, (p, q) = torch.nn.Linear(1, 1).double(), (normal(0, 20), normal(1, 20))
    torch.nn.init.constant_(critic.weight, 5.0)
    for key, settings, value in (
        ("wasserstein_critic", {"penalty_weight": 3.0}, 3 * 16),
        ("f_gamma", {"penalty_weight": 3.0, "lipschitz": 2.0}, 3 * 1.5**2),
        ("f_gamma", {"penalty_weight": 3.0, "lipschitz": 6.0}, 0.0),
    ):
        assert DIVERGENCES.make(key, **settings).penalty(critic, p, q, None).item() == pytest.approx(value)


@pytest.mark.parametrize("key", ["wasserstein_critic", "f_gamma"])
def test_disjoint_supports_still_give_a_gradient_through_a_trained_critic(key):
    """Two uniform distributions ten apart: the trained critic gives a gradient, and (f, Γ) stays finite."""
    torch.manual_seed(0)
    member = DIVERGENCES.make(key)
    critic = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).double()
    p = torch.rand(64, 1, dtype=torch.float64)
    shift = torch.tensor(10.0, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam(critic.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        q = p + shift.detach()
        loss = member.penalty(critic, p, q, generator) - member.critic_value(critic(p), critic(q))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    value = member.value(critic(p), critic(p + shift))
    (slope,) = torch.autograd.grad(value, shift)
    assert torch.isfinite(value) and slope > 0.01
    assert DIVERGENCES.make(key, penalty_weight=0).penalty(critic, p, q, generator) == 0
