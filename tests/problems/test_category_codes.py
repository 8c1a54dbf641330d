"""Labels with blanks, codes of categories with gaps, and images as observations."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.core.errors import DataWarning, SpecError
from workbench.core.observation import checked_values
from workbench.core.variable import Variable

RNG = np.random.default_rng(0)


def soil(labels) -> pd.DataFrame:
    return pd.DataFrame({"a": RNG.normal(size=90), "soil": list(labels) * 30})


def test_a_row_of_the_table_itself_is_an_observation_of_it():
    frame = soil([" Loam", "Sand ", "Clay"])
    problem = wb.TableProblem(frame, x=["a"], y=["soil"], categories=["soil"])
    labels = problem.y[0].labels
    for i, label in enumerate(["Loam", "Sand", "Clay"]):
        assert checked_values(frame[["soil"]].iloc[i : i + 1], problem.y) == (labels.index(label),)
    with pytest.raises(SpecError, match="category"):
        checked_values({"soil": "Peat"}, problem.y)


def test_categories_that_occur_nowhere_are_told():
    frame = soil([10, 20, 30])
    with pytest.warns(DataWarning, match=r"31 categories, 0 to 30, of which 3 occur \(10, 20, 30\)"):
        wb.TableProblem(frame, x=["a"], y=["soil"], categories=["soil"])
    frame["soil"] = frame["soil"].astype("str").astype("category")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem = wb.TableProblem(frame, x=["a"], y=["soil"], categories=["soil"])
        wb.TableProblem(soil([0, 1, 2]), x=["a"], y=["soil"], categories=["soil"])
    assert problem.y[0].labels == ("10", "20", "30")


def test_images_are_told_the_shape_of_rows():
    pixels = [Variable(f"pixel_{i}") for i in range(64)]
    with pytest.raises(SpecError, match=r"values\.reshape\(3, 64\)"):
        checked_values(np.zeros((3, 8, 8)), pixels)
    assert len(checked_values(np.zeros((8, 8)), pixels)) == 64


def test_a_run_that_is_opened_does_not_repeat_what_it_said_of_its_data(tmp_path):
    problem = wb.TableProblem(soil(["a", "b", "c"]), x=["a"], y=["soil"], categories=["soil"])
    settings = {"samples": 60, "batch_size": 30}
    with pytest.warns(DataWarning, match="90 usable rows"):
        wb.Run(wb.Experiment(problem, "realnvp", training=settings, steps=2), folder=tmp_path).train()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = wb.Run.resume(tmp_path)
    assert any("90 usable rows" in event["message"] for event in run.events)
