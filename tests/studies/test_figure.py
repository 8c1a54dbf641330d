"""Figures of studies: drawn from a Dataset alone, with the right numbers in the right place."""

from __future__ import annotations

import json
import re

import holoviews as hv
import numpy as np
import pytest

from workbench import plots, studies
from workbench.core.errors import RunError
from workbench.studies import STUDIES, StudyFolder, figure_data, figures, gather
from workbench.studies.cell_means import grouped
from workbench.studies.table import number

WITH_FIGURE = [study.key for study in STUDIES if study.figure is not None]


def filled(key: str, **settings):
    """A finished result without a single training: the numbers of a cell follow from its place."""
    study = STUDIES.make(key, **({"fast": True, "seeds": 2} | settings))
    cells = study.cells()
    data = gather(study, cells, StudyFolder("nowhere"))
    values = {c.name: ("cell", 1.0 + np.arange(len(cells), dtype=float)) for c in study.columns}
    return study, data.assign(values).assign_coords(status=("cell", ["done"] * len(cells)))


@pytest.mark.parametrize("key", WITH_FIGURE)
def test_what_a_study_declares_is_drawn(key):
    study, data = filled(key)
    names = {column.name for column in study.columns}
    places = set(json.loads(data.attrs["axes"]))
    assert study.figure.columns and set(study.figure.columns) <= names
    assert set(study.figure.along) | set(study.figure.series) <= places - {"seed"}
    plot = plots.figure(figures(data))
    assert len(plot) == len(study.figure.columns)
    values = [f["value"] for f in json.loads(data.attrs["published"])]
    for column in study.figure.columns:
        table = figure_data(data, column)
        assert np.isfinite(table["mean"]).any() and (table["low"] <= table["high"]).values.any()
        crosses = table["published"].values[np.isfinite(table["published"].values)]
        assert not len(crosses) or min(values) <= crosses.min() <= crosses.max() <= max(values)


def test_numbers_stand_where_their_coordinates_say():
    study, data = filled("entropic_regularisation")
    table = figure_data(data, "resimulation_distance")
    place = {"entropy": 10.0, "kind": "debiased", "setting": "code"}
    selection = np.logical_and.reduce([data[name].values == value for name, value in place.items()])
    row = table.sel(series="debiased, code", place="10")
    values = data["resimulation_distance"].values[selection]
    assert float(row["mean"]) == values.mean() and float(row["high"]) == values.max() == values.min() + 1
    assert float(row["published"]) == 0.032
    assert list(table["place"].values) == ["0.01", "0.1", "1", "10"]


def test_an_unfinished_result_is_drawn_and_another_column_refused():
    study = STUDIES.make("moments", fast=True)
    data = gather(study, study.cells(), StudyFolder("nowhere"))
    assert figures(data) == []
    with pytest.raises(RunError, match="no such column"):
        figure_data(data, "w1")
    study, data = filled("moments")
    low = data.assign(w1=data["w1"] * np.nan)
    assert len(plots.figure(figures(low))) == len(study.figure.columns)
    kinematics = STUDIES.make("kinematics", fast=True)
    with pytest.raises(RunError, match="no figure"):
        figures(gather(kinematics, kinematics.cells(), StudyFolder("nowhere")))


def test_places_are_named_and_what_is_not_positive_stands_at_the_edge(tmp_path):
    study, data = filled("latent_dimension", divergences=["kl"])
    data["mmd"].values[0] = -1.0
    plot = plots.trends(figure_data(data, "mmd"))
    figure = hv.render(plot, backend="bokeh")
    assert set(figure.xaxis[0].major_label_overrides.values()) == {"2", "6", "14", "30"}
    means = [e for e in plot if e.group == "TrendsMean" and isinstance(e, hv.Curve)]
    assert [e.label for e in means] == ["kl, code", "kl, ours"]
    path = plots.save_figure(figures(data), tmp_path / "figure.html")
    html = path.read_text(encoding="utf-8")
    assert "latents" in html and not re.findall(r'<(?:script|link)[^>]*(?:src|href)="http', html)


def test_an_infinite_number_is_infinite_in_table_means_and_plot():
    """A seed that excludes what is possible does not vanish: neither from the table nor from the plot."""
    study, data = filled("moments")
    column = study.figure.columns[0]
    values = data[column].values.astype(float).copy()
    first = studies.rows(data)[0]
    axes = [name for name in json.loads(data.attrs["axes"]) if name != "seed"]
    same = np.all([data[name].values == first[name] for name in axes], axis=0)
    assert same.sum() == 2
    values[np.flatnonzero(same)[0]] = np.inf
    data = data.assign({column: ("cell", values)})
    row = studies.rows(data)[0]
    assert row[column] == np.inf and f"{column}_spread" not in row
    assert "∞" in studies.text(data) and number(-np.inf) == "−∞" and number(np.nan) == "–"
    place = axes[0]
    assert grouped(data, column, place, **{n: first[n] for n in axes[1:]})[first[place]] == np.inf
    table = figure_data(data, column)
    assert np.isposinf(table["mean"].values).sum() == 1
    assert np.isfinite(table.attrs["vertical_window"]).all()
    points = [
        element.dimension_values(1)
        for element in plots.trends(table).traverse(lambda e: e, [hv.Points])
        if element.group == "TrendsMean"
    ]
    assert np.isclose(np.concatenate(points), table.attrs["vertical_window"][1]).sum() == 1
