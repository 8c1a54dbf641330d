"""Refinement in the explorer, without a browser and without its other process."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.refinement.test_refinement import wrong
from tests.ui.test_explorer import InlinePool, ManualPool
from workbench.core.errors import RunError
from workbench.diagnostics.posterior_explorer import PosteriorExplorer
from workbench.export import save
from workbench.problems import PROBLEMS
from workbench.refinement import Gain
from workbench.training import Experiment, Run
from workbench.ui import latest_query, refinement_panel
from workbench.ui.explorer_page import ExplorerPage
from workbench.ui.models import EXAMPLE, models

# tables: bokeh calls pandas in a way that pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A network that has learned nothing but mean and spread of a problem whose posterior is known."""
    file = tmp_path_factory.mktemp("untrained") / "gaussian.zip"
    problem = PROBLEMS.make("gaussian_linear", features=2)
    save(Run(Experiment(problem, "realnvp", training={"samples": 2000}), device="cpu"), file)
    return str(file)


def open_page(file, pool=None):
    page = ExplorerPage(pool=InlinePool())
    page.models._offer({"Gaussian": file, **models()})
    page.models.open(file)
    if pool is not None:
        page.refinement_panel._query._pool = pool
    return page


@pytest.fixture(scope="module")
def page(untrained):
    return open_page(untrained)


# ---- functions of the helper process
@pytest.mark.parametrize("method", ["markov_chain", "importance"])
def test_a_shifted_narrow_posterior_is_corrected_and_the_gain_reported(method):
    shift, scale = 0.5, 0.75
    model, problem, y = wrong(shift=shift, scale=scale)
    summary = PosteriorExplorer(model, problem).refine(tuple(y), method)
    unit = math.sqrt(0.05)
    assert summary.draws.mean(0) / unit == pytest.approx(np.array(y) / 2 / unit, abs=0.1)
    assert summary.draws.std(0) / unit == pytest.approx([1, 1], abs=0.1)
    # seen from the network, whose spread is `scale`
    assert summary.mean_shift == pytest.approx([-shift / scale] * 2, abs=3 * summary.chance)
    assert summary.sd_ratio == pytest.approx([1 / scale] * 2, rel=0.12)
    gain = summary.gain
    # of the network's draws and of those that look for missing modes; chains take more
    assert gain.evaluations == 40_000 if method == "importance" else gain.evaluations > 40_000
    assert 0 < gain.effective_sample_size < gain.draws and gain.seconds > 0
    assert "Means moved by up to 0." in refinement_panel.change_sentence(summary, ["a", "b"])


def test_a_correct_posterior_stays_unchanged():
    model, problem, y = wrong()
    summary = PosteriorExplorer(model, problem).refine(tuple(y), "importance")
    assert np.abs(summary.mean_shift).max() < summary.chance
    assert "little to correct" in refinement_panel.change_sentence(summary, ["a", "b"])
    assert "Pareto k̂" in refinement_panel.readout(summary, ["a", "b"])


def test_a_refinement_ends_without_its_lease_and_when_it_takes_too_long(untrained, tmp_path, monkeypatch):
    y = latest_query.model_info(untrained).default_observation
    with pytest.raises(RunError, match="cancelled"):
        latest_query.refine(untrained, y, "importance", str(tmp_path / "gone"))
    lease, calls = tmp_path / "lease", []
    lease.touch()
    exists = Path.exists

    def remove_then_exists(path):
        calls.append(path == lease)
        if sum(calls) == 4:
            lease.unlink()
        return exists(path)

    monkeypatch.setattr(Path, "exists", remove_then_exists)
    with pytest.raises(RunError, match="cancelled"):
        latest_query.refine(untrained, y, "markov_chain", str(lease))
    monkeypatch.undo()
    lease.touch()
    monkeypatch.setattr(latest_query, "TIME_LIMIT", -1)
    with pytest.raises(RunError, match="longer"):
        latest_query.refine(untrained, y, "importance", str(lease))


def test_methods_are_those_that_model_and_problem_allow(untrained):
    offers = {offer.key: offer for offer in latest_query.model_info(untrained).refinements}
    assert [key for key, offer in offers.items() if not offer.reason] == [
        "markov_chain",
        "importance",
        "truncated",
    ]
    assert offers["truncated"].trains and "separates signal and noise" in offers["signal_model"].reason
    example = latest_query.model_info(models()[EXAMPLE]).refinements
    assert {o.key for o in example if o.reason} == {"signal_model", "markov_chain", "importance"}


# ---- the page
def test_the_refined_posterior_is_shown_with_the_others_and_belongs_to_its_observation(page):
    page.navigation.show("live")
    assert list(page.refinement_panel.method.options.values()) == ["markov_chain", "importance"]
    page.state.observe((0.6, -0.3))
    page.refinement_panel.button.clicks += 1
    assert not page.refinement_panel.busy and page.refinement_panel.button.label == "Refine"
    problem, generator = PROBLEMS.make("gaussian_linear", features=2), torch.Generator().manual_seed(0)
    exact = problem.reference_posterior(page.state.observation, 4000, generator)
    draws, exact = page.state.refined.draws, exact.numpy()
    spread = exact.std(0)
    assert np.abs((draws.mean(0) - exact.mean(0)) / spread).max() < 0.15
    assert draws.std(0) / spread == pytest.approx(np.ones(len(spread)), abs=0.12)
    readout = page.refinement_panel.message.object
    assert all(word in readout for word in ("exact ones", "Pareto k̂", "evaluations", "spread"))
    assert len(page.corner.columns["refined"]["corner_horizontal"]) > 100
    page.navigation.show("marginals")
    assert len(page.intervals.columns["refined"]["intervals_horizontal"]) > 100
    assert ">refined<" in page.table.object
    page.navigation.show("live")
    page.fit.clicks += 1  # other axes: a new histogram, not a new refinement
    assert len(page.corner.columns["refined"]["corner_horizontal"]) > 100
    page.state.whole_axes()
    page.observation_picker.sliders[0].value += 0.2
    assert page.state.refined is None and not len(page.corner.columns["refined"]["corner_horizontal"])
    assert "discarded" in page.refinement_panel.message.object


def test_it_is_cancelled_or_superseded_by_a_movement(untrained):
    pool = ManualPool()
    page = open_page(untrained, pool)
    page.refinement_panel.button.clicks += 1
    lease = pool.calls[0][1][-1]
    assert (
        page.refinement_panel.busy and page.refinement_panel.button.label == "Cancel" and Path(lease).exists()
    )
    page.refinement_panel.button.clicks += 1
    assert (
        not page.refinement_panel.busy
        and not Path(lease).exists()
        and "Cancelled" in page.refinement_panel.message.object
    )
    pool.calls[0][0].set_exception(RunError("The refinement was cancelled"))
    assert "Cancelled" in page.refinement_panel.message.object
    page.refinement_panel.button.clicks += 1
    lease = pool.calls[1][1][-1]
    page.observation_picker.sliders[0].value += 0.1
    assert (
        not page.refinement_panel.busy
        and not Path(lease).exists()
        and "discarded" in page.refinement_panel.message.object
    )
    pool.calls[1][0].set_result("of another observation")
    assert page.state.refined is None and not page.refinement_panel.busy
    page.refinement_panel.button.clicks += 1
    lease = pool.calls[2][1][-1]
    page.models.open(models()[EXAMPLE])
    assert not page.refinement_panel.busy and not Path(lease).exists()
    page.close()


def test_warnings_stand_above_the_plots_as_long_as_the_draws_are_shown(page, monkeypatch):
    def doubtful(*arguments):
        summary = latest_query.refine(*arguments)
        return replace(summary, gain=replace(summary.gain, warnings=("Few moves are accepted.",)))

    monkeypatch.setattr(page.refinement_panel._query, "_work", doubtful)
    page.refinement_panel.method.value = "importance"
    assert "--method importance" in page.refinement_panel.commands.object
    page.refinement_panel.button.clicks += 1
    assert "Refined draws: Few moves are accepted." in page.message.object
    page.observation_picker.sliders[0].value -= 0.2
    assert "Refined draws" not in page.message.object
    page.refinement_panel.method.value = "markov_chain"


def test_an_error_is_shown(page, monkeypatch):
    def fails(*_):
        raise RunError("It broke")

    monkeypatch.setattr(page.refinement_panel._query, "_work", fails)
    page.refinement_panel.button.clicks += 1
    assert (
        "It broke" in page.refinement_panel.message.object and "bad" in page.refinement_panel.message.object
    )
    assert not page.refinement_panel.busy and page.state.refined is None


def test_impossible_methods_have_a_reason_and_those_that_train_a_command():
    page = ExplorerPage(pool=InlinePool())
    assert (
        not page.refinement_panel._controls.visible
        and "joint density" in page.refinement_panel.message.object
    )
    page.state.observe((1.25, -0.5))
    page.state.rest()  # a command at every movement would be in the way
    command = page.refinement_panel.commands.object
    assert "--observation=1.25,-0.5 --method truncated" in command and models()[EXAMPLE] in command
    page.close()


def test_a_missing_problem_is_reported(page):
    about = page.state.info
    offers = [replace(offer, reason="The problem is not here.") for offer in about.refinements]
    page.state.info = replace(about, problem_capabilities=frozenset(), refinements=tuple(offers))
    try:
        page.refinement_panel._on_model()
        assert (
            "not here" in page.refinement_panel.message.object and not page.refinement_panel.commands.object
        )
        page.refinement_panel.toggle()
        assert not page.refinement_panel.busy
    finally:
        page.state.info = about
        page.refinement_panel._on_model()


def test_pareto_k_and_warnings_are_reported_in_words():
    words = [refinement_panel.reliability(k) for k in (-math.inf, 0.2, 0.6, 0.9, math.inf)]
    assert "same weight" in words[0] and "good" in words[1] and "fair" in words[2]
    assert words[3] == words[4] and "not to be relied on" in words[3]
    model, problem, y = wrong(features=5, scale=0.3)
    summary = PosteriorExplorer(model, problem).refine(tuple(y), "importance")
    assert "amber" in refinement_panel.readout(summary, list("abcde"))
    warning, missing = refinement_panel.warnings_of(summary)
    assert "is missing" in missing  # so narrow a network leaves out most of the posterior
    assert "not to be relied on" in warning and "“Resampling and Markov chain moves”" in warning
    plain = replace(summary, gain=Gain("x", 1.0), mean_shift=np.zeros(5), sd_ratio=np.ones(5))
    assert "Pareto" not in refinement_panel.readout(plain, list("abcde"))
