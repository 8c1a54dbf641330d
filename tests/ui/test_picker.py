"""The menus of problems, architectures and objectives, as the browser knows them."""

import pytest

from workbench.backends import InlineBackend
from workbench.ui.controls import Controls
from workbench.ui.jobs import Jobs
from workbench.ui.menus import Menu
from workbench.ui.session import Session


@pytest.fixture
def pickers(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    controls = Controls(Session(Jobs(InlineBackend())), lambda action: action())
    root = controls.__panel__().get_root()
    models = {kind: picker.select._models[root.ref["id"]][0] for kind, picker in controls.pickers.items()}
    return controls.choices, controls.pickers, models


def test_what_does_not_fit_stays_disabled_when_its_reason_changes(pickers):
    choices, pickers, models = pickers
    architecture, objective = pickers["architecture"].select, pickers["objective"].select
    fitting = [key for key, reason in choices.reasons("architecture").items() if not reason]
    assert len(fitting) > 10
    for key in fitting[::5]:
        architecture.value = key
        refused = [reason for reason in choices.reasons("objective").values() if reason]
        disabled = models["objective"].data.disabled_options
        # the browser compares labels, and these have the reasons in them
        assert set(disabled) <= set(models["objective"].data.options)
        assert len(disabled) == len(refused) and refused
        other = [k for k, reason in choices.reasons("objective").items() if not reason][-1]
        objective.value = other  # raises where the menu takes it for disabled
        assert choices.selection["objective"] == other


def test_a_menu_shows_its_value_under_the_present_label():
    menu = Menu(options={"x, y": (0, 1), "x, z": (0, 2)}, value=(0, 1), disabled_options=[(0, 2)])
    model = menu.get_root()
    menu.options = {"x [m], y": (0, 1), "x [m], z": (0, 2)}
    assert model.data.value == "x [m], y" and model.data.disabled_options == ["x [m], z"]
