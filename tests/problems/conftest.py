"""One ready instance of every problem, for the properties of the whole catalogue."""

from __future__ import annotations

import math

import pytest
import torch

from workbench import problems
from workbench.core.variable import Variable
from workbench.problems import PROBLEMS


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/problems" in item.path.as_posix():
            item.add_marker(pytest.mark.filterwarnings("error"))


def circle_points(count: int = 40) -> list[list[float]]:
    """Points on a closed curve, as a user might draw them."""
    return [[2 * math.cos(t), math.sin(t)] for t in torch.linspace(0, 6, count).tolist()]


def make_simulator(**changes) -> problems.SimulatorProblem:
    """A projectile: speed and angle to range, with a little noise."""

    def prior(n, generator):
        return torch.rand(n, 2, generator=generator, dtype=torch.float64) * torch.tensor([10.0, 1.0]) + 0.1

    def simulate(x):
        return (x[:, :1].square() * torch.sin(2 * x[:, 1:])) / 9.81 + 0.01 * torch.randn(len(x), 1)

    settings = {
        "prior": prior,
        "simulate": simulate,
        "x": [Variable("speed", unit="m/s"), Variable("angle", unit="rad")],
        "y": [Variable("range", unit="m")],
    }
    return problems.SimulatorProblem(**(settings | changes))


def make_simulations() -> problems.SimulationsProblem:
    """Curves of five points that were simulated elsewhere."""
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(300, 2, generator=generator, dtype=torch.float64)
    curves = torch.sin(x[:, :1] + x[:, 1:] * torch.arange(5))
    return problems.SimulationsProblem(x, curves, x=["phase", "pitch"])


def write_csv(folder, rows: int = 400):
    """A table with two unknowns and one observation."""
    x = torch.randn(rows, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = x.sum(1) + 0.1 * x[:, 0].square()
    lines = ["length [m],width [m],mass [kg]"]
    lines += [f"{a!r},{b!r},{c!r}" for (a, b), c in zip(x.tolist(), y.tolist(), strict=True)]
    path = folder / "things.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def csv_path(tmp_path):
    return write_csv(tmp_path)


@pytest.fixture(scope="session")
def ready(tmp_path_factory):
    """key -> a problem that can be drawn from."""
    path = write_csv(tmp_path_factory.mktemp("table"))
    special = {
        "drawn": lambda: problems.Drawn(points=circle_points()),
        "table": lambda: problems.TableProblem(path, x=["length", "width"], y=["mass"]),
        "simulator": make_simulator,
        "simulations": make_simulations,
    }
    return {key: special.get(key, lambda key=key: PROBLEMS.make(key))() for key in PROBLEMS.keys()}  # noqa: SIM118


@pytest.fixture(params=PROBLEMS.keys())
def problem(request, ready):
    return ready[request.param]
