"""Reconstruction and prior losses, against their formulas and against their effect on a posterior."""

import pytest
import torch

from tests.objectives.analytic import Linear, context
from workbench.core.shapes import Shapes
from workbench.inference.standardisation import Standardisation
from workbench.objectives import OBJECTIVES
from workbench.objectives.base import Batch, Context
from workbench.objectives.directions import pair
from workbench.problems import PROBLEMS

PROBLEM = PROBLEMS.make("linear_gaussian")
SHAPES = Shapes(3, 1)


def setting(shrink=1.0):
    """The exact network, or one whose draws are shrunk towards the posterior's mean by a factor."""
    matrix = PROBLEM.realising_map()
    if shrink != 1.0:
        matrix = torch.diag(torch.tensor([1.0, 1 / shrink, 1 / shrink], dtype=torch.float64)) @ matrix
    pairs = PROBLEM.draw(40_000, torch.Generator().manual_seed(0))
    return Linear(matrix, 1, 3), Batch(pairs.x, pairs.y, 1.0)


def parts(model, batch, units=None, **values):
    objective = OBJECTIVES.make("variational", divergence="energy_distance", **values)
    small = Batch(batch.x, batch.y, 1.0)
    loss = objective.build(model, units or context(SHAPES, PROBLEM))
    loss._divergence_parts = lambda *_: {}  # its cost is n², and it is not tested here
    return loss.parts(model, small, torch.Generator().manual_seed(3))


def samples(model, batch, direction="backward_joint"):
    return pair(direction, model, batch, torch.Generator().manual_seed(3))


def test_the_independent_reconstruction_is_the_papers_and_shrinks_the_posterior():
    """E|T⁻¹(Y,Z) - X|² is (1 + r²) times the posterior's variance for draws pulled in by r."""
    _, covariance = PROBLEM.posterior_moments((0.0,))
    variance = float(covariance.trace())
    for shrink in (1.0, 0.5, 0.1):
        model, batch = setting(shrink)
        value = parts(model, batch, weight_reconstruction=1.0, reconstruction="independent")["reconstruction"]
        x = samples(model, batch).x
        assert torch.allclose(value, (x - batch.x).square().sum(-1).mean())
        assert float(value) == pytest.approx(variance * (1 + shrink**2), rel=0.02)


def test_on_the_latent_side_it_compares_y_and_z():
    model, batch = setting()
    value = parts(
        model, batch, direction="forward_full", weight_reconstruction=1.0, reconstruction="independent"
    )["reconstruction"]
    z = samples(model, batch, "forward_full").z
    target = torch.cat([batch.y, z], -1)
    assert torch.allclose(value, (batch.x @ model.matrix.T - target).square().sum(-1).mean())


def test_the_cycle_is_zero_without_noise_and_counts_the_inverses_slope_with_it():
    model, batch = setting()
    values = {"weight_reconstruction": 1.0, "reconstruction": "cycle"}
    assert parts(model, batch, reconstruction_noise=0.0, **values)["reconstruction"] < 1e-20
    value = parts(model, batch, reconstruction_noise=0.1, **values)["reconstruction"]
    inverse = torch.linalg.inv(model.matrix)
    assert float(value) == pytest.approx(0.01 * float(inverse.square().sum()), rel=0.03)


def test_the_gaussian_prior_loss_is_half_the_squared_distance_in_standard_deviations():
    model, batch = setting()
    value = parts(model, batch, prior_loss="gaussian")["prior_loss"]
    assert torch.allclose(value, 0.5 * (samples(model, batch).x - batch.x).square().sum(-1).mean())


def test_the_uniform_prior_loss_counts_what_lies_outside_in_the_units_of_the_data():
    model, batch = setting()
    standardisation = Standardisation(SHAPES)
    standardisation.shift_x.fill_(5)
    standardisation.scale_x.fill_(2)
    units = Context(PROBLEM, SHAPES, standardisation)
    value = parts(model, batch, units, prior_loss="uniform", prior_low=4.0, prior_high=7.0)["prior_loss"]
    x = 5 + 2 * samples(model, batch).x
    outside = torch.where(x > 7, x - 7, torch.where(x < 4, 4 - x, torch.zeros_like(x)))
    assert torch.allclose(value, outside.sum(-1).mean()) and value > 0
    inside = parts(model, batch, units, prior_loss="uniform", prior_low=-99.0, prior_high=99.0)["prior_loss"]
    assert inside == 0


def test_terms_are_left_out_at_weight_zero_and_count_with_their_weight():
    model, batch = setting()
    none = parts(model, batch, prior_loss="uniform", weight_prior=0.0)
    assert not {"reconstruction", "prior_loss"} & none.keys()
    objective = OBJECTIVES.make(
        "variational", weight_reconstruction=3.0, prior_loss="uniform", weight_prior=2.0
    )
    weights = objective.build(model, context(SHAPES, PROBLEM)).weights(0.5)
    assert weights["reconstruction"] == 3.0 and weights["prior_loss"] == 2.0


def test_bounds_in_the_wrong_order_are_refused():
    from workbench.architectures import ARCHITECTURES

    objective = OBJECTIVES.make("variational", prior_loss="uniform", prior_low=1.0, prior_high=-1.0)
    assert "prior_low" in objective.conflicts(PROBLEM, ARCHITECTURES.make("inn"))[0]
