"""Properties of every problem in the catalogue."""

from __future__ import annotations

import json

import pytest
import torch

from workbench.core.capability import Capability
from workbench.core.errors import DataError, IncompatibleError, SpecError
from workbench.core.variable import Variable
from workbench.problems import PROBLEMS, Problem

N = 300


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_draws_have_the_declared_shape_dtype_and_are_finite(problem):
    samples = problem.draw(N, seeded())
    assert samples.x.shape == (N, problem.shapes.x) and samples.y.shape == (N, problem.shapes.y)
    assert samples.x.dtype == samples.y.dtype == torch.float64
    assert samples.x.isfinite().all() and samples.y.isfinite().all()
    assert len(samples) == N


def test_draws_depend_on_the_generator_alone(problem):
    torch.manual_seed(1)
    first = problem.draw(N, seeded())
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = problem.draw(N, seeded())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.x, second.x) and torch.equal(first.y, second.y)
    assert not torch.equal(first.x, problem.draw(N, seeded(1)).x)


FINE, COARSE = 320, 8
#: Points along each axis for densities that are sums over many points of a curve.
FINE_OF_SUMS = {"two_spirals": 160}


def share_gap(problem, log_density) -> float:
    """Largest gap between shares of draws in 8 × 8 cells, and in all of them, and the integral of a density.

    The cells cover the middle 99 % of the draws along each axis, so that heavy tails do not matter.
    """
    draws = problem.draw(40_000, seeded(1)).x
    low, high = draws.quantile(0.005, 0), draws.quantile(0.995, 0)
    fine = FINE_OF_SUMS.get(problem.key, FINE)
    steps = (torch.arange(fine, dtype=torch.float64) + 0.5) / fine
    axes = [low[i] + (high[i] - low[i]) * steps for i in range(2)]
    density = log_density(torch.cartesian_prod(*axes)).exp().reshape(fine, fine)
    blocks = density.reshape(COARSE, fine // COARSE, COARSE, fine // COARSE).sum((1, 3))
    masses = blocks * ((high - low) / fine).prod()
    inside = draws[((draws >= low) & (draws < high)).all(1)]
    cells = ((inside - low) / (high - low) * COARSE).long().clamp(0, COARSE - 1)
    counts = torch.bincount(cells[:, 0] * COARSE + cells[:, 1], minlength=COARSE**2)
    shares = counts.double().reshape(COARSE, COARSE) / len(draws)
    return max(float((masses - shares).abs().max()), abs(float(masses.sum() - shares.sum())) / 2)


def test_a_declared_density_is_that_of_the_draws(problem):
    if Capability.LOG_DENSITY not in problem.capabilities or problem.shapes.x != 2:
        pytest.skip("no density on the plane")
    assert share_gap(problem, problem.log_density) < 0.012
    assert share_gap(problem, lambda x: problem.log_density(x) + 0.2) > 0.05  # not normalised
    assert share_gap(problem, lambda x: problem.log_density(x.mean(0) + 1.3 * (x - x.mean(0)))) > 0.012


def test_windows_contain_the_draws(problem):
    samples = problem.draw(4000, seeded())
    for values, window, variables in (
        (samples.x, problem.window, problem.x),
        (samples.y, problem.observation_window, problem.y),
    ):
        assert len(window) == len(variables)
        for column, (low, high) in zip(values.T, window, strict=True):
            assert low < high
            assert ((column >= low) & (column <= high)).double().mean() >= 0.95
    assert problem.window == problem.window


def test_variables_have_distinct_names_and_bound_the_draws(problem):
    variables = [*problem.x, *problem.y]
    assert all(isinstance(v, Variable) for v in variables)
    assert len({v.name for v in variables}) == len(variables)
    values = torch.cat([*problem.draw(N, seeded()).x.T, *problem.draw(N, seeded()).y.T]).reshape(
        len(variables), N
    )
    for variable, column in zip(variables, values, strict=True):
        assert variable.low <= column.min() and column.max() <= variable.high


def test_default_observation_lies_in_its_window(problem):
    assert len(problem.default_observation) == problem.shapes.y
    for value, (low, high) in zip(problem.default_observation, problem.observation_window, strict=True):
        assert low <= value <= high


def test_settings_survive_json(problem):
    if problem.key in ("simulator", "simulations"):
        with pytest.raises(SpecError, match="notebook or a script"):
            type(problem).from_values(problem.values())
        return
    again = type(problem).from_values(json.loads(json.dumps(problem.values())))
    assert again == problem
    assert torch.equal(again.draw(50, seeded()).x, problem.draw(50, seeded()).x)


def test_a_copy_draws_the_same(problem):
    again = problem.copy()
    assert again == problem and again is not problem
    assert torch.equal(again.draw(50, seeded()).y, problem.draw(50, seeded()).y)


def test_an_observation_is_declared_exactly_where_there_is_one(problem):
    assert (Capability.OBSERVATION in problem.capabilities) == (problem.shapes.y > 0)
    assert problem.capabilities <= set(Capability)


def calls(problem: Problem) -> dict:
    samples = problem.draw(20, seeded())
    return {
        Capability.LOG_DENSITY: lambda: problem.log_density(samples.x),
        Capability.LOG_JOINT: lambda: problem.log_joint(samples.x, samples.y),
        Capability.SIMULATE: lambda: problem.simulate(samples.x, seeded()),
        Capability.REFERENCE_POSTERIOR: lambda: problem.reference_posterior(
            problem.default_observation, 20, seeded()
        ),
    }


SHAPES = {
    Capability.LOG_DENSITY: lambda p: (20,),
    Capability.LOG_JOINT: lambda p: (20,),
    Capability.SIMULATE: lambda p: (20, p.shapes.y),
    Capability.REFERENCE_POSTERIOR: lambda p: (20, p.shapes.x),
}


@pytest.mark.parametrize("need", list(SHAPES))
def test_declared_capabilities_work_and_others_are_refused(problem, need):
    call = calls(problem)[need]
    if need not in problem.capabilities:
        with pytest.raises(IncompatibleError, match=Capability(need).sentence):
            call()
        return
    value = call()
    assert value.shape == SHAPES[need](problem) and value.dtype == torch.float64 and value.isfinite().all()
    assert torch.equal(value, calls(problem)[need]())


def test_full_support_means_finite_everywhere_with_a_gradient(problem):
    if Capability.FULL_SUPPORT not in problem.capabilities:
        pytest.skip("not declared")
    low, high = torch.tensor(problem.window, dtype=torch.float64).T
    inside = torch.rand(200, len(low), generator=seeded(), dtype=torch.float64)
    x = torch.cat([low + 2 * (high - low) * (inside - 0.25), torch.zeros(1, len(low))]).requires_grad_()
    y = torch.tensor(problem.default_observation).double().expand(len(x), -1)
    joint = Capability.LOG_JOINT in problem.capabilities
    value = problem.log_joint(x, y) if joint else problem.log_density(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert value.isfinite().all() and gradient.isfinite().all() and gradient.abs().sum() > 0


def test_float32_agrees_with_float64(problem):
    if Capability.LOG_DENSITY not in problem.capabilities:
        pytest.skip("no density")
    x = problem.draw(200, seeded()).x.float()
    short, long = problem.log_density(x), problem.log_density(x.double())
    assert short.dtype == torch.float32
    torch.testing.assert_close(short.double(), long, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("n", [0, -1, 2.5, True, None])
def test_an_invalid_count_is_refused(problem, n):
    with pytest.raises(DataError, match="whole number"):
        problem.draw(n, seeded())


def test_an_observation_that_does_not_fit_is_refused(problem):
    if not problem.y:
        pytest.skip("nothing is observed")
    for observation in ((), (0.0,) * 40, ("a",), (float("nan"),) * len(problem.y), None):
        with pytest.raises(DataError, match="observation"):
            problem.checked_observation(observation)


def test_points_that_do_not_fit_are_refused(ready):
    with pytest.raises(DataError, match=r"\(n, 2\)"):
        ready["two_moons"].log_density(torch.zeros(3, 5))
    with pytest.raises(DataError, match=r"\(n, 4\)"):
        ready["inverse_kinematics"].simulate([[0.0] * 4], seeded())


def test_refusals_are_sentences_and_come_as_errors():
    for key in ("drawn", "table"):
        blank = PROBLEMS.make(key)
        (sentence,) = blank.refusals()
        assert sentence.endswith(".") and sentence[0].isupper()
        with pytest.raises(DataError) as error:
            blank.draw(3, seeded())
        assert str(error.value).rstrip(".") == sentence.rstrip(".")
    assert PROBLEMS["simulator"].unavailable() and not PROBLEMS["table"].unavailable()


def test_ready_problems_refuse_nothing(problem):
    assert problem.refusals() == []


def test_unknown_settings_and_values_out_of_bounds_are_refused():
    with pytest.raises(SpecError, match="did you mean 'noise'|Did you mean 'noise'"):
        PROBLEMS.make("two_moons", nose=0.1)
    with pytest.raises(SpecError):
        PROBLEMS.make("two_moons", noise=-1.0)
    with pytest.raises(SpecError):
        PROBLEMS.make("inverse_kinematics", convention="other")


def test_every_setting_is_documented():
    for member in PROBLEMS:
        for setting in member.settings():
            assert setting.doc, f"{member.key}.{setting.name}"
        assert member.reference and member.summary.endswith(".")
