"""Figures of the benchmark problems show the curves behind their observations."""

from __future__ import annotations

import pytest
import torch

from workbench.diagnostics.posterior_explorer.physical import physical
from workbench.problems import PROBLEMS
from workbench.problems.benchmark import populations
from workbench.problems.benchmark.bernoulli_glm import LAGS, design
from workbench.problems.benchmark.sir import POINTS_PER_INTERVAL, TESTS


def samples_and_figure(key: str, n: int = 20):
    problem = PROBLEMS.make(key)
    x = problem.draw(n, torch.Generator().manual_seed(0)).x
    return problem, x, problem.figure(x)[0]


def test_an_epidemic_passes_through_its_expected_counts():
    problem, x, lines = samples_and_figure("sir")
    share = problem._log_populations(x)[:, :, 1].exp()
    torch.testing.assert_close(lines[:, ::POINTS_PER_INTERVAL, 1], TESTS * share, rtol=1e-6, atol=1e-6)
    assert lines[0, -1, 0] == 153


@pytest.mark.parametrize("key", ["sir", "lotka_volterra"])
def test_failed_solutions_are_left_out_of_the_figure(key, monkeypatch):
    monkeypatch.setattr(populations, "_MAX_STEPS", 2)
    problem, x, lines = samples_and_figure(key)
    assert len(lines) < len(x) and lines.isfinite().all()
    view = physical(problem, "figure", x.numpy(), tuple(problem.default_observation))
    assert len(view["line"]) == len(lines) and len(view["mark"]) == 10


def test_orbits_conserve_the_invariant_of_lotka_and_volterra():
    _, x, lines = samples_and_figure("lotka_volterra")
    growth, hunting, death, feeding = x.T[:, :, None]
    prey, predators = lines.unbind(-1)
    invariant = feeding * prey - death * prey.log() + hunting * predators - growth * predators.log()
    torch.testing.assert_close(invariant, invariant[:, :1].expand_as(invariant), rtol=1e-5, atol=1e-5)
    assert lines[0, 0].tolist() == pytest.approx([30.0, 1.0])


def test_an_ellipse_is_one_standard_deviation_of_its_gaussian():
    _, x, lines = samples_and_figure("slcp")
    for row, line in zip(x, lines, strict=True):
        first, second = row[2] ** 2, row[3] ** 2
        between = row[4].tanh() * first * second
        covariance = torch.stack([first**2, between, between, second**2]).reshape(2, 2)
        away = line - row[:2]
        if torch.linalg.cond(covariance) < 1e6:  # the ridge of the definition is left out here
            squares = (away @ torch.linalg.inv(covariance) * away).sum(1)
            torch.testing.assert_close(squares, torch.ones_like(squares), rtol=0.05, atol=0.0)


def test_a_filter_drives_the_neuron():
    _, x, lines = samples_and_figure("bernoulli_glm")
    torch.testing.assert_close(x[:, :1] + lines[:, :, 1] @ design()[:, 1:].T, x @ design().T)
    assert lines[0, :, 0].tolist() == list(range(LAGS))


@pytest.mark.parametrize(("key", "points"), [("sir", 10), ("lotka_volterra", 10), ("slcp", 4)])
def test_the_observation_is_marked_where_it_is(key, points):
    problem, x, _ = samples_and_figure(key)
    observation = tuple(problem.default_observation)
    view = physical(problem, "figure", x.numpy(), observation)
    assert view["mark"].shape == (points, 2)
    assert set(view["mark"].values.ravel()) >= {float(v) for v in observation}
    other = physical(problem, "figure", x.numpy(), tuple(v + 1 for v in observation))
    assert (other["mark"].values != view["mark"].values).any()
