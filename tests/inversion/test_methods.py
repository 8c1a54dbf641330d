"""Inversion of functions with known preimages: planes, circles, the arm, targets without any."""

from __future__ import annotations

import math

import pytest
import torch

from workbench.core.errors import DataError, IncompatibleError, SpecError
from workbench.inversion import INVERSION, Question
from workbench.inversion.boundary_marking import mean_neighbour_distance, unevenness
from workbench.problems import PROBLEMS

#: small enough for seconds, and sufficient for each test; other methods take `OTHERS`
SETTINGS = {
    "gradient": {"starts": 40, "steps": 400, "tolerance": 1e-3},
    "boundary_marking": {"marks": 100, "generations": 300},
}
OTHERS = {"tolerance": 1e-3}
#: settings of methods that end after a few iterations
SHORT = {"steps": 3, "generations": 1}
methods = pytest.mark.parametrize("key", INVERSION.keys())
MATRIX = torch.tensor([[1.0, 2.0, -1.0], [0.5, -1.0, 1.0]], dtype=torch.float64)


def method(key: str, **settings):
    return INVERSION.make(key, **SETTINGS.get(key, OTHERS) | settings)


def question(target, features: int, *, half: float = 1.0, bound: float = math.inf, scale=None) -> Question:
    target = torch.as_tensor(target, dtype=torch.float64)
    box = torch.tensor([[-1.0, 1.0]], dtype=torch.float64).expand(features, 2)
    scale = torch.ones_like(target) if scale is None else torch.as_tensor(scale, dtype=torch.float64)
    return Question(target, half * box, bound * box, scale)


def linear(x):
    return x @ MATRIX.T


def radius(x):
    return x.norm(dim=1, keepdim=True)


# ---- every method


@methods
def test_found_points_are_on_the_plane_of_all_preimages(key):
    result = method(key).search(linear, question([0.5, 0.2], 3))
    assert result.verdict == "reached" and result.reached.any()
    target = torch.tensor([0.5, 0.2], dtype=torch.float64)
    # distance to the line {x : A x = t}, by the pseudo-inverse
    away = ((linear(result.x[result.reached]) - target) @ torch.linalg.pinv(MATRIX).T).norm(dim=1)
    smallest = torch.linalg.svdvals(MATRIX)[-1]
    assert away.max() <= math.sqrt(2) * result.tolerance / smallest * (1 + 1e-9)


@methods
def test_misfit_and_path_are_those_of_the_network(key):
    goal = question([0.5, 0.2], 3, scale=[2.0, 0.5])
    result = method(key).search(linear, goal)
    assert torch.allclose(result.y, linear(result.x))
    misfit = (((result.y - goal.target) / goal.scale) ** 2).mean(1).sqrt()
    assert torch.allclose(result.misfit, misfit)
    frames, n, features = result.path.shape
    assert (n, features) == result.x.shape and 2 <= frames <= 61
    assert torch.allclose(goal.misfit(linear(result.path.reshape(-1, 3))), result.path_misfit.reshape(-1))
    assert torch.equal(result.path[-1], result.x) and torch.equal(result.path_misfit[-1], result.misfit)
    assert result.moments[0] == 0 and (result.moments.diff() > 0).all()
    low, high = goal.window.T
    assert ((result.path[0] >= low) & (result.path[0] <= high)).all()


@methods
def test_a_target_out_of_reach_is_said_to_be(key):
    result = method(key).search(lambda x: torch.tanh(linear(x)), question([1.5, 0.0], 3))
    assert result.verdict == "out_of_reach" and not result.reached.any()
    assert "out of reach" in result.sentence
    # |tanh| < 1 leaves 0.5 in the first component and nothing in the second: the smallest misfit is 0.5/√2
    assert 0.5 / math.sqrt(2) <= result.misfit.min() < 0.5 / math.sqrt(2) + 0.02


@methods
def test_bounds_are_kept_and_may_put_a_target_out_of_reach(key):
    goal = question([3.0], 2, bound=1.0)
    result = method(key).search(lambda x: x.sum(1, keepdim=True), goal)
    assert result.path.abs().max() <= 1 and result.verdict == "out_of_reach"
    assert result.misfit.min() == pytest.approx(1.0, abs=0.03)  # the corner (1, 1) gives 2


@methods
def test_a_search_that_was_cut_short_says_so(key):
    short = {s.name: SHORT[s.name] for s in INVERSION[key].settings() if s.name in SHORT}
    result = method(key, tolerance=0.0, **short).search(radius, question([3.0], 2))
    assert result.verdict == "unfinished" and "could still come nearer" in result.sentence


@methods
def test_same_seed_same_search(key):
    searches = [method(key).search(linear, question([0.5, 0.2], 3), seed=seed).path for seed in (3, 3, 4)]
    assert torch.equal(searches[0], searches[1]) and not torch.equal(searches[0], searches[2])


@methods
def test_nothing_outside_the_search_moves(key):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)).double()
    before = [p.detach().clone() for p in network.parameters()]
    state = torch.get_rng_state()
    with torch.no_grad():
        method(key).search(network, question([0.1], 2))
    assert all(p.grad is None for p in network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert torch.equal(state, torch.get_rng_state())


@methods
def test_evaluations_are_counted(key):
    counts = []

    def counting(x):
        counts.append(len(x))
        return linear(x)

    result = method(key).search(counting, question([0.5, 0.2], 3))
    # the search itself, then the answer and what lies around it
    assert result.evaluations == sum(counts) - len(result.x) * (1 + 64)


@methods
def test_wrong_shapes_are_named(key):
    with pytest.raises(DataError, match="does not fit the target"):
        method(key).search(linear, question([1.0], 3))
    with pytest.raises(DataError, match="seed|Nowhere|scale|finite"):
        question([math.nan], 2)
    with pytest.raises(SpecError, match="seed"):
        method(key).search(linear, question([0.5, 0.2], 3), seed=-1)


@pytest.fixture(scope="module")
def exact_poses():
    problem = PROBLEMS.make("inverse_kinematics")
    return problem.reference_posterior(problem.default_observation, 8000, torch.Generator().manual_seed(0))


@methods
def test_the_arm_reaches_its_target_on_the_exact_posteriors_support(key, exact_poses):
    """Exact draws lie near each found pose, and the arm's own formula takes it to the point."""
    problem = PROBLEMS.make("inverse_kinematics")
    generator = torch.Generator().manual_seed(0)
    window = torch.tensor(problem.window, dtype=torch.float64) / 2
    target = torch.tensor(problem.default_observation, dtype=torch.float64)
    bounds = torch.tensor([[-math.inf, math.inf]], dtype=torch.float64).expand(4, 2)
    goal = Question(target, window, bounds, torch.ones_like(target))
    settings = {"gradient": {"starts": 200}, "boundary_marking": {"neighbours": 3, "generations": 600}}
    result = method(key, **settings.get(key, {})).search(
        lambda x: problem.simulate(x, generator), goal, seed=1
    )
    poses = result.x[result.reached]
    assert len(poses) >= 10
    hand = problem.arm(poses)[:, -1]
    assert ((hand - target).norm(dim=1) <= math.sqrt(2) * result.tolerance + 1e-12).all()
    scales = torch.tensor([0.25, 0.5, 0.5, 0.5], dtype=torch.float64)
    likely = poses[((poses / scales).abs() < 2.5).all(1)]
    assert len(likely) >= 5
    assert torch.cdist(likely / scales, exact_poses / scales).amin(1).max() < 0.4


# ---- gradient


def test_plain_descent_ends_at_the_preimage_nearest_to_its_start():
    goal = question([0.5, 0.2], 3)
    result = method("gradient", optimiser="descent", learning_rate=0.08, steps=2000).search(linear, goal)
    start = result.path[0]
    nearest = start + (goal.target - linear(start)) @ torch.linalg.pinv(MATRIX).T
    assert torch.allclose(result.x, nearest, atol=1e-10)


def test_a_penalty_gives_every_start_the_ridge_solution():
    goal, weight = question([0.5, 0.2], 3), 0.3
    descent = method("gradient", optimiser="descent", learning_rate=0.08, steps=2000, penalty=weight)
    result = descent.search(linear, goal)
    ridge = torch.linalg.solve(MATRIX.T @ MATRIX + weight * torch.eye(3).double(), MATRIX.T @ goal.target)
    assert torch.allclose(result.x, ridge.expand_as(result.x), atol=1e-9)


def test_different_starts_find_different_preimages():
    result = method("gradient").search(lambda x: x.square(), question([0.25], 1))
    assert result.reached.all()
    assert torch.allclose(result.x.abs(), torch.full_like(result.x, 0.5), atol=2e-3)
    assert (result.x > 0).any() and (result.x < 0).any()


def test_a_network_without_gradient_is_refused_and_another_method_named():
    with pytest.raises(IncompatibleError, match="evolutionary"):
        method("gradient").search(lambda x: linear(x.detach()), question([0.5, 0.2], 3))
    assert method("evolutionary").search(lambda x: linear(x.detach()), question([0.5, 0.2], 3)).reached.any()


# ---- evolution


def test_the_best_never_gets_worse_with_an_elite_and_may_without():
    goal = question([0.7], 2)
    bests = method("evolutionary", elite=1).search(radius, goal).path_misfit.amin(1)
    assert (bests.diff() <= 0).all()
    blind = method("evolutionary", elite=0, tournament=1, mutation=1.0).search(radius, goal)
    assert (blind.path_misfit.amin(1).diff() > 0).any()


def test_selection_is_what_improves_the_population():
    goal = question([0.7], 2)
    greedy, blind = (method("evolutionary", elite=0, tournament=k).search(radius, goal) for k in (3, 1))
    assert greedy.misfit.median() < 0.1 * blind.misfit.median()


# ---- boundary marking


def marks_of_a_circle(**settings):
    result = INVERSION.make("boundary_marking", marks=120, **settings).search(radius, question([0.6], 2))
    angle = torch.atan2(result.x[:, 1], result.x[:, 0]).sort().values
    gaps = torch.cat([angle, angle[:1] + 2 * math.pi]).diff()
    return result, float(gaps.max() / gaps.mean())


def test_a_circle_is_marked_all_around_evenly_and_closely():
    result, largest_gap = marks_of_a_circle()
    assert result.reached.float().mean() > 0.95
    assert (result.x.norm(dim=1) - 0.6).abs()[result.reached].max() <= result.tolerance
    # of 120 points thrown at random the largest gap is about 5.4 times the mean one, and unevenness is 1
    assert largest_gap < 4.5
    assert unevenness(result.x[result.reached]) < 0.4


def test_without_the_ranking_of_equals_marks_are_less_even():
    _, with_it = marks_of_a_circle()
    _, without = marks_of_a_circle(tolerance=0.0)
    assert without > 1.5 * with_it


def test_unevenness_of_known_clouds():
    even = torch.cartesian_prod(torch.arange(9.0), torch.arange(9.0))
    assert unevenness(even) == 0
    assert mean_neighbour_distance(even, 4).min() == 1
    generator = torch.Generator().manual_seed(0)
    angle = 2 * math.pi * torch.rand(4000, generator=generator)
    random = torch.stack([angle.cos(), angle.sin()], 1)
    assert unevenness(random) == pytest.approx(1.0, abs=0.1)  # gaps of a Poisson process: the smaller of two
