"""Maximum mean discrepancy against closed forms."""

import math

import pytest
import torch

from workbench.core.errors import SpecError
from workbench.divergences import DIVERGENCES, mmd_squared
from workbench.divergences.maximum_mean_discrepancy import KERNELS, kernel, median_distance, witness


@pytest.mark.parametrize("name", ["multiscale", "forward", "backward", "gaussian"])
def test_point_masses_give_the_kernels_closed_form(name):
    a, b = torch.zeros(1, 1, dtype=torch.float64), torch.full((1, 1), 1.5, dtype=torch.float64)
    k = kernel(torch.tensor([0.0, 2.25], dtype=torch.float64), name, 0.7)
    assert torch.isclose(mmd_squared(a, b, kernel_name=name, length=0.7), 2 * (k[0] - k[1]))


def test_kernels_are_as_written():
    distance = torch.tensor(2.25, dtype=torch.float64)
    assert float(kernel(distance, "gaussian", 0.7)) == pytest.approx(math.exp(-2.25 / (2 * 0.49)))
    multiscale = sum(1 / (1 + 2.25 / h**2) for h in (0.05, 0.2, 0.9))
    assert float(kernel(distance, "multiscale")) == pytest.approx(multiscale)
    forward = sum(c**2 * ((c + 2.25) / 2) ** -2 for c in (0.2, 1.5, 3.0))
    assert float(kernel(distance, "forward")) == pytest.approx(forward)
    backward = sum(0.2**a * ((0.2 + 2.25) / a) ** -a for a in (0.1, 0.5, 2.0))
    assert float(kernel(distance, "backward")) == pytest.approx(backward)


@pytest.mark.parametrize("name", KERNELS)
def test_dual_equals_primal_at_the_witness(name, normal):
    """MMD is the supremum over the unit ball, reached at the witness divided by its norm, which is MMD."""
    p, q = normal(0, 30, 2), 0.5 + normal(1, 20, 2)
    value = mmd_squared(p, q, kernel_name=name)
    at_p, at_q = witness(p, p, q, kernel_name=name), witness(q, p, q, kernel_name=name)
    assert torch.isclose(at_p.mean() - at_q.mean(), value, rtol=1e-9)


def test_unbiased_is_centred_at_zero_for_equal_distributions_and_the_biased_one_is_not():
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(60, 2, 2, generator=generator, dtype=torch.float64) for _ in range(200)]
    without_diagonals = torch.stack([mmd_squared(d[:, 0], d[:, 1], unbiased=True) for d in draws])
    with_diagonals = torch.stack([mmd_squared(d[:, 0], d[:, 1]) for d in draws])
    assert without_diagonals.mean().abs() < 4 * without_diagonals.std() / 200**0.5
    assert with_diagonals.mean() > 10 * with_diagonals.std() / 200**0.5 and with_diagonals.min() >= 0


def test_the_unbiased_gaussian_form_has_the_closed_forms_mean():
    """E k between N(μ, v) and 0 is (1 + 2 g v)^(-1/2) exp(-g μ² / (1 + 2 g v)) for k = exp(-g r²)."""

    def mean(mu, v, g):
        return (1 + 2 * g * v) ** -0.5 * math.exp(-g * mu**2 / (1 + 2 * g * v))

    g, length = 0.5 / 0.8**2, 0.8
    truth = mean(0, 2, g) + mean(0, 2 * 0.49, g) - 2 * mean(0.6, 1.49, g)
    generator = torch.Generator().manual_seed(4)
    values = []
    for _ in range(300):
        p, q = torch.randn(2, 40, 1, generator=generator, dtype=torch.float64)
        values.append(mmd_squared(p, 0.7 * q + 0.6, kernel_name="gaussian", length=length, unbiased=True))
    values = torch.stack(values)
    error = values.std() / len(values) ** 0.5
    assert (values.mean() - truth).abs() < 4 * error and truth > 10 * error


def test_the_median_heuristic_follows_the_units(normal):
    p, q = normal(0, 80, 2), 1 + normal(1, 80, 2)
    adaptive = DIVERGENCES.make("maximum_mean_discrepancy", kernel="gaussian_median")
    assert torch.isclose(adaptive.between(p, q), adaptive.between(1000 * p, 1000 * q), rtol=1e-9)
    constant = DIVERGENCES.make("maximum_mean_discrepancy", kernel="gaussian")
    assert constant.between(1000 * p, 1000 * q) < 0.5 * constant.between(p, q)
    assert median_distance(torch.zeros(5, 2), torch.zeros(5, 2)) == 1.0


def test_it_sees_a_shift_and_a_missing_mode():
    generator = torch.Generator().manual_seed(1)
    p = torch.randn(500, 1, generator=generator, dtype=torch.float64)
    modes = torch.where(torch.rand(500, 1, generator=generator, dtype=torch.float64) < 0.5, -3.0, 3.0)
    assert mmd_squared(p, p + 0.5, unbiased=True) > 0.01
    assert mmd_squared(modes + 0.1 * p, 3 + 0.1 * p, unbiased=True) > 0.5


@pytest.mark.parametrize(
    "p, q", [(torch.zeros(3, 2), torch.zeros(3, 1)), (torch.zeros(3), torch.zeros(3, 1))]
)
def test_samples_that_do_not_match_are_refused(p, q):
    with pytest.raises(SpecError, match="same dimension"):
        mmd_squared(p, q)


def test_the_unbiased_form_needs_two_samples_a_side():
    with pytest.raises(SpecError, match="at least two"):
        mmd_squared(torch.zeros(1, 1), torch.zeros(3, 1), unbiased=True)
