"""The divergence's card: everything that its class says, for every divergence, and what users should mind."""

import pytest

from workbench.architectures import ARCHITECTURES
from workbench.divergences import DIVERGENCES
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS
from workbench.ui.choices import Choices
from workbench.ui.divergence_card import card, table
from workbench.ui.picker import Picker


def rows(objective, problem="linear_gaussian", architecture="inn"):
    return card(objective, PROBLEMS.make(problem), ARCHITECTURES.make(architecture))


@pytest.mark.parametrize("key", DIVERGENCES.keys())
def test_every_divergence_has_its_card(key):
    texts = dict(rows(OBJECTIVES.make("variational", divergence=key)))
    for name in ("D", "definition", "estimator", "bias", "cost", "needs", "theorem", "paper"):
        assert texts[name], name
    assert DIVERGENCES[key].definition == texts["definition"]


def test_what_does_not_identify_the_posterior_is_said():
    texts = [text for name, text in rows(OBJECTIVES.make("variational", direction="backward_marginal"))]
    assert any("which do not involve y" in text for text in texts)


def test_objectives_without_a_divergence_have_no_card():
    assert rows(OBJECTIVES.make("maximum_likelihood")) == []


def test_signs_of_formulas_are_safe_in_the_page():
    assert "&lt;" in table([("bias", "a < b")]) and "<script>" not in table([("D", "<script>")])


def test_the_card_follows_the_choice_and_its_live_settings():
    choices = Choices()
    choices.select("objective", "variational")
    silent = {"on_pick": lambda *_: None, "on_change": lambda *_: None, "on_error": lambda *_: None}
    picker = Picker("objective", choices, **silent)
    assert picker.card._pane.visible and "Jensen-Shannon" in picker.card._pane.object
    picker.form.widgets["divergence"].value = "precision_recall"
    assert "Precision-recall" in picker.card._pane.object
    picker.refresh()
    name = next(n for n in picker.form.widgets if n.endswith("trade_off"))
    picker.form.widgets[name].value = 2.0
    picker.form._apply(name, 2.0)
    assert "no Pinsker inequality" in picker.card._pane.object
    choices.select("objective", "maximum_likelihood")
    picker.refresh()
    assert not picker.card._pane.visible
