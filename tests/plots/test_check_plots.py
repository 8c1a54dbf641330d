"""Every check has a plot of its key, drawn from its Dataset or from a file of it."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from bokeh.models import Legend

from tests.diagnostics.stand_ins import GaussianStandIn, linear
from tests.diagnostics.test_checks import SMALL
from workbench.diagnostics import DIAGNOSTICS
from workbench.plots import JUDGED, PLOTS

LINEAR = linear()


def test_every_check_has_a_plot_of_its_key():
    assert all(key in JUDGED and PLOTS[key].__name__ == key for key in DIAGNOSTICS.keys())


@pytest.mark.parametrize("key", DIAGNOSTICS.keys())
def test_a_plot_draws_what_was_measured_right_or_wrong_and_read_back(key, tmp_path):
    glyphs = set()
    models = [GaussianStandIn(LINEAR), GaussianStandIn(LINEAR, width=0.7, blur=0.1)]
    for number, model in enumerate(models):
        data = DIAGNOSTICS.make(key, **SMALL.get(key, {})).measure(model, LINEAR)
        data.to_netcdf(path := tmp_path / f"{number}.nc", engine="netcdf4")
        with xr.open_dataset(path, engine="netcdf4") as file:
            figure = hv.render(PLOTS[key](file.load()))
        glyphs.add(tuple(type(r.glyph).__name__ for r in figure.renderers))
        assert figure.title.text == data.attrs["title"] and figure.xaxis[0].axis_label.strip()
        assert np.isfinite([figure.x_range.start, figure.x_range.end]).all()
    assert len(glyphs) == 1


def test_the_lines_of_ranks_leave_the_band_where_the_verdict_says_so():
    for model, outside in ((GaussianStandIn(LINEAR), False), (GaussianStandIn(LINEAR, width=0.7), True)):
        data = DIAGNOSTICS.make("calibration").measure(model, LINEAR)
        plot = PLOTS["calibration"](data)
        band, lines = plot.get(0), plot.get(1)
        assert len(lines.split()) == data.sizes["quantity"]
        low, high = data["band_low"].values, data["band_high"].values
        curves = [line.dimension_values(1)[1:-1] for line in lines.split()]
        assert any(((line < low) | (line > high)).any() for line in curves) == outside
        assert len(band.dimension_values(0)) >= 2 * len(low)
    figure = hv.render(plot)
    entries = [item.label.value for item in figure.select(Legend)[0].items if item.visible]
    assert entries == ["x1", "x2", "x3", "log density"]
