"""Every refusal of a file, with its sentence; nothing in a file is ever executed."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

import workbench as wb
from tests.export.conftest import small_run
from tests.export.tampering import pack, unpack, with_manifest, with_tensors
from workbench.architectures import ARCHITECTURES
from workbench.core.errors import RefusedError
from workbench.export import archive
from workbench.export.manifest import FORMAT_VERSION

MODEL, VECTORS, MANIFEST = "model.safetensors", "vectors.safetensors", "manifest.json"


def assert_refused(path: Path, sentence: str) -> None:
    """`load` raises, and `check` reports the same sentence."""
    with pytest.raises(RefusedError, match=sentence) as error:
        wb.load(path)
    report = wb.check(path)
    assert not report["ok"] and report["error"] == str(error.value)
    assert len(report["error"]) < 1500
    json.dumps(report)


@pytest.fixture
def members(model_file) -> dict[str, bytes]:
    return unpack(model_file)


# ---- the zip
def test_what_is_no_zip(tmp_path, model_file):
    (text := tmp_path / "text.zip").write_text("not a zip")
    (empty := tmp_path / "empty.zip").write_bytes(b"")
    (fragment := tmp_path / "torn.zip").write_bytes(model_file.read_bytes()[:-400])
    for path in (text, empty, fragment):
        assert_refused(path, "cannot be opened as an exported model")
    assert_refused(tmp_path, "a folder")
    assert_refused(tmp_path / "missing.zip", "nothing at")


@pytest.mark.parametrize("name", [MANIFEST, MODEL, VECTORS])
def test_a_missing_member(members, tmp_path, name):
    members.pop(name)
    assert_refused(pack(tmp_path / "model.zip", members), f"missing: {name}")


@pytest.mark.parametrize(
    "name",
    [
        *("run.py", "../../evil.py", "/etc/evil", "model.pkl", "manifest.json/x", "C:\\evil", "..", "a/"),
        *("./manifest.json", "MANIFEST.JSON", "manifest.json ", "ｍanifest.json", "m" * 60_000),
    ],
)
def test_an_extra_member(members, tmp_path, name):
    path = pack(tmp_path / "model.zip", members | {name: b"print('hello')"})
    assert_refused(path, "not expected: ")
    assert [p.name for p in tmp_path.iterdir()] == ["model.zip"] and not (
        tmp_path.parent / "evil.py"
    ).exists()


def test_a_member_twice(members, tmp_path):
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as target:
        for name, data in members.items():
            target.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            target.writestr(MODEL, b"another")
    assert_refused(path, "a member twice")


def test_a_bomb_is_not_read(members, tmp_path, monkeypatch):
    path = pack(
        tmp_path / "model.zip", members | {MODEL: bytes(50_000_000)}, compression=zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 100_000

    def read(*_):
        raise AssertionError("a member was read")

    monkeypatch.setattr(archive, "_read", read)
    assert_refused(path, "compressed or encrypted")


def test_what_is_too_large(members, tmp_path, monkeypatch):
    path = pack(tmp_path / "model.zip", members | {MANIFEST: b" " * 3_000_000})
    assert_refused(path, "at most 2097152 bytes")
    with pytest.raises(RefusedError, match="at most 1000 bytes"):
        archive.read_archive(path, {}, largest=1000)


def test_a_size_that_is_not_true(members, tmp_path):
    path = pack(tmp_path / "model.zip", members)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")
    sizes = struct.unpack_from("<II", data, entry + 20)
    struct.pack_into("<II", data, entry + 20, *(size - 1 for size in sizes))
    path.write_bytes(bytes(data))
    assert_refused(path, "model.zip")


# ---- checksums and versions
@pytest.mark.parametrize("name", [MODEL, VECTORS])
def test_a_damaged_member(members, tmp_path, name):
    data = bytearray(members[name])
    data[-3] ^= 1
    assert_refused(
        pack(tmp_path / "model.zip", members | {name: bytes(data)}),
        f"'{name}' was damaged or changed",
    )


def test_a_changed_manifest(members, tmp_path):
    manifest = members[MANIFEST].replace(b'"seed": 1', b'"seed": 2')
    assert manifest != members[MANIFEST]
    assert_refused(pack(tmp_path / "model.zip", members | {MANIFEST: manifest}), "its manifest was changed")


def test_a_newer_version(members, tmp_path):
    newer = with_manifest(
        members, lambda table: table.update(format_version=FORMAT_VERSION + 1, something="new")
    )
    assert_refused(pack(tmp_path / "model.zip", newer), "newer workbench.*Update the workbench")


@pytest.mark.parametrize("version", ["1", 0, -1, True, 1.5, None])
def test_a_version_that_is_none(members, tmp_path, version):
    wrong = with_manifest(members, lambda table: table.update(format_version=version))
    assert_refused(pack(tmp_path / "model.zip", wrong), "a format version")


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("mean"),
        lambda t: t.update(reference=t["reference"][:, :0]),
        lambda t: t.update(reference=t["reference"].repeat(9, 1)),
        lambda t: t.update(calibrated=t["calibrated"][:1]),
        lambda t: t.update(reach=t["reach"][:1].contiguous()),
        lambda t: t.update(whiten=t["whiten"] * float("nan")),
    ],
)
def test_damaged_numbers_of_what_was_seen(members, tmp_path, change):
    forgery = with_tensors(members, change, "observations.safetensors")
    assert_refused(pack(tmp_path / "model.zip", forgery), "not finite|is damaged")


# ---- the manifest
@pytest.mark.parametrize(
    "text, sentence",
    [
        (b"{", "cannot be read"),
        (b"[]", "a table"),
        (b"\xff\xfe", "cannot be read"),
        (b"{}", "a manifest of kind"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"seed": NaN}', "NaN is not a number"),
        (b"9" * 10_000, "cannot be read"),
        (b'{"kind": "vina-workbench model", "format_version": 1}', "not complete"),
    ],
)
def test_a_manifest_that_is_none(members, tmp_path, text, sentence):
    assert_refused(pack(tmp_path / "model.zip", members | {MANIFEST: text}), sentence)


def set_to(*path_and_value):
    *path, key, value = path_and_value

    def change(table: dict) -> None:
        for step in path:
            table = table[step]
        table[key] = value

    return change


def both(*path_and_value):
    """The architecture stands twice, in the experiment too."""

    def change(table: dict) -> None:
        set_to("architecture", *path_and_value)(table)
        set_to("experiment", "architecture", *path_and_value)(table)

    return change


@pytest.mark.parametrize(
    "change, sentence",
    [
        (both("key", "realnvq"), "did you mean 'realnvp'|Did you mean 'realnvp'"),
        (both("key", 7), "names no architecture|experiment is damaged"),
        (both("settings", {"width": 6, "wdith": 3}), "Did you mean 'width'"),
        (both("settings", {"width": 10**9}), "cannot be built here"),
        (both("settings", {"clamp": "import os"}), "cannot be built here"),
        (both("settings", {"width": 1024, "depth": 8, "transforms": 64}), "far larger than the weights"),
        (both("settings", {"width": 7, "depth": 1, "transforms": 2}), "of shape"),
        (both("settings", {"width": 6, "depth": 1, "transforms": 3}), "missing model.layers"),
        (set_to("architecture", "key", "maf"), "experiment is damaged"),
        (set_to("experiment", "problem", ["two_moons"]), "experiment is damaged"),
        (set_to("experiment", {}), "experiment is damaged"),
        (set_to("shapes", {"x": 4, "y": 1, "latent": 3}), "shapes do not fit"),
        (set_to("shapes", {"x": 3, "y": 1, "latent": 4}), "latent has the wrong size"),
        (set_to("shapes", {"x": 3, "y": 1, "latent": 10**9}), "shapes do not fit"),
        (set_to("x", []), "shapes do not fit"),
        (set_to("x", [{"name": f"x{i}"} for i in range(100_000)]), "at most 2097152 bytes|shapes do not fit"),
        (set_to("x", [{"name": "a", "code": "b"}] * 3), "has no key 'code'"),
        (set_to("x", ["a", "b", "c"]), "a variable is a table"),
        (set_to("x", [{"name": n, "unit": ["m"]} for n in "abc"]), "'unit' of a variable"),
        (set_to("x", [{"name": n, "low": "0"} for n in "abc"]), "'low' of a variable"),
        (set_to("dtype", "float16"), "unknown type"),
        (set_to("dtype", "float64"), "of shape .* and type torch.float64"),
        (set_to("members", {}), "checksums of"),
        (set_to("members", MODEL, "none"), "no checksum"),
        (set_to("members", MODEL, "sha256", "0" * 63), "no checksum"),
        (set_to("members", MODEL, "sha256", ["0" * 64]), "no checksum"),
        (set_to("members", MODEL, "code", "x"), "no checksum"),
        (set_to("members", MODEL, "bytes", 10), "Expected: 10 bytes"),
        (set_to("members", MODEL, "bytes", "many"), "no size"),
        (set_to("members", "run.py", {"bytes": 1, "sha256": "0" * 64}), "checksums of"),
        (set_to("capabilities", []), "claimed and not there: none; there and not claimed: bijection"),
        (set_to("capabilities", ["velocity"]), "claimed and not there: velocity"),
        (set_to("capabilities", ["fly"]), "what no model can do.*'fly'"),
        (set_to("capabilities", [["density"], 3, None]), "what no model can do"),
        (lambda t: t["capabilities"].append("density"), "capabilities is not that of its model"),
        (set_to("versions", {"torch": ["2"]}), "versions are damaged"),
        (set_to("x", [{"name": n} for n in "aab"]), "cannot be told apart.*'a'"),
        (set_to("y", [{"name": "x1"}]), "cannot be told apart.*'x1'"),
        (set_to("seed", "one"), "wrong kind"),
        (set_to("iteration", -1), "wrong kind"),
        (set_to("pickle", "gASV"), "unknown pickle"),
    ],
)
def test_a_forged_manifest(members, tmp_path, change, sentence):
    forgery = with_manifest(members, change)
    assert_refused(pack(tmp_path / "model.zip", forgery), sentence)


# ---- tensors
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 7,
        struct.pack("<Q", 2**40) + b"{}",
        b"\x02\0\0\0\0\0\0\0{]",
        struct.pack("<Q", 40_000) + b"[" * 40_000,
    ],
)
def test_tensors_that_are_none(members, tmp_path, data):
    assert_refused(
        pack(tmp_path / "model.zip", with_manifest(members | {MODEL: data})), f"'{MODEL}' cannot be read"
    )


class Bomb:
    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('exploded').touch()",)


def test_a_pickle_is_never_run(members, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    torch.save({"weights": Bomb()}, buffer)
    for name in (MODEL, VECTORS):
        forgery = with_manifest(members | {name: buffer.getvalue()})
        assert_refused(pack(tmp_path / "model.zip", forgery), "cannot be read")
    (tmp_path / "model.zip").write_bytes(buffer.getvalue())
    assert_refused(tmp_path / "model.zip", "model.zip")
    assert not (tmp_path / "exploded").exists()


def first_weight(tensors) -> str:
    return next(name for name in sorted(tensors) if name.startswith("model.") and tensors[name].ndim == 2)


def rename(tensors):
    tensors["model.another"] = tensors.pop(first_weight(tensors))


def transpose(tensors):
    tensors[first_weight(tensors)] = tensors[first_weight(tensors)].T.reshape(-1, 1).contiguous()


def halve(tensors):
    tensors[first_weight(tensors)] = tensors[first_weight(tensors)].half()


def break_weight(value: float):
    def change(tensors):
        tensors[first_weight(tensors)].view(-1)[0] = value

    return change


def flip_scale(tensors):
    tensors["standardisation.scale_x"] *= -1


@pytest.mark.parametrize(
    "change, sentence",
    [
        (rename, "missing .*unknown model.another"),
        (transpose, "of shape"),
        (halve, "type torch.float16"),
        (break_weight(float("nan")), "not finite"),
        (break_weight(float("inf")), "not finite"),
        (break_weight(1e30), "does not say what it said|not finite"),
        (flip_scale, "positive scales"),
    ],
)
def test_wrong_tensors(members, tmp_path, change, sentence):
    assert_refused(pack(tmp_path / "model.zip", with_tensors(members, change)), sentence)


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda t: t.clear(), "no test vectors"),
        (lambda t: t.pop("output.log_prob"), "missing output.log_prob"),
        (lambda t: t["output.inverse"].add_(1e-4), "'inverse' is off"),
        (lambda t: t["output.log_prob"].add_(1e-4), "'log_prob' is off"),
        (lambda t: t.update({"input.z": torch.zeros((), dtype=torch.float64)}), "no test vectors"),
        (lambda t: t.update({"input.z": t["input.z"][:0].contiguous()}), "no test vectors"),
        (lambda t: t.update({"input.z": t["input.z"][:9].contiguous()}), "of shape"),
        (
            lambda t: t.update({k: v[:1].contiguous() for k, v in t.items()}),
            "4 to 24 different ones. Found: 1",
        ),
        (
            lambda t: t.update({k: v[:3].contiguous() for k, v in t.items()}),
            "4 to 24 different ones. Found: 3",
        ),
        (
            lambda t: t.update({k: v[:1].repeat(9, *[1] * (v.ndim - 1)) for k, v in t.items()}),
            "of which 1 differ",
        ),
        (
            lambda t: t.update({k: v.repeat(99, *[1] * (v.ndim - 1)) for k, v in t.items()}),
            "4 to 24 different",
        ),
    ],
)
def test_wrong_test_vectors(members, tmp_path, change, sentence):
    assert_refused(pack(tmp_path / "model.zip", with_tensors(members, change, VECTORS)), sentence)


#: One of each kind of network by default; numerical inverses take too long.
CHANGED = ("neural_spline_coupling", "maf", "made")


@pytest.mark.parametrize(
    "key",
    [pytest.param(k, marks=() if k in CHANGED else pytest.mark.slow) for k in ARCHITECTURES.keys()],
)
def test_every_changed_weight_is_seen(tmp_path, key):
    """Checksums made anew, so that only the test vectors can tell: each tensor alone, by a thousandth."""
    members = unpack(wb.save(small_run(key), tmp_path / "model.zip"))
    tensors = safetensors.torch.load(members[MODEL])
    names = {f"model.{name}" for name, _ in small_run(key).model.named_parameters()}
    assert names <= set(tensors)
    names = sorted(names)[:: max(1, len(names) // 10)]  # some networks have many layers and a slow inverse
    sides = "xy" if small_run(key).fitted.y else "x"
    names += [f"standardisation.{s}_{c}" for s in ("shift", "scale") for c in sides]
    for name in names:

        def change(tensors, name=name):
            tensors[name] += 1e-3 * (1 + tensors[name].abs())

        assert_refused(
            pack(tmp_path / "model.zip", with_tensors(members, change)), "does not say what it said"
        )


# ---- anything at all
def test_noise_is_refused_or_harmless(model_file, tmp_path):
    """Whatever byte is changed: a refusal with a sentence, or (a date, say) exactly the same model."""
    original, chance = model_file.read_bytes(), random.Random(0)
    model = wb.load(model_file)
    sample, harmless = model.sample(4, [0.2]), 0
    path = tmp_path / "model.zip"
    for _ in range(150):
        data = bytearray(original)
        # the zip's own tables are a small part of the file and deserve half of the blows
        tables = original.index(b"PK\x01\x02")
        place = chance.randrange(tables, len(data)) if chance.random() < 0.5 else chance.randrange(len(data))
        data[place] = chance.randrange(256)
        path.write_bytes(bytes(data))
        try:
            model = wb.load(path)
        except RefusedError:
            continue
        harmless += 1
        assert torch.equal(model.sample(4, [0.2]), sample)
    assert harmless < 75
