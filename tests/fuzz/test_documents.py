"""Experiment files, links, lines of a history and exported models with damage of every kind."""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import workbench as wb
from workbench.core.documents import read_json, read_text
from workbench.core.errors import DataError, FileError, RefusedError, SpecError

EXPERIMENT = wb.Experiment("two_moons", {"key": "realnvp", "settings": {"width": 8}}).to_dict()
texts = st.text(max_size=20) | st.sampled_from(["two_moons", "realnvp", "\ud800", "a\0b", "table", "../x"])
numbers = st.integers() | st.floats() | st.sampled_from([2**63, -(2**63), 10**4000, True])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def paths(table: object, path: tuple = ()) -> list[tuple]:
    """List the ways to every value in nested tables."""
    inner = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    return [path, *(p for key, value in inner for p in paths(value, (*path, key)))]


def changed(table: object, path: tuple, value: object) -> object:
    """Return a copy with another value at a path."""
    if not path:
        return value
    copy = dict(table) if isinstance(table, dict) else list(table)
    copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


def check_experiment(make) -> None:
    """Check that an experiment is built, and then written and read again, or refused."""
    try:
        experiment = make()
    except wb.WorkbenchError as error:
        assert str(error).strip() and len(str(error)) < 5000
        return
    assert wb.Experiment.from_json(experiment.to_json()) == experiment
    experiment.refusals()


def check_value(path: tuple, value: object) -> None:
    table = changed(EXPERIMENT, path, value)
    check_experiment(lambda: wb.Experiment.from_dict(table))
    check_experiment(lambda: wb.Experiment.from_json(json.dumps(table, default=str)))
    data = zlib.compress(json.dumps(table, default=str).encode())
    check_experiment(lambda: wb.Experiment.from_link(base64.urlsafe_b64encode(data).decode().rstrip("=")))


def check_text(text: str) -> None:
    check_experiment(lambda: wb.Experiment.from_json(text))
    for link in (text, f"e={text}", f"http://{text}", f"http://[::1/?e={text}", f"https://host/?e={text}"):
        check_experiment(lambda link=link: wb.Experiment.from_link(link))


@given(st.sampled_from(paths(EXPERIMENT)), values)
def test_an_experiment_with_a_changed_value_is_built_or_refused(path, value):
    check_value(path, value)


@given(texts | st.text())
@example("http://[::1/?e=")
@example("[" * 100_000)
@example("9" * 6000)
@example("é")
@example("-Infinity")
def test_any_text_is_an_experiment_or_refused(text):
    check_text(text)


@pytest.mark.slow
def test_thousand_experiments_and_texts_are_built_or_refused(thorough):
    thorough(given(st.sampled_from(paths(EXPERIMENT)), values)(check_value))()
    thorough(given(texts | st.text())(check_text))()


def test_a_link_of_random_bytes_is_refused():
    for data in (b"", b"\xff" * 40, zlib.compress(b"[" * 100_000), zlib.compress(b"9" * 6000)):
        with pytest.raises(SpecError):
            wb.Experiment.from_link(base64.urlsafe_b64encode(data).decode())


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"caf\xe9", b"\x80"])
def test_a_file_that_is_no_text_is_refused_by_its_byte(tmp_path, data):
    (tmp_path / "file.json").write_bytes(data)
    with pytest.raises(SpecError, match="is not a text in UTF-8.*0x"):
        read_text(tmp_path / "file.json", "The file")


def test_a_missing_file_keeps_the_number_of_its_error(tmp_path):
    with pytest.raises(FileError, match="no such file") as refusal:
        read_text(tmp_path / "nothing", "The file")
    assert refusal.value.errno == 2 and isinstance(refusal.value, OSError)
    with pytest.raises(FileError, match="cannot be opened"):
        read_text("a\0b", "The file")


def test_json_says_what_is_wrong_with_it():
    for text, message in (
        ("", "an empty text"),
        ("[" * 10**5, "too deeply"),
        ("9" * 6000, "a number"),
        ("{", "line 1"),
    ):
        with pytest.raises(DataError, match=message):
            read_json(text, "The text", DataError)


# ---- lines of a history


RECORD = {"iteration": 1, "seconds": 0.5, "learning_rate": 1e-3, "parts": {"loss": 1.0}, "validation": {}}


@given(st.sampled_from(paths(RECORD)), values)
@example(("parts",), {})
@example(("iteration",), True)
def test_a_line_of_a_history_is_a_record_or_refused(path, value):
    line = json.dumps(changed(RECORD, path, value), default=str)
    try:
        record = wb.training.Record.from_json(line)
    except DataError:
        return
    assert isinstance(record.loss, int | float) and type(record.iteration) is int
    wb.training.History([record]).columns()
    assert wb.training.Record.from_json(record.to_json()).iteration == record.iteration


def test_a_record_without_a_loss_says_so():
    with pytest.raises(DataError, match="iteration 3 has no loss"):
        _ = wb.training.Record(3, 0.0, 1e-3, {"other": 1.0}).loss


# ---- exported models


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as stream:
        for name, data in members.items():
            stream.writestr(name, data)
    return buffer.getvalue()


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as stream:
        return {name: stream.read(name) for name in stream.namelist()}


def check_model(path: Path, data: bytes, original: bytes) -> None:
    """Check that a file is refused by `load` and `check` alike, unless it is the original."""
    path.write_bytes(data)
    try:
        wb.load(path)
    except RefusedError as error:
        report = wb.check(path)
        assert not report["ok"] and report["error"] == str(error)
        return
    assert wb.check(path)["ok"]


def check_manifest(material, folder: Path, choose, value: object) -> None:
    from workbench.export import manifest

    members = members_of(material.folder / "planar.zip")
    table = json.loads(members["manifest.json"])
    table = changed(table, choose(paths(table)[1:]), value)
    if isinstance(table, dict) and isinstance(table.get("digest"), str):
        table["digest"] = manifest.digest(json.loads(json.dumps(table, default=str)))
    members["manifest.json"] = json.dumps(table, default=str).encode()
    check_model(folder / "model.zip", archive(members), b"")


@given(data=st.data())
def test_a_manifest_with_a_changed_value_is_loaded_or_refused(material, elsewhere, data):
    check_manifest(material, elsewhere, lambda ways: data.draw(st.sampled_from(ways)), data.draw(values))


@pytest.mark.slow
def test_thousand_manifests_are_loaded_or_refused(material, elsewhere, thorough):
    @thorough
    @given(data=st.data())
    def check(data):
        check_manifest(material, elsewhere, lambda ways: data.draw(st.sampled_from(ways)), data.draw(values))

    check()


@given(data=st.data())
def test_a_model_with_changed_bytes_is_loaded_or_refused(material, elsewhere, data):
    original = (material.folder / "planar.zip").read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    insertion = data.draw(st.binary(max_size=8))
    length = data.draw(st.sampled_from([0, 1, 8, len(original)]))
    check_model(
        elsewhere / "model.zip", original[:position] + insertion + original[position + length :], original
    )
