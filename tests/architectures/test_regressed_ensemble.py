"""The parts of the ensemble of regressed spline flows that are fitted to data: edges, regression, scores."""

from __future__ import annotations

import math

import pytest
import torch

import workbench as wb
from tests.architectures.properties import log_det_error, round_trip_error
from workbench.architectures import ARCHITECTURES
from workbench.bijections.regression import Regression
from workbench.bijections.soft_edges import SoftEdges, SoftEdgesTransform
from workbench.core.shapes import Shapes
from workbench.nn.normal_scores import NormalScores

INFINITE = math.inf


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def edges(low, high, width):
    sides = [double([0.0 if math.isinf(edge) else edge]) for edge in (low, high)]
    has = [double([float(math.isfinite(edge))]) for edge in (low, high)]
    return SoftEdgesTransform(sides[0], sides[1], double([width]), *has)


def normal(n, columns, seed=0):
    return torch.randn(n, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("low, high", [(-1.0, 2.0), (0.5, INFINITE), (-INFINITE, 1.0), (-INFINITE, INFINITE)])
@pytest.mark.parametrize("width", [0.02, 0.3, 30.0])
def test_soft_edges_are_a_bijection_onto_the_real_line(low, high, width):
    edge = edges(low, high, width)
    there = lambda u: edge.call_and_ladj(u)  # noqa: E731
    inside = torch.linspace(max(low, -2.0) + 1e-4, min(high, 3.0) - 1e-4, 41, dtype=torch.float64)[:, None]
    assert round_trip_error(there, lambda v: (edge.inv(v), None), inside) < 1e-9
    assert log_det_error(there, inside) < 1e-9
    far = torch.linspace(-50, 50, 101, dtype=torch.float64)[:, None]
    assert ((edge.inv(far) >= low) & (edge.inv(far) <= high)).all()
    assert (there(inside)[0].diff(dim=0) > 0).all()


def test_soft_edges_are_straight_inside_and_logarithms_at_the_limit():
    u = double([[0.2], [0.5], [0.9]])
    hard = edges(-1.0, 2.0, 0.02)(u)
    assert torch.allclose(hard, u, atol=1e-12)
    logarithm = edges(0.0, INFINITE, 1e5)(u).diff(dim=0) / 1e5
    assert torch.allclose(logarithm, u.log().diff(dim=0), atol=1e-5)
    logit = edges(0.0, 1.0, 1e4)(u).diff(dim=0) / 1e4
    assert torch.allclose(logit, torch.logit(u).diff(dim=0), atol=1e-3)


def fit_widths(x, y, low, high):
    layer = SoftEdges(x.shape[1]).double()
    layer.prepare(x, y, double([[low] * x.shape[1], [high] * x.shape[1]]))
    return layer.width


def test_the_softness_follows_the_data():
    y, noise = normal(4000, 1), normal(4000, 1, 1)
    # log-normal: a wide edge; linear and far from the edge: a narrow one
    assert fit_widths((y + 0.5 * noise).exp(), y, 0.0, INFINITE)[0] > 4 * (y + 0.5 * noise).exp().std()
    place = 20 * torch.rand(4000, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64) - 10
    observation = place + 0.1 * noise
    assert fit_widths(place, observation, -10.0, 10.0)[0] < 1.0


def test_the_start_is_the_posterior_of_a_linear_gaussian_model():
    """x ~ N(0, 1), y = x + N(0, 1/4): the posterior is N(4y/5, 1/5) before any training."""
    x = normal(20_000, 1)
    y = x + 0.5 * normal(20_000, 1, 1)
    model = ARCHITECTURES.make("regressed_ensemble", width=8).build(Shapes(1, 1)).double()
    model.prepare(x, y, double([[-INFINITE], [INFINITE]]))
    rows, at = double([[-1.0], [0.3], [2.0]]), double([[0.5]] * 3)
    with torch.no_grad():
        log_probs = model.log_prob(rows, at)
    exact = torch.distributions.Normal(0.4, math.sqrt(0.2)).log_prob(rows[:, 0])
    assert torch.allclose(log_probs, exact, atol=0.15)


@pytest.mark.parametrize("correlation", [0.2, 0.95])
def test_residuals_leave_the_regression_white(correlation):
    mixing = double([[1.0, 0.0, 0.0], [correlation, math.sqrt(1 - correlation**2), 0.0], [0.1, 0.2, 2.0]])
    y = normal(5000, 2)
    u = y @ double([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]]) + normal(5000, 3, 1) @ mixing.T + 4
    layer = Regression(3, 2).double()
    layer.prepare(u, y)
    v = layer(y)(u)
    assert torch.allclose(torch.cov(v.T), torch.eye(3).double(), atol=2e-3)
    assert v.mean(0).abs().max() < 1e-4 and (v.T @ y / 5000).abs().max() < 1e-2
    keeps_axes = bool((layer.factor.triu(1) == 0).all())
    assert keeps_axes == (correlation < 0.5)


def test_heavy_tails_get_normal_scores_and_the_rest_does_not():
    plain = normal(5000, 1)
    y = torch.cat([plain, plain.exp(), (3 * plain).clamp(min=0).round()], 1)
    layer = NormalScores(3).double()
    layer.prepare(y)
    features = layer(y)
    assert torch.equal(features[:, :3], y) and (features[:, 3] == 0).all()
    middle = plain[:, 0].abs() < 2.5
    assert (features[:, 4] - plain[:, 0]).abs()[middle].max() < 0.15
    assert features.isfinite().all() and (features[y[:, 2].argsort(), 5].diff() >= -1e-9).all()


def test_no_draw_leaves_the_bounds_and_a_saved_run_knows_them(tmp_path):
    training = {"samples": 400, "measured": []}
    network = {"key": "regressed_ensemble", "settings": {"width": 16, "bins": 8, "members": 2}}
    run = wb.Run(wb.Experiment("gaussian_linear_uniform", network, training=training, steps=3))
    list(run)
    draws = run.fitted.sample(500, [0.9] * 10)
    assert float(draws.abs().max()) <= 1.0
    reloaded_network = wb.load(wb.save(run, tmp_path / "model.vina"))
    x = draws[:50].clamp(-0.999, 0.999)
    assert torch.allclose(
        reloaded_network.log_prob(x, [[0.9] * 10]), run.fitted.log_prob(x, [[0.9] * 10]), atol=1e-4
    )


# ---- the recipe
def test_the_recipe_fits_every_inverse_problem_and_grows_with_the_simulations():
    from workbench.core.capability import Capability
    from workbench.core.errors import IncompatibleError
    from workbench.problems import PROBLEMS

    problems = [p() for p in PROBLEMS if not p.unavailable()]
    inverse = [p for p in problems if not p.refusals() and Capability.OBSERVATION in p.capabilities]
    assert len(inverse) > 10
    for problem in inverse:
        assert not wb.Experiment.recommended(problem, 1000).refusals()
    small, middle, large = (wb.Experiment.recommended("slcp", n) for n in (500, 4000, 10_000))
    widths = [e.architecture.width for e in (small, middle, large)]
    assert widths == sorted(widths) and len(set(widths)) == 3 and middle.steps < large.steps
    assert small.training.samples == 500 and large == wb.Experiment.from_json(large.to_json())
    with pytest.raises(IncompatibleError, match="has an observation y"):
        wb.Experiment.recommended("two_moons")


def test_the_start_is_kept_where_training_does_not_improve_it():
    """On a linear Gaussian problem the start is the answer, and steps in the wrong direction are undone."""
    from workbench.problems import PROBLEMS

    experiment = wb.Experiment.recommended("gaussian_linear", 4000)
    experiment = experiment.replace(steps=12).with_setting("learning_rate", 0.3)
    run = wb.Run(experiment)
    list(run)
    problem = PROBLEMS.make("gaussian_linear")
    fresh = problem.draw(4000, torch.Generator().manual_seed(9))
    exact = problem.log_joint(fresh.x, fresh.y) - problem.log_evidence(fresh.y)
    with torch.no_grad():
        gap = float((exact - run.fitted.log_prob(fresh.x, fresh.y)).mean())
    assert run.best_iteration == 0 and 0 < gap < 0.05
