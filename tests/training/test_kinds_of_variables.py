"""Posteriors of variables that are no plain numbers, against closed forms: log, whole, cyclic, categories."""

from __future__ import annotations

import math

import pytest
import torch

import workbench as wb
from workbench.core.variable import Variable

SETTINGS = {"samples": 3000, "batch_size": 128, "learning_rate": 5e-3, "validate_every": 50, "warm_up": 20}
FLOW = {"key": "neural_spline_coupling", "settings": {"transforms": 3, "width": 32}}


def uniform(n: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(n, 1, generator=generator, dtype=torch.float64)


def normal(like: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(int(1e6 * float(like.abs().sum())) % 2**31)
    return torch.randn(like.shape, generator=generator, dtype=torch.float64)


def train(prior, simulate, x: Variable, y: list[Variable], architecture=FLOW, steps: int = 400) -> wb.Run:
    problem = wb.SimulatorProblem(prior, simulate, x=[x], y=y)
    if architecture == "recommended":
        experiment = wb.Experiment.recommended(problem, simulations=3000).replace(steps=steps)
    else:
        experiment = wb.Experiment(problem, architecture, "maximum_likelihood", SETTINGS, steps=500)
    run = wb.Run(experiment, device="cpu")
    for _ in run:
        pass
    return run


def draws(run: wb.Run, y: list[float], n: int = 4000) -> torch.Tensor:
    return run.fitted.sample(n, [y], torch.Generator().manual_seed(1))[:, 0]


ARCHITECTURES = pytest.mark.parametrize(
    "architecture",
    [pytest.param(FLOW, marks=pytest.mark.slow), "recommended"],
    ids=["flow", "recommended"],
)


@ARCHITECTURES
def test_a_rate_over_six_decades(architecture):
    run = train(
        lambda n, g: 10 ** uniform(n, -6, 0, g),
        lambda x: x * torch.exp(0.6 * normal(x)),
        Variable("rate", scale="log", low=1e-6, high=1.0),
        [Variable("count", scale="log")],
        architecture,
    )
    for rate in (1e-5, 1e-3, 0.1):
        values = draws(run, [rate])
        assert (values >= 1e-6).all() and (values <= 1).all()
        assert values.log().mean() == pytest.approx(math.log(rate), abs=0.15)
        assert values.log().std() == pytest.approx(0.6, rel=0.2)


@ARCHITECTURES
def test_whole_numbers(architecture):
    run = train(
        lambda n, g: uniform(n, -0.5, 16.5, g).round(),
        lambda x: x + 0.7 * normal(x),
        Variable("count", levels=17),
        [Variable("reading")],
        architecture,
    )
    values = draws(run, [5.4])
    numbers = torch.arange(17, dtype=torch.float64)
    assert torch.equal(values, values.round())
    exact = torch.softmax(-0.5 * ((5.4 - numbers) / 0.7) ** 2, 0)
    shares = torch.stack([(values == k).double().mean() for k in numbers])
    assert float((shares - exact).abs().max()) < 0.08
    density = run.fitted.log_prob(numbers[:, None], [[5.4]] * 17).detach().exp()
    assert float((density - exact).abs().max()) < 0.1
    outside = torch.tensor([[-1.0], [17.0]], dtype=torch.float64)
    assert run.fitted.log_prob(outside, [[5.4]] * 2).isinf().all()


@ARCHITECTURES
def test_an_angle_across_zero(architecture):
    def simulate(x: torch.Tensor) -> torch.Tensor:
        angle = torch.deg2rad(x)
        plane = torch.cat([angle.cos(), angle.sin()], 1)
        return plane + 0.2 * normal(plane)

    run = train(
        lambda n, g: uniform(n, 0, 360, g),
        simulate,
        Variable("bearing", period=360.0),
        [Variable("east"), Variable("north")],
        architecture,
        steps=1000,
    )
    for bearing in (0.0, 120.0, 200.0):
        values = draws(run, [math.cos(math.radians(bearing)), math.sin(math.radians(bearing))])
        assert (values >= 0).all() and (values < 360).all()
        offset = torch.remainder(values - bearing + 180, 360) - 180
        assert abs(float(offset.median())) < 6
        inner = offset.abs().quantile(0.68)
        assert float(inner) == pytest.approx(math.degrees(0.2), rel=0.35)


def test_an_observed_angle_and_an_observed_class():
    def simulate(x: torch.Tensor) -> torch.Tensor:
        label = torch.where(x > 2, 0.0, torch.where(x < -2, 1.0, 2.0))
        return torch.cat([torch.remainder(50 * x + 2 * normal(x), 360), label], 1)

    run = train(
        lambda n, g: uniform(n, -3.6, 3.6, g),
        simulate,
        Variable("x", low=-3.6, high=3.6),
        [Variable("phase", period=360.0), Variable("class", categories=3)],
        "recommended",
    )
    # the phase 350 belongs to x = -0.2, 7 and -7.4; the class tells which of the first two are meant
    values = draws(run, [350.0, 2.0])
    assert values.mean() == pytest.approx(-0.2, abs=0.1) and values.std() < 0.2
    values = draws(run, [150.0, 0.0])
    assert values.median() == pytest.approx(3.0, abs=0.15)
    with pytest.raises(wb.core.errors.SpecError, match="class"):
        run.posterior([350.0, 3.0])
