"""Densities on the plane match their draws. Every check has a wrong density that it must detect."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from workbench.core.errors import SpecError
from workbench.problems import PROBLEMS, Drawn
from workbench.problems.planar.drawn import MAXIMUM_POINTS

SETTINGS = [
    ("two_moons", {}),
    ("two_moons", {"noise": 0.3}),
    ("eight_gaussians", {}),
    ("eight_gaussians", {"modes": 3, "noise": 0.5}),
    ("checkerboard", {}),
    ("checkerboard", {"squares": 5}),
    ("rings", {}),
    ("rings", {"rings": 1, "noise": 0.5}),
    ("pinwheel", {}),
    ("pinwheel", {"arms": 3, "twist": 2.0, "noise": 0.4}),
    ("two_spirals", {"noise": 0.2}),
    ("two_spirals", {"turns": 0.5, "noise": 0.4}),
    ("eight_modes", {"labels": "none"}),
    ("drawn", {"points": [[math.cos(i), math.sin(2 * i)] for i in range(12)], "jitter": 0.3}),
]
CELLS, WIDTH = 240, 6.0  # a multiple of neither checkerboard's squares, so that edges cut through cells


@pytest.fixture(params=SETTINGS, ids=lambda s: f"{s[0]}-{len(s[1])}")
def density(request):
    key, values = request.param
    return PROBLEMS.make(key, **values)


def grid() -> tuple[torch.Tensor, float]:
    """Midpoints (CELLS², 2) of a grid on (-WIDTH, WIDTH)² and the area of a cell."""
    edge = 2 * WIDTH / CELLS
    axis = (torch.arange(CELLS, dtype=torch.float64) + 0.5) * edge - WIDTH
    return torch.cartesian_prod(axis, axis), edge**2


def mass(log_density) -> float:
    points, area = grid()
    return float(log_density(points).exp().sum() * area)


def entropy_gap(problem, log_density, n: int = 4000) -> float:
    """Mean log density of draws against its expectation by quadrature, in standard errors."""
    points, area = grid()
    logs = log_density(points)
    reference = float(torch.where(logs > -math.inf, logs * logs.exp(), 0.0).sum() * area)
    values = log_density(problem.draw(n, torch.Generator().manual_seed(3)).x)
    error = float(values.std()) / math.sqrt(n)
    return abs(float(values.mean()) - reference) / max(error, 2e-2 * (problem.key == "checkerboard") + 1e-9)


def fit(problem, log_density, n: int = 6000) -> float:
    """p-value of a chi-square test of draws against the density's mass in 24 x 24 coarse cells."""
    points, area = grid()
    coarse = ((points + WIDTH) / (2 * WIDTH) * 24).long().clamp(0, 23)
    chance = torch.zeros(576, dtype=torch.float64)
    chance.index_add_(0, coarse[:, 0] * 24 + coarse[:, 1], log_density(points).exp() * area)
    cells = (
        ((problem.draw(n, torch.Generator().manual_seed(4)).x + WIDTH) / (2 * WIDTH) * 24).long().clamp(0, 23)
    )
    counts = torch.bincount(cells[:, 0] * 24 + cells[:, 1], minlength=576).double()
    rare = chance * n < 5
    reference = torch.cat([chance[~rare], chance[rare].sum()[None]]) * n
    totals = torch.cat([counts[~rare], counts[rare].sum()[None]])
    nonempty = reference > 0
    statistic = float(((totals - reference)[nonempty].square() / reference[nonempty]).sum())
    return float(stats.chi2.sf(statistic, int(nonempty.sum()) - 1))


def test_integrates_to_one(density):
    tolerance = (
        2e-2 if density.key == "checkerboard" else 1e-9
    )  # a sum over cells that an edge cuts is coarse
    assert mass(density.log_density) == pytest.approx(1.0, abs=tolerance)


def test_mean_log_density_of_draws_is_minus_the_entropy(density):
    assert entropy_gap(density, density.log_density) < 4


def test_draws_fill_cells_in_proportion_to_the_density(density):
    if density.key == "checkerboard":
        pytest.skip("counted square by square below")
    assert fit(density, density.log_density) > 1e-3


def test_wrong_densities_are_detected():
    moons, other = PROBLEMS.make("two_moons"), PROBLEMS.make("two_moons", noise=0.11)
    assert abs(mass(lambda x: moons.log_density(x) + 1e-3) - 1) > 5e-4
    assert entropy_gap(moons, other.log_density) > 4
    assert fit(moons, lambda x: moons.log_density(x - 0.03)) < 1e-3
    wheel, other_wheel = PROBLEMS.make("pinwheel"), PROBLEMS.make("pinwheel", twist=0.85)
    assert fit(wheel, other_wheel.log_density) < 1e-3


@pytest.mark.parametrize("squares", [2, 3, 4, 5, 8])
def test_the_checkerboard_is_even_on_its_squares_and_empty_between(squares):
    board = PROBLEMS.make("checkerboard", squares=squares)
    x = board.draw(20_000, torch.Generator().manual_seed(0)).x
    cell = ((x + 4) / (8 / squares)).long()
    assert (cell.sum(1) % 2 == 0).all()
    counts = torch.bincount(cell[:, 0] * squares + cell[:, 1])
    counts = counts[counts > 0]
    assert len(counts) == (squares**2 + 1) // 2 and stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert torch.allclose(
        board.log_density(x).exp(), torch.tensor(1 / (len(counts) * (8 / squares) ** 2)).double()
    )
    outside = torch.tensor(
        [[-4 + 12 / squares, -4 + 4 / squares], [4.01, 0.0], [0.0, -9.0]], dtype=torch.float64
    )
    assert (board.log_density(outside) == -math.inf).all()


@pytest.mark.parametrize(
    ("key", "values"), [("two_moons", {"noise": 0.02}), ("two_spirals", {"noise": 0.03, "turns": 3.0})]
)
def test_quadrature_is_accurate_for_the_least_noise(key, values, monkeypatch):
    import workbench.problems.planar.two_moons as moons
    import workbench.problems.planar.two_spirals as spirals

    problem = PROBLEMS.make(key, **values)
    x = problem.draw(100, torch.Generator().manual_seed(0)).x
    coarse = problem.log_density(x)
    module = {"two_moons": moons, "two_spirals": spirals}[key]
    module._components.cache_clear()
    monkeypatch.setattr(module, "node_count", lambda length, scale: math.ceil(length / (0.1 * scale)))
    torch.testing.assert_close(coarse, problem.log_density(x), atol=1e-11, rtol=0)
    module._components.cache_clear()


def test_one_ring_is_rice_distributed():
    ring = PROBLEMS.make("rings", rings=1, noise=0.4)
    radius = torch.linspace(0.5, 5, 50, dtype=torch.float64)
    x = torch.stack([radius * 0.6, radius * 0.8], 1)
    rice = stats.rice(3 / 0.4, scale=0.4).logpdf(radius.numpy())
    torch.testing.assert_close(ring.log_density(x) + (2 * math.pi * radius).log(), torch.from_numpy(rice))


# drawn -------------------------------------------------------------------------------------------------
def test_flat_points_equal_pairs():
    flat = [float(i) for i in range(40)]
    assert Drawn(points=flat) == Drawn(points=[flat[i : i + 2] for i in range(0, 40, 2)])


@pytest.mark.parametrize(
    "points",
    [
        [1.0, 2.0, 3.0],
        [[1.0, 2.0, 3.0]],
        [[1.0, 2.0], 3.0],
        [["a", "b"]],
        [[1.0, math.nan]],
        [[math.inf, 0.0]],
        [[0.0, 0.0]] * (MAXIMUM_POINTS + 1),
        [None],
        ["ab"],
    ],
)
def test_malformed_points_are_refused(points):
    with pytest.raises(SpecError, match="points"):
        Drawn(points=points)


def test_too_few_points_are_counted_for_the_user():
    assert "there are none yet" in Drawn().refusals()[0]
    assert "there is 1" in Drawn(points=[[0.0, 0.0]]).refusals()[0]
    assert "there are 9" in Drawn(points=[[0.0, 0.0]] * 9).refusals()[0]
    assert Drawn(points=[[0.0, 0.0]] * 10).refusals() == []


def test_the_window_follows_points_outside_the_canvas():
    assert Drawn().window == ((-4.0, 4.0), (-4.0, 4.0))
    low, high = Drawn(points=[[9.0, 0.0]] * 10).window[0]
    assert low == -4.0 and high > 9.2
