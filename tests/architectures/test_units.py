"""Results do not depend on the units of the data: x → a·x + b, y → c·y + d.

Each result has a rule: weights are equal, draws are mapped by the same a and b, log-densities lose log|a| for
each unknown, and so do likelihoods gain it.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

import workbench as wb
from tests.export.conftest import SMALL, usual_objective
from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability

ROWS, STEPS = 200, 20
#: Factors and offsets: powers of two change no digit; others are rounded, and magnified by the offset.
EXACT = {"x": (2.0**70, 0.0), "y": (2.0**-90, 0.0)}
ROUNDED = {
    "tiny x, huge y": {"x": (1e-30, 0.0), "y": (1e30, 0.0)},
    "huge x, tiny y": {"x": (1e30, 0.0), "y": (1e-30, 0.0)},
    "far from zero": {"x": (3.0, 3e8), "y": (0.01, -1e6)},
}


def rows() -> tuple[np.ndarray, np.ndarray]:
    """Two skewed unknowns and two noisy functions of them."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(ROWS, 2)) @ np.array([[1.0, 0.5], [0.0, 0.7]])
    x[:, 1] += 0.3 * x[:, 0] ** 2
    y = np.stack([x[:, 0] + x[:, 1], np.sin(x[:, 0])], 1) + 0.1 * generator.normal(size=(ROWS, 2))
    return x, y


def train(key: str, units: dict[str, tuple[float, float]], steps: int = STEPS) -> wb.Run:
    """Train a small network on a table in other units."""
    x, y = rows()
    columns = {"a": x[:, 0], "b": x[:, 1], "c": y[:, 0], "d": y[:, 1]}
    table = pd.DataFrame(
        {
            n: units["x" if n in "ab" else "y"][0] * v + units["x" if n in "ab" else "y"][1]
            for n, v in columns.items()
        }
    )
    conditional = Capability.CONDITIONAL in ARCHITECTURES[key].capabilities
    problem = wb.TableProblem(table, x=["a", "b"], y=["c", "d"] if conditional else [])
    names = {s.name for s in ARCHITECTURES[key].settings()}
    settings = {name: value for name, value in SMALL.items() if name in names}
    training = {
        "samples": ROWS,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "warm_up": 0,
        "precision": "float64",
    }
    experiment = wb.Experiment(
        problem, {"key": key, "settings": settings}, usual_objective(key), training, steps=steps, seed=1
    )
    run = wb.Run(experiment, device="cpu")
    for _ in run:
        pass
    return run


def answers(run: wb.Run, units: dict[str, tuple[float, float]]) -> dict[str, torch.Tensor]:
    """Return draws, log-densities and the last loss, mapped back to the original units by their rules."""
    x, y = (torch.from_numpy(part[:7]) for part in rows())
    (a, b), (c, d) = units["x"], units["y"]
    has_y = bool(run.problem.y)
    y = c * y + d if has_y else None
    model = run.fitted
    generator = torch.Generator().manual_seed(3)
    results = {"draws": (model.sample(7, y, generator) - b) / a}
    if Capability.DENSITY in model.capabilities:
        results["log_prob"] = model.log_prob(a * x + b, y) + 2 * math.log(abs(a))
    if "negative_log_likelihood" in run.history[-1].parts:
        value = run.history[-1].parts["negative_log_likelihood"] - 2 * math.log(abs(a))
        results["likelihood"] = torch.tensor([value], dtype=torch.float64)
    return results


PLAIN = {"x": (1.0, 0.0), "y": (1.0, 0.0)}


@pytest.mark.parametrize("key", ARCHITECTURES.keys())
def test_a_power_of_two_changes_no_digit(key):
    plain, other = train(key, PLAIN, steps=3), train(key, EXACT, steps=3)
    state = plain.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in other.model.state_dict().items())
    reference, results = answers(plain, PLAIN), answers(other, EXACT)
    assert torch.equal(results.pop("draws"), reference.pop("draws"))
    for name, value in results.items():
        torch.testing.assert_close(value, reference[name], rtol=0, atol=1e-10)


@pytest.mark.parametrize("units", ROUNDED)
@pytest.mark.parametrize(
    "key",
    [
        key if key in ("realnvp", "regressed_mixtures") else pytest.param(key, marks=pytest.mark.slow)
        for key in ARCHITECTURES.keys()
    ],
)
def test_other_factors_and_offsets_change_no_result(key, units):
    reference = answers(train(key, PLAIN), PLAIN)
    for name, value in answers(train(key, ROUNDED[units]), ROUNDED[units]).items():
        torch.testing.assert_close(value, reference[name], rtol=1e-4, atol=1e-4)
