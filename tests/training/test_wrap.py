"""Networks and functions of other packages as members: they train, draw, are saved and loaded."""

from __future__ import annotations

import re
from functools import partial

import param
import pytest
import torch
import zuko
from torch import nn

import workbench as wb
from workbench.architectures import ARCHITECTURES
from workbench.core.errors import IncompatibleError, SpecError
from workbench.core.shapes import Shapes
from workbench.divergences import DIVERGENCES
from workbench.objectives import OBJECTIVES, Variational

TRAINING = {"samples": 1024, "batch_size": 128, "learning_rate": 0.01, "early_stopping": False}


@pytest.fixture(autouse=True)
def clean_catalogues():
    """Remove the members that a test adds."""
    catalogues = (ARCHITECTURES, OBJECTIVES, DIVERGENCES)
    before = [set(catalogue.keys()) for catalogue in catalogues]
    yield
    for catalogue, keys in zip(catalogues, before, strict=True):
        for key in set(catalogue.keys()) - keys:
            catalogue.remove(key)


class Affine(nn.Module):
    """Normal distribution whose mean is linear in y."""

    def __init__(self, features: int, context: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(features))
        self.mean = nn.Linear(max(context, 1), features)

    def shift(self, x, y):
        return torch.zeros_like(x) if y is None else self.mean(y)

    def forward(self, x, y=None):
        return (x - self.shift(x, y)) * self.scale.exp(), self.scale.sum().expand(x.shape[0])

    def inverse(self, z, y=None):
        return z * (-self.scale).exp() + self.shift(z, y)


class Sampler(nn.Module):
    """Network from noise and y to x."""

    def __init__(self, latents: int, features: int, context: int, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(latents + context, width), nn.ReLU(), nn.Linear(width, features))

    def forward(self, z, y=None):
        return self.net(z if y is None else torch.cat([z, y], -1))


def trained(architecture, objective="maximum_likelihood", *, steps=60, problem="linear_gaussian", **training):
    experiment = wb.Experiment(problem, architecture, objective, TRAINING | training, steps=steps)
    run = wb.Run(experiment, device="cpu")
    return run.train(progress=False)


def check_saved(run, path) -> None:
    wb.save(run, path)
    y = run.problem.default_observation if run.problem.y else None
    torch.testing.assert_close(wb.load(path).sample(50, y), run.fitted.sample(50, y), rtol=0, atol=0)


def test_a_flow_of_zuko_is_an_architecture_with_settings(tmp_path):
    layer_width = param.Integer(16, bounds=(4, 64))

    @wb.wrap.flow
    def spline_of_zuko(features, context, transforms=2, width=layer_width):
        """A neural spline flow of zuko."""
        return zuko.flows.NSF(features, context, transforms=transforms, hidden_features=(width, width))

    member = ARCHITECTURES["spline_of_zuko"]
    assert member is spline_of_zuko and member.summary == "A neural spline flow of zuko."
    assert {s.name: s.default for s in member.settings()} == {"transforms": 2, "width": 16}
    with pytest.raises(SpecError, match="between 4 and 64"):
        member(width=1000)
    run = trained(member(transforms=3))
    assert len(run.model.layers) == 3
    assert run.history[-1].loss < run.history[0].loss - 0.5
    check_saved(run, tmp_path / "flow.zip")
    assert trained("spline_of_zuko", steps=3, problem="two_moons").fitted.sample(5).shape == (5, 2)


def test_its_density_is_that_of_zuko():
    wb.wrap.flow(partial(zuko.flows.MAF, transforms=2), key="maf_of_zuko")
    model = trained("maf_of_zuko", steps=2).model.eval()
    flow = zuko.flows.MAF(3, 1, transforms=2)
    flow.transform.transforms.load_state_dict(model.layers.state_dict())
    x, y = torch.randn(20, 3), torch.randn(20, 1)
    torch.testing.assert_close(model.log_prob(x, y), flow(y).log_prob(x), rtol=1e-4, atol=1e-4)


def test_a_flow_for_one_shape_starts_from_its_weights_and_refuses_others():
    torch.manual_seed(3)
    flow = zuko.flows.RealNVP(3, 1, transforms=2)
    wb.wrap.flow(flow, key="one_flow")
    experiment = wb.Experiment("linear_gaussian", "one_flow", training=TRAINING, steps=2)
    before = [p.clone() for p in flow.parameters()]
    run = wb.Run(experiment, device="cpu")
    assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), before, strict=True))
    run.train(progress=False)
    assert all(torch.equal(a, b) for a, b in zip(flow.parameters(), before, strict=True))
    with pytest.raises(IncompatibleError, match="'one_flow' cannot be used for 2 components of x"):
        wb.Run(wb.Experiment("two_moons", "one_flow", steps=2), device="cpu")


def test_a_flow_with_another_base_is_refused():
    wb.wrap.flow(zuko.flows.NCSF, key="circular_of_zuko")
    with pytest.raises(IncompatibleError, match="standard normal base.*BoxUniform"):
        trained("circular_of_zuko", steps=1)


def test_an_invertible_module_learns_the_posterior(tmp_path):
    wb.wrap.bijection(lambda features, context: Affine(features, context), key="affine_module")
    run = trained("affine_module", steps=200, learning_rate=0.05)
    model, y = run.fitted, run.problem.default_observation
    exact = run.problem.reference_posterior(y, 4000, torch.Generator().manual_seed(0))
    draws = model.sample(4000, y)
    assert float((draws.mean(0) - exact.mean(0)).abs().max()) < 0.25
    z, log_det = model.latent(draws[:50], [y] * 50)
    x, back = model.inverse(z, [y] * 50)
    torch.testing.assert_close(x, draws[:50], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(log_det, -back, rtol=1e-4, atol=1e-4)
    check_saved(run, tmp_path / "module.zip")


class WrongSign(Affine):
    """Module whose log-determinant is that of the other direction: no difference at its first weights."""

    def forward(self, x, y=None):
        z, log_det = super().forward(x, y)
        return z, -log_det


class OneComponent(Affine):
    """Module whose log-determinant is not summed."""

    def forward(self, x, y=None):
        return super().forward(x, y)[0], self.scale[0].expand(len(x))


class WrongInverse(Affine):
    """Module whose inverse forgets the scale: right at its first weights."""

    def inverse(self, z, y=None):
        return z + self.shift(z, y)


class WrongInverseSign(Affine):
    """Module whose inverse returns the log-determinant of the other direction."""

    def inverse(self, z, y=None):
        return super().inverse(z, y), self.scale.sum().expand(len(z))


class WrongInSinglePrecision(WrongSign):
    """Module that cannot be made double."""

    def shift(self, x, y):
        return self.mean(y @ torch.eye(y.shape[1]))


@pytest.mark.parametrize(
    "kind, words",
    [
        (WrongSign, "The log-determinant of 'mistaken' is not that of its map from x to z"),
        (OneComponent, "The log-determinant of 'mistaken' is not that of its map from x to z"),
        (WrongInSinglePrecision, "The log-determinant of 'mistaken' is not that of its map from x to z"),
        (WrongInverse, "'mistaken' does not invert"),
        (WrongInverseSign, "the inverse of 'mistaken' returns is not that of its map from z to x"),
    ],
)
def test_a_module_that_contradicts_itself_is_refused_with_both_numbers(kind, words):
    wb.wrap.bijection(lambda features, context: kind(features, context), key="mistaken")
    with pytest.raises(IncompatibleError, match=words) as refusal:
        trained("mistaken", steps=1)
    numbers = re.search(r"Expected: (\S+) at a point\. Found: (\S+?)\.( |$)", str(refusal.value))
    right, other = float(numbers[1]), float(numbers[2])
    if issubclass(kind, (WrongSign, WrongInverseSign)):
        assert right == pytest.approx(-other, rel=1e-3) and abs(right) > 0.01
    assert abs(right - other) > 1e-3


@pytest.mark.parametrize("exact_inverse", [True, False])
def test_a_right_module_with_both_log_determinants_is_accepted(exact_inverse):
    class Right(Affine):
        def inverse(self, z, y=None):
            return super().inverse(z, y), -self.scale.sum().expand(len(z))

    wb.wrap.bijection(
        lambda features, context: Right(features, context), key="right", exact_inverse=exact_inverse
    )
    model = ARCHITECTURES["right"]().build(Shapes(5, 2))
    assert model.dtype == torch.float32 and float(model.module.scale.detach().abs().max()) == 0


def test_a_sampler_trains_by_a_divergence_of_ones_own(tmp_path):
    @wb.wrap.sampler(latents=2, summary="Noise in, draws out.")
    def noise_network(features, context, width=32):
        return Sampler(2, features, context, width)

    @wb.wrap.divergence
    def kernel_free_distance(p, q, power=1.5):
        """Energy distance with another power."""

        def mean(a, b):
            return (torch.cdist(a, b) + 1e-6).pow(power).mean()

        return 2 * mean(p, q) - mean(p, p) - mean(q, q)

    settings = {"divergence": "kernel_free_distance", "kernel_free_distance_power": 1.0}
    run = trained("noise_network", {"key": "variational", "settings": settings})
    assert run.model.latent_features == 2
    losses = [record.loss for record in run.history]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    check_saved(run, tmp_path / "sampler.zip")
    again = wb.Experiment.from_json(run.experiment.to_json())
    assert again == run.experiment and again.objective.make_divergence().power == 1.0
    assert "kernel_free_distance_power" in Variational.live
    with pytest.raises(IncompatibleError, match="density"):
        trained("noise_network")
    DIVERGENCES.remove("kernel_free_distance")
    assert "kernel_free_distance_power" not in Variational().values()
    with pytest.raises(SpecError, match="kernel_free_distance_power"):
        Variational(kernel_free_distance_power=1.0)


def test_a_function_is_an_objective_with_live_settings():
    @wb.wrap.loss(needs="density")
    def tempered_likelihood(model, x, y, z, generator, progress, temperature=1.0):
        assert z.shape == (len(x), model.latent_features) and 0 <= progress <= 1
        return {
            "likelihood": -temperature * model.log_prob(x, y).mean(),
            "spread": 0.01 * model.draw(z, y).square().mean(),
        }

    experiment = wb.Experiment("linear_gaussian", "realnvp", "tempered_likelihood", TRAINING, steps=20)
    run = wb.Run(experiment, device="cpu")
    first = run.step()
    assert set(first.parts) == {"loss", "likelihood", "spread"}
    run.set("objective.temperature", 3.0)
    second = run.step()
    assert 2.0 < second.parts["likelihood"] / first.parts["likelihood"] < 3.5
    assert not OBJECTIVES["tempered_likelihood"].needs_problem
    with pytest.raises(SpecError, match="There is no capability 'densty'.*'density'"):
        wb.wrap.loss(needs="densty", key="other")(lambda model, x, y: 0)


@pytest.mark.parametrize(
    "result, words",
    [(lambda x: x.mean(1), "shape"), (lambda x: 3.0, "float"), (lambda x: {"a": None}, "NoneType")],
)
def test_a_loss_that_is_no_scalar_is_refused(result, words):
    wb.wrap.loss(lambda model, x, y: result(x), key="bad_loss")
    with pytest.raises(SpecError, match=f"'bad_loss' cannot be minimised.*{words}"):
        trained("realnvp", "bad_loss", steps=1)


def test_what_cannot_be_a_member_is_refused():
    with pytest.raises(SpecError, match="needs a key"):
        wb.wrap.flow(partial(zuko.flows.NSF, transforms=2))
    with pytest.raises(SpecError, match="'layers' of .* cannot be a setting"):
        wb.wrap.flow(lambda features, context, layers: None, key="open")
    wb.wrap.flow(lambda features, context: nn.Linear(features, features), key="linear")
    with pytest.raises(IncompatibleError, match="'linear' is no flow of zuko.*Linear"):
        trained("linear", steps=1)
    wb.wrap.bijection(lambda features, context: Affine(features + 1, context), key="wide")
    with pytest.raises(IncompatibleError, match="'wide' cannot be used"):
        trained("wide", steps=1)
