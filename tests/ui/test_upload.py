"""Uploads and imports: the server trusts nothing that the browser sends."""

import numpy as np
import pandas as pd
import pytest

from workbench.backends import InlineBackend
from workbench.core.errors import DataError, RefusedError, WorkbenchError
from workbench.problems import PROBLEMS
from workbench.ui import example, process_pool, upload
from workbench.ui.banner import message
from workbench.ui.controls import Controls
from workbench.ui.jobs import Jobs
from workbench.ui.session import Session
from workbench.ui.upload import Upload, clean_uploads, validate_table


@pytest.mark.parametrize(
    ("data", "name", "suffix"),
    [
        (b"a,b\n1,2\n", "../../evil.csv", ".csv"),
        (b"PAR1....", "t.parquet", ".parquet"),
        (b"CDF\x01", "x.nc", ".nc"),
    ],
)
def test_a_table_gets_a_name_of_our_own(data, name, suffix):
    assert validate_table(data, name) == suffix
    file_name = process_pool.new_name(suffix)
    assert "/" not in file_name and file_name.endswith(suffix) and file_name != process_pool.new_name(suffix)


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"#!/bin/sh", "evil.sh", "kind of file"),
        (b"not parquet", "t.parquet", "not what its name says"),
        (b"\x00\x01\x02", "t.csv", "not what its name says"),
        (b"\x80\x04pickle", "model.pkl", "kind of file"),
    ],
)
def test_what_is_not_a_table_is_refused(data, name, reason):
    with pytest.raises(DataError, match=reason):
        validate_table(data, name)


def test_size_and_quota_are_limits_of_the_server(monkeypatch, tmp_path):
    monkeypatch.setattr(upload, "MAX_TABLE_BYTES", 10)
    with pytest.raises(DataError, match="too large"):
        validate_table(b"a,b\n1,2\n3,4\n", "t.csv")
    monkeypatch.setattr(upload, "QUOTA", 10)
    (tmp_path / "old").write_bytes(b"123456")
    with pytest.raises(DataError, match="full"):
        clean_uploads(tmp_path, 6)


def test_only_columns_of_numbers_are_kept(tmp_path):
    source, target = tmp_path / "t.csv", tmp_path / "clean.parquet"
    pd.DataFrame({"height [m]": np.arange(60.0), "b": np.arange(60), "word": "x"}).to_csv(source, index=False)
    columns = process_pool.import_table(str(source), str(target))
    assert {c["name"]: c["kind"] for c in columns} == {"height": "whole", "b": "whole", "word": "constant"}
    spec = PROBLEMS.make("table")
    form = Upload(spec, lambda *_: None, lambda error: None)
    form._offer(target, columns, "t.csv")
    form.x.value, form.y.value = ["height"], ["b"]
    assert spec.refusals() == [] and [v.unit for v in spec.x] == ["m"] and [v.name for v in spec.y] == ["b"]
    assert form.x.options == ["height", "b"] and spec.whole == ["height", "b"]


def test_each_column_starts_with_the_kind_that_it_suggests_and_can_have_another(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "flux": 10 ** rng.uniform(-3, 3, 90),
            "angle [deg]": rng.uniform(0, 360, 90),
            "colour": rng.choice(["red", "blue"], 90),
            "flag": rng.choice([True, False], 90),
            "day": pd.date_range("2024-01-01", periods=90),
        }
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    target = tmp_path / "clean.parquet"
    columns = process_pool.import_table(str(tmp_path / "t.csv"), str(target))
    spec, changes = PROBLEMS.make("table"), []
    form = Upload(spec, lambda name, value: changes.append(name), lambda error: None)
    form._offer(target, columns, "t.csv")
    form.x.value, form.y.value = ["flux", "angle", "colour"], ["day", "flag"]
    assert spec.refusals() == [] and {"log", "period", "categories"} <= set(changes)
    assert spec.x[0].scale == "log" and spec.x[1].period == 360 and spec.x[2].labels == ("blue", "red")
    assert spec.y[0].unit == "days since 1970-01-01" and spec.y[1].labels == ("false", "true")
    assert spec._rows().values[0, 3] == (pd.Timestamp("2024-01-01") - pd.Timestamp("1970-01-01")).days
    form.kinds.menus["flux"].value = "robust"
    assert spec.log == [] and spec.robust == ["flux"] and spec.x[0].scale == "robust"
    form.x.value = ["angle"]
    assert spec.robust == [] and spec.categories == ["flag"] and spec.refusals() == []


def test_the_shipped_example_is_real_and_complete():
    experiment, snapshot, records = example.read()
    assert experiment.refusals() == [] and snapshot.iteration == experiment.steps == records[-1].iteration
    assert {"samples_x", "density", "grid", "latent_z", "invertibility_xzx"} <= set(snapshot.arrays)
    assert records[-1].loss < records[0].loss


def test_an_exported_model_becomes_a_run(tmp_path):
    from workbench.snapshots import SnapshotRequest
    from workbench.training import Run, Runs

    run_id = process_pool.import_model(str(example.FOLDER / example.MODEL), str(tmp_path))
    run = Run.resume(Runs(tmp_path).folder(run_id))
    _, snapshot, _ = example.read()
    again = run.snapshot(SnapshotRequest(views=("density",)))
    assert run.finished and np.allclose(again.arrays["density"], snapshot.arrays["density"], atol=1e-3)


def test_a_model_of_a_table_comes_back_where_its_table_is(tmp_path):
    import workbench as wb
    from workbench.snapshots import SnapshotRequest
    from workbench.training import Run, Runs

    rows = np.random.default_rng(0).normal(size=(200, 2))
    np.savetxt(tmp_path / "own.csv", rows, delimiter=",", header="a,b", comments="")
    problem = wb.TableProblem(str(tmp_path / "own.csv"), x=["a"], y=["b"])
    small = {"key": "realnvp", "settings": {"transforms": 2, "width": 8}}
    experiment = wb.Experiment(problem, small, "maximum_likelihood", steps=3, seed=0)
    here = Runs(tmp_path / "runs")
    run = Run(experiment, folder=here.root / "trained0")
    for _ in run:
        pass
    run.save()
    wb.save(run, tmp_path / "model.zip")
    folder = here.folder(process_pool.import_model(str(tmp_path / "model.zip"), str(here.root)))
    model_run = Run.resume(folder).snapshot(SnapshotRequest(views=("posterior",)))
    original = run.snapshot(SnapshotRequest(views=("posterior",)))
    assert np.array_equal(model_run.arrays["posterior_x"], original.arrays["posterior_x"])
    with pytest.raises(WorkbenchError, match="does not carry.*columns a, b"):
        process_pool.import_model(str(tmp_path / "model.zip"), str(tmp_path / "elsewhere"))


def test_a_changed_file_is_refused(tmp_path):
    data = bytearray((example.FOLDER / example.MODEL).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "changed.zip").write_bytes(data)
    with pytest.raises(RefusedError):
        process_pool.import_model(str(tmp_path / "changed.zip"), str(tmp_path))


def test_the_example_on_the_first_page_has_a_report_too(tmp_path):
    """It is a file and not a run: the report is that of a run made from it, and leaves nothing behind."""
    target = tmp_path / "report.html"
    process_pool.export_to(str(example.FOLDER / example.MODEL), "report", str(target))
    page = target.read_text(encoding="utf-8")
    assert "This run holds no history" not in page and "Learning" in page and " in 0 s" not in page
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def with_gaps(tmp_path):
    """The studio's problem picker with a table of 60 rows of which five lack a value."""
    table = pd.DataFrame({"a": np.random.default_rng(0).normal(size=60), "b": np.arange(60) ** 1.5})
    table.loc[:2, "a"], table.loc[57:, "b"] = np.nan, np.nan
    table.loc[0, "b"] = np.nan
    table.to_csv(tmp_path / "t.csv", index=False)
    columns = process_pool.import_table(str(tmp_path / "t.csv"), str(tmp_path / "clean.parquet"))
    session = Session(Jobs(InlineBackend()))
    picker = Controls(session, lambda action: action()).pickers["problem"]
    picker.select.value = "table"
    picker.editor._offer(tmp_path / "clean.parquet", columns, "t.csv")
    picker.editor.x.value, picker.editor.y.value = ["a"], ["b"]
    return session, picker


def test_missing_values_are_refused_once_without_code_and_a_button_leaves_the_rows_out(with_gaps):
    session, picker = with_gaps
    editor, spec = picker.editor, picker.editor.spec
    assert editor.leave_out.visible
    assert "6 of 60 rows have no number" in editor.note.object and "3 in &#x27;a&#x27;" in editor.note.object
    banner = message(session)[1]
    assert "missing" not in banner and "beside them" in banner
    assert "=" not in editor.note.object.partition(">")[2] and "drop" not in editor.note.object
    editor.leave_out.param.trigger("clicks")
    assert spec.missing == "drop" and spec.refusals() == [] and spec.rows == 54
    assert not editor.leave_out.visible and "6 of 60 rows are left out" in editor.note.object
    assert picker.form.widgets["missing"].value == "drop"  # the form shows what the button has set
    assert session.choices.refusal() == ""
    picker.form.widgets["missing"].value = "refuse"
    assert editor.leave_out.visible and "6 of 60" in editor.note.object


def test_the_note_follows_the_kinds_of_the_columns(with_gaps):
    _, picker = with_gaps
    picker.editor.leave_out.param.trigger("clicks")
    menu = picker.editor.kinds.menus["a"]
    menu.value = "log"  # it has values below zero
    assert "wb-message bad" in picker.editor.note.object and "another kind" in picker.editor.note.object
    menu.value = "number"
    assert "The table is ready" in picker.editor.note.object
