"""Choosers are capped: a dozen variables' pairs, and one curve for a long observation."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import param
import pytest

from workbench.core.variable import Variable
from workbench.ui.curve_editor import CurveEditor
from workbench.ui.observation_picker import ObservationPicker
from workbench.ui.pairs import MOST_COMPONENTS, MOST_VARIABLES, is_curve, offered, pairs_of


def variables(count: int) -> tuple[Variable, ...]:
    return tuple(Variable(f"v{i}") for i in range(count))


@pytest.mark.parametrize("count, pairs", [(1, 0), (2, 1), (5, 10), (12, 66), (13, 66), (64, 66), (2000, 66)])
def test_a_menu_never_has_more_pairs_than_a_dozen_variables_have(count, pairs):
    menu = pairs_of(variables(count))
    assert len(menu) == pairs and all(i < j < count for i, j in menu.values())


def test_evenly_spaced_variables_are_offered_or_those_that_vary_most():
    assert offered(variables(64))[0] == 0 and offered(variables(64))[-1] == 63
    assert np.diff(offered(variables(64))).max() <= 6
    spreads = np.zeros(64)
    spreads[20:32] = 1.0
    assert offered(variables(64), spreads) == list(range(20, 32)) and MOST_VARIABLES == 12


def test_a_long_observation_is_one_curve():
    assert not is_curve(variables(MOST_COMPONENTS)) and is_curve(variables(2000))


def test_a_part_of_the_curve_is_moved_and_the_rest_stays():
    curves = []
    editor = CurveEditor(curves.append, width=284)
    editor.open(variables(2000), [(-1.0, 1.0)] * 2000)
    editor.show([0.5] * 2000)
    assert curves == []
    editor.part.value = (101, 200)
    editor.shift.value = 0.25
    assert curves[-1][:100] == [0.5] * 100 and curves[-1][100:200] == [0.75] * 100
    assert curves[-1][200:] == [0.5] * 1800
    editor.shift.value = -0.5  # from where the movement began
    assert curves[-1][100:200] == [0.0] * 100
    editor.part.value = (1, 2000)  # another part: the movement so far stays
    editor.shift.value = 1.0
    assert curves[-1][0] == 1.5 and curves[-1][150] == 1.0


class FewControls(param.Parameterized):
    """The parts of an `Exploration` that the observation picker reads."""

    model_count, answer_count = param.Integer(0), param.Integer(0)
    observation = param.Parameter(())

    def __init__(self, count: int):
        super().__init__()
        self.info, self.heard = None, []
        self.opened = SimpleNamespace(
            x=variables(3),
            y=variables(count),
            window=[(-1.0, 1.0)] * 3,
            observation_window=[(-1.0, 1.0)] * count,
            problem_capabilities=(),
            rows=np.zeros((5, count)),
            truths=np.zeros((5, 3)),
        )

    def open(self) -> None:
        self.info = self.opened
        self.observation = tuple(0.1 for _ in self.info.y)
        self.model_count += 1

    def observe(self, values, truth=()):
        self.heard.append(list(values))
        self.observation = tuple(values)


@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index")  # Panel's table
@pytest.mark.parametrize("count, mode, sliders", [(20, "sliders", 20), (2000, "curve", 0)])
def test_the_explorer_has_sliders_for_a_few_numbers_and_a_curve_for_many(count, mode, sliders):
    exploration = FewControls(count)
    picker = ObservationPicker(exploration, lambda action: (action(), True)[1])
    exploration.open()
    assert picker.mode.value == mode and len(picker.sliders) == sliders
    assert ("sliders" in picker.mode.options.values()) == (mode == "sliders")
    assert {"row", "typed", "file"} <= set(picker.mode.options.values())
    if mode == "curve":
        picker.curve.part.value = (1, 10)
        picker.curve.shift.value = 0.5
        assert exploration.heard[-1][:10] == [0.6] * 10 and exploration.heard[-1][10:] == [0.1] * (count - 10)
        picker.curve.shift.value = -0.25
        assert exploration.heard[-1][0] == pytest.approx(-0.15)
