"""What somebody may do to a file: take it apart, change it, put it together, and make its checksums agree."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
from torch import Tensor

from workbench.export.manifest import digest, sha256

Members = dict[str, bytes]


def taken_apart(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def put_together(path: Path, members: Members, *, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def signed(members: Members, change: Callable[[dict], None] = lambda table: None) -> Members:
    """The members with a changed manifest, all checksums made anew: what a forger would do."""
    table = json.loads(members["manifest.json"])
    for name in table["members"]:
        if name in members:
            table["members"][name] = {"bytes": len(members[name]), "sha256": sha256(members[name])}
    change(table)
    table["digest"] = digest(table)
    return members | {"manifest.json": json.dumps(table).encode()}


def retensored(
    members: Members, change: Callable[[dict[str, Tensor]], None], name: str = "model.safetensors"
) -> Members:
    """The members with changed tensors, signed."""
    tensors = safetensors.torch.load(members[name])
    change(tensors)
    return signed(members | {name: safetensors.torch.save(tensors)})
