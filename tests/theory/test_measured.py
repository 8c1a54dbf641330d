"""The bound from measured quantities: closed forms come out again, wrong terms are noticed."""

import math
from dataclasses import replace

import pytest
import torch

from workbench import theory
from workbench.core.errors import DataError, IncompatibleError
from workbench.divergences import DIVERGENCES

KL = DIVERGENCES.make("kl")


def perturbed(size: float = 0.1, seed: int = 0) -> theory.Perturbed:
    generator = torch.Generator().manual_seed(seed + 100)
    along = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    return theory.perturbed(theory.LinearGaussian.random(3, 1, seed), size, along)


def exact(made: theory.Perturbed, **changes) -> theory.MeasuredBound:
    """The panel with every term in closed form."""
    value = made.kl()
    terms = {
        "held_out": value,
        "gap": theory.VariationalGap(0.0, 0.0, 0.0, ""),
        "known": (value, 0.0),
        "misfit": made.misfit(),
        "lipschitz": theory.LipschitzConstants(math.nan, made.lipschitz(), "measured"),
        "moments": {a: (theory.Moment(made.moment(int(a)), 0.0, 50.0, True),) * 2 for a in (1.0, 3.0)},
    }
    return theory.with_truth(
        theory.measured_bound(KL, **(terms | changes)), made.posterior_distance(1000), 0.0
    )


@pytest.mark.parametrize("size", [0.3, 0.1, 0.03, 0.01])
@pytest.mark.parametrize("seed", range(3))
def test_exact_terms_give_the_bound_of_the_table_and_it_holds(size, seed):
    made = perturbed(size, seed)
    found = exact(made)
    by_hand = min(
        theory.averaged_posterior_bound(
            misfit=made.misfit(),
            total_variation=theory.total_variation_bound(KL, made.kl()),
            moment=made.moment(a),
            lipschitz=made.lipschitz(),
            a=a,
        ).value
        for a in (1, 3)
    )
    assert found.bound.value == pytest.approx(by_hand) and theory.judge(found) == "holds"


@pytest.mark.parametrize(
    "wrong",
    [
        {"lipschitz": theory.LipschitzConstants(1.0, 0.02, "measured")},
        {"moments": {1.0: (theory.Moment(1e-6, 0.0, 50.0, True),) * 2}},
        {"known": (0.0, 0.0)},
    ],
    ids=["slope", "moment", "divergence"],
)
def test_a_wrong_term_is_noticed(wrong):
    made = perturbed(0.3)
    assert theory.judge(exact(made, misfit=0.0)) == "holds"  # this one alone is too small to be seen
    assert theory.judge(exact(made, misfit=0.0, **wrong)) == "broken"


def test_every_term_says_how_it_is_known():
    found = exact(perturbed())
    assert tuple(term.name for term in found.terms) == theory.TERMS
    status = {term.name: term.status for term in found.terms}
    assert status["lipschitz"] == status["misfit"] == status["gap"] == "measured"
    assert status["realisable"] == "not checkable" and found.estimated == ("lipschitz",)
    declared = exact(
        perturbed(),
        known=None,
        misfit=None,
        lipschitz=theory.residual_constants(blocks=4, contraction=0.5),
        gap=theory.VariationalGap(math.nan, 0.1, 0.02, ""),
    )
    status = {term.name: term.status for term in declared.terms}
    assert status["lipschitz"] == status["misfit"] == status["supervised"] == "declared"
    assert status["gap"] == "not checkable" and declared.estimated == ("divergence",)


def test_the_sampling_error_of_the_divergence_widens_the_bound():
    made = perturbed(0.03)
    sharp, wide = (exact(made, known=(made.kl(), error)) for error in (0.0, 0.05))
    assert wide.bound.value > 1.5 * sharp.bound.value


def test_heavy_tails_take_their_order_out():
    moments = {
        1.0: (theory.Moment(9.0, 0.1, 2.5, True),) * 2,
        3.0: (theory.Moment(9.0, 0.1, 2.5, False),) * 2,
    }
    assert exact(perturbed(), moments=moments).order == 1.0
    assert exact(perturbed(), moments={3.0: moments[1.0], 1.0: moments[1.0]}).order == 3.0


@pytest.mark.parametrize("key", [d.key for d in DIVERGENCES])
def test_the_theorem_is_silent_exactly_where_there_is_no_constant(key):
    divergence = DIVERGENCES.make(key)
    said = theory.silence(divergence)
    assert bool(said) == (divergence.pinsker is None)
    if said:
        assert divergence.title in said and said.endswith(".")


def test_precision_recall_is_covered_for_one_trade_off_only():
    assert theory.silence(DIVERGENCES.make("precision_recall", trade_off=1.0)) == ""
    uneven = DIVERGENCES.make("precision_recall", trade_off=2.0)
    assert "no Pinsker inequality" in theory.silence(uneven)
    with pytest.raises(IncompatibleError):
        theory.measured_bound(
            uneven,
            held_out=0.1,
            gap=theory.VariationalGap(0.0, 0.0, 0.0, ""),
            misfit=None,
            lipschitz=theory.LipschitzConstants(1.0, 1.0, "measured"),
            moments={1.0: (theory.Moment(1.0, 0.0, 9.0, True),) * 2},
        )


def test_without_a_truth_nothing_is_judged():
    made = exact(perturbed())
    unknown = replace(made, terms=(theory.Term("truth", "not checkable", math.nan), *made.terms[1:]))
    assert theory.judge(unknown) == "unknown" and theory.with_truth(unknown, math.nan) is unknown


def test_slopes_of_the_inverse_come_from_the_forward_map():
    matrix = torch.tensor([[2.0, 1.0], [0.0, 0.25]], dtype=torch.float64)
    found = theory.bijection_constants(lambda x: x @ matrix.T, torch.zeros(3, 2, dtype=torch.float64))
    assert found.forward == pytest.approx(float(torch.linalg.matrix_norm(matrix, ord=2)))
    inverse = torch.linalg.inv(matrix)
    assert found.inverse == pytest.approx(float(torch.linalg.matrix_norm(inverse, ord=2)))


def test_sampled_wasserstein_of_shifted_and_of_sorted_samples():
    p = torch.randn(60, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shift = torch.tensor([3.0, 0.0, 4.0], dtype=torch.float64)
    assert theory.sampled_wasserstein(p, p.flip(0) + shift) == pytest.approx(5.0)
    u, v = p[:, :1], p[:, 1:2]
    line = float((u.sort(0).values - v.sort(0).values).abs().mean())
    assert theory.sampled_wasserstein(u, v) == pytest.approx(line)
    with pytest.raises(DataError, match="same size"):
        theory.sampled_wasserstein(p, p[:10])
