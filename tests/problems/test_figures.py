"""What benchmark problems draw of themselves: the same curves that their observations come from."""

from __future__ import annotations

import pytest
import torch

from workbench.diagnostics.posterior_explorer.physical import physical
from workbench.problems import PROBLEMS
from workbench.problems.benchmark import populations
from workbench.problems.benchmark.bernoulli_glm import LAGS, design
from workbench.problems.benchmark.sir import FINER, TESTS


def drawn(key: str, n: int = 20):
    problem = PROBLEMS.make(key)
    x = problem.draw(n, torch.Generator().manual_seed(0)).x
    return problem, x, problem.figure(x)[0]


def test_an_epidemic_passes_through_the_counts_that_are_expected():
    problem, x, lines = drawn("sir")
    share = problem._log_populations(x)[:, :, 1].exp()
    torch.testing.assert_close(lines[:, ::FINER, 1], TESTS * share, rtol=1e-6, atol=1e-6)
    assert lines[0, -1, 0] == 153


@pytest.mark.parametrize("key", ["sir", "lotka_volterra"])
def test_what_cannot_be_solved_is_not_drawn(key, monkeypatch):
    monkeypatch.setattr(populations, "_MOST_STEPS", 2)
    problem, x, lines = drawn(key)
    assert len(lines) < len(x) and lines.isfinite().all()
    made = physical(problem, "figure", x.numpy(), tuple(problem.default_observation))
    assert len(made["line"]) == len(lines) and len(made["mark"]) == 10


def test_an_orbit_keeps_what_lotka_and_volterra_keep():
    _, x, lines = drawn("lotka_volterra")
    growth, hunting, death, feeding = x.T[:, :, None]
    prey, predators = lines.unbind(-1)
    kept = feeding * prey - death * prey.log() + hunting * predators - growth * predators.log()
    torch.testing.assert_close(kept, kept[:, :1].expand_as(kept), rtol=1e-5, atol=1e-5)
    assert lines[0, 0].tolist() == pytest.approx([30.0, 1.0])


def test_an_ellipse_is_one_standard_deviation_of_its_gaussian():
    _, x, lines = drawn("slcp")
    for row, line in zip(x, lines, strict=True):
        first, second = row[2] ** 2, row[3] ** 2
        between = row[4].tanh() * first * second
        covariance = torch.stack([first**2, between, between, second**2]).reshape(2, 2)
        away = line - row[:2]
        if torch.linalg.cond(covariance) < 1e6:  # the ridge of the definition is left out here
            squares = (away @ torch.linalg.inv(covariance) * away).sum(1)
            torch.testing.assert_close(squares, torch.ones_like(squares), rtol=0.05, atol=0.0)


def test_a_filter_drives_the_neuron():
    _, x, lines = drawn("bernoulli_glm")
    torch.testing.assert_close(x[:, :1] + lines[:, :, 1] @ design()[:, 1:].T, x @ design().T)
    assert lines[0, :, 0].tolist() == list(range(LAGS))


@pytest.mark.parametrize(("key", "points"), [("sir", 10), ("lotka_volterra", 10), ("slcp", 4)])
def test_the_observation_is_marked_where_it_is(key, points):
    problem, x, _ = drawn(key)
    observation = tuple(problem.default_observation)
    made = physical(problem, "figure", x.numpy(), observation)
    assert made["mark"].shape == (points, 2)
    assert set(made["mark"].values.ravel()) >= {float(v) for v in observation}
    moved = physical(problem, "figure", x.numpy(), tuple(v + 1 for v in observation))
    assert (moved["mark"].values != made["mark"].values).any()
