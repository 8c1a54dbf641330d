"""Autoencoders, tied autoencoders, variational ones, and flows with a decoder."""

from __future__ import annotations

import math

import pytest
import torch

from tests.architectures.properties import batch, build_model, loss_of, unreached
from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.shapes import Shapes
from workbench.divergences import mmd_squared
from workbench.objectives import OBJECTIVES, Batch
from workbench.problems import PROBLEMS
from workbench.training import refusals


def parts_of(objective, model, shapes, x, y, seed=3, **settings):
    loss = loss_of(objective, model, shapes, **settings)
    return loss, loss.parts(model, Batch(x, y), torch.Generator().manual_seed(seed))


# ---- autoencoders
@pytest.mark.parametrize("key", ["autoencoder", "invertible_autoencoder"])
@pytest.mark.parametrize("shapes", [Shapes(4, 2), Shapes(2, 0)], ids=str)
def test_the_loss_is_its_equation(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes, 16)
    weights = {"weight_y": 2.0, "weight_latent": 3.0, "weight_reconstruction": 5.0}
    loss, parts = parts_of("reconstruction", model, shapes, x, y, **weights)
    z = torch.randn(16, model.latent_features, generator=torch.Generator().manual_seed(3), dtype=x.dtype)
    y_hat, z_hat = model.encode(x)
    joint = (z_hat, z) if y is None else (torch.cat([y_hat, z_hat], -1), torch.cat([y, z], -1))
    reference = 3 * mmd_squared(*joint, kernel_name="forward")
    reference = reference + 5 * (model.decode(y_hat, z_hat) - x).square().sum(-1).mean()
    reference = reference + (0 if y is None else 2 * (y_hat - y).square().sum(-1).mean())
    assert torch.allclose(loss.total(parts, 1.0), reference, atol=1e-12)
    assert ("misfit_y" in parts) == (y is not None)
    assert ("orthogonality" in parts) == (key == "invertible_autoencoder")


def test_the_discrepancy_does_not_move_the_prediction():
    """As in the joint of Ardizzone et al.: y is supervised, and only the code is made independent of it."""
    model, (x, y) = build_model("autoencoder", Shapes(4, 2)), batch(Shapes(4, 2), 16)
    _, parts = parts_of("reconstruction", model, Shapes(4, 2), x, y)
    last = model.there[-1].weight
    (slope,) = torch.autograd.grad(parts["mmd_latent"], last, retain_graph=True)
    assert slope[:2].abs().max() == 0 and (slope[2:].abs().amax(1) > 0).all()


@pytest.mark.parametrize("key", ["autoencoder", "invertible_autoencoder"])
def test_without_an_observation_nothing_is_predicted(key):
    model = build_model(key, Shapes(3, 0), code_features=1)
    assert Capability.FORWARD not in model.capabilities and model.latent_features == 1
    with pytest.raises(DataError, match="predicts no observation"):
        model.predict(batch(Shapes(3, 0))[0])
    assert Capability.FORWARD in build_model(key, Shapes(3, 1)).capabilities


@pytest.mark.parametrize("slope", [1.0, 2.0, 5.0])
def test_orthogonal_matrices_are_undone_by_their_transposes(slope):
    torch.manual_seed(0)
    spec = ARCHITECTURES.make("invertible_autoencoder", width=4, depth=3, slope=slope)
    model = spec.build(Shapes(4, 2)).double()
    with torch.no_grad():
        for bias in model.biases:
            bias.normal_()
        for matrix in model.matrices:
            torch.nn.init.orthogonal_(matrix)  # once more, in double precision
    x = batch(Shapes(4, 2))[0]
    assert float(model.off_orthogonal().detach()) < 1e-20
    y_hat, z_hat = model.encode(x)
    assert torch.allclose(model.decode(y_hat, z_hat), x, atol=1e-10)
    with torch.no_grad():
        model.matrices[1].mul_(1.1)
    assert float(model.off_orthogonal().detach()) == pytest.approx(4 * (1.21 - 1) ** 2, rel=1e-4)
    assert not torch.allclose(model.decode(*model.encode(x)), x, atol=1e-2)


def test_the_decoder_is_made_of_the_encoders_own_weights():
    model = build_model("invertible_autoencoder", Shapes(4, 2))
    other = build_model("autoencoder", Shapes(4, 2))
    assert model.parameter_count() < 0.6 * other.parameter_count()
    assert set(dict(model.named_parameters())) == {
        f"{kind}.{i}" for kind in ("matrices", "biases") for i in range(3)
    }


def test_the_penalty_makes_the_matrices_orthogonal():
    shapes = Shapes(4, 2)
    model, (x, y) = build_model("invertible_autoencoder", shapes), batch(shapes, 64)
    loss = loss_of("reconstruction", model, shapes, weight_orthogonality=1.0)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    before = model.off_orthogonal().item()
    for step in range(150):
        optimiser.zero_grad()
        loss.total(loss.parts(model, Batch(x, y), torch.Generator().manual_seed(step)), 1.0).backward()
        optimiser.step()
    assert before > 1.0 and model.off_orthogonal().item() < 0.1 * before


# ---- variational autoencoders
@pytest.mark.parametrize(("key", "shapes"), [("vae", Shapes(3, 0)), ("conditional_vae", Shapes(3, 2))])
def test_the_divergence_is_the_closed_form(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes, 16)
    mean, log_variance = model.encode(x, y)
    _, divergence = model.evidence(x, y, torch.zeros_like(mean))
    codes = torch.distributions.Normal(mean, log_variance.exp().sqrt())
    reference = torch.distributions.kl_divergence(codes, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    assert torch.allclose(divergence, reference, atol=1e-10)


def test_the_bound_stays_below_the_likelihood():
    """With one component of code and of x the likelihood is an integral over a line."""
    model, (x, y) = build_model("conditional_vae", Shapes(1, 1), code_features=1), batch(Shapes(1, 1), 8)
    c = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    sigma = model.log_sigma.exp()
    with torch.no_grad():
        for row in range(8):
            mean = model.decode(c[:, None], y[row : row + 1].expand(len(c), 1))[:, 0]
            density = torch.distributions.Normal(mean, sigma).log_prob(x[row]).exp()
            prior = torch.distributions.Normal(0.0, 1.0).log_prob(c).exp()
            exact = float((density * prior).sum().log() + (c[1] - c[0]).log())
            noise = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(row), dtype=torch.float64)
            each = model.evidence(
                x[row : row + 1].expand(20_000, 1), y[row : row + 1].expand(20_000, 1), noise
            )
            bound = each[0] - each[1]
            assert float(bound.mean()) < exact + 5 * float(bound.std()) / 20_000**0.5


def test_loss_18_is_the_bound_with_a_given_sigma():
    shapes, sigma = Shapes(3, 2), 0.3
    model, (x, y) = build_model("conditional_vae", shapes, sigma=sigma), batch(shapes, 16)
    assert not model.log_sigma.requires_grad
    model.log_sigma.data.fill_(math.log(sigma))
    loss, parts = parts_of("evidence_lower_bound", model, shapes, x, y)
    noise = torch.randn(16, 4, generator=torch.Generator().manual_seed(3), dtype=x.dtype)
    mean, log_v = model.encode(x, y)
    rebuilt = model.decode(mean + (0.5 * log_v).exp() * noise, y)
    alpha = 2 * sigma**2
    loss_18 = (
        (x - rebuilt).square().sum(-1) - 0.5 * alpha * (1 + log_v - mean.square() - log_v.exp()).sum(-1)
    ).mean()
    constant = 3 * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
    assert torch.allclose(loss.total(parts, 1.0), loss_18 / alpha + constant, atol=1e-10)
    assert unreached(model, loss.total(parts, 1.0)) == []


def test_a_draw_has_the_decoders_noise():
    model = build_model("vae", Shapes(2, 0), code_features=3)
    z = torch.zeros(2, 5, dtype=torch.float64)
    z[1, 3:] = 1.0
    x, log_det = model.inverse(z, None)
    assert log_det is None and torch.allclose(x[1] - x[0], model.log_sigma.exp(), atol=1e-12)


# ---- flows with a decoder
@pytest.mark.parametrize("key", ["maf_decoder", "iaf_decoder"])
@pytest.mark.parametrize("shapes", [Shapes(4, 2), Shapes(2, 4)], ids=str)
def test_loss_15_is_loss_14_and_the_decoders_misfit(key, shapes):
    model, (x, y) = build_model(key, shapes), batch(shapes, 16)
    loss, parts = parts_of("maximum_likelihood", model, shapes, x, y, weight_reconstruction=7.0)
    without, fewer = parts_of("maximum_likelihood", model, shapes, x, y, weight_reconstruction=0.0)
    noise = 0.1 * torch.randn(16, model.padding_x, generator=torch.Generator().manual_seed(3), dtype=x.dtype)
    y_hat, z_hat, _ = model.split(model.forward_full(model.pad_x(x, noise))[0])
    misfit = (x - model.decode(y_hat, z_hat)).square().sum(-1).mean()
    assert torch.allclose(loss.total(parts, 1.0) - without.total(fewer, 1.0), 7 * misfit, atol=1e-10)
    assert unreached(model, loss.total(parts, 1.0)) == []


@pytest.mark.parametrize(("key", "forward"), [("maf_decoder", 1), ("iaf_decoder", 4)])
def test_one_pass_or_four(key, forward):
    model, (x, y) = build_model(key, Shapes(4, 2)), batch(Shapes(4, 2))
    passes = []
    first = model.blocks[0] if key == "maf_decoder" else model.blocks[0].transform
    first.hyper.register_forward_hook(lambda *_: passes.append(1))
    model.latent(x, y)
    assert len(passes) == forward
    model.inverse(torch.randn(32, 2, dtype=torch.float64), y)
    assert len(passes) == forward  # the decoder asks nothing of the flow


def test_which_objective_trains_which_member():
    problem = PROBLEMS.make("inverse_kinematics")
    fits = {
        key: [o.key for o in OBJECTIVES if not refusals(problem, ARCHITECTURES.make(key), o())]
        for key in ("made", "maf_decoder", "conditional_vae", "autoencoder", "vae")
    }
    assert fits == {
        "made": ["maximum_likelihood"],
        "maf_decoder": ["maximum_likelihood"],
        "conditional_vae": ["evidence_lower_bound"],
        "autoencoder": ["reconstruction"],
        "vae": [],
    }
    (reason,) = refusals(problem, ARCHITECTURES.make("vae"), OBJECTIVES.make("evidence_lower_bound"))
    assert "cannot be conditioned" in reason
