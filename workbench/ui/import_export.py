"""Export of the model on display to a file, and import of an exported model as a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
import param

from workbench.core.errors import ExportError, RefusedError
from workbench.export import FORMATS, ExportFormat
from workbench.training import Runs
from workbench.ui import process_pool, text
from workbench.ui.notifications import notify, report_error
from workbench.ui.session import Session

#: Largest uploaded model in bytes.
MAX_MODEL_BYTES = 64 * 2**20


class ImportExport(pn.viewable.Viewer):
    """One row per export format, disabled with the reason where refused, and an upload of exported models."""

    def __init__(self, session: Session, on_open: Callable[[], None]) -> None:
        super().__init__()
        self.session, self._on_open = session, on_open
        self._rows = pn.Column(margin=0, sizing_mode="stretch_width")
        self.rows: list[FormatRow] = []
        self._model: tuple[Path | None, str] | None = None  # of the rows
        self.upload = pmui.FileInput(
            label="Choose an exported model (.zip)",
            accept=".zip",
            multiple=False,
            width=320,
            css_classes=["wb-import"],
        )
        self.upload.param.watch(self._on_upload, "value")
        self.note = pn.pane.HTML(
            "", margin=(4, 10), sizing_mode="stretch_width", css_classes=["wb-import-note"]
        )
        self._layout = pn.Column(
            heading("Export the model on display"),
            self._rows,
            heading("Import an exported model"),
            pn.pane.HTML(
                '<div class="wb-note">Only weights and a manifest are read; nothing in the file is executed. '
                "It is checked, stored among the runs and opened.</div>",
                margin=(0, 10),
            ),
            self.upload,
            self.note,
            sizing_mode="stretch_width",
            max_width=980,
            margin=(0, 12),
        )

    def refresh(self) -> None:
        """Offer the formats for the model on display. Of the same model, exports in progress stay, and files
        that show it as it is."""
        try:
            source = self.source()
        except ExportError:
            source = None
        model = source, self.session.experiment.architecture.key
        if model != self._model:
            self._model = model
            self.rows = [FormatRow(self, key, export) for key, export in FORMATS.items()]
            self._rows.objects = list(self.rows)
        for row in self.rows:
            row.remove_outdated()

    def source(self) -> Path:
        """Return the path of the model to export: a run's folder, or the exported file it came from.

        Raises `ExportError` if no model is on display.
        """
        if self.session.job is not None:
            return self.session.job.handle.folder
        if self.session.source is not None:
            return self.session.source
        raise ExportError("There is nothing to export yet", suggestion="train a run first")

    async def _on_upload(self, event: param.parameterized.Event) -> None:
        if not event.new:
            return
        data, self.upload.value = bytes(event.new), None
        self._show_message("Checking the file …", "info")
        path = process_pool.transfer_folder("uploads") / process_pool.new_name(".zip")
        try:
            if len(data) > MAX_MODEL_BYTES:
                raise RefusedError(
                    "The file is too large",
                    expected=f"at most {MAX_MODEL_BYTES // 2**20} MB",
                    found=f"{len(data) / 2**20:.0f} MB",
                )
            path.write_bytes(data)
            run_id = await asyncio.wrap_future(
                process_pool.QUICK.submit(process_pool.import_model, str(path), str(Runs().root))
            )
            self.session.open(Runs().folder(run_id).path)
            self._show_message("The file passed its checks and is opened as a finished run.", "info")
            self._on_open()
        except Exception as error:
            self._show_message(report_error(error), "bad")
        finally:
            path.unlink(missing_ok=True)

    def _show_message(self, sentence: str, kind: str) -> None:
        self.note.object = f'<div class="wb-message {kind}">{text.escape(sentence)}</div>'

    def __panel__(self):
        return self._layout


class FormatRow(pn.viewable.Viewer):
    """Row of one export format: a button that writes the file, then a link to download it."""

    def __init__(self, owner: ImportExport, key: str, export: ExportFormat) -> None:
        super().__init__()
        self.owner, self.key, self.export = owner, key, export
        architecture = owner.session.experiment.architecture
        refusal = export.refusal(architecture.key)
        self.button = pmui.Button(
            label="Export",
            icon="save_alt",
            variant="outlined",
            size="small",
            width=110,
            disabled=bool(refusal),
            css_classes=[f"wb-export-{key}"],
            margin=(6, 8),
        )
        self.button.on_click(self._on_export)
        self.about = pn.pane.HTML(describe(export, refusal), sizing_mode="stretch_width", margin=(4, 8))
        self.download = pn.Row(margin=0)
        self._iteration = 0  # that was exported
        self._layout = pn.Row(self.button, self.about, self.download, sizing_mode="stretch_width", margin=0)

    def remove_outdated(self) -> None:
        """Remove the file of an earlier iteration, unless it is being written."""
        if self._iteration != self.owner.session.status.iteration and not self.button.loading:
            self.download.objects = []

    async def _on_export(self, _event: param.parameterized.Event) -> None:
        owner, name = self.owner, process_pool.new_name(self.export.suffix)
        self.button.loading = True
        try:
            source, target = owner.source(), process_pool.transfer_folder("exports") / name
            await self._save()
            self._iteration = owner.session.status.iteration
            observation = tuple(owner.session.observation)
            future = process_pool.export_pool(self.key).submit(
                process_pool.export_to, str(source), self.key, str(target), observation
            )
            await asyncio.wrap_future(future)
            experiment = owner.session.experiment
            filename = f"{experiment.problem.key}-{experiment.architecture.key}{self.export.suffix}"
            size = target.stat().st_size / 1024
            self.download.objects = [
                pmui.FileDownload(
                    file=str(target),
                    filename=filename,
                    embed=False,
                    size="small",
                    label=f"{filename} ({size:.0f} kB)",
                    css_classes=[f"wb-download-{self.key}"],
                    margin=(6, 8),
                )
            ]
            notify("success", "Exported and checked against the model.")
        except Exception as error:
            report_error(error)
        finally:
            self.button.loading = False

    async def _save(self) -> None:
        """Have a live run write a checkpoint, and wait for that for at most ten seconds."""
        job = self.owner.session.job
        if job is None or not job.handle.live:
            return
        iteration = job.handle.status().iteration
        job.handle.save()
        for _ in range(100):
            await asyncio.sleep(0.1)
            if job.handle.status().saved >= iteration or not job.handle.live:
                return

    def __panel__(self):
        return self._layout


def heading(words: str) -> pn.pane.HTML:
    """Return a pane with a section heading."""
    return pn.pane.HTML(f'<div class="wb-heading">{words}</div>', margin=(12, 10, 4, 10))


def describe(export: ExportFormat, refusal: str) -> str:
    """Format an export format's title and summary as HTML, and the reason where it is refused."""
    reason = f'<div class="wb-reason">Not available: {text.escape(refusal)}</div>' if refusal else ""
    summary = f'<span class="wb-note">{text.escape(export.summary)}</span>'
    return f"<div><b>{text.escape(export.title)}</b> {summary}{reason}</div>"
