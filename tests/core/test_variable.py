"""Kinds of variables: what follows from a kind, what contradicts it, and the way through a file."""

from __future__ import annotations

import math

import pytest

from workbench.core.errors import SpecError
from workbench.core.variable import OPEN_LEVELS, Variable

KINDS = {
    "log": ({"scale": "log"}, (0.0, math.inf), (0.0, math.inf)),
    "log in a range": ({"scale": "log", "low": 1.0, "high": 10.0}, (1.0, 10.0), (1.0, 10.0)),
    "levels": ({"levels": 17}, (0.0, 16.0), (-0.5, 16.5)),
    "levels from one": ({"levels": 6, "low": 1}, (1.0, 6.0), (0.5, 6.5)),
    "counts": ({"levels": OPEN_LEVELS, "low": 0}, (0.0, math.inf), (-0.5, math.inf)),
    "whole numbers": ({"levels": OPEN_LEVELS}, (-math.inf, math.inf), (-math.inf, math.inf)),
    "angle": ({"period": 360.0}, (0.0, 360.0), (0.0, 360.0)),
    "bearing": ({"period": 360.0, "low": -180.0}, (-180.0, 180.0), (-180.0, 180.0)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_sets_bounds_and_survives_a_file(kind):
    fields, bounds, support = KINDS[kind]
    variable = Variable("v", **fields)
    assert (variable.low, variable.high) == bounds
    assert variable.support == support
    assert Variable.from_dict(variable.to_dict()) == variable


@pytest.mark.parametrize(
    "fields",
    [
        {"scale": "logarithmic"},
        {"scale": "log", "high": 0.0},
        {"levels": 1},
        {"levels": 2.5},
        {"levels": -4},
        {"levels": 3, "low": 0.5},
        {"levels": 3, "high": 7},
        {"period": -1.0},
        {"period": math.inf},
        {"period": 24.0, "high": 12.0},
        {"period": 24.0, "scale": "log"},
        {"levels": 3, "categories": 3},
    ],
)
def test_contradictions_are_refused(fields):
    with pytest.raises(SpecError, match="'v'"):
        Variable("v", **fields)


def test_a_continuous_variable_is_stored_as_before():
    assert Variable("v", low=0.0).to_dict() == {
        "name": "v",
        "symbol": "",
        "unit": "",
        "description": "",
        "low": 0.0,
    }
