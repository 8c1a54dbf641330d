"""One check for the values of an observation: count, finiteness, and words that name the variables."""

import subprocess
import sys
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from workbench.core.errors import DataError, SpecError
from workbench.core.observation import (
    checked_rows,
    checked_values,
    optional_values,
    parse_named_values,
    parse_values,
)
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
        ({"range": 1}, "no value for 'height'. Expected: 2 values (range, height). Found: range."),
        (
            {"range": 1, "hight": 2},
            "no value for 'height'. Expected: 2 values (range, height). Found: range, ",
        ),
        ({"range": 1, "hight": 2}, "Did you mean 'height'?"),
        ({"range": 1, "height": 2, "speed": 3}, "a value for 'speed', which is none of its variables"),
        ({"range": 1, "height": "tall"}, "Expected: a number for 'height'. Found: height = 'tall'"),
        ({"range": 1, "height": [1, float("nan")]}, "2 rows of them"),
        ([[1, 2], [3, 4]], "Found: 2 rows of them"),
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


# ---- by name, in any order
def frame(*rows, columns=("other", "height", "range")):
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(
    "values",
    [
        {"height": 2.5, "range": 1},
        {"height": np.array(2.5), "range": torch.tensor(1.0)},
        {"height": [2.5], "range": np.ones(1)},
        pd.Series({"other": "text", "height": 2.5, "range": 1}),
        pd.Series([2.5, 1], index=["height", "range"]),
        pd.Series([1, 2.5]),
        frame(("text", 2.5, 1)),
        frame((9.0, 2.5, 1)).iloc[0],
        pd.DataFrame([[1, 2.5]]),
        xr.Dataset({"height": 2.5, "range": 1, "other": ("z", [1.0, 2.0])}),
        xr.DataArray([2.5, 1], dims="name", coords={"name": ["height", "range"]}),
        xr.DataArray([1, 2.5], dims="component"),
        namedtuple("Row", "height range")(2.5, 1),
        np.array([(2.5, 1)], dtype=[("height", float), ("range", float)]),
        np.array((2.5, 1), dtype=[("height", float), ("range", float)]),
        [{"range": 1, "height": 2.5}],
    ],
    ids=lambda values: type(values).__name__,
)
def test_values_come_by_name_in_any_order(values):
    assert checked_values(values, VARIABLES) == (1.0, 2.5)
    rows, _ = checked_rows(values, VARIABLES)
    assert rows.tolist() == [[1.0, 2.5]]


@pytest.mark.parametrize(
    "values",
    [
        [[1, 2], [3, 4], [5, 6]],
        torch.tensor([[1, 2], [3, 4], [5, 6]]),
        {"height": [2, 4, 6], "range": (1, 3, 5)},
        frame((0, 2, 1), (0, 4, 3), (0, 6, 5)),
        [{"range": 1, "height": 2}, {"height": 4, "range": 3}, {"height": 6, "range": 5}],
        xr.Dataset({"height": ("station", [2, 4, 6]), "range": ("station", [1, 3, 5])}),
        xr.DataArray([[2, 4, 6], [1, 3, 5]], dims=("name", "t"), coords={"name": ["height", "range"]}),
        xr.DataArray([[2, 1], [4, 3], [6, 5]], dims=("t", "name"), coords={"name": ["height", "range"]}),
    ],
    ids=lambda values: type(values).__name__,
)
def test_many_rows_come_in_every_form(values):
    rows, many = checked_rows(values, VARIABLES)
    assert many and rows.tolist() == [[1, 2], [3, 4], [5, 6]] and rows.dtype == np.float64


def test_a_value_without_rows_belongs_to_every_row_and_one_named_row_is_many():
    rows, many = checked_rows({"height": 7, "range": [1, 2]}, VARIABLES)
    assert many and rows.tolist() == [[1, 7], [2, 7]]
    one = xr.Dataset({"height": ("observation", [2.0]), "range": ("observation", [1.0])})
    rows, many = checked_rows(one, VARIABLES)
    assert many and rows.tolist() == [[1, 2]]
    with pytest.raises(SpecError, match=r"different lengths. Found: range \(2,\), height \(3,\)"):
        checked_rows({"height": [1, 2, 3], "range": [1, 2]}, VARIABLES)
    with pytest.raises(SpecError, match="more than one dimension of rows.*Found: lat, lon"):
        grid = xr.DataArray(np.ones((2, 3)), dims=("lat", "lon"))
        checked_rows(xr.Dataset({"height": grid, "range": grid}), VARIABLES)
    with pytest.raises(SpecError, match="not finite.*a number for height.*nan in row 1"):
        checked_rows({"height": [1, np.nan], "range": 0}, VARIABLES)
    with pytest.raises(SpecError, match="no rows"):
        checked_rows(frame(), VARIABLES)
    with pytest.raises(SpecError, match=r"Found: 3. Give 3 of them as rows: an array \(3, 1\)"):
        checked_rows([1.0, 2.0, 3.0], VARIABLES[:1])


def test_a_vector_gives_the_numbers_of_a_series_of_variables():
    variables = [Variable("time"), *(Variable(f"profile_{i}") for i in range(3))]
    assert checked_values({"profile": [1, 2, 3], "time": 0}, variables) == (0, 1, 2, 3)
    data = xr.Dataset({"profile": (("z", "observation"), [[1, 10], [2, 20], [3, 30]]), "time": 0})
    rows, many = checked_rows(data, variables)
    assert many and rows.tolist() == [[0, 1, 2, 3], [0, 10, 20, 30]]
    with pytest.raises(SpecError, match=r"does not fit 'profile'.*Expected: 3 numbers.*shape \(2,\)"):
        checked_values({"profile": [1, 2], "time": 0}, variables)


def test_labels_of_categories_stand_for_their_numbers():
    variables = [Variable("colour", categories=3, labels=("red", "green", "blue")), Variable("size")]
    assert checked_values({"size": 1.5, "colour": "blue"}, variables) == (2.0, 1.5)
    assert checked_values(["green", 1.5], variables) == (1.0, 1.5)
    assert checked_values([0, 1.5], variables) == (0.0, 1.5)
    rows, _ = checked_rows(pd.DataFrame({"size": [1, 2], "colour": ["red", "blue"]}), variables)
    assert rows.tolist() == [[0, 1], [2, 2]]
    with pytest.raises(SpecError, match="'colour' has no category 'blu'.*Did you mean 'blue'?"):
        checked_values({"size": 1.5, "colour": "blu"}, variables)


@pytest.mark.parametrize(
    "text, values",
    [
        ("1.5,0", (1.5, 0.0)),
        ("-1.5,-1e-1", (-1.5, -0.1)),
        ("\u22121.5", (-1.5,)),
        ("height=-2, range = 1", {"height": -2.0, "range": 1.0}),
        ('"flux (mJy, 3 GHz)"=2, b=-1', {"flux (mJy, 3 GHz)": 2.0, "b": -1.0}),
        ("colour=red,size=2", {"colour": "red", "size": 2.0}),
    ],
)
def test_text_gives_numbers_or_numbers_by_name(text, values):
    assert parse_named_values(text) == values


def test_a_name_that_stands_twice_or_not_at_all_is_refused():
    for text in ("a=1, a=2", "a=1, 2"):
        with pytest.raises(SpecError, match="each variable once"):
            parse_named_values(text)


def test_no_observation_is_an_empty_one():
    assert optional_values(None, VARIABLES) == optional_values((), VARIABLES) == ()
    assert optional_values({"range": 1, "height": 2}, VARIABLES) == (1.0, 2.0)
    assert optional_values(np.array([1, 2]), VARIABLES) == (1.0, 2.0)


PIXELS = (*(Variable(f"img_{i}") for i in range(6)), Variable("s"))
IMAGE = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    "image",
    [IMAGE, IMAGE.tolist(), torch.tensor(IMAGE), IMAGE[None], IMAGE[..., None], IMAGE.reshape(6)],
    ids=["array", "lists", "tensor", "one_observation", "channel", "flat"],
)
def test_an_array_of_any_shape_gives_the_variables_it_was_flattened_to(image):
    assert checked_values({"img": image, "s": 7.0}, PIXELS) == (0, 1, 2, 3, 4, 5, 7)


def test_many_arrays_give_many_rows():
    images = np.stack([IMAGE, IMAGE + 10, IMAGE + 20])
    right = np.column_stack([images.reshape(3, 6), [7, 8, 9]])
    for values in (
        {"img": images, "s": [7, 8, 9]},
        [{"img": image, "s": 7 + i} for i, image in enumerate(images)],
        xr.Dataset(
            {
                "img": (("row", "column", "observation"), images.transpose(1, 2, 0)),
                "s": ("observation", [7, 8, 9]),
            }
        ),
    ):
        rows, many = checked_rows(values, PIXELS)
        assert many
        np.testing.assert_array_equal(rows, right)


@pytest.mark.parametrize(
    "image, found",
    [
        (np.zeros((2, 2)), "shape (2, 2)"),
        (np.zeros(7), "shape (7,)"),
        (np.zeros((3, 3)), "shape (3, 3)"),
        (1.0, "shape ()"),
        ("bright", "img = 'bright'"),
    ],
)
def test_an_array_of_another_size_is_refused_by_its_own_name(image, found):
    with pytest.raises(SpecError) as refusal:
        checked_values({"img": image, "s": 7.0}, PIXELS)
    words = "The observation does not fit 'img'. Expected: 6 numbers, in any shape, for 'img_0' to 'img_5'."
    assert str(refusal.value).startswith(f"{words} Found: {found}")
