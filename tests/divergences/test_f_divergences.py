"""Properties of the f-divergences on discrete distributions, where everything is exact."""

import math

import pytest
import torch
from scipy.optimize import minimize_scalar

from workbench.core.errors import IncompatibleError, SpecError
from workbench.divergences import DIVERGENCES, FDivergence
from workbench.divergences.base import tame, tame_both

ALPHAS = (-1.0, -0.3, 0.0, 0.5, 0.99, 1.0, 2.0, 3.0)
MEMBERS = [d() for d in DIVERGENCES if issubclass(d, FDivergence) and d.key != "alpha"]
MEMBERS += [DIVERGENCES.make("alpha", alpha=a) for a in ALPHAS]
each = pytest.mark.parametrize("divergence", MEMBERS, ids=lambda m: f"{m.key}{getattr(m, 'alpha', '')}")


def dual(divergence, p, q, logits):
    return (p * divergence.gain(logits)).sum() - (q * divergence.cost(logits)).sum()


@each
def test_dual_equals_primal_at_the_optimal_critic_and_is_below_it_elsewhere(divergence, distributions):
    for seed in range(20):
        p, q = distributions(seed)
        best = divergence.optimal_logits((p / q).log())
        primal = divergence.primal(p, q)
        assert torch.isclose(dual(divergence, p, q, best), primal, rtol=1e-10, atol=1e-12)
        for shift in (-1.0, 0.3, 2.0):
            noise = torch.randn(len(p), dtype=torch.float64, generator=torch.Generator().manual_seed(3))
            assert dual(divergence, p, q, best + shift * noise) <= primal + 1e-12


@each
def test_the_models_gradient_is_that_of_the_divergence(divergence, distributions):
    """Gradient matching: the derivative of -E_q[f*(T)] at the fixed optimal critic is that of D(p ||
    q_theta)."""
    p, q = distributions(5)
    theta = q.log().clone().requires_grad_()
    (primal,) = torch.autograd.grad(divergence.primal(p, theta.softmax(0)), theta)
    logits = divergence.optimal_logits((p / q).log())
    (exact,) = torch.autograd.grad(-(theta.softmax(0) * divergence.cost(logits)).sum(), theta)
    assert torch.allclose(primal, exact, atol=1e-10)
    step = 1e-6 * torch.eye(len(p), dtype=torch.float64)
    values = [divergence.primal(p, (theta + s * e).softmax(0)).detach() for e in step for s in (1, -1)]
    differences = (torch.stack(values[::2]) - torch.stack(values[1::2])) / 2e-6
    assert torch.allclose(differences, exact, atol=1e-7)


@each
def test_conjugate_is_the_supremum(divergence):
    """f*(t) = sup_u t u - f(u), by a numerical search over u, at slopes f'(u) that are reached."""
    for log_ratio in (-2.0, -0.7, 0.0, 0.4, 1.5):
        t = divergence.gain(divergence.optimal_logits(torch.tensor(log_ratio, dtype=torch.float64)))

        def loss(s, t=t):
            u = torch.tensor(math.exp(s), dtype=torch.float64)
            return float(divergence.generator(u) - t * u)

        # TV's generator has its whole supremum on an interval: any point of it will do
        search = minimize_scalar(loss, bounds=(-12, 6), method="bounded", options={"xatol": 1e-12})
        assert float(divergence.conjugate(t)) == pytest.approx(-search.fun, abs=1e-8)


@each
def test_cost_is_the_conjugate_of_the_gain(divergence):
    logits = torch.linspace(-6, 6, 101, dtype=torch.float64)
    assert torch.allclose(
        divergence.cost(logits), divergence.conjugate(divergence.gain(logits)), rtol=1e-9, atol=1e-9
    )


@each
def test_conjugate_is_infinite_beyond_its_domain_and_flat_below_the_slope_at_zero(divergence):
    top = divergence.slope_at_infinity
    if math.isfinite(top):
        assert divergence.conjugate(torch.tensor(top + 0.1, dtype=torch.float64)) == math.inf
    at_zero = float(divergence.generator(torch.zeros((), dtype=torch.float64)))
    if math.isfinite(at_zero):
        low = divergence.conjugate(torch.tensor(-400.0, dtype=torch.float64))
        assert float(low) == pytest.approx(-at_zero, abs=0.1)


def test_a_conjugate_with_a_wrong_formula_is_caught(distributions):
    """The guard: the conjugate printed for Jensen-Shannon in the paper, and Hellinger's as some codes have
    it."""

    class AsPrinted(DIVERGENCES["jensen_shannon"]):
        def cost(self, logits):
            return (1 + self.gain(logits).exp()).log() - math.log(2)

    class WrongSign(DIVERGENCES["squared_hellinger"]):
        def cost(self, logits):
            return -torch.expm1(-logits)

    for wrong in (AsPrinted(), WrongSign()):
        with pytest.raises(AssertionError):
            test_dual_equals_primal_at_the_optimal_critic_and_is_below_it_elsewhere(wrong, distributions)
        with pytest.raises(AssertionError):
            test_cost_is_the_conjugate_of_the_gain(wrong)
        with pytest.raises(AssertionError):
            test_the_models_gradient_is_that_of_the_divergence(wrong, distributions)


def test_the_conjugate_printed_in_the_paper_has_no_finite_supremum():
    """With log(1 + e^t) - log 2 the bound grows with the critic's height; ours does not."""
    p, q = torch.tensor([0.9, 0.1]), torch.tensor([0.1, 0.9])
    bounds = [
        float((p * g).sum() - (q * ((1 + g.exp()).log() - math.log(2))).sum())
        for g in (torch.tensor([h, -h]) for h in (1.0, 10.0, 80.0))
    ]
    assert bounds[0] < bounds[1] < bounds[2] and bounds[2] > 2 * math.log(2)
    js = DIVERGENCES.make("jensen_shannon")
    assert max(float(dual(js, p, q, torch.tensor([h, -h]))) for h in (1.0, 10.0)) < 2 * math.log(2)


@each
def test_logit_forms_stay_finite_far_out_and_keep_their_gradient(divergence):
    logits = torch.tensor([-1e4, -50.0, 0.0, 50.0, 1e4], requires_grad=True)
    for form in (divergence.gain, divergence.cost):
        assert torch.isfinite(form(logits)).all()
        (slope,) = torch.autograd.grad(form(logits).sum(), logits)
        assert torch.isfinite(slope).all()


def test_taming_is_the_identity_inside_and_a_tangent_outside():
    inside = torch.linspace(-39, 39, 50, dtype=torch.float64)
    assert torch.equal(tame(inside), inside) and torch.allclose(tame_both(inside), inside, atol=1e-14)
    assert torch.isclose(
        tame(torch.tensor(41.0, dtype=torch.float64)).exp(), 2 * torch.tensor(40.0).double().exp()
    )
    assert torch.isclose(tame_both(torch.tensor(-41.0)), -tame(torch.tensor(41.0)))


@each
def test_equal_distributions_are_at_the_bottom(divergence, distributions):
    for seed in range(5):
        p, q = distributions(seed)
        assert float(divergence.primal(p, p)) == pytest.approx(divergence.at_equality, abs=1e-12)
        assert float(divergence.primal(p, q)) > divergence.at_equality + 1e-4


@each
def test_the_ratio_is_read_back_from_the_optimal_critic(divergence):
    log_ratio = torch.linspace(-3, 3, 25, dtype=torch.float64)
    if divergence.key == "total_variation":
        with pytest.raises(IncompatibleError, match="ratio"):
            divergence.log_ratio(log_ratio)
        return
    assert torch.allclose(divergence.log_ratio(divergence.optimal_logits(log_ratio)), log_ratio, atol=1e-10)
    logits = divergence.optimal_logits(log_ratio).requires_grad_()
    t = divergence.gain(logits).detach().requires_grad_()
    (slope,) = torch.autograd.grad(divergence.conjugate(t).sum(), t)
    assert torch.allclose(slope, divergence.ratio(logits), rtol=1e-8)


@each
def test_monte_carlo_form_is_unbiased_and_zero_for_equal_densities(divergence, distributions):
    """E over x~p, y~q of the form, computed exactly on a discrete distribution, is the primal."""
    p, q = distributions(2)
    log_p, log_q = p.log(), q.log()
    mean = sum(
        p[i]
        * q[j]
        * divergence.from_log_densities(
            log_p[i : i + 1], log_q[i : i + 1], log_p[j : j + 1], log_q[j : j + 1]
        )
        for i in range(len(p))
        for j in range(len(q))
    )
    assert torch.isclose(mean, divergence.primal(p, q), rtol=1e-10, atol=1e-12)
    same = divergence.from_log_densities(log_p, log_p, log_q, log_q)
    assert float(same) == pytest.approx(divergence.at_equality, abs=1e-12)


def random_pairs(count, seed=0):
    """Discrete pairs from nearly equal to nearly disjoint, some of them on two points."""
    generator = torch.Generator().manual_seed(seed)
    for n, sharpness in ((2, 1.0), (2, 6.0), (3, 0.1), (5, 3.0), (20, 1.0)):
        logits = sharpness * torch.randn(2, count, n, generator=generator, dtype=torch.float64)
        p, q = logits.softmax(-1)
        yield from zip(p, q, strict=True)
        yield from zip(p, 0.98 * p + 0.02 * q, strict=True)


@each
def test_pinsker_constants_are_never_violated(divergence):
    if divergence.pinsker is None:
        assert "no constant" in divergence.pinsker_reason
        return
    worst = 0.0
    for p, q in random_pairs(150):
        total_variation = float((p - q).abs().sum()) / 2
        excess = max(float(divergence.primal(p, q)) - divergence.at_equality, 1e-300)
        assert total_variation <= divergence.pinsker * excess**0.5 * (1 + 1e-6) + 1e-7
        worst = max(worst, total_variation / excess**0.5) if total_variation > 1e-3 else worst
    # a constant that could be halved would be a slip, too
    assert worst > 0.5 * divergence.pinsker


def test_a_pinsker_constant_that_is_too_small_is_caught():
    class Boastful(DIVERGENCES["kl"]):
        pinsker = 0.6

    with pytest.raises(AssertionError):
        test_pinsker_constants_are_never_violated(Boastful())


def inverse_slope(divergence, w):
    """-f'(1/w), the slope of the k in ∫ p k(q/p) whose gradient the non-saturating loss has."""
    ratio = (1 / w).clone().requires_grad_()
    (slope,) = torch.autograd.grad(divergence.generator(ratio).sum(), ratio)
    return -slope


TRUE_OBJECTIVE = {
    "kl": lambda p, q: (q * (q / p).log()).sum(),
    "reverse_kl": lambda p, q: 0.5 * ((q - p) ** 2 / p).sum(),
    "pearson": lambda p, q: 2 * (p * (p / q).log()).sum(),
    "jensen_shannon": lambda p, q: (
        (q * (q / p).log()).sum() - DIVERGENCES.make("jensen_shannon").primal(p, q)
    ),
    "gan": lambda p, q: (q * (q / p).log()).sum() - DIVERGENCES.make("jensen_shannon").primal(p, q),
    "squared_hellinger": lambda p, q: (p * (2 / 3 * (q / p) ** 1.5 - q / p + 1 / 3)).sum(),
}


@pytest.mark.parametrize("key", TRUE_OBJECTIVE)
def test_the_non_saturating_loss_has_the_gradient_of_another_divergence(key, distributions):
    divergence = DIVERGENCES.make(key)
    for seed in range(5):
        p, q = distributions(seed)
        theta = q.log().clone().requires_grad_()
        logits = divergence.optimal_logits((p / q).log())
        (trick,) = torch.autograd.grad(-(theta.softmax(0) * divergence.gain(logits)).sum(), theta)
        (true,) = torch.autograd.grad(TRUE_OBJECTIVE[key](p, theta.softmax(0)), theta)
        assert torch.allclose(trick, true, atol=1e-10)
        (own,) = torch.autograd.grad(divergence.primal(p, theta.softmax(0)), theta)
        assert not torch.allclose(trick, own, atol=1e-3)
    assert torch.isclose(divergence.non_saturating(logits), -divergence.gain(logits).mean())


@each
def test_the_non_saturating_slope_is_minus_f_prime_of_the_inverse(divergence, distributions):
    if divergence.key == "total_variation":
        return  # f is not differentiable where its slope jumps
    p, q = distributions(1)
    gain = divergence.gain(divergence.optimal_logits((p / q).log()))
    assert torch.allclose(-gain, inverse_slope(divergence, q / p), rtol=1e-9, atol=1e-9)


def test_alpha_meets_its_relatives(distributions):
    p, q = distributions(4)
    for alpha, key, factor in (
        (0.0, "reverse_kl", 1.0), (0.5, "squared_hellinger", 2.0), (1.0, "kl", 1.0), (2.0, "pearson", 0.5),
        (-1.0, "neyman", 0.5),
    ):  # fmt: skip
        mine = DIVERGENCES.make("alpha", alpha=alpha).primal(p, q)
        assert torch.isclose(mine, factor * DIVERGENCES.make(key).primal(p, q), rtol=1e-9)
    near = [DIVERGENCES.make("alpha", alpha=a).primal(p, q) for a in (1 - 1e-5, 1.0, 1 + 1e-5)]
    assert near[0] < near[1] < near[2] or near[0] > near[1] > near[2]


def test_jeffreys_conjugate_by_lambert_is_stable_and_differentiable():
    divergence = DIVERGENCES.make("jeffreys")
    t = torch.tensor([-500.0, -20.0, -1.0, 0.0, 1.0, 5.0, 50.0], dtype=torch.float64, requires_grad=True)
    value = divergence.conjugate(t)
    assert torch.isfinite(value).all()
    (ratio,) = torch.autograd.grad(value.sum(), t)
    assert torch.allclose(ratio.log() + 1 - 1 / ratio, t.detach(), rtol=1e-9)
    assert torch.autograd.gradcheck(divergence.conjugate, t[2:6].detach().requires_grad_())


def test_zeros_are_paid_for_as_the_definition_says():
    p, q = (
        torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64),
        torch.tensor([0.0, 0.5, 0.5], dtype=torch.float64),
    )
    values = {m.key: float(m.primal(p, q)) for m in MEMBERS if m.key != "alpha"}
    assert all(math.isinf(values[k]) for k in ("kl", "reverse_kl", "pearson", "neyman", "jeffreys"))
    assert values["total_variation"] == pytest.approx(0.5)
    assert values["jensen_shannon"] == pytest.approx(math.log(2))
    assert values["gan"] == pytest.approx(math.log(2) - math.log(4))
    assert values["squared_hellinger"] == pytest.approx(1.0)


@pytest.mark.parametrize("p, q", [([0.5, 0.6], [0.5, 0.5]), ([1.0], [0.5, 0.5]), ([1.5, -0.5], [0.5, 0.5])])
def test_what_is_no_distribution_is_refused(p, q):
    with pytest.raises(SpecError, match="sum 1"):
        MEMBERS[0].primal(torch.tensor(p), torch.tensor(q))


def test_total_variation_leaves_the_model_without_gradient_at_its_optimal_critic():
    """On disjoint supports nothing tells the model where to go."""
    divergence = DIVERGENCES.make("total_variation")
    x = torch.linspace(4, 5, 20, dtype=torch.float64, requires_grad=True)
    critic = divergence.optimal_logits(torch.where(x < 2, 1.0, -1.0))
    (slope,) = torch.autograd.grad(-divergence.cost(critic + 1e-9 * x).mean(), x)
    assert slope.abs().max() < 1e-12
