"""The recipe on unseen tasks: their exact posteriors against simulations, quadrature and closed forms; the
study's losses; and the stored table."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from workbench.studies import STUDIES, load, rows, run, text
from workbench.studies.recipe import TITLES
from workbench.studies.unseen_tasks import TASKS, unseen_task

STORED_RESULTS = Path(__file__).resolve().parents[2] / "datasets" / "results" / "recipe.nc"


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_every_task_has_its_title():
    assert {key: unseen_task(key).title for key in TASKS} == TITLES


#: Tasks whose grid is computed fast; the others are checked with the slow tests.
FAST = ("one_unknown", "twenty_unknowns", "autoregression")


@pytest.mark.parametrize(
    "key", [k if k in FAST else pytest.param(k, marks=pytest.mark.slow) for k in TASKS if k != "ocean"]
)
def test_truths_rank_uniformly_among_exact_draws_of_what_they_simulated(key):
    # ties the simulator to the likelihood: y is simulated, the draws come from the density
    task, draws = unseen_task(key), 63
    count = 80 if key in FAST else 200
    pairs = task.problem.draw(count, seeded(1))
    ranks = []
    for i in range(count):
        x = task.draw(pairs.y[i].double(), draws, seeded(100 + i))
        # in each unknown, and in the exact density itself, which sees correlations
        logs = task.log_posterior(
            torch.cat([pairs.x[i : i + 1], x[:7]]).double(), pairs.y[i].double().expand(8, -1)
        )
        ranks.append([*((x < pairs.x[i]).sum(0) / draws).tolist(), float((logs[1:] < logs[0]).sum()) / 7])
    ranks = np.asarray(ranks)
    columns = min(ranks.shape[1] - 1, 4)
    for column in range(columns):
        assert stats.kstest(ranks[:, column], "uniform").pvalue > 1e-4, column
    assert abs(ranks[:, -1].mean() - 0.5) < 4.5 * math.sqrt(1 / 12 / count) * 1.2


def test_the_density_of_a_grid_is_that_of_quadrature():
    task = unseen_task("one_unknown")
    y = torch.tensor([0.3]).double()

    def joint(x):
        return math.exp(-0.5 * ((0.3 - math.sin(2 * x) - 0.2 * x) / 0.15) ** 2)

    area = integrate.quad(joint, -3, 3, limit=400, points=[-2, -1, 0, 1, 2])[0]
    x = torch.tensor([[-1.7], [0.05], [1.4], [2.9]]).double()
    logs = [math.log(joint(float(v)) / area) for v in x]
    assert np.allclose(task.log_posterior(x, y.expand(4, -1)), logs, atol=1e-4)
    mean = integrate.quad(lambda v: v * joint(v) / area, -3, 3, limit=400, points=[-2, -1, 0, 1, 2])[0]
    draws = task.draw(y, 20_000, seeded(1))
    assert abs(float(draws.mean()) - mean) < 4.5 * float(draws.std()) / 20_000**0.5


def test_the_series_has_the_density_of_its_covariance_matrix():
    # p(y | x) from the stationary covariance σ² φ^|i−j| / (1 − φ²), which no part of the task uses
    task = unseen_task("autoregression")
    y = task.problem.draw(1, seeded(3)).y[0].double()
    points = np.array([[0.5, -0.2], [-0.3, 0.1], [0.9, 0.4]])
    lag = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    logs = []
    for coefficient, log_scale in points:
        covariance = math.exp(2 * log_scale) * coefficient**lag / (1 - coefficient**2)
        logs.append(stats.multivariate_normal(np.zeros(20), covariance).logpdf(y.numpy()))
        logs[-1] += stats.norm(0, 0.5).logpdf(log_scale)
    exact = task.log_posterior(torch.from_numpy(points), y.expand(3, -1)).numpy()
    assert np.allclose(exact - exact[0], np.asarray(logs) - logs[0], atol=1e-8)


def test_the_posterior_of_a_direction_crosses_the_edge_of_its_period():
    task = unseen_task("direction")
    x = task.draw(torch.tensor([-1.2, 0.0]).double(), 4000, seeded(1))
    assert 0.4 < float((x[:, 0] > 0).double().mean()) < 0.6
    assert float((x[:, 0].abs() > 2).double().mean()) > 0.9


@pytest.mark.slow
def test_the_ocean_density_is_normalised_on_another_grid():
    task = unseen_task("ocean")
    y = task.problem.draw(1, seeded(2)).y
    (low, high), (slow, fast) = task.problem.window
    # 97 × 31 cells of another shape than the task's; fields at each of them anew
    x = torch.cartesian_prod(
        low + (high - low) * (torch.arange(97).double() + 0.5) / 97,
        slow + (fast - slow) * (torch.arange(31).double() + 0.5) / 31,
    )
    logs = task.log_posterior(x[:1], y.double())
    shift = logs[0] - task.problem.log_joint(x[:1], y.double())[0]
    joint = task.problem.log_joint(x, y.double().expand(len(x), -1)) + shift
    mass = joint.logsumexp(0) + math.log((high - low) / 97 * (fast - slow) / 31)
    assert abs(float(mass)) < 0.02


def test_the_loss_of_the_exact_posterior_is_the_optimum_and_a_shift_costs_its_divergence():
    study, task = STUDIES.make("recipe"), unseen_task("twenty_unknowns")
    exact = study._losses(task, task.log_posterior)
    assert exact["gap"] == 0 and exact["prior_gap"] > 1
    shift = study._losses(task, lambda x, y: task.log_posterior(x - 0.1, y))
    # ½ δᵀ Λ δ, with Λ from its definition
    place = torch.arange(20).double()
    distance = (place[:, None] - place).abs()
    blur = (distance <= 1).double() / 3
    precision = torch.linalg.inv(0.9**distance) + 4 * blur.T @ blur
    divergence = 0.5 * 0.01 * float(precision.sum())
    assert shift["gap"] == pytest.approx(divergence, abs=4.5 * shift["gap_error"])


@pytest.mark.slow
def test_the_smallest_grid_is_a_whole_table(tmp_path):
    study = STUDIES.make("recipe", fast=True, tasks=["one_unknown"])
    data = run(study, out=tmp_path, device="cpu")
    (row,) = rows(data)
    assert row["status"] == "done" and 0.4 < row["c2st"] < 0.75 and 0 < row["gap"] < row["prior_gap"]
    assert all(sentence in text(data) for sentence in study.conclusions(data))


def test_the_stored_table_has_all_eight_tasks_and_agrees_with_its_card():
    data, card = load(STORED_RESULTS), STORED_RESULTS.with_suffix(".md").read_text(encoding="utf-8")
    assert text(data) in card
    table = rows(data)
    assert {row["task"] for row in table} == set(TASKS) and {row["status"] for row in table} == {"done"}
    for row in table:  # nothing is better than the exact posterior, beyond chance
        assert row["gap"] > -3.5 * row["gap_error"]
