"""The catalogue of views: order, requests, a view of a third party, and plots that are found by key."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

from tests.export.conftest import small_run
from workbench import diagnostics, plots
from workbench.core.capability import Capability
from workbench.core.errors import SpecError
from workbench.snapshots import (
    VIEWS,
    SnapshotRequest,
    View,
    applicable,
    at_first,
    empty,
    missing,
    requested_parts,
)
from workbench.snapshots.base import computes_arrays
from workbench.training import Experiment, Run

#: Views of every model with a latent code, before and after those of the problem.
LAYERS, LATER = "latent grid losses invertibility", "divergences precision_recall bound"
POSTERIOR, AFTER = "resimulation posterior", f"{LAYERS} density samples calibration {LATER}"
ORDER = {
    ("two_moons", "neural_spline_coupling"): f"samples density {LAYERS} {LATER}",
    ("inverse_kinematics", "inn"): f"{POSTERIOR} arm {AFTER}",
    ("radial_velocity", "realnvp"): f"{POSTERIOR} radial_velocity phase_folded {AFTER}",
    (
        "geoacoustic",
        "realnvp",
    ): f"{POSTERIOR} sound_speed_profile ambiguity_surface transmission_loss {AFTER}",
}


@pytest.fixture
def mean_view():
    """A view of a third party, in one class."""

    @VIEWS.register
    class Mean(View):
        key = "mean_of_samples"
        title = "Mean"
        summary = "Mean of the samples."
        parts = ("mean_of_samples", "samples")
        needs_model = frozenset({Capability.LATENT})
        position = 5

        def arrays(self, run, context):
            x, _ = run.model.inverse(run.evaluation_points.z, run.evaluation_points.y)
            return {"mean": x.mean(0).double().numpy()}

        def dataset(self, snapshot, *, pair=(0, 1)):
            mean = snapshot.arrays.get("mean", np.empty(0))
            return xr.Dataset({"mean": ("variable", mean)}, attrs={"title": "Mean"})

    yield Mean
    VIEWS.remove(Mean.key)


@pytest.mark.parametrize("problem, architecture", ORDER)
def test_views_apply_in_a_fixed_order(problem, architecture):
    experiment = Experiment(problem, architecture)
    keys = {key for order in ORDER.values() for key in order.split()}  # a new view may stand anywhere
    views = [key for key in applicable(experiment) if key in keys]
    assert " ".join(views) == ORDER[problem, architecture]


def test_a_snapshot_is_requested_by_a_request_by_a_key_or_by_keys():
    run = Run(Experiment("two_moons", "realnvp", training={"samples": 200}))
    for request in ("samples", ["samples"], SnapshotRequest("samples"), SnapshotRequest(["samples"])):
        assert set(run.snapshot(request).arrays) == {"data_x", "data_y", "samples_x"}
    with pytest.raises(SpecError, match="a SnapshotRequest or a text or a list"):
        run.snapshot(3)
    with pytest.raises(SpecError, match="Did you mean 'samples'"):
        run.snapshot("sample")


@pytest.mark.parametrize("key", VIEWS.shown())
def test_every_view_has_a_plot_of_its_key_and_reads_parts_that_exist(key):
    assert plots.PLOTS[key].__name__ == key and getattr(plots, key) is plots.PLOTS[key]
    assert all(computes_arrays(VIEWS[part]) for part in VIEWS[key].parts)


def test_a_registered_view_is_offered_requested_computed_and_labelled(mean_view):
    key, experiment = mean_view.key, Experiment("two_moons")
    assert applicable(experiment)[2] == key and key in at_first(experiment)
    assert requested_parts((key,), experiment) == (key, "samples", "invertibility")
    snapshot = small_run("realnvp", "two_moons").snapshot(SnapshotRequest(views=(key,)))
    assert list(snapshot.arrays) == ["mean"]
    for view in (VIEWS[key], diagnostics.VIEWS[key], getattr(diagnostics, key)):
        np.testing.assert_array_equal(view(snapshot)["mean"], snapshot.arrays["mean"])
    assert empty(key).sizes["variable"] == 0


def test_a_view_that_a_model_cannot_show_is_named_with_the_reason(mean_view):
    experiment = Experiment("linear_gaussian", "mixture_density_network")
    assert mean_view.key not in applicable(experiment)
    assert any("Mean" in sentence and "latent code" in sentence for sentence in missing(experiment))


def test_the_plot_of_a_view_is_found_by_its_key(mean_view, tmp_path, monkeypatch):
    file = tmp_path / f"{mean_view.key}.py"
    file.write_text(
        dedent(
            """
            import holoviews as hv

            def mean_of_samples(data):
                return hv.Bars(data["mean"].values)
            """
        )
    )
    assert mean_view.key not in plots.PLOTS
    monkeypatch.setattr(plots, "__path__", [*plots.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, f"workbench.plots.{mean_view.key}", None)
    monkeypatch.delitem(sys.modules, f"workbench.plots.{mean_view.key}")
    try:
        assert mean_view.key in plots.PLOTS
        assert isinstance(plots.mean_of_samples(empty(mean_view.key)), hv.Bars)
    finally:
        vars(plots).pop(mean_view.key, None)


def test_a_plot_can_be_registered_from_another_package():
    @plots.PLOTS.register
    def plot_of_elsewhere(data):
        return hv.Curve([])

    try:
        assert "plot_of_elsewhere" in list(plots.PLOTS)
        assert plots.plot_of_elsewhere is plots.PLOTS["plot_of_elsewhere"] is plot_of_elsewhere
    finally:
        del plots.PLOTS._registered["plot_of_elsewhere"]


def test_a_plot_stays_a_plot_when_its_module_is_imported():
    code = "import workbench.plots.density as m; from workbench import plots; print(plots.density.__name__)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["density"]


def test_a_key_is_taken_once_and_every_view_has_a_summary(mean_view):
    twin = type("Twin", (mean_view,), {})
    with pytest.raises(SpecError, match="taken twice"):
        VIEWS.register(twin)
    with pytest.raises(SpecError, match="cannot join the catalogue of views"):
        VIEWS.register(type("Silent", (mean_view,), {"key": "silent", "summary": ""}))
    assert type(VIEWS[mean_view.key]) is mean_view and "silent" not in VIEWS


def test_a_view_without_arrays_of_its_own_stands_for_its_parts():
    assert SnapshotRequest(views=("arm", "losses", "posterior")).parts == ("posterior",)
    assert SnapshotRequest(views=("ocean", "critic")).parts == ("ocean", "critic")


@pytest.mark.parametrize("ask", [lambda: SnapshotRequest(views=("posterier",)), lambda: empty("posterier")])
def test_an_unknown_view_is_refused_with_a_suggestion(ask):
    with pytest.raises(SpecError, match="[Dd]id you mean 'posterior'"):
        ask()


@pytest.mark.parametrize("key", ["ocean", "lattice"])
def test_a_part_without_a_dataset_is_no_view(key):
    assert key not in diagnostics.VIEWS
    with pytest.raises(SpecError, match=f"There is no view '{key}'"):
        empty(key)
    with pytest.raises(AttributeError):
        getattr(diagnostics, key)


def test_views_are_listed_without_torch_and_scipy():
    code = "import sys, workbench.snapshots as s; print(len(s.VIEWS), {'torch', 'scipy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [str(len(VIEWS)), "set()"]
