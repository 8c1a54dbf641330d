"""Calls of the user's simulator: outputs of every kind, copies, failures, one parameter set at a time."""

from __future__ import annotations

import random
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import workbench as wb
from workbench.core.errors import DataError, SpecError
from workbench.core.variable import Variable
from workbench.problems.user import calls
from workbench.problems.user.failures import Failures, SimulationWarning

NORMAL = torch.distributions.Normal(torch.zeros(2), torch.ones(2))


def numbers(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


OUTPUTS = {
    "a column": (lambda x: x[:, :1], ["y"]),
    "one dimension": (lambda x: x[:, 0], ["y"]),
    "numpy in single precision": (lambda x: x.numpy().astype("f4")[:, 0], ["y"]),
    "a list of lists": (lambda x: [[float(a)] for a, _ in x], ["y"]),
    "a list of tensors": (lambda x: [a for a, _ in x], ["y"]),
    "whole numbers": (lambda x: (10 * x[:, :1]).long(), ["y"]),
    "with a gradient": (lambda x: x[:, :1] * torch.ones(1, requires_grad=True), ["y"]),
    "a matrix each": (lambda x: x[:, :, None] * torch.ones(3), [f"y_{i}" for i in range(6)]),
    "a table": (lambda x: pd.DataFrame({"s": x.sum(1).numpy(), "d": x[:, 0].numpy()}), ["s", "d"]),
    "by name": (
        lambda x: {"height": x[:, 0], "profile": x[:, :1].numpy() + np.arange(3)},
        ["height", "profile_0", "profile_1", "profile_2"],
    ),
    "a Dataset": (
        lambda x: xr.Dataset({"t": ("n", x[:, 0].numpy()), "p": (("n", "z"), x.numpy())}),
        ["t", "p_0", "p_1"],
    ),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_any_fixed_shape_becomes_columns(name):
    simulate, names = OUTPUTS[name]
    problem = wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"])
    assert [v.name for v in problem.y] == names
    data = problem.draw(20, numbers())
    assert data.y.shape == (20, len(names)) and data.y.dtype == torch.float64
    if name in ("a column", "one dimension", "a list of lists", "a list of tensors", "with a gradient"):
        assert torch.equal(data.y[:, 0], data.x[:, 0])
    if name == "by name":
        assert torch.equal(data.y[:, 3], data.x[:, 0] + 2)


def test_named_outputs_are_chosen_and_ordered_by_name():
    def simulate(x):
        return {"first": x[:, 0], "profile": x[:, :1] + torch.arange(2), "second": x[:, 1]}

    problem = wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"], y=["second", Variable("profile", unit="K")])
    assert [(v.name, v.unit) for v in problem.y] == [("second", ""), ("profile_0", "K"), ("profile_1", "K")]
    data = problem.draw(9, numbers())
    assert torch.equal(data.y[:, 0], data.x[:, 1]) and torch.equal(data.y[:, 2], data.x[:, 0] + 1)
    with pytest.raises(DataError, match="no output 'secnd'.*Did you mean 'second'"):
        wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"], y=["secnd"])


def test_the_function_gets_a_copy_of_its_own():
    def simulate(x):
        y = x.sum(1)
        x *= 0
        return y

    problem = wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"], y=["s"])
    data = problem.draw(50, numbers())
    assert torch.equal(data.x.sum(1), data.y[:, 0]) and data.x.std() > 0.5
    x = torch.ones(3, 2, dtype=torch.float64)
    problem.simulate(x, numbers())
    assert (x == 1).all()


def test_a_buffer_that_the_function_uses_again_is_copied():
    buffer = np.zeros((64, 1))

    def simulate(x):
        buffer[: len(x), 0] = x[:, 0]
        return buffer[: len(x)]

    problem = wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"], y=["s"])
    x, others = problem.prior(64, numbers()), problem.prior(64, numbers(1))
    first = problem.simulate(x, numbers())
    problem.simulate(others, numbers())
    assert torch.equal(first[:, 0], x[:, 0])


def test_noise_of_torch_numpy_and_python_follows_the_seed_and_disturbs_nobody():
    def simulate(x):
        return (
            torch.stack([torch.randn(len(x)), torch.from_numpy(np.random.randn(len(x)))], 1)
            + random.random()
            + x
        )

    problem = wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"], y=["s", "t"])
    np.random.seed(5), random.seed(5), torch.manual_seed(5)
    first = problem.draw(8, numbers(1))
    after = np.random.rand(), random.random(), float(torch.rand(()))
    np.random.seed(5), random.seed(5), torch.manual_seed(5)
    assert after == (np.random.rand(), random.random(), float(torch.rand(())))
    assert torch.equal(problem.draw(8, numbers(1)).y, first.y)
    assert not torch.equal(problem.draw(8, numbers(2)).y, first.y)


def test_kinds_of_variables_are_checked_in_what_is_simulated():
    def problem(simulate, y):
        return wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"], y=[y]).draw(30, numbers()).y

    hours = problem(lambda x: 24 * x[:, 0], Variable("hour", period=24))
    assert hours.min() >= 0 and hours.max() < 24
    with pytest.raises(DataError, match="fractions for 'n'"):
        problem(lambda x: x[:, 0], Variable("n", levels=-1))
    with pytest.raises(DataError, match="bounds of 'k'.*above 0"):
        problem(lambda x: x[:, 0], Variable("k", scale="log"))
    assert (problem(lambda x: x[:, 0].exp(), Variable("k", scale="log")) > 0).all()


# ---- one parameter set at a time
def one_throw(x):
    speed, angle = x.tolist()
    return {"range": speed + np.random.randn(), "flight": [angle, angle + random.random()]}


def test_one_parameter_set_at_a_time():
    problem = wb.SimulatorProblem(NORMAL, one_throw, x=["speed", "angle"], vectorised=False)
    assert [v.name for v in problem.y] == ["range", "flight_0", "flight_1"]
    data = problem.draw(12, numbers())
    assert torch.equal(data.y[:, 1], data.x[:, 1])
    assert torch.equal(problem.draw(12, numbers()).y, data.y)
    scalar = wb.SimulatorProblem(NORMAL, lambda x: float(x[0]), x=["a", "b"], y=["s"], vectorised=False)
    assert scalar.draw(3, numbers()).y.shape == (3, 1)


def test_processes_give_the_numbers_of_one_process(monkeypatch):
    def make(processes):  # a closure, as in a notebook
        shift = 3.0
        return wb.SimulatorProblem(
            NORMAL,
            lambda x: x.numpy() + shift + np.random.randn(2) + torch.randn(2).numpy(),
            x=["a", "b"],
            vectorised=False,
            processes=processes,
        )

    alone = make(1).draw(30, numbers()).y
    monkeypatch.setattr(calls, "_WORTH_PROCESSES", 0.0)
    assert torch.equal(make(2).draw(30, numbers()).y, alone)


def test_unequal_shapes_are_told():
    with pytest.raises(DataError, match="different shapes"):
        wb.SimulatorProblem(
            NORMAL, lambda x: [1.0] * (1 + int(x[0] > 0)), x=["a", "b"], vectorised=False
        ).draw(50, numbers())


# ---- failures
def failing(x):
    y = x[:, 0] + 0.1 * torch.randn(len(x))
    return torch.where(x[:, 0] > 2, torch.nan, y)


def test_failures_are_dropped_counted_and_placed():
    problem = wb.SimulatorProblem(NORMAL, failing, x=["a", "b"], y=["s"], failed="drop")
    with pytest.warns(SimulationWarning, match=r"of \d+ simulations .*not finite in 's'.*at a from 2.0"):
        problem.record_draw(3000, seed=0)
    data = problem.draw(3000, numbers())
    assert len(data) == 3000 and data.y.isfinite().all() and data.x[:, 0].max() <= 2
    note = problem.warnings()[0]
    share = float(note.split("(")[1].split(" %")[0])
    assert share == pytest.approx(2.3, abs=0.8) and "'b'" not in note
    assert problem.simulate(torch.tensor([[3.0, 0.0], [1.0, 0.0]]), numbers()).isnan().tolist() == [
        [True],
        [False],
    ]


def test_failures_are_refused_by_default_with_the_way_out():
    problem = wb.SimulatorProblem(NORMAL, failing, x=["a", "b"], y=["s"])
    with pytest.raises(DataError, match=r"not finite.*\d+ of 3000 in 's'.*at a from.*failed='drop'"):
        problem.draw(3000, numbers())


@pytest.mark.parametrize("vectorised", [True, False])
def test_simulations_that_raise_are_dropped_too(vectorised):
    def simulate(x):
        if (x[..., 0] > 1).any():
            raise ArithmeticError("no root")
        return x[..., 0] + np.random.randn()

    settings = {"x": ["a", "b"], "y": ["s"], "vectorised": vectorised}
    problem = wb.SimulatorProblem(NORMAL, simulate, failed="drop", **settings)
    with pytest.warns(SimulationWarning, match="ArithmeticError: no root"):
        data = problem.draw(200, numbers())
    assert len(data) == 200 and data.x[:, 0].max() <= 1
    with pytest.raises(DataError, match="ArithmeticError.*failed='drop'"):
        wb.SimulatorProblem(NORMAL, simulate, **settings).draw(200, numbers())


def test_nearly_all_failures_are_refused():
    def simulate(x):
        return torch.where(x[:, 0].abs() > 0.02, torch.nan, x[:, 0])

    with pytest.raises(DataError, match="Nearly all simulations fail|failed in every trial"):
        wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"], y=["s"], failed="drop").draw(500, numbers())


def test_random_failures_are_not_said_to_have_a_place():
    generator = np.random.default_rng(0)
    x, variables = generator.normal(size=(3000, 3)), [Variable(n) for n in "abc"]
    places = [
        Failures(x, np.random.default_rng(seed).random(3000) < 0.02, []).place(variables)
        for seed in range(100)
    ]
    assert sum(map(bool, places)) <= 4  # a level of 1 %
    together = Failures(x, (x[:, 0] * x[:, 2] > 0) & (generator.random(3000) < 0.1), []).place(variables)
    assert "a, c together" in together


@pytest.mark.parametrize(
    ("simulate", "vectorised", "name"),
    [
        (lambda x: x * torch.tensor([1.0, 0.0]) + 7e5, True, "y_1"),
        (lambda x: 3.5, False, "y"),
        (lambda x: x.mul_(0)[:, :1], True, "y"),  # changes its copy of the parameters
    ],
)
def test_constant_outputs_are_told_at_once_and_refused_by_a_run(simulate, vectorised, name):
    with pytest.warns(SimulationWarning, match=f"'{name}' was the same in all"):
        problem = wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"], vectorised=vectorised)
    pairs = problem.draw(50, torch.Generator().manual_seed(0))
    assert pairs.x.std(0).min() > 0.5
    with pytest.raises(DataError, match=f"constant.*'{name}'"):
        wb.Run(wb.Experiment(problem, "realnvp", training={"samples": 300, "measured": []}, steps=2))


# ---- copies
def test_copies_and_runs_do_not_simulate_again():
    count = []

    def simulate(x):
        count.append(len(x))
        return x[:, :1] + torch.randn(len(x), 1)

    problem = wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"], y=["s"])
    experiment = wb.Experiment(problem, "realnvp", training={"samples": 300, "measured": []}, steps=2)
    before = sum(count)
    experiment.copy().problem.copy()
    assert sum(count) == before
    run = wb.Run(experiment)
    assert sum(count) == before + 300
    wb.Run(run.experiment)  # a fork
    assert sum(count) == before + 300 and experiment.problem == run.problem


# ---- pairs simulated elsewhere
def test_arrays_that_were_simulated_elsewhere_are_a_problem(tmp_path):
    random_numbers = np.random.default_rng(0)
    theta = random_numbers.uniform(size=(400, 2))
    curves = torch.from_numpy(theta[:, :1, None] + random_numbers.normal(size=(400, 3, 2)))
    problem = wb.SimulationsProblem(theta, curves, x=[Variable("a", low=0, high=1), "b"])
    assert problem.rows == 400 and [v.name for v in problem.y] == [f"y_{i}" for i in range(6)]
    data = problem.draw(1000, numbers())
    assert sorted(data.x[:, 0].tolist()) == sorted(theta[:, 0].tolist())
    run = wb.Run(wb.Experiment(problem, "realnvp", training={"samples": 400, "measured": []}, steps=4))
    run.step(), run.save(tmp_path / "run")
    again = wb.Run.resume(tmp_path / "run")
    assert again.problem.x == problem.x and torch.equal(
        again.problem.draw(5, numbers()).y, problem.draw(5, numbers()).y
    )
    assert again.step().loss == run.step().loss
    assert problem.copy() == problem


def test_a_dataset_of_simulations_has_vectors():
    values = np.random.default_rng(0).normal(size=(100, 4))
    dataset = xr.Dataset({"a": ("n", values[:, 0]), "profile": (("n", "z"), values[:, 1:])})
    problem = wb.SimulationsProblem(dataset, x=["a"], y=["profile"])
    assert [v.name for v in problem.y] == ["profile_0", "profile_1", "profile_2"]
    assert np.allclose(np.sort(problem.draw(100, numbers()).y[:, 2]), np.sort(values[:, 3]))
    with pytest.raises(SpecError, match="no array 'prfile'.*Did you mean 'profile'"):
        wb.SimulationsProblem(dataset, x=["a"], y=["prfile"])


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((np.zeros((90, 1)), np.zeros((80, 1))), {}, "different numbers of rows.*90 and 80"),
        ((np.zeros((9, 1)), np.zeros((9, 1))), {}, "too few"),
        ((np.arange(90.0), np.ones((90, 1))), {}, "constant.*'y'"),
        ((np.arange(90.0), np.where(np.arange(90) > 80, np.nan, 1.0)), {}, "9 of 90 in 'y'.*failed='drop'"),
        ((3.0, np.ones(90)), {}, "not rows of numbers"),
    ],
)
def test_simulations_that_cannot_be_used_are_refused(arguments, settings, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        wb.SimulationsProblem(*arguments, **settings)


def test_failed_pairs_are_dropped_and_placed():
    x = np.linspace(0, 1, 400)
    y = np.where(x > 0.9, np.inf, x)
    problem = wb.SimulationsProblem(x, y, failed="drop")
    assert problem.rows == 360 and "at x from 0.9" in problem.warnings()[0]
    assert "40 of 400 simulations (10 %)" in problem.warnings()[0]


# ---- threads
def test_a_problem_takes_no_global_random_numbers():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    problem = wb.SimulatorProblem(
        torch.distributions.Gamma(torch.tensor([2.0, 3.0]), 1.0),
        lambda x: x[:, :1] + torch.rand(len(x), 1),
        x=["a", "b"],
        y=["s"],
    )
    problem.draw(10, torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.random.get_rng_state())


def test_runs_in_threads_have_the_numbers_of_runs_alone():
    prior = torch.distributions.Gamma(torch.tensor([2.0, 3.0]), 1.0)

    def make(seed):
        problem = wb.SimulatorProblem(
            prior, lambda x: x[:, :1].numpy() + np.random.randn(len(x), 1), x=["a", "b"], y=["s"]
        )
        training = {"samples": 200, "measured": [], "validate_every": 5}
        run = wb.Run(
            wb.Experiment(
                problem,
                {"key": "neural_spline_coupling", "settings": {"width": 16}},
                training=training,
                steps=6,
                seed=seed,
            )
        )
        for _ in run:
            pass
        return [record.loss for record in run.history], run.data.pairs().x

    alone = [make(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(make, range(4)))
    for (losses, x), (others, z) in zip(alone, together, strict=True):
        assert losses == others and torch.equal(x, z)


def test_nothing_is_said_of_simulations_without_failures():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem = wb.SimulatorProblem(
            NORMAL, lambda x: x[:, :1] + torch.randn(len(x), 1), x=["a", "b"], y=["s"]
        )
        problem.record_draw(500, seed=0)
    assert problem.warnings() == []


def test_far_values_and_degenerate_unknowns_are_told():
    def simulate(x):
        return torch.where(x[:, 0] > 2.5, 1e6, x[:, 0])

    problem = wb.SimulatorProblem(NORMAL, simulate, x=["a", "b"], y=["counts"])
    problem.record_draw(2000, seed=0)
    assert any("'counts' has far values" in note and "scale='robust'" in note for note in problem.warnings())
    cells = wb.SimulatorProblem(NORMAL, lambda x: torch.where(x[:, 0] > 2.5, 1e30, x[:, 0]), x=["a", "b"])
    with pytest.raises(DataError, match="1e\\+30 in row"):
        cells.record_draw(2000, seed=0)
    shares = wb.SimulatorProblem(
        torch.distributions.Dirichlet(torch.ones(3)), lambda x: x[:, :2], x=list("abc")
    )
    shares.record_draw(200, seed=0)
    assert any("a, b, c follows from the others" in note for note in shares.warnings())


def test_a_period_that_the_prior_goes_beyond_has_no_density():
    wide, narrow = torch.distributions.Normal(0.0, 9.0), torch.distributions.Uniform(0.0, 24.0)
    capabilities = [
        wb.SimulatorProblem(p, lambda x: x, x=[Variable("hour", period=24)], y=["y"]).capabilities
        for p in (wide, narrow)
    ]
    assert ["log_prior" in c for c in capabilities] == [False, True]
