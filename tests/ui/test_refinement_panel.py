"""Refinement in the explorer, without a browser and without its other process."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.refinement.test_refinement import wrong
from tests.ui.test_explorer import Held, Here
from workbench.core.errors import RunError
from workbench.diagnostics.posterior_explorer import Explorer as Asked
from workbench.export import save
from workbench.problems import PROBLEMS
from workbench.refinement import Gain
from workbench.training import Experiment, Run
from workbench.ui import latest_query, refinement_panel
from workbench.ui.explorer_page import Explorer
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


def opened(file, pool=None):
    page = Explorer(pool=Here())
    page.models._offer({"Gaussian": file, **models()})
    page.models.open(file)
    if pool is not None:
        page.refining._asker._errands = pool
    return page


@pytest.fixture(scope="module")
def page(untrained):
    return opened(untrained)


# ---- what is done in the other process
@pytest.mark.parametrize("method", ["markov_chain", "importance"])
def test_a_shifted_narrow_posterior_becomes_right_and_says_what_it_gained(method):
    shift, scale = 0.5, 0.75
    fitted, problem, y = wrong(shift=shift, scale=scale)
    found = Asked(fitted, problem).refined(tuple(y), method)
    unit = math.sqrt(0.05)
    assert found.draws.mean(0) / unit == pytest.approx(np.array(y) / 2 / unit, abs=0.1)
    assert found.draws.std(0) / unit == pytest.approx([1, 1], abs=0.1)
    # seen from the network, whose spread is `scale`
    assert found.moved == pytest.approx([-shift / scale] * 2, abs=3 * found.chance)
    assert found.widened == pytest.approx([1 / scale] * 2, rel=0.12)
    evaluations, gain = {"importance": 20_000, "markov_chain": 20_000}[method], found.gain
    assert gain.evaluations == evaluations if method == "importance" else gain.evaluations > evaluations
    assert 0 < gain.effective_sample_size < gain.draws and gain.seconds > 0
    assert "Means moved by up to 0." in refinement_panel.changed(found, ["a", "b"])


def test_a_right_posterior_is_left_alone():
    fitted, problem, y = wrong()
    found = Asked(fitted, problem).refined(tuple(y), "importance")
    assert np.abs(found.moved).max() < found.chance
    assert "little to mend" in refinement_panel.changed(found, ["a", "b"])
    assert "Pareto k̂" in refinement_panel.readout(found, ["a", "b"])


def test_a_refinement_ends_without_its_lease_and_when_it_takes_too_long(untrained, tmp_path, monkeypatch):
    y = latest_query.about(untrained).default_observation
    with pytest.raises(RunError, match="cancelled"):
        latest_query.refined(untrained, y, "importance", str(tmp_path / "gone"))
    lease, looks = tmp_path / "lease", []
    lease.touch()
    exists = Path.exists

    def taken_away(path):
        looks.append(path == lease)
        if sum(looks) == 4:
            lease.unlink()
        return exists(path)

    monkeypatch.setattr(Path, "exists", taken_away)
    with pytest.raises(RunError, match="cancelled"):
        latest_query.refined(untrained, y, "markov_chain", str(lease))
    monkeypatch.undo()
    lease.touch()
    monkeypatch.setattr(latest_query, "LONGEST", -1)
    with pytest.raises(RunError, match="longer"):
        latest_query.refined(untrained, y, "importance", str(lease))


def test_methods_are_those_that_model_and_problem_allow(untrained):
    offers = {offer.key: offer for offer in latest_query.about(untrained).refinements}
    assert [key for key, offer in offers.items() if not offer.reason] == [
        "markov_chain",
        "importance",
        "truncated",
    ]
    assert offers["truncated"].trains and "tells signal and noise apart" in offers["signal_model"].reason
    example = latest_query.about(models()[EXAMPLE]).refinements
    assert {o.key for o in example if o.reason} == {"signal_model", "markov_chain", "importance"}


# ---- the page
def test_the_refined_posterior_is_laid_over_the_others_and_belongs_to_its_observation(page):
    page.navigation.show("live")
    assert list(page.refining.method.options.values()) == ["markov_chain", "importance"]
    page.state.observe((0.6, -0.3))
    page.refining.button.clicks += 1
    assert not page.refining.busy and page.refining.button.label == "Refine"
    problem, generator = PROBLEMS.make("gaussian_linear", features=2), torch.Generator().manual_seed(0)
    exact = problem.reference_posterior(page.state.observation, 4000, generator)
    found, exact = page.state.refined.draws, exact.numpy()
    spread = exact.std(0)
    assert np.abs((found.mean(0) - exact.mean(0)) / spread).max() < 0.15
    assert found.std(0) / spread == pytest.approx(np.ones(len(spread)), abs=0.12)
    said = page.refining.said.object
    assert "exact ones" in said and "Pareto k̂" in said and "evaluations" in said and "spread" in said
    assert len(page.corner.columns["refined"]["corner_horizontal"]) > 100
    page.navigation.show("marginals")
    assert len(page.intervals.columns["refined"]["intervals_horizontal"]) > 100
    assert ">refined<" in page.table.object
    page.navigation.show("live")
    page.fit.clicks += 1  # other axes: it is counted anew, not refined anew
    assert len(page.corner.columns["refined"]["corner_horizontal"]) > 100
    page.state.whole_axes()
    page.observing.sliders[0].value += 0.2
    assert page.state.refined is None and not len(page.corner.columns["refined"]["corner_horizontal"])
    assert "dropped" in page.refining.said.object


def test_it_is_cancelled_or_superseded_by_a_movement(untrained):
    held = Held()
    page = opened(untrained, held)
    page.refining.button.clicks += 1
    lease = held.sent[0][1][-1]
    assert page.refining.busy and page.refining.button.label == "Cancel" and Path(lease).exists()
    page.refining.button.clicks += 1
    assert not page.refining.busy and not Path(lease).exists() and "Cancelled" in page.refining.said.object
    held.sent[0][0].set_exception(RunError("The refinement was cancelled"))
    assert "Cancelled" in page.refining.said.object
    page.refining.button.clicks += 1
    lease = held.sent[1][1][-1]
    page.observing.sliders[0].value += 0.1
    assert not page.refining.busy and not Path(lease).exists() and "dropped" in page.refining.said.object
    held.sent[1][0].set_result("of another observation")
    assert page.state.refined is None and not page.refining.busy
    page.refining.button.clicks += 1
    lease = held.sent[2][1][-1]
    page.models.open(models()[EXAMPLE])
    assert not page.refining.busy and not Path(lease).exists()
    page.close()


def test_warnings_stand_above_the_plots_as_long_as_the_draws_are_shown(page, monkeypatch):
    def doubtful(*arguments):
        found = latest_query.refined(*arguments)
        return replace(found, gain=replace(found.gain, warnings=("Few moves are accepted.",)))

    monkeypatch.setattr(page.refining._asker, "_work", doubtful)
    page.refining.method.value = "importance"
    assert "--method importance" in page.refining.elsewhere.object
    page.refining.button.clicks += 1
    assert "Refined draws: Few moves are accepted." in page.said.object
    page.observing.sliders[0].value -= 0.2
    assert "Refined draws" not in page.said.object
    page.refining.method.value = "markov_chain"


def test_an_error_is_said(page, monkeypatch):
    def fails(*_):
        raise RunError("It broke")

    monkeypatch.setattr(page.refining._asker, "_work", fails)
    page.refining.button.clicks += 1
    assert "It broke" in page.refining.said.object and "bad" in page.refining.said.object
    assert not page.refining.busy and page.state.refined is None


def test_what_is_not_possible_says_why_and_what_trains_is_left_to_the_command_line():
    page = Explorer(pool=Here())
    assert not page.refining._controls.visible and "joint density" in page.refining.said.object
    page.state.observe((1.25, -0.5))
    page.state.rest()  # a command at every movement would be in the way
    command = page.refining.elsewhere.object
    assert "--observation=1.25,-0.5 --method truncated" in command and models()[EXAMPLE] in command
    page.close()


def test_a_problem_that_is_not_here_is_said(page):
    about = page.state.about
    gone = [replace(offer, reason="The problem is not here.") for offer in about.refinements]
    page.state.about = replace(about, given=frozenset(), refinements=tuple(gone))
    try:
        page.refining._opened()
        assert "not here" in page.refining.said.object and not page.refining.elsewhere.object
        page.refining.pressed()
        assert not page.refining.busy
    finally:
        page.state.about = about
        page.refining._opened()


def test_k_and_warnings_are_said_in_words():
    words = [refinement_panel.trust(k) for k in (-math.inf, 0.2, 0.6, 0.9, math.inf)]
    assert "alike" in words[0] and "good" in words[1] and "fair" in words[2]
    assert words[3] == words[4] and "not to be relied on" in words[3]
    fitted, problem, y = wrong(features=5, scale=0.3)
    found = Asked(fitted, problem).refined(tuple(y), "importance")
    assert "amber" in refinement_panel.readout(found, list("abcde"))
    (warning,) = refinement_panel.warned(found)
    assert "not to be relied on" in warning and "“Resampling and Markov chain moves”" in warning
    plain = replace(found, gain=Gain("x", 1.0), moved=np.zeros(5), widened=np.ones(5))
    assert "Pareto" not in refinement_panel.readout(plain, list("abcde"))
