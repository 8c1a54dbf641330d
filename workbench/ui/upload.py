"""Upload of a user's own table as training data, and the choice of its columns.

Nothing that the browser sends is trusted: the server checks size and content and gives the file a new name,
and the helper process parses it and copies only numeric columns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from workbench.core.errors import DataError, SpecError
from workbench.core.spec import Spec
from workbench.problems.user.numbers import GapsError
from workbench.training.settings import Training
from workbench.ui import process_pool, text
from workbench.ui.column_kinds import LISTS, ColumnKinds
from workbench.ui.notifications import report_error

#: Largest size of one table and of all uploads together, in bytes.
MAX_TABLE_BYTES, QUOTA = 64 * 2**20, 2 * 2**30
#: First bytes of each kind of file; a CSV is text without a zero byte.
SIGNATURES = {".parquet": (b"PAR1",), ".nc": (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF\r\n\x1a\n")}
ACCEPTED = ".csv,.tsv,.txt,.dat,.parquet,.pq,.nc,.nc4"


class Upload(pn.viewable.Viewer):
    """File input for a table, and menus of its columns to infer (x), observed ones (y) and their kinds."""

    #: Settings of the problem that the upload sets, and that need no widget of a form.
    settings = frozenset({"path", "x_columns", "y_columns", "group_path", "row_dimension", "period", *LISTS})

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
        options = {"width": 286, "margin": (8, 4), "visible": bool(spec.path)}
        self.x = pmui.MultiChoice(
            label="x: columns to infer",
            options=spec.names,
            value=list(spec.x_columns),
            css_classes=["wb-columns-x"],
            description="The unknowns, which the network learns to sample.",
            **options,
        )
        self.y = pmui.MultiChoice(
            label="y: observed columns (optional)",
            options=spec.names,
            value=list(spec.y_columns),
            css_classes=["wb-columns-y"],
            description="The values that are given when x is inferred.",
            **options,
        )
        self.kinds = ColumnKinds(spec, self._on_kinds)
        self._about = ""  # the file that was uploaded
        self.note = pn.pane.HTML("", margin=(0, 6), width=284, css_classes=["wb-table-note"])
        self.leave_out = pmui.Button(
            label="Leave out these rows",
            icon="filter_alt",
            variant="outlined",
            size="small",
            margin=(4, 6),
            visible=False,
            css_classes=["wb-leave-out"],
        )
        self.leave_out.on_click(lambda _: self._leave_out())
        self.file.param.watch(self._on_upload, "value")
        self.x.param.watch(lambda event: self._on_columns("x_columns", event.new), "value")
        self.y.param.watch(lambda event: self._on_columns("y_columns", event.new), "value")
        self._layout = pn.Column(self.file, self.note, self.leave_out, self.x, self.y, self.kinds, margin=0)
        self.refresh()

    async def _on_upload(self, event: param.parameterized.Event) -> None:
        if not event.new:
            return
        data, name = bytes(event.new), str(self.file.filename or "")
        self.file.value = None
        self._show_message("Reading the table …", "info")
        uploads = process_pool.transfer_folder("uploads")
        path = None
        try:
            suffix = validate_table(data, name)
            clean_uploads(uploads, len(data))
            path, clean = uploads / process_pool.new_name(suffix), uploads / process_pool.new_name(".parquet")
            path.write_bytes(data)
            columns = await asyncio.wrap_future(
                process_pool.QUICK.submit(process_pool.import_table, str(path), str(clean))
            )
            self._offer(clean, columns, name)
        except Exception as error:
            self._show_message(report_error(error), "bad")
        finally:
            if path is not None:
                path.unlink(missing_ok=True)

    def _offer(self, clean: Path, columns: list[dict[str, Any]], name: str) -> None:
        usable = [c["name"] for c in columns if not c["refusal"] and c["kind"] != "constant"]
        if not usable:
            raise DataError(
                "The table has no column that can be used", found=", ".join(c["name"] for c in columns[:8])
            )
        for setting in ("x_columns", "y_columns"):
            self.spec.set(setting, [])
        self.kinds.offer(columns)
        self.spec.set("path", str(clean))
        for picker in (self.x, self.y):
            picker.param.update(options=usable, value=[], visible=True)
        refusals = [f"{c['name']}: {c['refusal'] or c['reason']}" for c in columns if c["name"] not in usable]
        suffix = f" Left out: {'; '.join(refusals)[:400]}" if refusals else ""
        rows = columns[0]["rows"]
        self._about = f"{name[:60]}: {rows} rows, {len(usable)} columns.{suffix}"
        self.refresh()
        self._on_change("path", str(clean))

    def _on_kinds(self, name: str, value: Any) -> None:
        self.refresh()
        self._on_change(name, value)

    def _on_columns(self, setting: str, columns: list[str]) -> None:
        if list(columns) == list(getattr(self.spec, setting)):
            return
        try:
            self.spec.set(setting, list(columns))
        except SpecError as error:
            self._on_error(error)
            return
        self.kinds.show([*self.spec.x_columns, *self.spec.y_columns])
        self.refresh()
        self._on_change(setting, columns)

    def _leave_out(self) -> None:
        """Drop the rows that miss a value, here and in whatever columns are chosen later."""
        self.spec.set("missing", "drop")
        self.refresh()
        self._on_change("missing", "drop")

    def refresh(self) -> None:
        """Say whether the table can be trained on with the present settings, and if not, what to do."""
        error = self.spec.error if self.spec.path and self.spec.x_columns else None
        self.leave_out.visible = isinstance(error, GapsError)
        if isinstance(error, GapsError):
            sentence = f"{error.rows} of {error.total} rows have no number in every column ({error.found})."
            self._show_message(sentence, "bad")
        elif error is not None:
            self._show_message(text.without_code(error, "choose another kind for the column below"), "bad")
        elif refusals := self.spec.refusals():
            self._show_message(f"{self._about} {refusals[0]}".strip(), "info")
        else:
            sentences = ["The table is ready.", *self._left_out(), *self.spec.warnings(Training().samples)]
            self._show_message(" ".join(sentences).replace("set samples=", "set Samples to "), "info")

    def _left_out(self) -> list[str]:
        """Return a sentence on the rows that are left out because they miss a value, if there are any."""
        total = max((column["rows"] for column in self.kinds.columns.values()), default=0)
        count = total - self.spec.rows
        return [f"{count} of {total} rows are left out."] if self.spec.missing == "drop" and count > 0 else []

    def _show_message(self, sentence: str, kind: str) -> None:
        self.note.object = f'<div class="wb-message {kind}">{text.escape(sentence)}</div>'

    def __panel__(self):
        return self._layout


def validate_table(data: bytes, name: str) -> str:
    """Return the suffix of an uploaded table, with variants unified (``.pq`` becomes ``.parquet``).

    Raises `DataError` for a file that is too large, of another kind, or whose content does not fit its name.
    """
    if len(data) > MAX_TABLE_BYTES:
        raise DataError(
            "The table is too large for the browser",
            expected=f"at most {MAX_TABLE_BYTES // 2**20} MB",
            found=f"{len(data) / 2**20:.0f} MB",
            suggestion="use the command line: workbench train --problem table --data FILE",
        )
    ending = Path(name).suffix.lower()
    kinds = {".pq": ".parquet", ".nc4": ".nc", ".netcdf": ".nc", ".txt": ".csv", ".dat": ".csv"}
    kind = kinds.get(ending, ending)
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
    if b"\x00" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            "The file is not what its name says", expected="text with a heading", found="binary data"
        )
    return kind


def clean_uploads(folder: Path, coming: int) -> None:
    """Delete uploads over a day old. Raises `DataError` if ``coming`` more bytes would exceed `QUOTA`."""
    total, now = coming, time.time()
    for path in folder.iterdir():
        stat = path.stat()
        if now - stat.st_mtime > process_pool.RETENTION_SECONDS:
            path.unlink(missing_ok=True)
        else:
            total += stat.st_size
    if total > QUOTA:
        raise DataError(
            "The server's space for uploads is full",
            suggestion="try again tomorrow, or delete the files in its uploads folder",
        )
