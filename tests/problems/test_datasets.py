"""Each shipped table agrees with its card."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

from workbench.problems import TableProblem, describe

FOLDER = Path(__file__).parents[2] / "datasets"


@pytest.fixture(params=sorted(FOLDER.glob("*.csv")), ids=lambda p: p.stem)
def table(request):
    return request.param, request.param.with_suffix(".md").read_text(encoding="utf-8")


def entry(card: str, name: str) -> str:
    return re.search(rf"^\| {name} \| (.+) \|$", card, re.MULTILINE)[1].strip("`")


def test_there_is_a_table():
    assert sorted(FOLDER.glob("*.csv"))


def test_the_checksum_is_the_one_on_the_card(table):
    path, card = table
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry(card, "sha256")
    assert entry(card, "file") == path.name


def test_rows_columns_units_and_ranges_are_as_the_card_says(table):
    path, card = table
    columns = describe(path)
    assert len(columns) == int(entry(card, "columns"))
    frame = pd.read_csv(path)
    for position, column in enumerate(columns):
        unit, low, high = re.search(
            rf"^\| `{column.name}` \| (\S+) \| (\S+) \| (\S+) \|", card, re.MULTILINE
        ).groups()
        assert (column.unit, column.rows, column.missing, column.refusal) == (
            unit,
            int(entry(card, "rows")),
            0,
            "",
        )
        values = frame.iloc[:, position]
        assert (values.min(), values.max()) == (float(low), float(high))


@pytest.mark.parametrize("word", ["licence", "source", "changes"])
def test_the_card_says_where_it_comes_from(table, word):
    assert entry(table[1], word)


def test_the_question_on_the_card_can_be_asked():
    problem = TableProblem(
        FOLDER / "concrete_strength.csv",
        x=["cement", "water", "coarse_aggregate", "fine_aggregate"],
        y=["age", "compressive_strength"],
    )
    assert [v.unit for v in problem.x + problem.y] == ["kg/m3"] * 4 + ["d", "MPa"]
    assert problem.draw(2000, torch.Generator().manual_seed(0)).x.shape == (1030, 4)
    age, strength = problem.default_observation
    assert 14 <= age <= 56 and 30 < strength < 40
