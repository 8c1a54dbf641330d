"""Draws are finite, always: bounded extrapolation, and what is not finite is drawn anew, counted and told."""

from __future__ import annotations

import warnings

import pytest
import torch

from workbench.core.errors import SpecError
from workbench.inference.finite_draws import NonFiniteDrawsWarning
from workbench.nn.normal_scores import NormalScores
from workbench.nn.two_piece_normal import TwoPieceNormal
from workbench.training import Experiment, Run


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(Experiment("linear_gaussian", "realnvp", training={"samples": 256}, steps=1), device="cpu")


class Leaking:
    """A network's draws with a share of rows that are not finite; the first is always one of them."""

    def __init__(self, draw, share: float):
        self.draw, self.share, self.calls = draw, share, 0

    def __call__(self, z, y):
        x = self.draw(z, y).clone()
        leaks = torch.rand(len(x), generator=torch.Generator().manual_seed(self.calls)) < self.share
        leaks[0] |= self.calls == 0
        self.calls += 1
        x[leaks] = torch.nan
        return x


@pytest.mark.parametrize("share", [0.0, 0.05, 0.9])
def test_draws_that_are_not_finite_are_drawn_anew_counted_and_told(run, monkeypatch, share):
    fitted, observation = run.fitted, run.problem.default_observation
    leak = Leaking(fitted.model.draw, share)
    monkeypatch.setattr(fitted.model, "draw", leak)
    with pytest.warns(NonFiniteDrawsWarning, match="of 500 draws were not finite"):
        data = fitted.posterior(observation).sample(500)
    assert bool(data.to_array().notnull().all())
    first = Leaking(lambda z, y: torch.zeros(len(z), 1), share)(torch.zeros(500, 1), None)
    assert data.attrs["redrawn"] == int(first.isnan().sum())
    assert data.sizes["draw"] == 500


def test_finite_draws_are_not_mentioned(run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = run.fitted.posterior(run.problem.default_observation).sample(100)
    assert "redrawn" not in data.attrs


def test_where_nothing_finite_comes_there_is_a_sentence_and_soon(run, monkeypatch):
    fitted = run.fitted
    leak = Leaking(fitted.model.draw, 1.1)
    monkeypatch.setattr(fitted.model, "draw", leak)
    with pytest.raises(SpecError, match="no finite draws to give") as failure:
        fitted.posterior(run.problem.default_observation).sample(500)
    assert "500 that were not finite" in str(failure.value) and leak.calls < 10


def test_checks_still_count_what_is_drawn_anew_for_users(run, monkeypatch):
    from workbench.diagnostics.checks.base import non_finite_share, posterior_draws

    fitted = run.fitted
    monkeypatch.setattr(fitted.model, "draw", Leaking(fitted.model.draw, 0.3))
    y = run.problem.draw(50, torch.Generator().manual_seed(0)).y
    assert non_finite_share(posterior_draws(fitted, y, 50, 20, 0)) == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("far", [0.0, 2.0, 10.0, 1e3, 1e6])
def test_normal_scores_stay_within_a_few_units_however_far_y_lies(far):
    generator = torch.Generator().manual_seed(0)
    # an edge, heavy tails, a normal column
    edge = torch.rand(4000, 1, generator=generator).sqrt()
    tails = torch.randn(4000, 1, generator=generator) / torch.rand(4000, 1, generator=generator)
    y = torch.cat([edge, tails, torch.randn(4000, 1, generator=generator)], 1).double()
    y = (y - y.mean(0)) / y.std(0)
    scores = NormalScores(3).double()
    scores.prepare(y)
    out = scores(y + far)[:, 3:]
    assert float(out.abs().max()) <= 5.1
    order = y[:, 1].argsort()
    assert bool((scores(y)[order, 4].diff() >= 0).all())  # still in order in the tails
    inside = (y[:, 0] > y[:, 0].quantile(0.01)) & (y[:, 0] < y[:, 0].quantile(0.99))
    assert float((scores(y)[inside, 3].std() - 1).abs()) < 0.1


def test_scores_of_an_earlier_version_are_not_bounded():
    scores = NormalScores(1)
    scores.prepare(torch.rand(2000, 1, generator=torch.Generator().manual_seed(0)).sqrt())
    state = {name: value for name, value in scores.state_dict().items() if name != "limit"}
    old = NormalScores(1)
    old.load_state_dict(state)
    assert float(old(torch.tensor([[3.0]]))[0, 1]) > 20 > 5.1 > float(scores(torch.tensor([[3.0]]))[0, 1])


def test_mixtures_of_any_parameters_give_finite_draws_and_densities():
    generator = torch.Generator().manual_seed(0)
    for scale in (1.0, 100.0, 1e4):
        mixture = TwoPieceNormal.read(scale * torch.randn(2000, 32, generator=generator))
        v = mixture.draw(torch.randn(2000, generator=generator), None)
        assert bool(v.isfinite().all()) and float(v.abs().max()) <= 1e4
        assert bool(mixture.log_prob(v, None).isfinite().all())
