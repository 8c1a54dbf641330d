"""The trained example that the studio opens with: a real run in compact form, see tools/make_example.py."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from workbench.core.variable import Variable
from workbench.snapshots import Snapshot
from workbench.training import Experiment, Record

FOLDER = Path(__file__).parent / "example_run"
EXPERIMENT, MODEL, SNAPSHOT, HISTORY = "experiment.json", "model.zip", "snapshot.npz", "history.jsonl"
#: The model that the posterior explorer opens with, written by tools/make_posterior_example.py.
POSTERIOR = "posterior.zip"
_PLAIN = (
    "iteration",
    "seconds",
    "steps",
    "steps_per_second",
    "device",
    "parameters",
    "finished",
    "window",
    "observation_window",
)


def exists() -> bool:
    """Return True if all files of the example are there."""
    return all((FOLDER / name).is_file() for name in (EXPERIMENT, MODEL, SNAPSHOT, HISTORY))


def read() -> tuple[Experiment, Snapshot, list[Record]]:
    """Read experiment, final snapshot and history of the example, without its network."""
    experiment = Experiment.from_json((FOLDER / EXPERIMENT).read_text(encoding="utf-8"))
    lines = (FOLDER / HISTORY).read_text(encoding="utf-8").splitlines()
    return experiment, unpack((FOLDER / SNAPSHOT).read_bytes()), [Record.from_json(line) for line in lines]


def pack(snapshot: Snapshot) -> bytes:
    """Return a snapshot as compressed bytes: arrays in single precision, without the loss records."""
    about = {name: getattr(snapshot, name) for name in _PLAIN}
    about |= {side: [v.to_dict() for v in getattr(snapshot, side)] for side in "xy"}
    arrays = {
        f"array_{name}": np.asarray(values, dtype=np.float32) for name, values in snapshot.arrays.items()
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8), **arrays)
    return stream.getvalue()


def unpack(data: bytes) -> Snapshot:
    """Read a snapshot from the bytes that `pack` returns; nothing in them is executed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        about = json.loads(archive["about"].tobytes())
        arrays = {
            name.removeprefix("array_"): archive[name].astype(np.float64)
            for name in archive.files
            if name.startswith("array_")
        }
    for side in "xy":
        about[side] = tuple(Variable.from_dict(v) for v in about[side])
    for side in ("window", "observation_window"):
        about[side] = tuple(tuple(w) for w in about[side])
    return Snapshot(**about, arrays=arrays)
