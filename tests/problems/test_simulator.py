"""Every result of the user's simulator is checked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.problems.conftest import make_simulator
from workbench.core.errors import DataError, SpecError
from workbench.core.variable import Variable
from workbench.problems import PROBLEMS, SimulatorProblem


def test_a_torch_distribution_is_a_prior():
    prior = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    problem = SimulatorProblem(
        prior=prior, simulate=lambda x: x.sum(1, keepdim=True), x=["a", "b"], y=["total"]
    )
    samples = problem.draw(50, torch.Generator().manual_seed(0))
    assert samples.x.dtype == torch.float64 and torch.equal(samples.y[:, 0], samples.x.sum(1))
    scalar = SimulatorProblem(torch.distributions.Normal(0.0, 1.0), lambda x: x**2, x=["a"], y=["square"])
    assert scalar.draw(7, torch.Generator()).x.shape == (7, 1)


def test_an_array_is_accepted_in_place_of_a_tensor():
    problem = make_simulator(simulate=lambda x: np.sin(x.numpy()[:, :1]).astype(np.float32))
    assert problem.draw(5, torch.Generator().manual_seed(0)).y.dtype == torch.float64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simulate": lambda x: x[0]}, r"one parameter set at a time.*shape \(2,\).*vectorised=False"),
        ({"simulate": lambda x: x.T[:1]}, r"wrong shape.*16 rows.*transpose"),
        ({"simulate": lambda x: x}, r"wrong shape.*shape \(16, 2\)"),
        ({"simulate": lambda x: 1 / 0}, "simulator failed.*ZeroDivisionError"),
        ({"simulate": lambda x: None}, "something else than numbers.*NoneType"),
        ({"simulate": lambda x: x[:, :1] * torch.nan}, "not finite.*16 of 16 in 'range'"),
        ({"simulate": lambda x: x[:, :1] + 1j}, "complex"),
        ({"y": [Variable("range", unit="m", high=-1.0)]}, "left the bounds of 'range'"),
        ({"prior": lambda n, g: torch.zeros(n)}, r"prior returned a wrong shape"),
        ({"prior": lambda n, g: torch.zeros(3, 2)}, r"prior returned a wrong shape"),
        ({"prior": lambda n: torch.zeros(n, 2)}, "prior failed.*TypeError"),
        (
            {"x": [Variable("speed", low=5.0), Variable("angle")]},
            "prior left the bounds of 'speed'.*5 to inf",
        ),
    ],
)
def test_a_failing_simulator_is_refused_at_once(changes, message):
    with pytest.raises(DataError, match=f"(?s){message}"):
        make_simulator(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prior": None}, "notebook or a script"),
        ({"simulate": None}, "notebook or a script"),
        ({"prior": 3}, "cannot be drawn from"),
        ({"simulate": 3}, r"'simulate' of SimulatorProblem cannot be used. Expected: a function. Found: 3"),
        ({"x": []}, "x is not described"),
        (
            {"x": Variable("a")},
            r"'x' of SimulatorProblem cannot be used. Expected: a list. Found: .*Variable",
        ),
        ({"y": [3]}, "y is not described"),
        ({"x": ["a", "b"], "y": ["a"]}, "same name"),
    ],
)
def test_a_missing_argument_is_named(changes, message):
    with pytest.raises(SpecError, match=message):
        make_simulator(**changes)


def test_without_functions_there_is_no_simulator():
    for make in (
        SimulatorProblem,
        lambda: PROBLEMS.make("simulator"),
        lambda: SimulatorProblem.from_values({}),
    ):
        with pytest.raises(SpecError, match="functions do not travel"):
            make()


def test_the_noise_of_a_simulation_follows_the_generator():
    problem = make_simulator()
    x = problem.draw(9, torch.Generator().manual_seed(0)).x
    first, again, other = (problem.simulate(x, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
