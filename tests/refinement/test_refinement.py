"""Refinement against exact posteriors: known errors are corrected, hopeless cases are reported."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

import workbench as wb
from workbench.cli import main
from workbench.core.capability import Capability
from workbench.core.errors import DataError, IncompatibleError, RunError, SpecError
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.diagnostics.two_samples import c2st
from workbench.inference.standardisation import Standardisation
from workbench.problems import PROBLEMS, SimulatorProblem
from workbench.problems.ensemble_sampler import resample
from workbench.refinement import REFINEMENT, refine
from workbench.refinement.moves import WalkerEnsemble
from workbench.refinement.weights import importance_weights
from workbench.training import FittedModel

ALL = frozenset({Capability.DENSITY, Capability.LATENT, Capability.CONDITIONAL, Capability.BIJECTION})


class Normal(Model):
    """q(x | y) = N(y / 2 + shift s, (scale s)²) with s the exact posterior's deviation on gaussian_linear."""

    def __init__(self, features, shift, scale, capabilities=ALL):
        super().__init__(features, features, features, capabilities)
        self.unit = torch.nn.Parameter(torch.tensor(math.sqrt(0.05), dtype=torch.float64))
        self.shift, self.scale = shift, scale

    def latent(self, x, y):
        z = (x - y / 2 - self.shift * self.unit) / (self.scale * self.unit)
        return z, -(self.scale * self.unit).log().expand(len(x)) * self.features

    def inverse(self, z, y):
        x = y / 2 + self.unit * (self.shift + self.scale * z)
        return x, (self.scale * self.unit).log().expand(len(z)) * self.features


def wrong(features=2, shift=0.0, scale=1.0, capabilities=ALL):
    """A fitted model with that error, its problem and an observation."""
    problem = PROBLEMS.make("gaussian_linear", features=features)
    standardisation = Standardisation(Shapes(features, features)).double()
    model = Normal(features, shift, scale, capabilities)
    return FittedModel(model, standardisation, problem.x, problem.y), problem, [0.4] * features


def columns(data):
    return np.stack([data[name].values for name in data.data_vars], 1)


def distance_in_moments(x, observation):
    """Largest error of mean and deviation, in deviations of the exact posterior."""
    unit = math.sqrt(0.05)
    return max(np.abs(x.mean(0) - np.array(observation) / 2).max(), np.abs(x.std(0) - unit).max()) / unit


# ---- weights
def test_weights_know_the_evidence_and_the_moments_of_a_gaussian():
    model, problem, y = wrong(shift=0.5, scale=1.5)
    posterior = refine(model, y, method="importance", problem=problem, draws=50_000)
    gain = posterior.gain
    exact = float(problem.log_evidence(torch.tensor([y], dtype=torch.float64)))
    assert abs(gain.log_evidence - exact) < 4 * gain.log_evidence_error < 0.05
    assert distance_in_moments(columns(posterior.sample(20_000)), y) < 0.03
    # E_q[w]² / E_q[w²] for p = N(0, 1), q = N(m, s²), a component
    m, s = 0.5, 1.5
    second = s**2 / math.sqrt(2 * s**2 - 1) * math.exp(m**2 / (2 * s**2 - 1))
    assert gain.effective_sample_size / gain.draws == pytest.approx(second**-2, rel=0.05)
    assert gain.pareto_k < 0.5 and not gain.warnings


def test_an_exact_network_keeps_all_its_draws():
    model, problem, y = wrong()
    gain = refine(model, y, method="importance", problem=problem, draws=2000).gain
    assert gain.effective_sample_size == pytest.approx(2000, rel=1e-6) and gain.pareto_k < 0.5


def test_a_hopeless_proposal_is_flagged_in_words():
    model, problem, y = wrong(features=5, scale=0.3)
    gain = refine(model, y, method="importance", problem=problem, draws=5000).gain
    assert gain.pareto_k > 0.7 and "not to be relied on" in gain.sentence
    assert "markov_chain" in gain.warnings[0]


def test_pareto_k_is_the_shape_of_a_known_tail():
    # q exponential of rate 1, p of rate 1/2: weights ∝ exp(x/2) have a Pareto tail of shape 1/2
    x = torch.distributions.Exponential(torch.tensor(1.0, dtype=torch.float64))
    for rate in (0.75, 0.5, 0.2):
        torch.manual_seed(1)
        assert importance_weights((1 - rate) * x.sample((100_000,))).pareto_k == pytest.approx(
            1 - rate, abs=0.1
        )


def test_impossible_draws_weigh_nothing_and_all_of_them_are_hopeless():
    ratio = torch.zeros(1000, dtype=torch.float64)
    ratio[:500] = -math.inf
    weights = importance_weights(ratio)
    assert weights.size == pytest.approx(500) and weights.log_evidence == pytest.approx(math.log(0.5))
    assert importance_weights(torch.full((100,), -math.inf, dtype=torch.float64)).pareto_k == math.inf


def test_resampling_is_systematic():
    weights = torch.tensor([0.1, 0.6, 0.3], dtype=torch.float64).log()
    rows = resample(weights, 1000, torch.Generator().manual_seed(0))
    assert rows.bincount().tolist() == pytest.approx([100, 600, 300], abs=1)
    assert rows[:100].unique().numel() == 3  # in random order


# ---- moves
def test_moves_leave_a_density_as_it_is_and_reach_it_from_elsewhere():
    generator = torch.Generator().manual_seed(3)
    start = 3 + 0.1 * torch.randn(200, 2, generator=generator, dtype=torch.float64)
    walkers = WalkerEnsemble(start, generator)
    scales = torch.tensor([1.0, 20.0], dtype=torch.float64)
    rate = walkers.move(lambda x: -0.5 * (x / scales).square().sum(1), 150)
    assert 0.2 < rate < 0.7
    assert (walkers.x / scales).mean(0).abs().max() < 0.25
    assert (walkers.x / scales).std(0).numpy() == pytest.approx([1, 1], abs=0.2)


@pytest.mark.parametrize("shift, scale", [(0.5, 1.0), (3.0, 0.6)])
def test_what_is_shifted_or_narrow_becomes_right(shift, scale):
    model, problem, y = wrong(shift=shift, scale=scale)
    settings = {"draws": 3000, "crowd": 1000, "moves": 20}
    posterior = refine(model, y, method="markov_chain", problem=problem, **settings)
    x = columns(posterior.sample(3000))
    before = columns(model.posterior(y).sample(3000))
    assert distance_in_moments(x, y) < 0.12 < distance_in_moments(before, y)
    exact = problem.reference_posterior(y, 800, torch.Generator().manual_seed(1)).numpy()
    assert c2st(exact, x[:800]) < 0.56
    gain, evidence = posterior.gain, float(problem.log_evidence(torch.tensor([y], dtype=torch.float64)))
    assert gain.acceptance > 0.2 and (gain.stages == 1) == (shift < 1)
    assert abs(gain.log_evidence - evidence) < 3 * gain.log_evidence_error < 0.5


@pytest.mark.parametrize("method, settings", [("markov_chain", {"crowd": 200}), ("importance", {})])
def test_an_error_of_the_callback_ends_it(method, settings, capfd):
    class Cancelled(RunError):
        pass

    calls = []

    def callback():
        calls.append(None)
        if len(calls) > 6:
            raise Cancelled("Enough")

    model, problem, y = wrong(shift=3.0, scale=0.6)
    with pytest.raises(Cancelled, match="Enough"):
        refine(model, y, method=method, problem=problem, alive=callback, draws=50_000, **settings)
    assert len(calls) < 12 and not any(capfd.readouterr())


def test_both_modes_of_two_moons_are_held():
    """A normal proposal over the whole square: weights alone leave few draws, moves fill the crescents."""
    problem = PROBLEMS.make("two_moons_posterior")
    standardisation = Standardisation(Shapes(2, 2)).double()
    model = FittedModel(Normal(2, 0.0, 2.0), standardisation, problem.x, problem.y)
    posterior = refine(
        model, [0.0, 0.0], problem=problem, draws=1500, crowd=1000, moves=20, method="markov_chain"
    )
    exact = problem.reference_posterior([0.0, 0.0], 1500, torch.Generator().manual_seed(1)).numpy()
    x = columns(posterior.sample(1500))
    assert abs((x.sum(1) > 0).mean() - 0.5) < 0.06
    assert c2st(exact, x) < 0.56


def test_a_network_without_a_density_is_moved_all_the_same_and_says_so():
    model, problem, y = wrong(scale=0.6, capabilities=ALL - {Capability.DENSITY})
    posterior = refine(model, y, problem=problem, method="markov_chain", draws=2000, crowd=500)
    assert distance_in_moments(columns(posterior.sample(2000)), y) < 0.15
    assert math.isnan(posterior.gain.log_evidence) and "no density" in posterior.gain.sentence
    with pytest.raises(IncompatibleError, match="tractable density"):
        refine(model, y, problem=problem, method="importance")


# ---- rounds
def narrow_simulator():
    """x ~ U(-1, 1)², y = x + N(0, 0.05²): a posterior that fills a thousandth of the prior."""
    simulate = lambda x: x + 0.05 * torch.randn_like(x)  # noqa: E731
    prior = lambda n, g: 2 * torch.rand(n, 2, generator=g, dtype=torch.float64) - 1  # noqa: E731
    return SimulatorProblem(prior, simulate, x=["a", "b"], y=["c", "d"])


@pytest.fixture(scope="module")
def short_run():
    architecture = {"key": "neural_spline_coupling", "settings": {"transforms": 2, "width": 16}}
    training = {"samples": 600, "measured": [], "validate_every": 20, "learning_rate": 5e-3}
    run = wb.Run(wb.Experiment(narrow_simulator(), architecture, training=training, steps=120))
    list(run)
    return run


@pytest.mark.slow
def test_rounds_where_only_a_simulator_is_known_gain(short_run):
    y, unit = [0.3, -0.2], 0.05
    posterior = refine(short_run, y, simulations=500, rounds=2, steps=500)
    gain, x = posterior.gain, columns(posterior.sample(2000))
    before = columns(short_run.posterior(y).sample(2000))
    assert gain.method == "truncated" and gain.simulations == 1000
    assert 0.001 < gain.prior_share < 0.3 and gain.improvement > 0.1
    errors = [
        abs(np.log(part.std(0) / unit)).max() + np.abs(part.mean(0) - y).max() / unit for part in (before, x)
    ]
    assert errors[1] < 0.6 * errors[0] and errors[1] < 0.5


def test_rounds_use_what_the_run_has_simulated_and_nothing_else(short_run):
    pairs = short_run.data.pairs()
    samples = short_run.problem.draw(600, torch.Generator().manual_seed(0))
    assert len(pairs) == 600
    assert torch.allclose(pairs.x.sort(0).values, samples.x.sort(0).values, atol=1e-6)
    again = wb.Run(short_run.experiment, samples=pairs)
    with pytest.raises(RunError, match="cannot be resumed"):
        again.attach("nowhere")
    assert len(again.data.pairs()) == 600


@pytest.mark.parametrize("key", [p.key for p in PROBLEMS if not p.unavailable()])
def test_the_prior_of_a_simulator_is_the_distribution_of_x(key):
    problem = PROBLEMS[key]()
    if problem.refusals():
        return
    first, second = (torch.Generator().manual_seed(7) for _ in range(2))
    x = problem.prior(50, first)
    assert x.shape == (50, len(problem.x)) and x.dtype == torch.float64
    assert torch.equal(x, problem.draw(50, second).x)


# ---- the call
def test_same_seed_same_draws_with_names_and_the_gain():
    model, problem, y = wrong(scale=1.2)
    first, second = (
        refine(model, y, problem=problem, draws=1000, crowd=200, method="markov_chain", seed=s)
        for s in (4, 4)
    )
    assert first.sample(50).identical(second.sample(50).assign_attrs(first.sample(50).attrs))
    data = first.sample(10, seed=1)
    assert list(data.data_vars) == ["x1", "x2"] and data.attrs["observation"] == y
    assert data.attrs["refinement_acceptance"] == first.gain.acceptance
    weights = refine(model, y, problem=problem, method="importance", draws=500).weighted()
    assert float(np.exp(weights["log_weight"]).sum()) == pytest.approx(1)


def test_mistakes_are_answered_with_a_sentence():
    model, problem, y = wrong()
    with pytest.raises(DataError, match="wrong number of values"):
        refine(model, [1.0], problem=problem)
    with pytest.raises(SpecError, match="Did you mean 'importance'"):
        refine(model, y, problem=problem, method="importanc")
    with pytest.raises(SpecError, match="did not|problem"):
        refine(model, y)
    with pytest.raises(IncompatibleError, match="joint density"):
        refine(
            model,
            y,
            problem=PROBLEMS.make("linear_gaussian", observations=2, noise=0.0),
            method="importance",
        )
    posterior = refine(model, y, problem=problem, method="markov_chain", draws=200, crowd=100, moves=2)
    with pytest.raises(DataError, match="draws=500"):
        posterior.sample(500)
    with pytest.raises(SpecError, match="positive"):
        posterior.sample(0)


def test_every_refinement_is_described():
    for member in REFINEMENT:
        assert member.summary.endswith(".") and member.reference
        assert all(setting.doc for setting in member.settings())


def test_the_command_line_refines_a_run(tmp_path, capsys):
    architecture = {"key": "realnvp", "settings": {"transforms": 2, "width": 8}}
    run = wb.Run(
        wb.Experiment("gaussian_linear", architecture, training={"samples": 200}, steps=1),
        folder=tmp_path / "run",
    )
    run.step()
    run.save()
    out = tmp_path / "draws.nc"
    words = [
        "refine",
        str(run.folder.path),
        "--observation",
        ",".join(["0.1"] * 10),
        "--method",
        "markov_chain",
        "--set",
        "draws=300",
        "--set",
        "crowd=100",
        "--draws",
        "200",
        "--out",
        str(out),
        "--json",
    ]
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["gain"]["method"] == "markov_chain" and len(answer["variables"]) == 10 and out.exists()
    assert main(["refine", str(run.folder.path), "--observation", "1"]) == 2
    assert "wrong number of values" in capsys.readouterr().err
