"""The command line with files that are missing, damaged or of another kind, and with odd values."""

from __future__ import annotations

import contextlib
import io
import json
import random
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.cli.arguments import parser

USER_ERROR = 2
TABLES = (".csv", ".json", ".zip", ".nc", ".xlsx", ".h5", ".npy", ".npz", ".parquet")


def run(*words: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def verbs() -> list[str]:
    actions = [action for action in parser()._actions if action.choices and action.metavar == "COMMAND"]
    return list(actions[0].choices)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    """Name of a fault -> path of a file or folder with it."""
    folder = tmp_path_factory.mktemp("faults")
    random.seed(0)
    contents = {
        "empty": b"",
        "binary": random.randbytes(3000),
        "latin": "{'café'}".encode("latin-1"),
        "text": b"hello, world\n",
        "json": b'{"a": 1}',
        "json_list": b"[[1], null]",
        "nested": b"[" * 100_000,
        "digits": b'{"steps": ' + b"9" * 6000 + b"}",
        "zip": b"PK\x05\x06" + bytes(18),
        "surrogate": b'{"problem": "\\ud800"}',
        "null": b"null",
    }
    paths = {"missing": str(folder / "missing"), "NUL": "a\0b", "blank": "", "long": "x" * 5000}
    endings = {"empty": TABLES, "binary": TABLES, "zip": (".zip", ".xlsx")}
    for name, content in contents.items():
        for ending in ("", *endings.get(name, ())):
            path = folder / f"{name}{ending}"
            path.write_bytes(content)
            paths[path.name] = str(path)
    (folder / "folder").mkdir()
    (folder / "folder.zarr").mkdir()
    paths |= {"folder": str(folder / "folder"), "folder.zarr": str(folder / "folder.zarr")}
    paths["unreadable"] = "/proc/self/mem"
    paths["beyond"] = str(folder / "text" / "beyond")
    return paths


COMMANDS = {
    "table": ("table", "FILE"),
    "experiment": ("train", "FILE", "--steps", "1"),
    "data": ("train", "--data", "FILE", "--x", "a", "--steps", "1"),
    "declared data": ("train", "--data", "FILE", "--steps", "1"),
    "resume": ("train", "--resume", "FILE"),
    "sample": ("sample", "FILE"),
    "diagnose": ("diagnose", "FILE"),
    "invert": ("invert", "FILE", "--observation", "1"),
    "refine": ("refine", "FILE", "--observation", "1"),
    "report": ("report", "FILE", "--out", "report.html"),
    "export": ("export", "FILE", "--out", "model.zip"),
    "notebook": ("export", "FILE", "--format", "notebook", "--out", "model.ipynb"),
    "check": ("check", "FILE"),
    "study": ("bench", "tables", "--folder", "FILE", "--fast"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(files, command):
    for fault, path in files.items():
        if fault.endswith(TABLES) and command not in ("table", "data", "observations"):
            continue
        if command == "study" and fault in ("blank",):
            continue
        words = [path if word == "FILE" else word for word in COMMANDS[command]]
        code, _, err = run(*words)
        assert code == USER_ERROR, (fault, code, err)
        assert err.strip() and "Traceback" not in err and "unexpected" not in err, (fault, err)


def test_errors_are_json_too(files):
    for command in COMMANDS.values():
        if command[0] == "check":
            continue
        words = [files["binary"] if word == "FILE" else word for word in command]
        code, out, err = run(*words, "--json")
        assert code == USER_ERROR and json.loads(out.splitlines()[-1])["error"], (command, out, err)


@pytest.mark.parametrize("name", verbs())
def test_every_command_explains_itself(name):
    code, out, err = run(name, "--help")
    assert code == 0 and out.startswith(f"usage: workbench {name}") and not err


@pytest.mark.parametrize("name", verbs())
def test_an_unknown_option_is_refused(name):
    code, _, err = run(name, "--nonsense")
    assert code == USER_ERROR and "workbench" in err


OUT = {
    "train": ("train", "--problem", "two_moons", "--steps", "1", "--set", "samples=64"),
    "sample": ("sample", "MODEL", "--draws", "2"),
    "export": ("export", "MODEL"),
    "simulate": ("simulate", "sine_wave", "--draws", "2"),
    "report": ("report", "MODEL"),
    "refine": ("refine", "MODEL", "--observation", "0.1"),
    "invert": ("invert", "MODEL", "--observation", "0.1"),
}


@pytest.mark.parametrize(
    ("command", "out"),
    [
        (command, out)
        for command in OUT
        for out in ("a\0b", "/proc/nothing/x.nc", "/dev/null/x.zip", ".")
        if (command, out) != ("train", ".")  # a run may be written into an empty folder
    ],
)
def test_a_result_that_cannot_be_written_is_refused(material, command, out):
    words = [str(material.folder / "planar.zip") if word == "MODEL" else word for word in OUT[command]]
    code, _, err = run(*words, "--out", out)
    assert code == USER_ERROR and err.strip() and "Traceback" not in err, (code, err)


ODD = {
    "seed": ("sample", "MODEL", "--seed", str(2**70)),
    "digits of a seed": ("sample", "MODEL", "--seed", "9" * 6000),
    "draws": ("sample", "MODEL", "--draws", str(10**12)),
    "no draws": ("sample", "MODEL", "--draws", "0"),
    "negative draws": ("sample", "MODEL", "--draws", "-1"),
    "fraction of draws": ("sample", "MODEL", "--draws", "1e9"),
    "nan draws": ("sample", "MODEL", "--draws", "nan"),
    "observation": ("sample", "MODEL", "--observation", "1"),
    "observation of texts": ("sample", "POSTERIOR", "--observation", "a,b"),
    "empty observation": ("sample", "POSTERIOR", "--observation", ""),
    "nan observation": ("sample", "POSTERIOR", "--observation", "nan"),
    "observation with a NUL": ("sample", "POSTERIOR", "--observation", "\0=1"),
    "observation with quotes": ("sample", "POSTERIOR", "--observation", '"=1,"'),
    "simulated draws": ("simulate", "sine_wave", "--draws", str(10**18), "--out", "s.zarr"),
    "chunk": ("simulate", "sine_wave", "--draws", "5", "--chunk", "0", "--out", "s.zarr"),
    "huge chunk": (
        "simulate",
        "sine_wave",
        "--draws",
        str(10**12),
        "--chunk",
        str(10**12),
        "--out",
        "s.zarr",
    ),
    "negative seed": ("simulate", "sine_wave", "--draws", "5", "--seed", "-1", "--out", "s.zarr"),
    "setting": ("simulate", "sine_wave", "--set", "noise=\ud800", "--out", "s.zarr"),
    "unknown problem": ("simulate", "\udcff", "--out", "s.zarr"),
    "steps": ("train", "--problem", "two_moons", "--steps", "-5"),
    "many steps": ("train", "--problem", "two_moons", "--steps", str(2**70)),
    "set without a name": ("train", "--problem", "two_moons", "--set", "=1"),
    "set without a value": ("train", "--problem", "two_moons", "--set", "steps="),
    "set with dashes": ("train", "--problem", "two_moons", "--set", "steps=--5"),
    "set with digits": ("train", "--problem", "two_moons", "--set", "steps=" + "9" * 6000),
    "set with other digits": ("train", "--problem", "two_moons", "--set", "steps=²"),
    "set to nan": ("train", "--problem", "two_moons", "--set", "learning_rate=nan"),
    "set to infinity": ("train", "--problem", "two_moons", "--set", "learning_rate=1e999"),
    "set to a list": ("train", "--problem", "two_moons", "--set", 'measured="a'),
    "empty problem": ("train", "--problem", ""),
    "device": ("train", "--problem", "two_moons", "--device", "cuda:99999999999999999999"),
    "other digits of a device": ("train", "--problem", "two_moons", "--device", "cuda:²"),
    "recommended": ("train", "--problem", "sine_wave", "--recommended", str(2**70)),
    "columns": ("train", "--data", "/dev/null", "--x", '"a', "--y", ",,"),
    "only": ("diagnose", "MODEL", "--only", ",,x"),
    "method": ("refine", "POSTERIOR", "--observation", "0.1", "--method", ""),
    "setting of a method": ("invert", "POSTERIOR", "--observation", "0.1", "--set", "starts=1e9"),
    "study": ("study", "\0"),
    "setting of a study": ("study", "moments", "--set", "seeds=-1"),
    "catalogue": ("list", "everything"),
    "no word": ("",),
    "NUL": ("\0",),
    "address of a server": ("serve", "--port", "99999"),
    "port with letters": ("serve", "--port", "http"),
    "negative port": ("serve", "--port", "-1"),
    "explorer": ("explore", "nothing/here"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_value_is_refused_with_a_sentence(material, name):
    models = {
        "MODEL": str(material.folder / "planar.zip"),
        "POSTERIOR": str(material.folder / "inverse"),
    }
    code, _, err = run(*(models.get(word, word) for word in ODD[name]))
    assert code == USER_ERROR, (code, err)
    assert err.strip() and "Traceback" not in err, err
    assert "\0" not in err and len(err) < 4000


def test_an_experiment_file_with_a_byte_order_mark_is_read(material):
    Path("experiment.json").write_bytes(b"\xef\xbb\xbf" + material.planar.experiment.to_json().encode())
    code, _, err = run("train", "experiment.json", "--steps", "1", "--out", "run", "--device", "cpu")
    assert code == 0, err
