"""Forms: every setting of every member gets a widget that agrees with it."""

import panel as pn
import param
import pytest

from workbench.core.spec import Spec
from workbench.objectives import OBJECTIVES
from workbench.training import Training
from workbench.ui.choices import CATALOGUES
from workbench.ui.form import Form, is_logarithmic, logarithmic_steps, number_step

MEMBERS = [m for catalogue in CATALOGUES.values() for m in catalogue if not getattr(m, "unavailable", str)()]
MEMBERS.append(Training)


class Example(Spec):
    key, title, summary = "example", "Example", "For tests."
    live = frozenset({"rate"})
    count = param.Integer(3, bounds=(1, 9), doc="How many.")
    rate = param.Number(1e-3, bounds=(1e-6, 1.0), doc="How fast.")
    names = param.List(["a"], item_type=str, doc="Which.")
    kind = param.Selector(default="one", objects=["one", "two"], doc="What.")


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.key)
def test_every_setting_has_a_widget_with_its_value_and_its_meaning(member):
    spec = member()
    form = Form(spec)
    assert set(form.widgets) == {setting.name for setting in member.settings()}
    for setting in member.settings():
        widget = form.widgets[setting.name]
        assert setting.doc and setting.doc in (widget.description or "")
        assert ("⚡" in widget.label) == setting.live


def test_an_accepted_value_reaches_the_spec_and_whoever_listens():
    changes, spec = [], Example()
    Form(spec, on_change=lambda *change: changes.append(change)).widgets["count"].value = 5
    assert spec.count == 5 and changes == [("count", 5)]


def test_a_list_is_typed_with_commas():
    spec = Example()
    Form(spec).widgets["names"].value = "x, y"
    assert spec.names == ["x", "y"]


def test_a_refused_value_is_said_and_put_back():
    errors, spec = [], Example()
    form = Form(spec, on_error=errors.append)
    form._apply("count", 99)
    assert spec.count == 3 and form.widgets["count"].value == 3 and "99" in str(errors[0])


def test_a_rate_is_turned_logarithmically():
    settings = {s.name: s for s in Example.settings()}
    assert is_logarithmic(settings["rate"]) and not is_logarithmic(settings["count"])
    assert logarithmic_steps(1e-3, 1e-2) == [1e-3, 2e-3, 3e-3, 5e-3, 1e-2]


def test_a_value_between_the_steps_can_be_shown():
    form = Form(Example())
    form.set("rate", 1.7e-4)
    assert form.widgets["rate"].value == 1.7e-4


@pytest.mark.parametrize("throttled", [True, False])
def test_a_moved_slider_gives_an_option_and_not_its_position(throttled):
    spec = Example()
    slider = Form(spec).widgets["rate"]
    with pn.config.set(throttled=throttled):
        slider._process_events({"value": 14, "value_throttled": 14})  # as the browser sends it
    assert slider.value == slider.value_throttled == spec.rate == slider.options[14] != 14


def test_members_of_a_catalogue_are_chosen_by_their_titles():
    widgets = Form(OBJECTIVES.make("variational", divergence="kl")).widgets
    assert widgets["divergence"].options["Kullback-Leibler"] == widgets["divergence"].value == "kl"
    assert "Exact" in widgets["generator_gradient"].options
    assert widgets["divergence"].width > widgets["generator_gradient"].width


def test_several_divergences_are_chosen_from_a_menu():
    training = Training()
    form = Form(training)
    widget = form.widgets["measured"]
    widget.value = ["kl", "energy_distance"]
    assert training.measured == ["kl", "energy_distance"]
    training.set("measured", ["jeffreys"])
    form.show_values()
    assert widget.value == ["jeffreys"]


def test_the_buttons_of_a_number_field_move_it_by_a_part_of_its_default():
    steps = {
        name: widget.step for name, widget in Form(Training()).widgets.items() if hasattr(widget, "step")
    }
    assert steps["gradient_clip"] == 1.0 and steps["validation_fraction"] == 0.01
    assert number_step(0.0, 1.0, 0.99) == 0.01 and number_step(None, None, 360.0) == 100.0
