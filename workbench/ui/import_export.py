"""Exchange: what is shown leaves as a file, and an exported model comes back to be looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import ExportError, RefusedError
from workbench.export import FORMATS
from workbench.training import Runs
from workbench.ui import process_pool, text
from workbench.ui.notifications import say, tell
from workbench.ui.session import Session

#: An uploaded model may have this many bytes (also the limit of one message).
LARGEST_MODEL = 64 * 2**20


class Exchange(pn.viewable.Viewer):
    """A row for each export format (greyed with its reason where it is refused), and the way back in."""

    def __init__(self, session: Session, on_open: Callable[[], None]) -> None:
        super().__init__()
        self.session, self._on_open = session, on_open
        self._rows = pn.Column(margin=0, sizing_mode="stretch_width")
        self.upload = pmui.FileInput(
            label="Choose an exported model (.zip)",
            accept=".zip",
            multiple=False,
            width=320,
            css_classes=["wb-import"],
        )
        self.upload.param.watch(self._uploaded, "value")
        self.note = pn.pane.HTML(
            "", margin=(4, 10), sizing_mode="stretch_width", css_classes=["wb-import-note"]
        )
        self._layout = pn.Column(
            heading("Export what is shown"),
            self._rows,
            heading("Import an exported model"),
            pn.pane.HTML(
                '<div class="wb-note">Only weights and a manifest are read; nothing in the file is executed. '
                "It is checked, put among the runs and opened.</div>",
                margin=(0, 10),
            ),
            self.upload,
            self.note,
            sizing_mode="stretch_width",
            max_width=980,
            margin=(0, 12),
        )

    def refresh(self) -> None:
        """A row a format for what is shown now."""
        self._rows.objects = [FormatRow(self, key, export) for key, export in FORMATS.items()]

    def source(self) -> Path:
        """What is exported: the run's folder, with a checkpoint of this very moment, or the file it came
        from."""
        if self.session.job is not None:
            return self.session.job.handle.folder
        if self.session.source is not None:
            return self.session.source
        raise ExportError("There is nothing to export yet", suggestion="train a run first")

    async def _uploaded(self, event) -> None:
        if not event.new:
            return
        data, self.upload.value = bytes(event.new), None
        self._say("Checking the file …", "info")
        path = process_pool.shelf("uploads") / process_pool.new_name(".zip")
        try:
            if len(data) > LARGEST_MODEL:
                raise RefusedError(
                    "The file is too large",
                    expected=f"at most {LARGEST_MODEL // 2**20} MB",
                    found=f"{len(data) / 2**20:.0f} MB",
                )
            path.write_bytes(data)
            found = await asyncio.wrap_future(
                process_pool.POOL.send(process_pool.adopt, str(path), str(Runs().root))
            )
            self.session.open(Runs().folder(found).path)
            self._say("The file agrees with its test vectors; it is opened as a finished run.", "info")
            self._on_open()
        except Exception as error:
            self._say(tell(error), "bad")
        finally:
            path.unlink(missing_ok=True)

    def _say(self, sentence: str, kind: str) -> None:
        self.note.object = f'<div class="wb-message {kind}">{text.escape(sentence)}</div>'

    def __panel__(self):
        return self._layout


class FormatRow(pn.viewable.Viewer):
    """One format: make the file, then download it."""

    def __init__(self, exchange: Exchange, key: str, export) -> None:
        super().__init__()
        self.exchange, self.key, self.export = exchange, key, export
        architecture = exchange.session.shown.architecture
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
        self.button.on_click(self._make)
        self.about = pn.pane.HTML(describe(export, refusal), sizing_mode="stretch_width", margin=(4, 8))
        self.download = pn.Row(margin=0)
        self._layout = pn.Row(self.button, self.about, self.download, sizing_mode="stretch_width", margin=0)

    async def _make(self, _event) -> None:
        exchange, name = self.exchange, process_pool.new_name(self.export.suffix)
        self.button.loading = True
        try:
            source, target = exchange.source(), process_pool.shelf("exports") / name
            await self._saved()
            observation = tuple(exchange.session.observation)
            future = process_pool.POOL.send(
                process_pool.export_to, str(source), self.key, str(target), observation
            )
            await asyncio.wrap_future(future)
            experiment = exchange.session.shown
            shown = f"{experiment.problem.key}-{experiment.architecture.key}{self.export.suffix}"
            size = target.stat().st_size / 1024
            self.download.objects = [
                pmui.FileDownload(
                    file=str(target),
                    filename=shown,
                    embed=False,
                    size="small",
                    label=f"{shown} ({size:.0f} kB)",
                    css_classes=[f"wb-download-{self.key}"],
                    margin=(6, 8),
                )
            ]
            say("success", "Exported and checked against the model.")
        except Exception as error:
            tell(error)
        finally:
            self.button.loading = False

    async def _saved(self) -> None:
        """A live run writes a checkpoint of this moment first."""
        job = self.exchange.session.job
        if job is None or not job.handle.live:
            return
        wanted = job.handle.status().iteration
        job.handle.save()
        for _ in range(100):
            await asyncio.sleep(0.1)
            if job.handle.status().saved >= wanted or not job.handle.live:
                return

    def __panel__(self):
        return self._layout


def heading(words: str) -> pn.pane.HTML:
    return pn.pane.HTML(f'<div class="wb-heading">{words}</div>', margin=(12, 10, 4, 10))


def describe(export, refusal: str) -> str:
    reason = f'<div class="wb-reason">Not available: {text.escape(refusal)}</div>' if refusal else ""
    summary = f'<span class="wb-note">{text.escape(export.summary)}</span>'
    return f"<div><b>{text.escape(export.title)}</b> {summary}{reason}</div>"
