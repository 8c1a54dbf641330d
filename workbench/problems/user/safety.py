"""Refusals before a file is opened: content that runs code, and links to other files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from workbench.core.errors import DataError
from workbench.problems.user.raw_table import check_size

SAFE_CODECS = {
    "adler32",
    "astype",
    "bitround",
    "blosc",
    "bytes",
    "bz2",
    "crc32",
    "crc32c",
    "default",
    "delta",
    "endian",
    "fixedscaleoffset",
    "fletcher32",
    "gzip",
    "lz4",
    "lzma",
    "packbits",
    "quantize",
    "regular",
    "sharding_indexed",
    "shuffle",
    "transpose",
    "vlen-utf8",
    "v2",
    "zlib",
    "zstd",
}


def refuse_links(path: Path) -> None:
    """Raise `DataError` for a symbolic link inside a folder: it may lead to any file of the machine."""
    for part in path.rglob("*"):
        if part.is_symlink():
            raise DataError(f"The table '{path.name}' is refused", found=f"a link '{part.name}' inside it")


def refuse_large_archive(path: Path) -> None:
    """Raise `DataError` for a ZIP file, such as .npz or .xlsx, that is too large when it is unpacked."""
    with zipfile.ZipFile(path) as archive:
        check_size(sum(member.file_size for member in archive.infolist()), f"The table '{path.name}'")


def refuse_hdf5_links(path: Path) -> None:
    """Raise `DataError` for an HDF5 file with parts in other files: links, external or virtual datasets."""
    import h5py

    places: set[int] = set()

    def check(group: h5py.Group) -> None:
        place = h5py.h5o.get_info(group.id).addr
        if place in places:  # groups may contain each other
            return
        places.add(place)
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise DataError(f"The table '{path.name}' is refused", found=f"a link to '{link.filename}'")
            if not isinstance(link, h5py.HardLink):
                continue
            part = group[name]
            if isinstance(part, h5py.Group):
                check(part)
            elif isinstance(part, h5py.Dataset) and (part.external or part.is_virtual):
                raise DataError(
                    f"The table '{path.name}' is refused", found=f"an array '{name}' that lies in other files"
                )

    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            check(file)


def refuse_unknown_codecs(path: Path) -> None:
    """Raise `DataError` for array codecs that are not listed as safe: some run code on reading (pickle)."""
    refuse_links(path)
    for part in path.rglob("*"):
        if part.name in (".zarray", ".zmetadata", "zarr.json"):
            unsafe = sorted(codecs_of(json.loads(part.read_text(encoding="utf-8"))) - SAFE_CODECS)
            if unsafe:
                raise DataError(
                    f"The table '{path.name}' is refused",
                    expected="arrays of plain numbers or text",
                    found=f"the array codec '{unsafe[0]}', which is not known to be harmless",
                )


def codecs_of(node: Any) -> set[str]:
    """Return the names of all codecs in Zarr metadata of version 2 (``id``) or 3 (``name``)."""
    if isinstance(node, list):
        return set().union(*(codecs_of(v) for v in node)) if node else set()
    if not isinstance(node, dict):
        return set()
    codecs = {str(node["id"]).lower()} if "id" in node else set()
    for key, value in node.items():
        if key in ("codecs", "index_codecs"):
            entries = value if isinstance(value, list) else [value]
            codecs |= {
                str(e.get("name", e.get("id", e)) if isinstance(e, dict) else e)
                .lower()
                .removeprefix("numcodecs.")
                for e in entries
            }
        if key not in ("attributes", "attrs") and not key.endswith(".zattrs"):
            codecs |= codecs_of(value)
    return codecs
