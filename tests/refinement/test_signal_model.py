"""The local model of the signal: exact where it must be, and against the posterior on a grid."""

from __future__ import annotations

import math

import pytest
import torch

from tools.make_geoacoustic_reference import Prior
from workbench import diagnostics
from workbench.core.errors import IncompatibleError
from workbench.problems import PROBLEMS
from workbench.problems.ocean import geoacoustic
from workbench.problems.ocean import geoacoustic_field as field
from workbench.refinement import SignalModel, local_signal
from workbench.refinement.local_signal import LocalModel, SignalTable


class _Quadratic:
    """A signal that is a polynomial of degree 2, in normal noise, under a standard normal prior."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.first, self.second = (torch.randn(n, 4, generator=generator).double() for n in (2, 3))

    def signals(self, x):
        return x @ self.first + torch.stack([x[:, 0] ** 2, x[:, 0] * x[:, 1], x[:, 1] ** 2], 1) @ self.second

    def signal_numbers(self, signals, y):
        return signals

    def log_likelihood_of(self, numbers, y):
        return -0.5 * (numbers - y).square().sum(1)

    def log_prior(self, x):
        return -0.5 * x.square().sum(1) - math.log(2 * math.pi)


def test_a_signal_of_degree_two_is_its_model():
    problem, y = _Quadratic(), torch.randn(4, generator=torch.Generator().manual_seed(1)).double()
    table = SignalTable(problem, y)
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    logs = table.add(x)
    model = LocalModel(problem, y, x, table.numbers, torch.full((400,), 1 / 400, dtype=torch.float64))
    # up to what the ridge takes away
    assert (model.log_joint(x[:50]) - logs[:50]).abs().max() < 0.15
    assert model.log_joint(torch.full((1, 2), 50.0, dtype=torch.float64)).isinf()


def test_the_temperature_leaves_as_many_as_asked_for():
    table = SignalTable(_Quadratic(), torch.zeros(4).double())
    table.add(3 * torch.randn(500, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    heat = table.temperature(100)
    weights = (table.logs / heat).softmax(0)
    assert heat > 1 and float(1 / weights.square().sum()) == pytest.approx(100, rel=1e-3)
    assert table.temperature(1.0) == 1.0


@pytest.fixture(scope="module")
def refined():
    problem = PROBLEMS.make("geoacoustic", signal_to_noise=5.0)
    y = torch.tensor(problem.default_observation, dtype=torch.float64)
    method = SignalModel(first=300, batch=100, draws=2000, moves=30)
    return problem, y, method.refine(Prior(problem, y), seed=1)


def test_begun_at_the_prior_it_ends_at_the_posterior_on_a_grid(refined):
    problem, y, posterior = refined
    exact = problem.reference_posterior(y, 1000, torch.Generator().manual_seed(0))
    draws = torch.from_numpy(posterior.sample(1000, seed=2).to_array().values.T.copy())
    spread = exact.std(0)
    assert ((draws.mean(0) - exact.mean(0)).abs() < 0.2 * spread).all()
    assert ((draws.std(0) / spread - 1).abs() < 0.15).all()
    assert diagnostics.c2st(exact, draws, iterations=60) < 0.56


def test_its_gain_is_reported_and_its_weights_are_exact(refined):
    problem, y, posterior = refined
    gain = posterior.gain
    assert gain.effective_sample_size > 0.4 * gain.draws and gain.evaluations >= 2000
    assert "model of the signal" in gain.sentence and "computed" in gain.sentence
    data = posterior.weighted()
    x = torch.from_numpy(data[["depth", "speed"]].to_array().values.T.copy())
    assert problem.log_prior(x).isfinite().all()
    assert float(data["log_weight"].to_numpy().max()) < 0


def _on_the_grid(problem, y):
    """Midpoints of a grid (n, 2), log p(x, y) there (n,) and the area of a cell."""
    axes = [field.midpoints(v.low, v.high, 150) for v in problem.x]
    x = torch.cartesian_prod(*axes)
    fields = geoacoustic._coarse_grid().flatten(0, 1)
    recording = field.as_recordings(y[None], 21)[0]
    logs = problem.log_likelihood(fields, recording) + problem.log_prior(x)
    return x, logs, math.prod((v.high - v.low) / 150 for v in problem.x)


def test_the_evidence_is_that_of_the_grid(refined):
    problem, y, posterior = refined
    _, logs, area = _on_the_grid(problem, y)
    exact = float(logs.logsumexp(0)) + math.log(area)
    assert abs(posterior.gain.log_evidence - exact) < 3 * posterior.gain.log_evidence_error
    assert posterior.gain.log_evidence_error < 0.2


@pytest.mark.slow
def test_what_lies_beyond_the_modelled_region_is_the_networks(refined, monkeypatch):
    """Modelled is only what is within one standard deviation: half of the posterior is beyond."""
    problem, y, _ = refined
    monkeypatch.setattr(local_signal, "_REACH", (1.0, 0.0))
    x, logs, _ = _on_the_grid(problem, y)
    weights = logs.softmax(0)
    middle = weights @ x
    spread = (weights @ (x - middle).square()).sqrt()

    def refine(network):
        method = SignalModel(first=300, batch=100, draws=1000, moves=30)
        posterior = method.refine(network, seed=1)
        draws = torch.from_numpy(posterior.sample(2000, seed=2).to_array().values.T.copy())
        return posterior.gain, (draws.mean(0) - middle) / spread, draws.std(0) / spread

    class Wide(Prior):
        normal = torch.distributions.Normal(middle, 2 * spread)

        def draw(self, n, generator):
            return middle + 2 * spread * torch.randn(n, 2, generator=generator, dtype=torch.float64)

        def log_density(self, x):
            return self.normal.log_prob(x).sum(1)

    class WithoutDensity(Wide):
        has_density = False

    gain, shift, ratio = refine(Wide(problem, y))
    assert (shift.abs() < 0.25).all() and ((ratio - 1).abs() < 0.2).all()
    assert math.isfinite(gain.log_evidence) and gain.evaluations > 1400
    gain, _, ratio = refine(WithoutDensity(problem, y))
    assert (ratio < 0.7).all() and math.isnan(gain.log_evidence)


def test_where_few_draws_are_effective_more_are_weighted(refined):
    problem, y, _ = refined
    few, many = (
        SignalModel(first=300, batch=100, draws=200, moves=20, effective=n).refine(Prior(problem, y), seed=1)
        for n in (1, 800)
    )
    assert few.gain.effective_sample_size < 400 < 800 <= many.gain.effective_sample_size
    assert many.gain.evaluations > few.gain.evaluations + 600


class Normal(Prior):
    """A normal network of a width and place that are off by known amounts."""

    def __init__(self, problem, y, exact, scale, shift):
        super().__init__(problem, y)
        self.normal = torch.distributions.MultivariateNormal(
            exact.mean(0) + shift * exact.std(0), scale_tril=scale * torch.linalg.cholesky(exact.T.cov())
        )

    def draw(self, n, generator):
        noise = torch.randn(n, 2, generator=generator, dtype=torch.float64)
        return self.normal.mean + noise @ self.normal.scale_tril.T

    def log_density(self, x):
        return self.normal.log_prob(x)


@pytest.mark.parametrize(("scale", "shift"), [(0.5, 0.0), (0.3, 0.0), (1.0, 1.5), (0.5, 1.5)])
def test_a_network_that_is_too_narrow_or_off_does_not_cut_the_posterior_off(refined, scale, shift):
    problem, y, _ = refined
    exact = problem.reference_posterior(y, 4000, torch.Generator().manual_seed(0))
    _, logs, area = _on_the_grid(problem, y)
    evidence = float(logs.logsumexp(0)) + math.log(area)
    method = SignalModel(first=300, batch=100, draws=2000, moves=30)
    gain = (posterior := method.refine(Normal(problem, y, exact, scale, shift), seed=1)).gain
    draws = torch.from_numpy(posterior.sample(2000, seed=2).to_array().values.T.copy())
    assert ((draws.std(0) / exact.std(0) - 1).abs() < 0.1).all()
    assert ((draws.mean(0) - exact.mean(0)).abs() < 0.1 * exact.std(0)).all()
    assert abs(gain.log_evidence - evidence) < 4 * gain.log_evidence_error + 0.01  # the grid's own error
    assert gain.log_evidence_error < 0.1 and "cut off" not in gain.sentence


def test_a_region_that_cannot_grow_is_told(refined, monkeypatch):
    problem, y, _ = refined
    monkeypatch.setattr(local_signal, "_REACH", (1.0, 0.0))
    gain = SignalModel(first=300, batch=100, draws=500, moves=20).refine(Prior(problem, y), seed=1).gain
    assert "may be cut off" in gain.sentence


def test_problems_that_know_no_signal_are_refused():
    problem = PROBLEMS.make("gaussian_linear")
    with pytest.raises(IncompatibleError, match="signal and noise"):
        SignalModel().refine(Prior(problem, torch.zeros(10)), seed=0)


def test_numbers_of_a_signal_do_not_know_its_phase_and_have_its_likelihood():
    problem = PROBLEMS.make("geoacoustic", tier="swx_4")
    samples = problem.draw(3, torch.Generator().manual_seed(3))
    with torch.no_grad():
        signals = problem.signals(samples.x)
    other_phase = (
        signals * torch.exp(torch.tensor([0.7j, -2.0j, 3.0j], dtype=torch.complex128))[None, :, None]
    )
    y = samples.y[0]
    numbers = problem.signal_numbers(signals, y)
    torch.testing.assert_close(numbers, problem.signal_numbers(other_phase, y))
    joint = problem.log_joint(samples.x, y.expand(3, -1))
    torch.testing.assert_close(problem.log_likelihood_of(numbers, y) + problem.log_prior(samples.x), joint)
