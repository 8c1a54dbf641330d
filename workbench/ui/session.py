"""Session: the run that one open page shows, and the choices for the next. Components watch its parameters.

The session has no widgets and never receives data from another thread. A job wakes it; it then reads the
job's status and latest snapshot, and requests the next one after the last has been drawn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import param

from workbench.backends import Status
from workbench.core.errors import DataError, RunError
from workbench.core.observation import checked_values
from workbench.snapshots import Snapshot
from workbench.training import Experiment, Record
from workbench.training.live_changes import summarise
from workbench.ui.choices import KINDS, Choices
from workbench.ui.jobs import Job, Jobs

#: Shortest time in seconds between two snapshots of a running run.
REFRESH = 0.5
#: Seconds after which a request for a snapshot that was not answered is repeated.
REQUEST_TIMEOUT = 8.0
#: States of what an address names before a click: an experiment, and a run that no worker has open.
READY, SAVED = "ready", "saved"


class Session(param.Parameterized):
    """State of a page: the user's choices, the job on display, its status, and the snapshot on the screen."""

    status = param.ClassSelector(
        class_=Status, default=Status(state="none"), doc="The latest status of the job."
    )
    snapshot = param.ClassSelector(class_=Snapshot, default=None, allow_None=True, doc="What the views show.")
    experiment = param.ClassSelector(
        class_=Experiment, default=None, allow_None=True, doc="Experiment of the run on display."
    )
    dirty = param.Boolean(False, doc="The choices differ from the run on display: they are for a new one.")
    observation = param.Parameter((), doc="The y whose posterior is shown, a tuple; empty without y.")
    title = param.String("", doc="Title of the run on display.")

    def __init__(self, jobs: Jobs, *, notify: Callable[[str, str], None] | None = None) -> None:
        super().__init__()
        self.jobs, self.choices, self.job = jobs, Choices(), None
        self.device, self.views, self.refresh = "auto", (), REFRESH
        self.notify = notify or (lambda kind, sentence: None)
        self.wake: Callable[[], None] = lambda: None
        self.is_open: Callable[[], bool] = lambda: True  # the page has drawn what it was given
        self.history: list[Record] = []
        self.job_factory: Callable[[], Job] | None = None  # starts a job for a run that is shown without one
        self.source: Path | None = None  # the exported file of a model that is shown without a job
        self.address = ""  # the query of the page's address that shows the same without a job
        self._leave: Callable[[], None] | None = None
        self._version, self._request_time, self._next_request, self._request = 0, 0.0, 0.0, None

    # ---- the run on display
    def attach(self, job: Job, *, title: str = "") -> None:
        """Show the run of a job on this page, in place of the current one."""
        self.detach()
        self.job, self.job_factory, self.source, self.address = job, None, None, ""
        self._version, self._request_time, self._next_request = 0, 0.0, 0.0
        self._leave = job.watch(self, lambda: self.wake())
        self.history, self._request = job.history, None
        observation = self.observation if self._same_problem(job.experiment) else ()
        self.param.update(
            experiment=job.experiment,
            title=title or job.experiment.title,
            snapshot=None,
            observation=observation or default_observation(job.experiment),
            status=job.handle.status(),
        )
        self.compare_choices()
        self.poll()

    def show_finished(
        self,
        experiment: Experiment,
        snapshot: Snapshot,
        records: list[Record],
        *,
        title: str,
        job_factory: Callable[[], Job] | None,
    ) -> None:
        """Show a finished run without a worker, such as the example.

        ``job_factory`` starts a job when the run is to be trained further; None if that is not possible.
        """
        self.detach()
        self.job, self.job_factory, self.history, self.address = None, job_factory, list(records), ""
        status = Status(
            state="finished",
            iteration=snapshot.iteration,
            steps=experiment.steps,
            steps_per_second=snapshot.steps_per_second,
            device=snapshot.device,
            loss=records[-1].parts.get("loss", math.nan) if records else math.nan,
        )
        observation = snapshot.arrays.get("observation")
        self.param.update(
            experiment=experiment,
            title=title,
            status=status,
            snapshot=snapshot,
            observation=default_observation(experiment)
            if observation is None
            else tuple(float(v) for v in observation),
        )
        self.compare_choices()

    def show_unopened(
        self,
        experiment: Experiment,
        status: Status,
        job_factory: Callable[[], Job],
        *,
        title: str = "",
        source: Path | None = None,
        address: str = "",
    ) -> None:
        """Show an experiment, or a saved run, for which nothing is started before the user asks for it.

        ``status`` has the state `READY` or `SAVED`; ``source`` is the saved run's folder, and ``address`` the
        query that names the same. The first command that needs a job calls ``job_factory``.
        """
        self.detach()
        self.job, self.job_factory, self.history = None, job_factory, []
        self.source, self.address = source, address
        self.param.update(
            experiment=experiment,
            title=title or experiment.title,
            status=status,
            snapshot=None,
            observation=default_observation(experiment),
        )
        self.compare_choices()

    @property
    def unopened(self) -> bool:
        """True while what is on display has not been started, see `show_unopened`."""
        return self.job is None and self.status.state in (READY, SAVED)

    def detach(self) -> None:
        """Stop showing the job; if it is idle and no other page shows it, its worker is freed."""
        job, self.job = self.job, None
        if self._leave:
            self._leave()
            self._leave = None
        if job is not None and job.handle.state in ("paused", "finished"):
            self.jobs.release(job)

    def close(self) -> None:
        """Stop watching the job when the page is closed.

        Its training goes on; an idle job keeps its worker a while, in case the page is reloaded.
        """
        if self._leave:
            self._leave()
        self.job, self._leave, self.wake = None, None, lambda: None

    def _same_problem(self, experiment: Experiment) -> bool:
        return self.experiment is not None and self.experiment.problem == experiment.problem

    # ---- commands
    def new_run(self, *, run: bool = True) -> None:
        """Start a new run from the choices; the run that was on display is saved and released.

        Without ``run``, the new run waits before its first step.
        """
        experiment = self.choices.experiment()
        experiment.check()
        previous = self.job
        job = self.jobs.start(experiment, device=self.device)
        if previous is not None:
            previous.handle.pause()
        self.attach(job)
        if previous is not None:
            self.jobs.release(previous)
        if run:
            job.handle.run()
        self.param.trigger("title")

    def play(self) -> None:
        """Continue the run on display, or start a new one if the choices differ or the run has ended."""
        if self.can_continue:
            self.ensure_job().handle.run()
        else:
            self.new_run()

    def pause(self) -> None:
        """Pause the run on display."""
        if self.job is not None:
            self.job.handle.pause()

    def step(self, n: int) -> None:
        """Train exactly ``n`` steps of the run on display, or of a new one if the choices differ."""
        if self.dirty:
            self.new_run(run=False)
        self.ensure_job().handle.step(n)

    def resume(self) -> None:
        """Continue a run whose worker has ended from its latest checkpoint.

        Raises `RunError` if no run is on display.
        """
        if self.job is None:
            raise RunError("There is no run to resume")
        folder, title = self.job.handle.folder, self.title
        self.attach(self.jobs.open(folder, device=self.device), title=title)
        self.job.handle.run()

    def open(self, folder: Path) -> None:
        """Show the run in a folder, and set the choices to its experiment."""
        job = self.jobs.open(folder, device=self.device)
        self.choices.load(job.experiment)
        self.attach(job)

    def continue_run(self) -> None:
        """Continue training the run on display."""
        self.ensure_job().handle.run()

    def forget(self, folder: Path) -> None:
        """Stop showing the run in this folder, which is about to be deleted, and free its worker."""
        if self.job is not None and self.job.handle.folder == folder:
            job = self.job
            self.detach()
            job.handle.stop()
            self.param.update(status=Status(state="none"), title="")

    def ensure_job(self) -> Job:
        """Return the job of the run on display, started if need be.

        Raises `RunError` for a model that cannot be trained.
        """
        if self.job is None:
            if self.job_factory is None:
                raise RunError("The model on display cannot be trained", suggestion="start a new run")
            snapshot, history = self.snapshot, self.history
            self.attach(self.job_factory(), title=self.title)
            self.param.update(snapshot=snapshot)
            self.job.history = self.job.history or history
        return self.job

    def set_live(self, name: str, value: Any) -> None:
        """Change a live setting (one that may change during training) of the run on display; ignored if the
        choices differ from that run."""
        if self.job is not None and not self.dirty:
            self.job.handle.set(name, value)

    def change_objective(self) -> None:
        """Continue the run on display with the chosen objective: network, optimiser and history stay.

        Raises `RunError` if the choices differ in more than the objective.
        """
        if not self.only_objective:
            raise RunError(
                "The run can change its objective and nothing else", suggestion="start a new run instead"
            )
        objective = self.choices.experiment().objective
        experiment = self.experiment.replace(objective=objective)
        experiment.check()
        has_own_title = self.title != self.experiment.title
        self.job.handle.set("objective", {"key": objective.key, "settings": objective.values()})
        self.job.handle.experiment = experiment
        self.param.update(experiment=experiment, title=self.title if has_own_title else experiment.title)
        self.compare_choices()
        self.poll()
        self.notify("info", f"From here on the run minimises: {summarise(objective)}.")

    def observe(self, observation: tuple[float, ...]) -> None:
        """Show the posterior at another observation. Raises `DataError` for values that do not fit y."""
        self.observation = checked_values(observation, self.experiment.problem.y, error=DataError)
        self.ensure_job()
        self.poll()

    # ---- choices against the run on display
    @property
    def only_objective(self) -> bool:
        """True if the run on display can continue, and the choices differ from it in the objective alone."""
        if not self.dirty or self.job is None or self.status.state not in ("paused", "running"):
            return False
        choices, current = fixed_values(self.choices.experiment()), fixed_values(self.experiment)
        return choices.pop("objective") != current.pop("objective") and choices == current

    @property
    def can_continue(self) -> bool:
        """True if `play` continues the run on display instead of starting a new one."""
        if self.dirty:
            return False
        if self.unopened:
            return self.status.iteration < self.status.steps
        return self.job is not None and self.status.state in ("paused", "running", "starting")

    def compare_choices(self) -> None:
        """Set `dirty`: True if the choices differ from the run on display in more than settings that may
        change during training."""
        dirty = self.experiment is None or fixed_values(self.choices.experiment()) != fixed_values(
            self.experiment
        )
        if dirty != self.dirty:
            self.dirty = dirty
        else:
            self.param.trigger("dirty")  # watchers still have to hear of it: a refusal may be gone

    # ---- snapshots
    def poll(self) -> None:
        """Read the job's status and latest snapshot, and request the next. Cheap if neither has changed.

        A page that is still drawing, or whose browser is, takes the newest snapshot when it has done so;
        those in between are dropped, and so are statuses in which only numbers have changed.
        """
        job = self.job
        if job is None:
            return
        status, is_open = job.handle.status(), self.is_open()
        if status != self.status and (is_open or not _only_numbers_differ(status, self.status)):
            self.status = status
        version, snapshot = job.latest()
        if snapshot is not None and version != self._version and is_open:
            self._version, self._request_time = version, 0.0
            self.history = job.history
            self.snapshot = snapshot
            self._next_request = time.monotonic() + self.refresh
        self._request_snapshot(status, is_open)

    def _request_snapshot(self, status: Status, is_open: bool) -> None:
        now, request = time.monotonic(), (self.views, self.observation)
        waiting = self._request_time and now - self._request_time < REQUEST_TIMEOUT
        if not self.job.handle.live or not self.views or waiting:
            return
        stale = self.snapshot is None or self.snapshot.iteration != status.iteration
        is_new = request != self._request or self._version == 0
        if is_new or (is_open and stale and (status.state != "running" or now >= self._next_request)):
            self._request_time, self._request = now, request
            self.job.request(self.views, self.observation)


def _only_numbers_differ(status: Status, other: Status) -> bool:
    """True if two statuses differ at most in iteration, loss and speed."""
    numbers = {"iteration": 0, "loss": 0.0, "steps_per_second": 0.0}
    return replace(status, **numbers) == replace(other, **numbers)


def run_query(name: str) -> str:
    """Return the query of the address of a run, by the name of its folder, which may have any letters."""
    return f"?run={quote(name, safe='')}"


def default_observation(experiment: Experiment) -> tuple[float, ...]:
    """Return the problem's default observation (M,), which is shown first; empty for a problem without y."""
    return (
        tuple(float(v) for v in experiment.problem.default_observation) if experiment.problem.shapes.y else ()
    )


def fixed_values(experiment: Experiment) -> dict[str, Any]:
    """Return an experiment as a dict, without the live settings (those that may change during training)."""
    values = experiment.to_dict()
    for part in (*KINDS, "training"):
        spec = getattr(experiment, part)
        settings = values[part]["settings"] if part in KINDS else values[part]
        for name in spec.live:
            settings.pop(name, None)
    return values
