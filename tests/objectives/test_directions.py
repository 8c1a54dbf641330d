"""Distributions that each direction compares, their optimum, and warnings where that is no posterior."""

import pytest
import torch

from tests.objectives.analytic import Linear, context, normal_batch
from workbench.architectures import ARCHITECTURES
from workbench.core.shapes import Shapes
from workbench.objectives import OBJECTIVES
from workbench.objectives.base import Batch
from workbench.objectives.directions import DIRECTIONS, features, pair
from workbench.problems import PROBLEMS

PROBLEM = PROBLEMS.make("linear_gaussian")  # three unknowns, one observed without noise
ROWS = 60_000


def batch(rows=ROWS):
    pairs = PROBLEM.draw(rows, torch.Generator().manual_seed(0))
    return Batch(pairs.x, pairs.y, 1.0)


def covariances(direction, model):
    """Covariances of both distributions, which are Gaussian with mean zero: these identify them."""
    samples = pair(direction, model, batch(), torch.Generator().manual_seed(1))
    assert samples.data.shape == samples.model.shape == (ROWS, features(direction, model))
    return tuple(u.T @ u / ROWS for u in (samples.data, samples.model))


def apart(direction, model):
    data, draws = covariances(direction, model)
    return float((data - draws).norm())


def exact():
    """T*(x) = (A x, B x): its inverse samples the posterior."""
    return Linear(PROBLEM.realising_map(), 1, 3)


def rotated(generator_seed=0):
    """Another network with the same distribution of T(X): y and z scaled to unit deviation, then rotated."""
    matrix = PROBLEM.realising_map()
    scale = float(PROBLEM.parts.evidence[0, 0]) ** 0.5
    units = torch.diag(torch.tensor([1 / scale, 1.0, 1.0], dtype=torch.float64))
    rotation = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(generator_seed), dtype=torch.float64)
    )[0]
    return Linear(torch.linalg.inv(units) @ rotation @ units @ matrix, 1, 3)


class Blind(Linear):
    """Sampler of the prior that ignores y: the right distribution of x, and no posterior."""

    def inverse(self, z, y):
        noise = torch.randn(len(z), 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
        return noise @ PROBLEM.parts.factor.T, z.new_zeros(len(z))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_exact_posterior_is_at_the_minimum_of_every_direction(direction):
    assert apart(direction, exact()) < 0.05


def test_backward_joint_and_forward_true_y_detect_every_wrong_posterior():
    assert apart("backward_joint", rotated()) > 0.3 and apart("forward_true_y", rotated()) > 0.3
    blind = Blind(PROBLEM.realising_map(), 1, 3)
    assert apart("backward_joint", blind) > 0.3


def test_backward_marginal_does_not_detect_that_y_is_ignored():
    assert apart("backward_marginal", Blind(PROBLEM.realising_map(), 1, 3)) < 0.05


def test_forward_full_without_supervision_does_not_detect_that_y_and_z_are_mixed():
    assert apart("forward_full", rotated()) < 0.05
    misfit = (rotated().predict(batch().x) - batch().y).square().mean()
    assert misfit > 0.1, "only L_y detects it"


def test_zero_padding_puts_the_model_on_a_surface():
    matrix = torch.eye(5, dtype=torch.float64) + 0.3
    matrix[:3, :3] = PROBLEM.realising_map()
    data, draws = covariances("forward_full", Linear(matrix, 1, 3))
    assert torch.linalg.matrix_rank(data) == 5 and torch.linalg.matrix_rank(draws, rtol=1e-9) == 3


def test_without_y_there_are_only_backward_and_forward():
    from tests.objectives.analytic import Affine

    model, points = Affine(), normal_batch(100)
    by_name = {d: pair(d, model, points, torch.Generator().manual_seed(0)) for d in DIRECTIONS}
    assert torch.equal(by_name["backward_joint"].model, by_name["backward_marginal"].model)
    assert torch.equal(by_name["forward_full"].model, by_name["forward_true_y"].model)
    assert torch.equal(by_name["backward_joint"].model, model.inverse(points.x, None)[0])
    assert torch.equal(by_name["forward_full"].model, model.latent(points.x, None)[0])


def test_rows_share_their_y():
    points = batch(101)
    samples = pair("backward_joint", exact(), points, torch.Generator().manual_seed(0))
    assert torch.equal(samples.data[:, 3:], points.y) and torch.equal(samples.model[:, 3:], points.y)


def warnings(problem, architecture, **settings):
    objective = OBJECTIVES.make("variational", **settings)
    return " ".join(objective.warnings(PROBLEMS.make(problem), ARCHITECTURES.make(*architecture)))


def test_choices_that_identify_the_posterior_have_no_warning():
    for architecture in ("realnvp", "inn"):
        assert warnings("linear_gaussian", (architecture,)) == ""
        assert warnings("linear_gaussian", (architecture,), direction="forward_true_y") == ""
    assert warnings("two_moons", ("realnvp",), direction="backward_marginal") == ""
    assert OBJECTIVES.make("inn").warnings(PROBLEM, ARCHITECTURES.make("inn")) == []


@pytest.mark.parametrize(
    "architecture, settings, words",
    [
        ("realnvp", {"direction": "backward_marginal"}, "ignores y can be perfect"),
        ("inn", {"direction": "backward_marginal"}, "only as far as L_y reaches zero"),
        ("inn", {"direction": "forward_full", "weight_y": 0.0}, "mixes y and z"),
        ("realnvp", {"divergence": "precision_recall", "precision_recall_trade_off": 2.0}, "misses modes"),
        ("realnvp", {"divergence": "precision_recall", "precision_recall_trade_off": 0.5}, "stray samples"),
        ("realnvp", {"divergence": "sinkhorn", "sinkhorn_debiased": False}, "narrower"),
        ("realnvp", {"divergence": "sinkhorn", "sinkhorn_blur": 50.0}, "means"),
        ("realnvp", {"critic": "quadratic"}, "means and covariances only"),
        ("realnvp", {"generator_gradient": "non_saturating", "divergence": "kl"}, "descends KL(Q||P)"),
        ("realnvp", {"generator_gradient": "non_saturating", "divergence": "neyman"}, "another divergence"),
        (
            "realnvp",
            {"generator_gradient": "non_saturating", "divergence": "sinkhorn"},
            "exact gradient is used",
        ),
        ("realnvp", {"weight_reconstruction": 1.0, "reconstruction": "independent"}, "posterior's mean"),
        ("realnvp", {"prior_loss": "gaussian"}, "posterior's mean"),
    ],
)
def test_choices_that_do_not_have_a_warning(architecture, settings, words):
    assert words in warnings("linear_gaussian", (architecture,), **settings)


def test_padding_has_a_warning_where_it_is_zero_and_the_latent_side_is_compared():
    wide = ARCHITECTURES.make("inn", extra_latent=2)
    for direction, has_warning in (
        ("forward_full", True),
        ("forward_true_y", True),
        ("backward_joint", False),
    ):
        sentences = OBJECTIVES.make("variational", direction=direction).warnings(PROBLEM, wide)
        assert any("zero padding" in s for s in sentences) == has_warning


def test_the_full_forward_direction_needs_a_predicted_y():
    objective = OBJECTIVES.make("variational", direction="forward_full")
    assert "predicts y" in objective.conflicts(PROBLEM, ARCHITECTURES.make("realnvp"))[0]
    assert not objective.conflicts(PROBLEM, ARCHITECTURES.make("inn"))
    assert not objective.conflicts(PROBLEMS.make("two_moons"), ARCHITECTURES.make("realnvp"))


def test_a_direction_without_a_latent_is_refused():
    class Sampler:
        capabilities, title = frozenset(), "A mere sampler"

    objective = OBJECTIVES.make("variational", direction="forward_true_y")
    assert "latent code" in objective.conflicts(PROBLEM, Sampler)[0]
    objective = OBJECTIVES.make("variational", weight_reconstruction=1.0)
    assert "latent code" in objective.conflicts(PROBLEM, Sampler)[0]


def test_the_loss_of_each_direction_uses_that_pair():
    """A divergence of the samples is that of the pair, in the order of the settings."""
    model, points = exact(), batch(64)
    for direction in DIRECTIONS:
        for order in ("data_first", "model_first"):
            objective = OBJECTIVES.make(
                "variational",
                divergence="energy_distance",
                direction=direction,
                order=order,
                energy_distance_unbiased=False,
            )
            loss = objective.build(model, context(Shapes(3, 1), PROBLEM))
            value = loss.parts(model, points, torch.Generator().manual_seed(5))["energy_distance"]
            samples = pair(direction, model, points, torch.Generator().manual_seed(5))
            assert torch.allclose(value, loss.divergence.between_rows(samples.data, samples.model))
            assert loss.critic is None
