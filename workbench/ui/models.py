"""Models: which trained model is explored, and which one is laid over it. Runs, exported files, the
example."""

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
from workbench.ui.import_export import LARGEST_MODEL
from workbench.ui.notifications import guard, tell
from workbench.ui.runs import titled, when

EXAMPLE = "Example: inverse kinematics"
NONE = "no second model"
WIDE = {"size": "small", "width": 292, "margin": (8, 4)}
NOTHING = "There is nothing to explore yet: train a run with an observation, or open an exported model."


#: Models that were named when the server was started, by their label.
GIVEN: dict[str, str] = {}


def offer(path: str) -> None:
    """Have this model, a run's folder or an exported file, at the top of every page's menu."""
    GIVEN[Path(path).name] = str(Path(path).resolve())


def models() -> dict[str, str]:
    """What can be explored, as a menu: label -> a run's folder or a file."""
    shipped = example.FOLDER / example.POSTERIOR
    found = dict(GIVEN)
    if shipped.is_file():
        found[EXAMPLE] = str(shipped)
    for info in Runs().list():
        try:
            folder = Runs().folder(info.id)
            if folder.has_checkpoint and folder.experiment().problem.shapes.y:
                found[f"{titled(info.title)}, {when(info.created)}"] = str(info.path)
        except (WorkbenchError, OSError):
            continue
    return found


class Models(pn.viewable.Viewer):
    """Two menus and a way in for a file; ``say`` shows a sentence on the page."""

    def __init__(self, state: Exploration, say: Callable[..., None]) -> None:
        super().__init__()
        self.state, self._say = state, say
        self.first: tuple[float, ...] = ()  # the observation of the address
        self._wrong: list[WorkbenchError] = []  # what was wrong with the address
        self._waiting = False  # for the browser
        self.model = pmui.Select(label="Model", options={}, css_classes=["wb-model"], **WIDE)
        self.second = pmui.Select(label="Compare with", options={NONE: ""}, css_classes=["wb-second"], **WIDE)
        self.again = pmui.Button(
            label="Refresh",
            icon="refresh",
            variant="text",
            size="small",
            width=120,
            margin=(0, 4),
            description="Read the shelf of runs again.",
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
        self.again.on_click(lambda _: guard(self.refresh))
        self.file.param.watch(self._uploaded, "value")
        self.refresh()

    def refresh(self) -> None:
        """Read the shelf of runs; uploaded files stay."""
        files = {label: path for label, path in self.model.options.items() if label.startswith("File: ")}
        self._offer(files | models())

    def _offer(self, options: dict[str, str]) -> None:
        self.model.options = options
        self.second.options = {NONE: "", **options}

    def begin(self, run: str, observation: str) -> None:
        """The model of the address, or the first there is; what cannot be followed is said."""
        self.choose(run, observation)
        self.start()

    def choose(self, run: str, observation: str) -> None:
        """The menu as it is to arrive in the browser; nothing is opened and nothing said before `start`."""
        wanted, self._wrong = "", []
        try:
            self.first = parse_values(observation, noun="observation in the address")
        except WorkbenchError as error:
            self._wrong.append(error)
        try:
            wanted = str(Runs().folder(run).path) if run else ""
        except WorkbenchError as error:
            self._wrong.append(error)
        sources = list(self.model.options.values())
        if wanted and wanted not in sources:
            wanted = ""
            self._wrong.append(
                WorkbenchError(
                    f"Run '{run[:60]}' has no posterior to explore",
                    expected="a run with an observation y and a checkpoint",
                )
            )
        self._waiting = True
        try:
            if sources:
                self.model.value = wanted or sources[0]
        finally:
            self._waiting = False

    def start(self) -> None:
        """Open what was chosen."""
        for error in self._wrong:
            tell(error)
        if not self.model.options:
            return self._say(NOTHING)
        self.open(self.model.value)

    def open(self, source: str) -> None:
        """Look at a model of the menu."""
        if self._waiting or not source or self.state.sources.get("model") == source:
            return
        if source not in self.model.options.values():  # a browser may send anything
            raise WorkbenchError("This model is not in the menu")
        self.second.value = ""
        first, self.first = self.first, ()
        self.state.open(source, first)
        if self.state.about is None:
            self._say("Opening the model …")

    def _compare(self, source: str) -> None:
        if not source:
            return self.state.close_other()
        if source not in self.second.options.values():
            raise WorkbenchError("This model is not in the menu")
        self.state.compare(source)

    async def _uploaded(self, event: Any) -> None:
        if not event.new:
            return
        data, name = bytes(event.new), str(self.file.filename or "model.zip")
        self.file.value = None
        path = process_pool.shelf("uploads") / process_pool.new_name(".zip")
        try:
            if len(data) > LARGEST_MODEL:
                raise RefusedError(
                    "The file is too large",
                    expected=f"at most {LARGEST_MODEL // 2**20} MB",
                    found=f"{len(data) / 2**20:.0f} MB",
                )
            path.write_bytes(data)
            await asyncio.wrap_future(process_pool.POOL.send(trusted, str(path)))
            self._offer({f"File: {Path(name).name[:40]}": str(path), **self.model.options})
            self.model.value = str(path)
        except Exception as error:
            path.unlink(missing_ok=True)
            self._say(tell(error), "bad")

    def __panel__(self) -> Any:
        return pn.Column(self.model, self.second, pn.Row(self.again, self.file, margin=0), margin=0)


def trusted(path: str) -> None:
    """Load an exported model with all checks; done in another process."""
    from workbench.export import load

    load(path)
