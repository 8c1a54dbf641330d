"""What is written on the screen."""

import pytest

from workbench.core.errors import SpecError
from workbench.ui import text


@pytest.mark.parametrize(("given", "shown"), [(0, "000 000"), (42, "000 042"), (1_234_567, "1234 567")])
def test_the_counter_is_zero_padded(given, shown):
    assert text.counter(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, "–"),
        (float("nan"), "not finite"),
        (0, "0"),
        (1.5, "1.500"),
        (123.45, "123.5"),
        (3.5e-6, "3.5·10⁻⁶"),
    ],
)
def test_numbers_stay_short(given, shown):
    assert text.number(given) == shown


def test_own_errors_are_said_as_they_are_and_others_without_a_traceback():
    assert text.sentence(SpecError("This was asked", found="that")) == "This was asked. Found: that."
    sentence = text.sentence(RuntimeError("first line\nTraceback: secret"))
    assert "first line" in sentence and "secret" not in sentence
