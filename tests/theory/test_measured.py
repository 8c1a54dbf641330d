"""The bound from measured quantities: closed forms are reproduced, wrong terms are detected."""

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


def exact(learned_map: theory.Perturbed, **changes) -> theory.MeasuredBound:
    """The panel with every term in closed form."""
    value = learned_map.kl()
    terms = {
        "held_out": value,
        "gap": theory.VariationalGap(0.0, 0.0, 0.0, ""),
        "known": (value, 0.0),
        "misfit": learned_map.misfit(),
        "lipschitz": theory.LipschitzConstants(math.nan, learned_map.lipschitz(), "measured"),
        "moments": {a: (theory.Moment(learned_map.moment(int(a)), 0.0, 50.0, True),) * 2 for a in (1.0, 3.0)},
    }
    return theory.with_truth(
        theory.measured_bound(KL, **(terms | changes)), learned_map.posterior_distance(1000), 0.0
    )


@pytest.mark.parametrize("size", [0.3, 0.1, 0.03, 0.01])
@pytest.mark.parametrize("seed", range(3))
def test_exact_terms_give_the_bound_of_the_table_and_it_holds(size, seed):
    learned_map = perturbed(size, seed)
    bound = exact(learned_map)
    by_hand = min(
        theory.averaged_posterior_bound(
            misfit=learned_map.misfit(),
            total_variation=theory.total_variation_bound(KL, learned_map.kl()),
            moment=learned_map.moment(a),
            lipschitz=learned_map.lipschitz(),
            a=a,
        ).value
        for a in (1, 3)
    )
    assert bound.bound.value == pytest.approx(by_hand) and theory.judge(bound) == "holds"


@pytest.mark.parametrize(
    "wrong",
    [
        {"lipschitz": theory.LipschitzConstants(1.0, 0.02, "measured")},
        {"moments": {1.0: (theory.Moment(1e-6, 0.0, 50.0, True),) * 2}},
        {"known": (0.0, 0.0)},
    ],
    ids=["slope", "moment", "divergence"],
)
def test_a_wrong_term_is_detected(wrong):
    learned_map = perturbed(0.3)
    # the divergence alone is too small to be detected
    assert theory.judge(exact(learned_map, misfit=0.0)) == "holds"
    assert theory.judge(exact(learned_map, misfit=0.0, **wrong)) == "broken"


def test_every_term_has_its_status():
    bound = exact(perturbed())
    assert tuple(term.name for term in bound.terms) == theory.TERMS
    status = {term.name: term.status for term in bound.terms}
    assert status["lipschitz"] == status["misfit"] == status["gap"] == "measured"
    assert status["realisable"] == "not checkable" and bound.estimated == ("lipschitz",)
    with_constants = exact(
        perturbed(),
        known=None,
        misfit=None,
        lipschitz=theory.residual_constants(blocks=4, contraction=0.5),
        gap=theory.VariationalGap(math.nan, 0.1, 0.02, ""),
    )
    status = {term.name: term.status for term in with_constants.terms}
    assert status["lipschitz"] == status["misfit"] == status["supervised"] == "declared"
    assert status["gap"] == "not checkable" and with_constants.estimated == ("divergence",)


def test_the_sampling_error_of_the_divergence_widens_the_bound():
    learned_map = perturbed(0.03)
    sharp, wide = (exact(learned_map, known=(learned_map.kl(), error)) for error in (0.0, 0.05))
    assert wide.bound.value > 1.5 * sharp.bound.value


def test_orders_without_a_finite_moment_are_left_out():
    moments = {
        1.0: (theory.Moment(9.0, 0.1, 2.5, True),) * 2,
        3.0: (theory.Moment(9.0, 0.1, 2.5, False),) * 2,
    }
    assert exact(perturbed(), moments=moments).order == 1.0
    assert exact(perturbed(), moments={3.0: moments[1.0], 1.0: moments[1.0]}).order == 3.0


@pytest.mark.parametrize("key", [d.key for d in DIVERGENCES])
def test_the_theorem_is_refused_exactly_where_there_is_no_constant(key):
    divergence = DIVERGENCES.make(key)
    reason = theory.silence(divergence)
    assert bool(reason) == (divergence.pinsker is None)
    if reason:
        assert divergence.title in reason and reason.endswith(".")


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


def test_without_a_truth_the_verdict_is_unknown():
    bound = exact(perturbed())
    unknown = replace(bound, terms=(theory.Term("truth", "not checkable", math.nan), *bound.terms[1:]))
    assert theory.judge(unknown) == "unknown" and theory.with_truth(unknown, math.nan) is unknown


def test_slopes_of_the_inverse_come_from_the_forward_map():
    matrix = torch.tensor([[2.0, 1.0], [0.0, 0.25]], dtype=torch.float64)
    constants = theory.bijection_constants(lambda x: x @ matrix.T, torch.zeros(3, 2, dtype=torch.float64))
    assert constants.forward == pytest.approx(float(torch.linalg.matrix_norm(matrix, ord=2)))
    inverse = torch.linalg.inv(matrix)
    assert constants.inverse == pytest.approx(float(torch.linalg.matrix_norm(inverse, ord=2)))


def test_sampled_wasserstein_of_shifted_and_of_sorted_samples():
    p = torch.randn(60, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shift = torch.tensor([3.0, 0.0, 4.0], dtype=torch.float64)
    assert theory.sampled_wasserstein(p, p.flip(0) + shift) == pytest.approx(5.0)
    u, v = p[:, :1], p[:, 1:2]
    line = float((u.sort(0).values - v.sort(0).values).abs().mean())
    assert theory.sampled_wasserstein(u, v) == pytest.approx(line)
    with pytest.raises(DataError, match="same size"):
        theory.sampled_wasserstein(p, p[:10])
