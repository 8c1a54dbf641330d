"""First calls of a user's simulator: what is refused, what is a warning, and what is a note."""

import warnings

import numpy as np
import pytest
import torch
from scipy import stats

import workbench as wb
from workbench.core.errors import DataError, SpecError
from workbench.problems.user.failures import SimulationWarning

PRIOR = {"a": torch.distributions.Uniform(0.0, 1.0), "b": torch.distributions.Uniform(0.0, 1.0)}


def told(simulate, **settings):
    """Return the warnings and the notes of a simulator that is accepted."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        problem = wb.SimulatorProblem(PRIOR, simulate, **settings)
    warnings_ = [str(w.message) for w in record if issubclass(w.category, SimulationWarning)]
    return warnings_, [note for note in problem.warnings() if note not in warnings_]


def own_seed_of_numpy(x):
    np.random.seed(3)
    return x.numpy() + np.random.randn(*x.shape)


def own_seed_of_torch(x):
    return x[:, :1] + torch.randn(len(x), 1, generator=torch.Generator().manual_seed(0))


own_generator = np.random.default_rng(0)


def seeded_by_the_workbench(x):
    """Noise as the warning on a generator of one's own recommends it."""
    return float(x[0]) + np.random.default_rng(np.random.randint(2**31)).normal()


@pytest.mark.parametrize(
    ("simulate", "vectorised", "warning", "note"),
    [
        (lambda x: x[:, :1] + torch.randn(len(x), 1), True, "", ""),
        (lambda x: x.numpy() + np.random.randn(*x.shape), True, "", ""),
        (lambda x: x.numpy() + own_generator.normal(size=x.shape), True, "", "no seed governs"),
        (lambda x: float(x[0]) + own_generator.normal(), False, "copied to every process", ""),
        (seeded_by_the_workbench, False, "", ""),
        (lambda x: torch.poisson(8 * x[:, :1]), True, "", "whole numbers"),
        (lambda x: (x[:, :1] > torch.rand(len(x), 1)).float(), True, "", "whole numbers"),
        (lambda x: x.sum(1, keepdim=True), True, "", "adds no noise"),
        (lambda x: torch.randn(len(x), 2), True, "do not depend on the unknowns", ""),
        (own_seed_of_numpy, True, "repeats its noise in every call \\(y_0, y_1\\)", ""),
        (own_seed_of_torch, True, "repeats its noise in every call \\(y\\)", ""),
        (lambda x: x + torch.randn(()), True, "all rows share one", ""),
        (lambda x: x / x.norm(), True, "depend on the other rows", ""),
        (lambda x: torch.cat([x[:, :1], torch.randn(len(x), 1)], 1), True, "", "y_1 do not depend"),
        (lambda x: float(x[0]) + np.random.randn(), False, "", ""),
        (lambda x: float(x[0]), False, "", "exactly the same results"),
        (lambda x: np.random.randn(), False, "do not depend on the unknowns", ""),
    ],
)
def test_noise_and_dependence_are_told_when_a_simulator_is_made(simulate, vectorised, warning, note):
    warnings_, notes = told(simulate, vectorised=vectorised)
    for sentences, pattern in ((warnings_, warning), (notes, note)):
        assert len(sentences) == bool(pattern), sentences
        if pattern:
            with pytest.raises(AssertionError, match=pattern):
                raise AssertionError(sentences[0])


def test_trials_cost_few_small_calls():
    sizes = []

    def simulate(x):
        sizes.append(len(x))
        return x + torch.randn(len(x), 2)

    wb.SimulatorProblem(PRIOR, simulate)
    assert sizes == [16, 16, 16, 16]
    sizes.clear()
    wb.SimulatorProblem(PRIOR, lambda x: simulate(x[None])[0], vectorised=False)
    assert sizes == [1, 1, 1, 1]


@pytest.mark.parametrize("failed", ["refuse", "drop"])
def test_a_function_of_one_parameter_set_is_recognised(failed):
    def one(x):
        a, b = (float(v) for v in x)
        return [a + b, a - b]

    functions = [
        one,
        lambda x: x[0] + x[1],
        lambda x: {"u": float(x[0])},
        lambda x: np.array([float(x[0]), 2.0]),
    ]
    for function in functions:
        with pytest.raises(DataError) as error:
            wb.SimulatorProblem(PRIOR, function, failed=failed)
        assert error.value.suggestion == "say vectorised=False"
    with pytest.raises(DataError, match=r"several arguments.*a, b = x\.T"):
        wb.SimulatorProblem(PRIOR, lambda a, b: a + b, failed=failed)
    with pytest.raises(DataError, match=r"several arguments.*a, b = x\.$"):
        wb.SimulatorProblem(PRIOR, lambda a, b: a + b, vectorised=False, failed=failed)


def test_a_sum_over_sixteen_unknowns_is_no_sum_over_rows():
    prior = torch.distributions.Independent(torch.distributions.Uniform(torch.zeros(16), 1.0), 1)
    names = [f"p{i}" for i in range(16)]
    with pytest.raises(DataError, match="say vectorised=False|Say vectorised=False"):
        wb.SimulatorProblem(prior, lambda x: x.sum(0), x=names, y=["s"])


@pytest.mark.parametrize(
    ("prior", "line"),
    [
        ({"a": (0, 1)}, "write 'a': torch.distributions.Uniform(0.0, 1.0)"),
        ({"a": [5, -2.5]}, "write 'a': torch.distributions.Uniform(-2.5, 5.0)"),
        ([(0, 1), (2, 3)], "write torch.distributions.Uniform(0.0, 1.0)"),
        ((0, 1), "write torch.distributions.Uniform(0.0, 1.0)"),
    ],
)
def test_two_numbers_in_place_of_a_prior_are_answered_with_the_line_to_write(prior, line):
    with pytest.raises(SpecError) as error:
        wb.SimulatorProblem(prior, lambda x: x, x=["a"])
    assert line in str(error.value)


def test_a_period_far_below_the_spread_is_doubted():
    period = wb.Variable("t", period=0.5)
    warnings_, _ = told(lambda x: 100 * x[:, :1] + torch.randn(len(x), 1), y=[period])
    assert len(warnings_) == 1 and "periods of 0.5" in warnings_[0]
    hour = wb.Variable("t", period=24)
    assert told(lambda x: 30 * x[:, :1] + torch.randn(len(x), 1), y=[hour]) == ([], [])


def test_a_generator_of_ones_own_in_one_process_is_a_note():
    warnings_, notes = told(lambda x: float(x[0]) + own_generator.normal(), vectorised=False, processes=1)
    assert not warnings_
    assert any("cannot be repeated exactly" in note for note in notes)


def test_noise_whose_amount_depends_on_the_parameters_has_its_seed():
    """Poisson numbers take more or fewer random numbers as their rates say."""

    def simulate(x):
        rates = 50 * x.numpy()
        return np.random.poisson(rates) + 0.5 * np.random.standard_normal(rates.shape)

    assert told(simulate) == ([], [])


@pytest.mark.parametrize("noise", [1e-4, 0.0])
def test_noise_is_judged_by_the_spread_of_a_column(noise):
    """Julian days: the noise is a tenth of the spread, and a billionth of a thousandth of the magnitude."""
    prior = {"day": stats.uniform(2460000, 1e-3)}

    def simulate(x):
        return x + noise * torch.randn(len(x), 1, dtype=torch.float64)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        notes = wb.SimulatorProblem(prior, simulate).warnings()
    assert any("adds no noise" in note for note in notes) == (noise == 0)


@pytest.mark.parametrize("keep", [lambda x: x[:-1], lambda x: x[x[:, 0] > 0.3]])
def test_a_function_that_leaves_rows_out_is_told_so(keep):
    with pytest.raises(DataError, match="leaves parameter sets out.*NaN.*failed='drop'") as error:
        wb.SimulatorProblem(PRIOR, lambda x: keep(x + 0.01 * torch.randn(len(x), 2)))
    assert "vectorised" not in str(error.value)


def test_large_numbers_are_not_called_whole():
    warnings_, notes = told(lambda x: 1e30 * (x + torch.randn(len(x), 2)))
    assert not any("whole" in sentence for sentence in warnings_ + notes)
