"""Upload: a table of the user's own, checked on the server, and the choice of its columns.

The browser's word counts for nothing: size, total and content are checked here, the name is our own, and the
file is parsed in another process, which keeps only columns of numbers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import DataError, SpecError
from workbench.core.spec import Spec
from workbench.ui import process_pool, text
from workbench.ui.notifications import tell

LARGEST_TABLE, QUOTA = 64 * 2**20, 2 * 2**30
#: What a file of each kind begins with; a CSV is text without a zero byte.
SIGNATURES = {".parquet": (b"PAR1",), ".nc": (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n")}
ACCEPTED = ".csv,.tsv,.txt,.parquet,.pq,.nc,.nc4"


class Upload(pn.viewable.Viewer):
    """File, columns sought (x), columns observed (y)."""

    def __init__(
        self, spec: Spec, on_change: Callable[[str, Any], None], on_error: Callable[[SpecError], None]
    ) -> None:
        super().__init__()
        self.spec, self._on_change, self._on_error = spec, on_change, on_error
        self.file = pmui.FileInput(
            label="Choose a table",
            accept=ACCEPTED,
            multiple=False,
            width=286,
            margin=(6, 4),
            css_classes=["wb-table-file"],
        )
        shared = {"width": 286, "margin": (8, 4), "visible": bool(spec.path)}
        self.x = pmui.MultiChoice(
            label="x: columns to be found",
            options=spec.names,
            value=list(spec.x_columns),
            css_classes=["wb-columns-x"],
            description="The unknowns: what the network learns to draw.",
            **shared,
        )
        self.y = pmui.MultiChoice(
            label="y: columns observed (may stay empty)",
            options=spec.names,
            value=list(spec.y_columns),
            css_classes=["wb-columns-y"],
            description="What is known when x is sought.",
            **shared,
        )
        self.note = pn.pane.HTML("", margin=(0, 6), width=284)
        self.file.param.watch(self._uploaded, "value")
        self.x.param.watch(lambda event: self._chosen("x_columns", event.new), "value")
        self.y.param.watch(lambda event: self._chosen("y_columns", event.new), "value")
        self._layout = pn.Column(self.file, self.note, self.x, self.y, margin=0)
        self._state()

    async def _uploaded(self, event) -> None:
        if not event.new:
            return
        data, name = bytes(event.new), str(self.file.filename or "")
        self.file.value = None
        self._say("Reading the table …", "info")
        uploads = process_pool.shelf("uploads")
        path = None
        try:
            suffix = checked(data, name)
            sweep(uploads, len(data))
            path, clean = uploads / process_pool.new_name(suffix), uploads / process_pool.new_name(".parquet")
            path.write_bytes(data)
            columns = await asyncio.wrap_future(
                process_pool.POOL.send(process_pool.take_table, str(path), str(clean))
            )
            self._offer(clean, columns, name)
        except Exception as error:
            self._say(tell(error), "bad")
        finally:
            if path is not None:
                path.unlink(missing_ok=True)

    def _offer(self, clean: Path, columns: list[dict[str, Any]], name: str) -> None:
        usable = [c["name"] for c in columns if not c["refusal"]]
        if not usable:
            raise DataError(
                "The table has no column of numbers", found=", ".join(c["name"] for c in columns[:8])
            )
        for setting in ("x_columns", "y_columns"):
            self.spec.set(setting, [])
        self.spec.set("path", str(clean))
        for picker in (self.x, self.y):
            picker.param.update(options=usable, value=[], visible=True)
        refused = [f"{c['name']}: {c['refusal']}" for c in columns if c["refusal"]]
        left_out = f" Left out: {'; '.join(refused)[:400]}" if refused else ""
        rows = columns[0]["rows"]
        self._say(f"{name[:60]}: {rows} rows, {len(usable)} columns of numbers.{left_out}", "info")
        self._on_change("path", str(clean))

    def _chosen(self, setting: str, columns: list[str]) -> None:
        if list(columns) == list(getattr(self.spec, setting)):
            return
        try:
            self.spec.set(setting, list(columns))
        except SpecError as error:
            self._on_error(error)
            return
        self._state()
        self._on_change(setting, columns)

    def _state(self) -> None:
        said = self.spec.refusals()
        self._say(said[0] if said else "The table is ready.", "info")

    def _say(self, sentence: str, kind: str) -> None:
        self.note.object = f'<div class="wb-message {kind}">{text.escape(sentence)}</div>'

    def __panel__(self):
        return self._layout


def checked(data: bytes, name: str) -> str:
    """The suffix of our own copy, from the name's ending and the beginning of the content. Or `DataError`."""
    if len(data) > LARGEST_TABLE:
        raise DataError(
            "The table is too large for the browser",
            expected=f"at most {LARGEST_TABLE // 2**20} MB",
            found=f"{len(data) / 2**20:.0f} MB",
            suggestion="use the command line: workbench train --problem table --data FILE",
        )
    ending = Path(name).suffix.lower()
    kind = {".pq": ".parquet", ".nc4": ".nc", ".netcdf": ".nc", ".tsv": ".tsv", ".txt": ".csv"}.get(
        ending, ending
    )
    if kind in SIGNATURES:
        if not data.startswith(SIGNATURES[kind]):
            raise DataError(
                "The file is not what its name says", expected=f"a {kind[1:]} file", found=repr(data[:8])
            )
        return kind
    if kind not in (".csv", ".tsv"):
        raise DataError(
            "This kind of file cannot be read", expected="CSV, Parquet or NetCDF", found=ending or "no ending"
        )
    if b"\x00" in data[:4096]:
        raise DataError(
            "The file is not what its name says", expected="text with a heading", found="binary data"
        )
    return kind


def sweep(folder: Path, coming: int) -> None:
    """Throw away old uploads, and refuse what would break the quota."""
    total, now = coming, time.time()
    for path in folder.iterdir():
        stat = path.stat()
        if now - stat.st_mtime > process_pool.KEPT_SECONDS:
            path.unlink(missing_ok=True)
        else:
            total += stat.st_size
    if total > QUOTA:
        raise DataError(
            "The server's room for uploads is full",
            suggestion="try again tomorrow, or clear it",
        )
