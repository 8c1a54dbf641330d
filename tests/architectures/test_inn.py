"""The INN: its layout, its padding and its block."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.lazy import LazyComposedTransform

from tests.architectures.properties import batch, build_model, log_det_error, round_trip_error
from workbench.architectures import ARCHITECTURES, InnModel
from workbench.bijections.mixture_latent import MixtureLatent
from workbench.bijections.two_sided_coupling import TwoSidedCoupling, soft_clamp
from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.shapes import Shapes

NETWORK = {"hidden_features": [16], "activation": nn.SiLU}

# D, M, extra_latent, padding -> K, W
LAYOUTS = [
    (4, 2, 0, 0, 2, 4),
    (3, 1, 0, 0, 2, 3),
    (2, 4, 0, 0, 2, 6),
    (2, 8, 0, 6, 2, 16),
    (2, 2, 0, 0, 2, 4),
    (4, 2, 2, 0, 4, 6),
    (4, 2, 1, 3, 3, 8),
    (1, 3, 0, 0, 1, 4),
    (2, 1, 0, 0, 1, 2),
    (10, 1, 0, 2, 9, 12),
]
layouts = pytest.mark.parametrize(("x", "y", "extra", "padding", "latent", "width"), LAYOUTS)


@layouts
def test_the_layout_is_the_documented_one(x, y, extra, padding, latent, width):
    model = build_model("inn", Shapes(x, y), extra_latent=extra, padding=padding)
    assert isinstance(model, InnModel)
    assert (model.latent_features, model.width) == (latent, width)
    assert (model.padding_x, model.padding_z) == (width - x, width - y - latent)
    columns = torch.arange(float(width), dtype=torch.float64).expand(3, -1)
    y_part, z_part, pad = model.split(columns)
    assert y_part[0].tolist() == list(range(y))
    assert z_part[0].tolist() == list(range(y, y + latent))
    assert pad[0].tolist() == list(range(y + latent, width))
    assert torch.equal(model.join(y_part, z_part, pad), columns)
    assert torch.equal(model.pad_x(columns[:, :x], columns[:, x:]), columns)
    assert model.pad_x(columns[:, :x])[:, x:].abs().sum() == 0
    assert model.join(y_part, z_part)[:, y + latent :].abs().sum() == 0


@layouts
def test_an_identity_network_shows_where_everything_goes(x, y, extra, padding, latent, width):
    model = build_model("inn", Shapes(x, y), extra_latent=extra, padding=padding)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            tensor.copy_(torch.arange(width) if not tensor.is_floating_point() else torch.zeros_like(tensor))
            assert tensor.is_floating_point() or name.endswith("_0")  # the fixed permutations are buffers
    points = batch(Shapes(x, y), 5)[0]
    columns = model.pad_x(points)
    assert torch.equal(model.predict(points), columns[:, :y])
    assert torch.equal(model.latent(points)[0], columns[:, y : y + latent])
    z, observation = torch.randn(5, latent, dtype=torch.float64), torch.randn(5, y, dtype=torch.float64)
    assert torch.equal(model.inverse(z, observation)[0], model.join(observation, z)[:, :x])


@pytest.mark.parametrize(("x", "y"), [(4, 2), (3, 1), (2, 1)])
def test_without_padding_the_views_are_one_bijection(x, y):
    model, (points, observation) = build_model("inn", Shapes(x, y)), batch(Shapes(x, y))
    assert model.padding_x == model.padding_z == 0
    z, log_det = model.latent(points)
    back, inverse_log_det = model.inverse(z, model.predict(points))
    assert torch.allclose(back, points, atol=1e-9)
    assert torch.allclose(inverse_log_det, -log_det, atol=1e-9)
    some = model.inverse(z, observation)[0]
    assert torch.allclose(model.predict(some), observation, atol=1e-9)
    assert torch.allclose(model.latent(some)[0], z, atol=1e-9)


def test_padding_only_on_the_side_of_x_still_leads_back():
    shapes = Shapes(2, 4)
    model, (points, _) = build_model("inn", shapes), batch(shapes)
    assert (model.padding_x, model.padding_z) == (4, 0)
    assert torch.allclose(model.inverse(model.latent(points)[0], model.predict(points))[0], points, atol=1e-9)


def test_noise_in_the_padding_changes_the_output_and_is_recovered():
    shapes = Shapes(2, 4)
    model, (points, _) = build_model("inn", shapes, padding=2), batch(shapes)
    noise = torch.randn(points.shape[0], model.padding_x, dtype=points.dtype)
    out, _ = model.forward_full(model.pad_x(points, noise))
    assert not torch.allclose(out, model.forward_full(model.pad_x(points))[0])
    assert torch.allclose(model.inverse_full(out)[0], torch.cat((points, noise), dim=-1), atol=1e-9)


def test_it_claims_a_forward_model_and_no_density_of_x():
    member = ARCHITECTURES["inn"]
    assert Capability.FORWARD in member.capabilities
    assert Capability.DENSITY not in member.capabilities
    with pytest.raises(TypeError, match="density"):
        build_model("inn", Shapes(2, 1)).log_prob(*batch(Shapes(2, 1)))


def test_it_needs_an_observation_to_run_backwards():
    model = build_model("inn", Shapes(2, 1))
    with pytest.raises(DataError, match="needs an observation"):
        model.inverse(torch.zeros(3, 1, dtype=torch.float64), None)


def test_permutations_are_drawn_at_build_and_saved():
    orders = [build_model("inn", Shapes(10, 2), seed=s).state_dict()["blocks.1._0"] for s in (0, 0, 1)]
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])
    assert orders[0].sort().values.tolist() == list(range(10))


@pytest.fixture(params=[(2, 0), (3, 0), (5, 2)], ids=str)
def block(request):
    torch.manual_seed(0)
    features, context = request.param
    return TwoSidedCoupling(features, context, clamp=2.0, network=NETWORK).double(), features, context


def test_the_block_is_its_card_of_equations(block):
    lazy, features, context = block
    u, c = batch(Shapes(features, context), 4)
    inputs = (lambda half: half) if c is None else (lambda half: torch.cat((half, c), dim=-1))
    u_1, u_2 = u[:, : features // 2], u[:, features // 2 :]
    s_2, t_2 = lazy.second(inputs(u_2)).chunk(2, dim=-1)
    v_1 = u_1 * torch.exp(4 / torch.pi * torch.atan(s_2 / 2)) + t_2
    s_1, t_1 = lazy.first(inputs(v_1)).chunk(2, dim=-1)
    v_2 = u_2 * torch.exp(4 / torch.pi * torch.atan(s_1 / 2)) + t_1
    assert torch.allclose(lazy(c)(u), torch.cat((v_1, v_2), dim=-1), atol=1e-12)


def test_the_block_changes_both_halves_and_is_invertible(block):
    lazy, features, context = block
    u, c = batch(Shapes(features, context), 4)
    there = lambda p: lazy(None if c is None else c[: len(p)]).call_and_ladj(p)  # noqa: E731
    back = lambda p: lazy(None if c is None else c[: len(p)]).inv.call_and_ladj(p)  # noqa: E731
    assert ((there(u)[0] - u).abs() > 0).all()
    assert round_trip_error(there, back, u) < 1e-12
    assert round_trip_error(back, there, u) < 1e-12
    assert max(log_det_error(there, u), log_det_error(back, u)) < 1e-10


def test_the_block_mixes_with_zukos_transforms():
    torch.manual_seed(0)
    composition = LazyComposedTransform(
        TwoSidedCoupling(3, 2, clamp=2.0, network=NETWORK),
        MaskedAutoregressiveTransform(3, 2, hidden_features=[16]),
    ).double()
    u, c = batch(Shapes(3, 2), 4)
    v, log_det = composition(c).call_and_ladj(u)
    back, opposite = composition.inv(c).call_and_ladj(v)
    assert torch.allclose(back, u, atol=1e-10)
    assert torch.allclose(composition(c).inv(v), u, atol=1e-10)
    assert torch.allclose(opposite, -log_det, atol=1e-10)
    assert torch.allclose(composition(c).log_abs_det_jacobian(u, v), log_det, atol=1e-10)


def test_the_block_refuses_a_single_component():
    with pytest.raises(ValueError, match="splits its input in two"):
        TwoSidedCoupling(1, clamp=2.0, network=NETWORK)


def test_the_soft_clamp_is_increasing_and_bounded():
    values = torch.linspace(-1000, 1000, 2001, dtype=torch.float64)
    images = soft_clamp(values, 2.0)
    assert (images.diff() > 0).all()
    assert images.abs().max() < 2.0
    assert images.abs().max() > 1.99


# ---- a latent with two modes
@pytest.mark.parametrize("distance", [0.5, 2.0, 3.0])
def test_the_latent_mixture_is_its_formula(distance):
    layer = MixtureLatent(1, distance, 0.5).double()
    u = torch.tensor([[0.3, -2.4, 5.0], [1.0, 0.1, 0.0], [0.0, 1.7, 1.0]], dtype=torch.float64)
    v, log_det = layer().call_and_ladj(u)
    normal = torch.distributions.Normal(0.0, 1.0)
    cumulative = 0.5 * (normal.cdf((u[:, 1] + distance) / 0.5) + normal.cdf((u[:, 1] - distance) / 0.5))
    assert torch.allclose(v[:, 1], normal.icdf(cumulative), atol=1e-8)
    assert torch.equal(v[:, [0, 2]], u[:, [0, 2]])
    modes = torch.distributions.Normal(torch.tensor([-distance, distance]).double(), 0.5)
    density = 0.5 * modes.log_prob(u[:, 1:2]).exp().sum(-1)
    assert torch.allclose(log_det, density.log() - normal.log_prob(v[:, 1]), atol=1e-7)
    assert torch.allclose(layer().inv(v), u, atol=1e-8)


@pytest.mark.parametrize("shapes", [Shapes(4, 2), Shapes(2, 4)], ids=str)
def test_the_inn_is_a_bijection_with_a_bimodal_latent(shapes):
    model = build_model("inn", shapes, latent_law="mixture")
    plain = build_model("inn", shapes)
    some = torch.randn(8, model.width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert round_trip_error(model.forward_full, model.inverse_full, some) < 1e-8
    assert round_trip_error(model.inverse_full, model.forward_full, some) < 1e-8
    assert log_det_error(model.forward_full, some[:3]) < 1e-8
    assert log_det_error(model.inverse_full, some[:3]) < 1e-7
    assert model.parameter_count() == plain.parameter_count()
    assert torch.equal(model.predict(some[:, : shapes.x]), plain.predict(some[:, : shapes.x]))
    z = torch.randn(4000, model.latent_features, generator=torch.Generator().manual_seed(2)).double()
    columns = model.blocks[-1]().inv(model.join(torch.zeros(4000, shapes.y).double(), z))[:, shapes.y]
    assert float((columns.abs() < 0.5).double().mean()) < 0.01
    assert float(columns.square().mean()) == pytest.approx(4.25, abs=0.2)
