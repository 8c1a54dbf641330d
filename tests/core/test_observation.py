"""One check for the values of an observation: count, finiteness, and words that name the variables."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from workbench.core.errors import DataError, SpecError
from workbench.core.observation import checked_values, parse_values
from workbench.core.variable import Variable

VARIABLES = (Variable("range"), Variable("height"))


@pytest.mark.parametrize(
    "values",
    [
        (1, 2.5),
        [[1.0, 2.5]],
        np.array([1, 2.5], dtype=np.float32),
        torch.tensor([1.0, 2.5], requires_grad=True),
        torch.tensor([1.0, 2.5], dtype=torch.bfloat16),
        [np.float64(1), torch.tensor(2.5)],
    ],
)
def test_numbers_of_every_kind_become_floats(values):
    result = checked_values(values, VARIABLES)
    assert result == (1.0, 2.5) and all(type(value) is float for value in result)


@pytest.mark.parametrize(
    "values, words",
    [
        (
            (1,),
            "The observation has the wrong number of values. Expected: 2 numbers (range, height). Found: 1.",
        ),
        ((1, 2, 3), "Found: 3."),
        ((), "Found: 0."),
        ((1, float("nan")), "not finite. Expected: a number for height. Found: nan. Give a number"),
        ((float("-inf"), 1), "a number for range. Found: -inf"),
        ((1, None), "a number for height"),
        (("1", "2"), "The observation is not made of numbers"),
        (("one", 2), "not made of numbers"),
        ("12", "not made of numbers"),
        (None, "not made of numbers. Expected: 2 numbers (range, height). Found: None."),
        ((1j, 2), "not made of numbers"),
        ((1, (2, 3)), "not made of numbers"),
        ({"range": 1, "height": 2}, "not made of numbers"),
    ],
)
def test_other_values_are_refused_in_words(values, words):
    with pytest.raises(SpecError) as refusal:
        checked_values(values, VARIABLES)
    assert words in str(refusal.value)


def test_the_words_name_what_is_checked_and_the_caller_picks_the_error():
    with pytest.raises(DataError, match="^The target for 'two_moons' has the wrong number of values"):
        checked_values((), VARIABLES, noun="target", owner="'two_moons'", error=DataError)
    with pytest.raises(SpecError, match="0 numbers .none: there is no observation."):
        checked_values((1.0,), ())
    with pytest.raises(SpecError, match="1 number .range."):
        checked_values((), VARIABLES[:1])


def test_long_observations_are_refused_in_short_words():
    variables = [Variable(f"bin{i}") for i in range(500)]
    with pytest.raises(SpecError) as refusal:
        checked_values(["a"] * 500, variables)
    assert len(str(refusal.value)) < 250


@pytest.mark.parametrize("text", ["1.5,0", " 1.5 , 0 ", "1.5; 0", "1.5 0", "1.5,0,"])
def test_text_is_read_as_numbers(text):
    assert parse_values(text) == (1.5, 0.0)


def test_text_that_is_no_number_is_refused_with_what_to_try():
    with pytest.raises(DataError, match="not made of numbers.*as in 1.5,0.*Found: 1,x. Try another"):
        parse_values("1,x", suggestion="try another", error=DataError)


def test_it_needs_no_torch():
    code = "import sys, workbench.core.observation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
