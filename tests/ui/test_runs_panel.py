"""The list of runs: a run that trains elsewhere is not offered for deletion, and ended ones are deleted."""

from types import SimpleNamespace

import pytest

from workbench.core.errors import RunError
from workbench.training import Experiment, Run, RunFolder
from workbench.training.ownership import Ownership
from workbench.ui import runs
from workbench.ui.runs import RunsPanel

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


@pytest.fixture
def panel(monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    for _ in range(2):
        run = Run(Experiment("two_moons", "realnvp", steps=1), device="cpu")
        run.attach(RunFolder.create(tmp_path / "runs"))
        run.step()
        run.save()
        run.folder.ownership.release()
    session = SimpleNamespace(job=None, forget=lambda path: None)
    panel = RunsPanel(session, lambda action: action(), lambda: None)
    panel.refresh()
    panel.table.selection = [0, 1]
    return panel


def press(button) -> None:
    button.clicks += 1


def test_ended_runs_are_deleted_after_a_question(panel):
    press(panel.delete)
    assert panel.confirm.visible and "This deletes 2 runs" in panel.note.object
    press(panel.confirm)
    assert panel.runs.list() == [] and len(panel.table.value) == 0


def test_a_run_in_use_elsewhere_is_not_offered(panel):
    owner = Ownership(panel.infos[1].path)
    owner.claim()
    press(panel.delete)
    assert not panel.confirm.visible and "still in use" in panel.note.object
    assert panel.infos[1].id[-4:] in panel.note.object
    owner.release()


def test_a_run_that_this_page_trains_is_deleted_once_it_has_ended(panel):
    own, other = panel.infos[1], panel.infos[0]
    owner = Ownership(own.path)
    owner.claim()
    panel.session.job = SimpleNamespace(handle=SimpleNamespace(folder=own.path))
    press(panel.delete)
    assert panel.confirm.visible
    press(panel.confirm)
    assert [info.id for info in panel.infos] == panel.table.value["id"].tolist() == [own.id]
    assert "as soon as it has ended" in panel.note.object and not other.path.exists()
    panel.delete_ended()
    assert own.path.exists()
    owner.release()
    panel.delete_ended()
    assert panel.infos == [] and not own.path.exists()
    panel.delete_ended()  # nothing is left to do


def test_a_run_that_does_not_end_is_told(panel, monkeypatch):
    monkeypatch.setattr(runs, "PATIENCE", 0.0)
    owner = Ownership(panel.infos[1].path)
    owner.claim()
    with pytest.raises(RunError, match="still alive"):
        panel._delete()
    assert [info.id for info in panel.infos] == panel.table.value["id"].tolist()  # the list is true again
    owner.release()
