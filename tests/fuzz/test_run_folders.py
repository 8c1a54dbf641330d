"""Run folders whose files hold anything: they are listed, opened and resumed, or refused with a sentence."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb

FILES = ("experiment.json", "status.json", "history.jsonl", "events.jsonl", "checkpoint.pt")
contents = st.binary(max_size=40) | st.sampled_from(
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"9" * 6000,
        b'{"state": []}',
        b'{"state": "running", "pid": "x", "time": null, "host": 3}',
        b'{"iteration": "many", "state": "finished", "message": {}}',
        b'{"problem": "two_moons"}',
        b'{"iteration": 1, "seconds": 0, "learning_rate": 0, "parts": {}}\n',
        b'{"problem": {"key": "table", "settings": {"path": "a\\u0000b", "x_columns": ["a"]}}}',
        b'{"problem": {"key": "\\ud800"}}',
    ]
)


def check_folder(material, root, name: str, content: bytes | None) -> None:
    """Damage one file of a run, or make it a folder (None), and use the run in every way."""
    root = root / "runs"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(material.folder / "planar", root / "abcdef")
    target = root / "abcdef" / name
    target.unlink(missing_ok=True)
    target.mkdir() if content is None else target.write_bytes(content)
    infos = wb.training.Runs(root).list()
    assert [info.id for info in infos] == ["abcdef"]
    assert isinstance(infos[0].state, str) and type(infos[0].iteration) is int, infos
    folder = wb.training.RunFolder(root / "abcdef")
    for use in (
        folder.status,
        folder.experiment,
        folder.history,
        lambda: folder.open(device="cpu").sample(2),
        lambda: wb.Run.resume(root / "abcdef", device="cpu").step().loss,
    ):
        try:
            use()
        except wb.WorkbenchError as error:
            assert str(error).strip()


@pytest.mark.filterwarnings("ignore::workbench.core.errors.RunWarning")
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_run_is_used_or_refused(material, elsewhere, name):
    for content in (b"", b"\xff\x00", b"[" * 100_000, b'{"a": ' + b"9" * 6000 + b"}", None):
        check_folder(material, elsewhere, name, content)


@pytest.mark.filterwarnings("ignore::workbench.core.errors.RunWarning")
@pytest.mark.slow
def test_thousand_damaged_runs_are_used_or_refused(material, elsewhere, thorough):
    @thorough
    @given(st.sampled_from(FILES), contents | st.none())
    def check(name, content):
        check_folder(material, elsewhere, name, content)

    check()
