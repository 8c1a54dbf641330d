"""The frame of every study: cells as files, resuming after an interruption, one Dataset, one table."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import workbench as wb
from tests.studies.toy import Toy
from workbench.core.errors import RunError, SpecError
from workbench.studies import (
    STUDIES,
    Bench,
    Study,
    StudyContext,
    StudyFolder,
    load,
    rows,
    run,
    study_context,
    text,
)
from workbench.studies.folder import read, write
from workbench.training import Run


def test_a_study_is_one_dataset_with_its_provenance(tmp_path):
    data = run(Toy(seeds=2), out=tmp_path, device="cpu")
    assert list(data["method"].values) == ["good", "good", "bad", "bad", "absent"]
    assert list(data["seed"].values) == [0, 1, 0, 1, 0]
    assert list(data["status"].values) == ["done", "done", "failed", "failed", "refused"]
    assert data["note"].values[2].startswith("The bad one") and data["note"].values[4] == "It is not here."
    assert list(data["error"].values[:2]) == [3.0, 4.0] and np.isnan(data["error"].values[2:]).all()
    assert data["weights"].dims == ("cell", "weight")
    assert json.loads(data.attrs["settings"]) == Toy(seeds=2).values()
    assert {"torch", "vina-workbench"} <= set(json.loads(data.attrs["versions"]))
    assert (
        data.attrs["complete"] == 1 and data.attrs["seconds"] > 0 and data.attrs["device"].startswith("cpu")
    )
    assert load(tmp_path).equals(data) and load(tmp_path / "result.nc").attrs == data.attrs
    experiment = json.loads(str(data["experiment"].values[1]))
    assert experiment["seed"] == 1 and experiment["problem"]["key"] == "linear_gaussian"


def test_an_interrupted_study_goes_on_and_does_nothing_twice(tmp_path):
    study = Toy(seeds=2)
    study.stop_at = "good-1"
    with pytest.raises(KeyboardInterrupt):
        run(study, out=tmp_path, device="cpu")
    half = load(tmp_path)
    assert list(half["status"].values[:2]) == ["done", "waiting"] and half.attrs["complete"] == 0
    again = Toy(seeds=2)
    data = run(again, out=tmp_path, device="cpu")
    assert again.measured == ["good-1", "bad-0", "bad-1"] and data.attrs["complete"] == 1
    assert run(Toy(seeds=2), out=tmp_path, device="cpu").equals(data)


def interrupted_run(study: Study, folder: Path, *, iteration: int) -> None:
    """Run a study until the step of its first cell's run at this iteration."""
    step = Run.step

    def stopped(self):
        if self.iteration == iteration:
            raise KeyboardInterrupt
        return step(self)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Run, "step", stopped)
        run(study, out=folder, device="cpu")


def test_a_run_inside_a_killed_study_ends_as_if_nothing_had_happened(tmp_path, monkeypatch):
    whole = run(Toy(), out=tmp_path / "whole", device="cpu")
    monkeypatch.setattr(study_context, "CHECKPOINT_SECONDS", 0.0)
    interrupted_run(Toy(), tmp_path / "cut", iteration=7)
    step = Run.step
    starts = []
    monkeypatch.setattr(Run, "step", lambda self: starts.append(self.iteration) or step(self))
    cut = run(Toy(), out=tmp_path / "cut", device="cpu")
    assert starts[0] == 7 and len(starts) == 13
    np.testing.assert_array_equal(cut["weights"].values[0], whole["weights"].values[0])


def test_a_killed_study_loses_at_most_ten_seconds_of_training(tmp_path, monkeypatch):
    seconds, saved, step, save = [0.0], [], Run.step, Run.save

    def timed_step(self):
        seconds[0] += 1.0
        return step(self)

    def noted_save(self, **values):
        saved.append(self.iteration)
        return save(self, **values)

    clocks = {"process_time": time.process_time, "perf_counter": time.perf_counter}
    monkeypatch.setattr(study_context, "time", SimpleNamespace(monotonic=lambda: seconds[0], **clocks))
    monkeypatch.setattr(Run, "step", timed_step)
    monkeypatch.setattr(Run, "save", noted_save)
    run(Toy(steps=50), out=tmp_path, device="cpu")
    assert saved[0] == 0 and saved[-1] == 50
    assert max(np.diff(saved)) <= 10


def test_training_is_timed_over_all_times_that_it_was_taken_up(tmp_path, monkeypatch):
    class Timed(Toy):
        def measure(self, cell, context):
            numbers = super().measure(cell, context)
            return numbers.assign(loss=context.seconds(cell))

    ticks = iter(range(0, 10_000, 5))
    monkeypatch.setattr(study_context, "clock", lambda device: next(ticks))
    interrupted_run(Timed(), tmp_path, iteration=7)
    assert run(Timed(), out=tmp_path, device="cpu")["loss"].values[0] == 10.0  # two ticks
    (tmp_path / "cells" / "good-0.nc").unlink()
    assert run(Timed(), out=tmp_path, device="cpu")["loss"].values[0] == 10.0  # a finished run is only read


def test_shared_datasets_are_computed_once_and_stored(tmp_path):
    run(Toy(), out=tmp_path, device="cpu")
    assert (tmp_path / "cached" / "shared.nc").is_file() and not (tmp_path / "kept").exists()
    write(xr.Dataset({"value": ((), 7.0)}), tmp_path / "cached" / "shared.nc")
    (tmp_path / "cells" / "good-0.nc").unlink()
    assert run(Toy(), out=tmp_path, device="cpu")["error"].values[0] == 7.0


def test_a_folder_of_an_earlier_version_is_read_and_continued(tmp_path):
    """Such a folder has its shared Datasets in ``kept``, and keeps them there."""
    write(xr.Dataset({"value": ((), 7.0)}), tmp_path / "kept" / "shared.nc")
    assert run(Toy(), out=tmp_path, device="cpu")["error"].values[0] == 7.0
    assert not (tmp_path / "cached").exists()
    context = StudyContext(StudyFolder(tmp_path))
    assert context.cached("other", lambda: xr.Dataset({"value": ((), 1.0)}))["value"] == 1.0
    assert (tmp_path / "kept" / "other.nc").is_file()


def test_earlier_names_of_the_context_still_work(tmp_path):
    assert Bench is StudyContext
    context = StudyContext(StudyFolder(tmp_path))
    assert context.kept("shared", lambda: xr.Dataset({"value": ((), 2.0)}))["value"] == 2.0


def test_the_clock_of_a_cpu_stops_while_the_process_is_idle():
    start = study_context.clock("cpu")
    time.sleep(0.2)
    assert study_context.clock("cpu") - start < 0.1


def test_a_cell_file_that_is_torn_is_measured_again(tmp_path):
    run(Toy(), out=tmp_path, device="cpu")
    (tmp_path / "cells" / "good-0.nc").write_bytes(b"torn")
    study = Toy()
    assert run(study, out=tmp_path, device="cpu")["status"].values[0] == "done"
    assert study.measured == ["good-0"]


def test_texts_of_a_result_are_kept_and_take_little_room(tmp_path):
    texts = {"experiment": ["{" + "λ' ≤ ‖x̂‖ " * 300 + str(i) for i in range(200)], "note": [""] * 200}
    texts["title"] = [["", "α", "a longer one"][i % 3] for i in range(200)]
    data = xr.Dataset(
        coords={name: ("cell", np.array(result, dtype=object)) for name, result in texts.items()}
    )
    write(data, tmp_path / "result.nc")
    result = read(tmp_path / "result.nc")
    assert {name: result[name].values.tolist() for name in texts} == texts
    assert all(result[name].dtype.kind == "U" and name in result.coords for name in texts)
    assert (tmp_path / "result.nc").stat().st_size < 100_000 < 200 * len(texts["experiment"][0])


def test_a_folder_belongs_to_one_study_with_one_setting(tmp_path):
    run(Toy(fast=True), out=tmp_path, device="cpu")
    with pytest.raises(SpecError, match="fast=True"):
        run(Toy(), out=tmp_path, device="cpu")
    assert StudyFolder.standard(Toy()).path != StudyFolder.standard(Toy(seeds=2)).path
    assert StudyFolder.standard(Toy()).path == StudyFolder.standard(Toy()).path


def test_fast_changes_defaults_and_no_given_setting():
    assert (Toy().steps, Toy(fast=True).steps, Toy(fast=True, steps=3).steps) == (20, 10, 3)
    assert Toy.from_values(Toy(fast=True, steps=3).values()) == Toy(fast=True, steps=3)
    with pytest.raises(SpecError, match="did you mean|Did you mean"):
        Toy(step=3)


def test_rows_average_over_seeds_and_carry_the_figures_of_others(tmp_path):
    data = run(Toy(seeds=2), out=tmp_path, device="cpu")
    good, bad, absent = rows(data)
    assert rows(load(tmp_path)) == [good, bad, absent]
    assert good["error"] == 3.5 and good["error_spread"] == pytest.approx(np.sqrt(0.5)) and good["seeds"] == 2
    assert good["error_paper"] == 0.25 and "error" not in bad and "error_paper" not in bad
    assert (good["status"], bad["status"], absent["status"]) == ("done", "failed", "refused")
    table = text(data)
    assert "3.5 ± 0.707" in table and "error [m]" in table and "paper: printed in the paper" in table
    assert "Absent: refused. It is not here." in table and table.startswith("Toy (full setting); cpu")


@pytest.mark.parametrize("key", STUDIES.keys())
def test_cells_with_curves_of_different_lengths_are_one_dataset(key, tmp_path, monkeypatch):
    """As ``--set steps=40`` gives them, where some cells are trained for another number of steps."""
    study = STUDIES.make(key, fast=True)
    cells = [cell for cell in study.cells() if not cell.refused][:3]
    lengths = dict(zip([cell.id for cell in cells], (40, 60, 1), strict=False))

    def measure(self, cell, context):
        n = lengths[cell.id]
        curve = {"curve_training": ("point", np.arange(n)), "curve_name": ("point", ["step"] * n)}
        draws = {"shown_draws": (("shown", "draw", "parameter"), np.ones((2, n, 1), dtype=np.float32))}
        numbers = {column.name: ((), float(n)) for column in study.columns}
        return xr.Dataset(numbers | curve | draws, coords={"parameter": ["x"]})

    monkeypatch.setattr(type(study), "cells", lambda self: cells)
    monkeypatch.setattr(type(study), "measure", measure)
    data = run(study, out=tmp_path, device="cpu")
    assert set(data["status"].values) == {"done"} and load(tmp_path).equals(data)
    assert run(study, out=tmp_path, device="cpu").equals(data)
    for i, cell in enumerate(cells):
        n = lengths[cell.id]
        curve = data["curve_training"].values[i]
        assert list(curve[:n]) == list(range(n)) and np.isnan(curve[n:]).all()
        assert list(data["curve_name"].values[i]) == ["step"] * n + [""] * (len(curve) - n)
        assert int(np.isfinite(data["shown_draws"].values[i]).sum()) == 2 * n


def test_a_study_of_few_steps_is_gathered(tmp_path):
    settings = {"offsets": [3], "divergences": ["kl"], "seeds": 1, "batch_size": 8, "points": 50}
    data = run("disjoint_supports", out=tmp_path, device="cpu", steps=4, own_steps=6, **settings)
    assert set(data["status"].values) == {"done"} and data.sizes["point"] == 6
    assert sorted(np.isfinite(data["curve_training"].values).sum(axis=1)) == [4, 4, 6]


def test_what_is_not_a_result_is_refused(tmp_path):
    (tmp_path / "result.nc").write_bytes(b"nothing")
    for path in (tmp_path, tmp_path / "nowhere.nc"):
        with pytest.raises(RunError, match="not the result of a study"):
            load(path)


def test_a_study_is_reached_from_the_package():
    assert wb.studies.STUDIES is STUDIES and "kinematics" in STUDIES
    with pytest.raises(SpecError, match="kinematics"):
        wb.studies.run("kinematic")


#: Studies of which a setting or a folder names further rows of the published figures.
USER_NAMES_ROWS = {"posteriors", "tables"}


@pytest.mark.parametrize("key", STUDIES.keys())
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "full"])
def test_the_grid_of_every_study_is_sound(key, fast):
    study = STUDIES.make(key, fast=fast)
    cells = study.cells()
    assert len({cell.id for cell in cells}) == len(cells)
    assert len({tuple(cell.coordinates) for cell in cells}) == 1
    assert not [cell.id for cell in cells if cell.experiment is not None and cell.experiment.refusals()]
    columns = {column.name for column in study.columns}
    for figure in study.published:
        assert figure.column in columns and figure.tag in wb.studies.TAGS and figure.source
        # a fast grid may leave rows of the paper out, and so may one whose tables or tasks the user names
        assert (
            fast
            or key in USER_NAMES_ROWS
            or any(figure.row.items() <= cell.coordinates.items() for cell in cells)
        ), figure
