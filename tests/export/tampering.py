"""Manipulation of exported files: unpack, change, pack again, and recompute the checksums."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
from torch import Tensor

from workbench.export.manifest import digest, sha256

Members = dict[str, bytes]


def unpack(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, members: Members, *, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def with_manifest(members: Members, change: Callable[[dict], None] = lambda table: None) -> Members:
    """The members with a changed manifest and new checksums, as a forger would write them."""
    table = json.loads(members["manifest.json"])
    for name in table["members"]:
        if name in members:
            table["members"][name] = {"bytes": len(members[name]), "sha256": sha256(members[name])}
    change(table)
    table["digest"] = digest(table)
    return members | {"manifest.json": json.dumps(table).encode()}


def with_tensors(
    members: Members, change: Callable[[dict[str, Tensor]], None], name: str = "model.safetensors"
) -> Members:
    """The members with changed tensors and new checksums."""
    tensors = safetensors.torch.load(members[name])
    change(tensors)
    return with_manifest(members | {name: safetensors.torch.save(tensors)})
