"""Damaged run folders: each is one line that says so, and none keeps the other runs from being listed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.core.errors import RunError, WorkbenchError
from workbench.training import Experiment, Run, RunFolder, Runs
from workbench.training.whole_files import read_object, write_whole

GOOD = "aaaa00"


def unreadable(path: Path) -> None:
    """Make a file that nobody can read, the superuser included: a link to itself."""
    path.symlink_to(path)


def wrong_types(path: Path) -> None:
    if path.name == "status.json":
        return write(path, json.dumps({"state": "finished", "iteration": "many", "time": []}))
    write(path, json.dumps({"problem": 3, "architecture": ["maf"], "objective": {"key": 1}, "steps": "many"}))


def write(path: Path, text: str | bytes) -> None:
    path.write_bytes(text.encode() if isinstance(text, str) else text)


#: What happens to a file, and the words in the reason.
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty": (lambda path: write(path, ""), "is empty"),
    "not JSON": (lambda path: write(path, '{"state": "fini'), "is not JSON"),
    "not UTF-8": (lambda path: write(path, b'{"state": "\xff\xfe"}'), "is not UTF-8 at byte 11"),
    "a list": (lambda path: write(path, "[1, 2]"), "holds a list"),
    "missing keys": (lambda path: write(path, "{}"), "has no "),
    "wrong types": (wrong_types, "has "),
    "deeply nested": (lambda path: write(path, "[" * 100_000 + "]" * 100_000), "is nested too deeply"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "unreadable": (unreadable, "cannot be read"),
}
FILES = ("status.json", "experiment.json")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory) -> dict[str, str]:
    """A home with one good run and one for each kind of damage: id -> words of its reason."""
    home = tmp_path_factory.mktemp("home")
    experiment = Experiment("linear_gaussian", "realnvp", steps=2, training={"samples": 64, "batch_size": 16})
    run = Run(experiment, device="cpu", folder=home / "runs" / GOOD)
    run.train(progress=False)
    run.save()
    files = {path.name: path.read_bytes() for path in run.folder.path.iterdir() if path.is_file()}
    reasons = {}
    for name in FILES:
        for i, (damage, words) in enumerate(DAMAGES.values()):
            folder = home / "runs" / f"bbbb{FILES.index(name)}{i}"
            folder.mkdir()
            for other, data in files.items():
                (folder / other).write_bytes(data)
            (folder / name).unlink()
            damage(folder / name)
            reasons[folder.name] = f"{name} {words}"
    (home / "runs" / "cccc00").mkdir()  # an empty folder is no run
    incomplete = home / "runs" / "dddd00"
    incomplete.mkdir()
    (incomplete / "checkpoint.pt").write_bytes(files["checkpoint.pt"])
    reasons["dddd00"] = "there is no experiment.json"
    return {"home": str(home), **reasons}


@pytest.fixture
def home(damaged, monkeypatch) -> dict[str, str]:
    monkeypatch.setenv("WORKBENCH_HOME", damaged["home"])
    return {name: words for name, words in damaged.items() if name != "home"}


def test_each_damaged_run_is_one_line_with_its_reason(home):
    infos = {info.id: info for info in Runs().list()}
    assert set(infos) == {GOOD, *home} and len(infos) == len(FILES) * len(DAMAGES) + 2
    assert (infos[GOOD].state, infos[GOOD].iteration) == ("finished", 2)
    for name, words in home.items():
        assert infos[name].state == "damaged" and words in infos[name].message, infos[name]
        assert infos[name].iteration == 0 and "Traceback" not in infos[name].message


def test_the_command_line_lists_them(home, capsys):
    assert main(["list", "runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(" damaged " in line for line in lines) == len(home) == 19
    assert [line for line in lines if line.startswith(GOOD)][0].split()[1:3] == ["finished", "2/2"]
    assert main(["list", "runs", "--json"]) == 0
    cards = {card["id"]: card for card in json.loads(capsys.readouterr().out)}
    assert all(words in cards[name]["message"] for name, words in home.items())


@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame")  # of Panel's table
def test_the_pages_list_them(home):
    from workbench.backends import InlineBackend
    from workbench.studies.results_table import _runs
    from workbench.ui import inversion_page, models
    from workbench.ui.jobs import Jobs
    from workbench.ui.runs import RunsPanel
    from workbench.ui.session import Session

    panel = RunsPanel(Session(Jobs(InlineBackend())), lambda work: work(), lambda: None)
    panel.refresh()
    rows = {row.id: row for row in panel.table.value.itertuples()}
    entries = {entry.id.partition("/")[2]: entry for entry in _runs()}
    menus = [list(models.models().items()), list(inversion_page.sources().items())]
    for name, words in home.items():
        assert rows[name].state == "damaged" and words in rows[name].run
        assert entries[name].state == "damaged" and words in entries[name].title
        for menu in menus:
            labels = [label for label, source in menu if source.endswith(name)]
            assert len(labels) == 1 and labels[0].startswith("damaged") and words in labels[0]
    assert rows[GOOD].state == "finished" and entries[GOOD].state == "finished"
    labels = [label for label, _ in menus[0]]
    assert [label.startswith("damaged") for label in labels] == sorted(
        label.startswith("damaged") for label in labels
    )
    panel.table.selection = list(range(len(rows)))  # compared and deleted like any other
    assert not panel.delete.disabled


def test_whatever_is_asked_of_a_damaged_run_is_answered_with_a_sentence(home):
    for name in home:
        folder = Runs().folder(name)
        assert folder.status()["state"] in ("damaged", "finished", "stopped")
        try:
            assert folder.open(device="cpu").iteration == 2  # a damaged status does not lose the run
            assert name.startswith("bbbb0")
        except WorkbenchError as error:
            assert not name.startswith("bbbb0") and str(error).endswith(".")


def test_a_damaged_status_is_mended_by_going_on(home, tmp_path):
    folder = Runs().folder("bbbb00")
    run = Run.resume(folder, device="cpu")
    run.step()
    run.save()
    assert folder.status()["state"] == "finished" and folder.status()["iteration"] == 3


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"iteration": 1}', "\xff", "[" * 10_000, '"a"'])
def test_a_damaged_line_of_the_history_is_left_out(line, tmp_path):
    records = [
        {"iteration": i, "seconds": 0.1, "learning_rate": 1e-3, "parts": {"loss": 1.0}, "validation": {}}
        for i in (1, 2)
    ]
    bad = [{**records[0], "iteration": 7, "parts": parts} for parts in ({}, [], None, {"loss": "low"})]
    lines = [json.dumps(records[0]), line, *map(json.dumps, bad), json.dumps(records[1])]
    (tmp_path / "history.jsonl").write_bytes("\n".join(lines).encode("latin-1"))
    assert [r.iteration for r in RunFolder(tmp_path).history()] == [1, 2]


def test_a_history_that_is_a_folder_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "history.jsonl").mkdir()
    with pytest.raises(RunError, match="history of run .* cannot be read"):
        RunFolder(tmp_path).history()


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "a\\b", "/etc", "a\0b", ".hidden", "x" * 300, "nosuch"]
)
def test_a_path_in_place_of_an_id_is_refused(name, tmp_path):
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(RunError, match="There is no run"):
        Runs(tmp_path).folder(name)


def test_a_run_of_any_plain_name_can_be_opened(tmp_path):
    for name in ("NAME", "my run 2", "Ozean-ß", "a.b"):
        (tmp_path / name).mkdir()
        assert Runs(tmp_path).folder(name).id == name


def test_a_file_of_one_object_is_read_back(tmp_path):
    write_whole(tmp_path / "a.json", b'{"a": 1}')
    assert read_object(tmp_path / "a.json", "It") == {"a": 1} and os.listdir(tmp_path) == ["a.json"]
    with pytest.raises(FileNotFoundError):
        read_object(tmp_path / "b.json", "It")
