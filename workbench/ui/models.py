"""Choice of the trained model to explore and of a second one: runs, exported files or the example."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import RefusedError, WorkbenchError
from workbench.core.observation import parse_values
from workbench.training import Runs
from workbench.ui import example, process_pool
from workbench.ui.exploration import Exploration
from workbench.ui.import_export import MAX_MODEL_BYTES
from workbench.ui.menus import Menu
from workbench.ui.notifications import guard, notify, report_error
from workbench.ui.runs import format_time, run_title

EXAMPLE = "Example: inverse kinematics"
NONE = "no second model"
WIDE = {"size": "small", "width": 292, "margin": (8, 4)}
NO_MODELS = "There is nothing to explore yet: train a run with an observation, or open an exported model."
#: Label and path of the models named when the server was started.
PRESET_MODELS: dict[str, str] = {}


def offer(path: str) -> None:
    """Add a model, in a run's folder or an exported file, to the top of every page's menu."""
    PRESET_MODELS[Path(path).name] = str(Path(path).resolve())


def models() -> dict[str, str]:
    """Return the menu of models to explore: label -> path of a run's folder or an exported file."""
    example_file = example.FOLDER / example.POSTERIOR
    menu = dict(PRESET_MODELS)
    if example_file.is_file():
        menu[EXAMPLE] = str(example_file)
    damages = {}
    for info in Runs().list():
        try:
            if info.state == "damaged":
                raise WorkbenchError(info.message)
            folder = Runs().folder(info.id)
            if folder.has_checkpoint and folder.experiment().problem.shapes.y:
                menu[f"{run_title(info.title)}, {format_time(info.created)}"] = str(info.path)
        except (WorkbenchError, OSError) as error:
            damages[f"damaged: {info.id}, {format_time(info.created)}. {error}"] = str(info.path)
    return menu | damages  # the damaged last: the first is opened


class Models(pn.viewable.Viewer):
    """Menus of the model and of a second one to compare, and an upload for exported files.

    ``show_message`` shows a sentence on the page.
    """

    def __init__(self, state: Exploration, show_message: Callable[..., None]) -> None:
        super().__init__()
        self.state, self._show_message = state, show_message
        self.initial_observation: tuple[float, ...] = ()  # of the address
        self._address_errors: list[WorkbenchError] = []
        self._waiting = False  # until the browser has rendered the page
        self.model = Menu(label="Model", options={}, css_classes=["wb-model"], **WIDE)
        self.second = Menu(label="Compare with", options={NONE: ""}, css_classes=["wb-second"], **WIDE)
        self.reload = pmui.Button(
            label="Refresh",
            icon="refresh",
            variant="text",
            size="small",
            width=120,
            margin=(0, 4),
            description="Read the list of runs again.",
        )
        self.file = pmui.FileInput(
            label="Open a file (.zip)",
            accept=".zip",
            multiple=False,
            width=164,
            size="small",
            variant="text",
            margin=(0, 2),
            css_classes=["wb-model-file"],
            description="A model that was exported as weights and manifest. Nothing in it is executed.",
        )
        self.model.param.watch(lambda event: guard(lambda: self.open(event.new)), "value")
        self.second.param.watch(lambda event: guard(lambda: self._compare(event.new)), "value")
        self.reload.on_click(lambda _: guard(self._reload))
        self.file.param.watch(self._on_upload, "value")
        self.refresh()

    def refresh(self) -> None:
        """Read the list of stored runs again; uploaded files stay in the menus."""
        files = {label: path for label, path in self.model.options.items() if label.startswith("File: ")}
        self._offer(files | models())

    def _reload(self) -> None:
        self.refresh()
        count = len(self.model.options)
        notify("info", f"The menu is up to date: {count} model{'s' * (count != 1)}.")

    def _offer(self, options: dict[str, str]) -> None:
        self.model.options = options
        self.second.options = {NONE: "", **options}

    def begin(self, run: str, observation: str) -> None:
        """Open the run that the page's address names, or the first model; report errors in the address."""
        self.choose(run, observation)
        self.start()

    def choose(self, run: str, observation: str) -> None:
        """Select, in the menu, the run that the page's address names; `start` opens it and reports errors."""
        source, self._address_errors = "", []
        try:
            self.initial_observation = parse_values(observation, noun="observation in the address")
        except WorkbenchError as error:
            self._address_errors.append(error)
        try:
            source = str(Runs().folder(run).path) if run else ""
        except WorkbenchError as error:
            self._address_errors.append(error)
        sources = list(self.model.options.values())
        if source and source not in sources:
            source = ""
            self._address_errors.append(
                WorkbenchError(
                    f"Run '{run[:60]}' has no posterior to explore",
                    expected="a run with an observation y and a checkpoint",
                )
            )
        self._waiting = True
        try:
            if sources:
                self.model.value = source or sources[0]
        finally:
            self._waiting = False

    def start(self) -> None:
        """Open the selected model, and report errors in the page's address."""
        for error in self._address_errors:
            report_error(error)
        if not self.model.options:
            return self._show_message(NO_MODELS)
        self.open(self.model.value)

    def open(self, source: str) -> None:
        """Open the model at a path of the menu. Raises `WorkbenchError` for any other path."""
        if self._waiting or not source or self.state.sources.get("model") == source:
            return
        if source not in self.model.options.values():  # a browser may send anything
            raise WorkbenchError("This model is not in the menu")
        self.second.value = ""
        observation, self.initial_observation = self.initial_observation, ()
        self.state.open(source, observation)
        if self.state.info is None:
            self._show_message("Opening the model …")

    def _compare(self, source: str) -> None:
        if not source:
            return self.state.close_other()
        if source not in self.second.options.values():
            raise WorkbenchError("This model is not in the menu")
        self.state.compare(source)

    async def _on_upload(self, event: Any) -> None:
        if not event.new:
            return
        data, name = bytes(event.new), str(self.file.filename or "model.zip")
        self.file.value = None
        self._show_message("Checking the file …")
        last = self.model.value
        path = process_pool.transfer_folder("uploads") / process_pool.new_name(".zip")
        try:
            if len(data) > MAX_MODEL_BYTES:
                raise RefusedError(
                    "The file is too large",
                    expected=f"at most {MAX_MODEL_BYTES // 2**20} MB",
                    found=f"{len(data) / 2**20:.0f} MB",
                )
            path.write_bytes(data)
            await asyncio.wrap_future(process_pool.QUICK.submit(check_export, str(path)))
            self._offer({f"File: {Path(name).name[:40]}": str(path), **self.model.options})
            if self.model.value == last:  # else another one has been chosen meanwhile
                self.model.value = str(path)
        except Exception as error:
            path.unlink(missing_ok=True)
            self._show_message(report_error(error), "bad")

    def __panel__(self) -> Any:
        return pn.Column(self.model, self.second, pn.Row(self.reload, self.file, margin=0), margin=0)


def check_export(path: str) -> None:
    """Load an exported model, which raises if one of its checks fails; runs in the helper process."""
    from workbench.export import load

    load(path)
