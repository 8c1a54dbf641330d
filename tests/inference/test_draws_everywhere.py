"""Draws of tasks and architectures at observations up to five standard deviations out: all are finite."""

from __future__ import annotations

import warnings

import pytest
import torch

from tests.export.conftest import usual_objective
from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.errors import WorkbenchError
from workbench.inference.finite_draws import NonFiniteDrawsWarning
from workbench.problems import PROBLEMS
from workbench.training import Experiment, Run
from workbench.training.recommended import recommended

#: Problems with an observation that are drawn in a moment.
TASKS = (
    *("two_moons_posterior", "slcp", "gaussian_mixture", "gaussian_linear", "gaussian_linear_uniform"),
    *("bernoulli_glm", "sir", "inverse_kinematics", "inverse_ballistics", "linear_gaussian", "eight_modes"),
    *("sine_wave",),
)
FAR = (0.0, 2.0, 5.0)


def trained(task: str, samples: int, steps: int, architecture: str | None = None, seed: int = 0) -> Run:
    if architecture is None:
        settings = recommended(PROBLEMS.make(task), samples) | {"steps": steps}
        settings["training"] |= {"warm_up": min(settings["training"]["warm_up"], steps // 4)}
        experiment = Experiment(task, seed=seed, **settings)
    else:
        objective = usual_objective(architecture)
        training = {"samples": samples, "batch_size": min(256, samples // 2)}
        experiment = Experiment(task, architecture, objective, training=training, steps=steps, seed=seed)
    run = Run(experiment, device="cpu")
    for _ in run:
        pass
    return run


def observations_of(run: Run) -> torch.Tensor:
    """Return the mean y and y with one component, then all of them, so many standard deviations away."""
    y = run.problem.draw(500, torch.Generator().manual_seed(1)).y
    mean, spread = y.mean(0), y.std(0)
    rows = [mean]
    for far in FAR[1:]:
        for side in (-1, 1):
            rows.append(mean + side * far * spread)
            rows += [mean + side * far * spread * unit for unit in torch.eye(len(mean), dtype=y.dtype)[:4]]
    low = torch.tensor([v.low for v in run.problem.y], dtype=torch.float64)
    high = torch.tensor([v.high for v in run.problem.y], dtype=torch.float64)
    return torch.minimum(torch.maximum(torch.stack(rows), low), high)


def drawn(run: Run, rows: torch.Tensor, each: int) -> tuple[int, int]:
    """Draw ``each`` times at all ``rows``; return the numbers of draws and of those drawn anew."""
    generator = torch.Generator().manual_seed(2)
    non_finite = total = 0
    for row in rows:
        draws, count = run.fitted.sample_and_count(each, row, generator)
        assert bool(draws.isfinite().all()) and len(draws) == each
        non_finite, total = non_finite + count, total + each
    return total, non_finite


@pytest.mark.parametrize("task", ["slcp", "inverse_kinematics"])
def test_the_recommended_network_draws_finite_numbers_far_out(task):
    run = trained(task, 200, 10)
    _, non_finite = drawn(run, observations_of(run), 400)
    assert non_finite == 0


def conditional() -> list[str]:
    return [a.key for a in ARCHITECTURES if Capability.CONDITIONAL in a.capabilities]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_million_draws_over_tasks_and_architectures():
    counts, rows_drawn = {}, 0
    runs = [(task, None, 6000, 300) for task in TASKS]
    runs += [("inverse_kinematics", key, 1000, 60) for key in conditional()]
    for task, key, samples, steps in runs:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NonFiniteDrawsWarning)
            try:
                run = trained(task, samples, steps, key)
            except WorkbenchError as error:  # architectures that are not made for this task
                counts[task, key] = str(error)[:60]
                continue
            rows = observations_of(run)
            total, non_finite = drawn(
                run, rows, 10_000_000 // len(TASKS) // len(rows) if key is None else 200
            )
        rows_drawn += total
        counts[task, key] = (total, non_finite)
    print(counts)
    assert rows_drawn >= 9_000_000
    assert sum(c[1] for (_, key), c in counts.items() if key is None) == 0
