"""Session: what one open page looks at and has picked. No widgets here; components watch its parameters.

The session never receives data from another thread. A job wakes it (through the hub), it then looks at the
job's
status and newest snapshot, and asks for the next one when the last has been drawn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import param

from workbench.backends import Status
from workbench.core.errors import DataError, RunError
from workbench.core.observation import checked_values
from workbench.snapshots import Snapshot
from workbench.training import Experiment
from workbench.training.live_changes import said
from workbench.ui.choices import KINDS, Choices
from workbench.ui.jobs import Job, Jobs

#: Seconds between two snapshots of a running run: never less than the first, and so much more that drawing
#: takes at most this share of the server's time, all open pages together.
REFRESH, DRAWING_SHARE = 0.5, 0.3
#: A snapshot that was asked for and did not come in this time is asked for again.
PATIENCE = 8.0


class Session(param.Parameterized):
    """State of a page: the picked choices, the job that is looked at, its status and the snapshot on the
    screen."""

    status = param.ClassSelector(
        class_=Status, default=Status(state="none"), doc="The newest status of the job."
    )
    snapshot = param.ClassSelector(class_=Snapshot, default=None, allow_None=True, doc="What the views show.")
    shown = param.ClassSelector(
        class_=Experiment, default=None, allow_None=True, doc="Experiment of what is shown."
    )
    dirty = param.Boolean(False, doc="The choices differ from the shown run: they are for a new one.")
    observation = param.Parameter((), doc="y whose posterior is looked at, a tuple; empty without y.")
    title = param.String("", doc="What is shown, in words.")

    def __init__(self, jobs: Jobs, *, say: Callable[[str, str], None] | None = None) -> None:
        super().__init__()
        self.jobs, self.choices, self.job = jobs, Choices(), None
        self.device, self.views, self.refresh = "auto", (), REFRESH
        self.say = say or (lambda kind, sentence: None)
        self.wake: Callable[[], None] = lambda: None
        self.crowd: Callable[[], int] = lambda: 1  # how many pages share this server
        self.history: list = []
        self.opener: Callable[[], Job] | None = (
            None  # makes a job of what is shown, where none is needed to look
        )
        self.source: Path | None = None  # the exported file of what is shown, where there is no job
        self._leave: Callable[[], None] | None = None
        self._seen, self._asked_at, self._next, self._wanted = 0, 0.0, 0.0, None

    # ---- what is shown
    def attach(self, job: Job, *, title: str = "") -> None:
        """Look at this job from now on."""
        self.detach()
        self.job, self.opener, self.source = job, None, None
        self._seen, self._asked_at, self._next = 0, 0.0, 0.0
        self._leave = job.watch(self, lambda: self.wake())
        self.history, self._wanted = job.history, None
        observation = self.observation if self._same_problem(job.experiment) else ()
        self.param.update(
            shown=job.experiment,
            title=title or job.experiment.title,
            snapshot=None,
            observation=observation or default_observation(job.experiment),
            status=job.handle.status(),
        )
        self.judge()
        self.look()

    def show_still(
        self,
        experiment: Experiment,
        snapshot: Snapshot,
        records: list,
        *,
        title: str,
        opener: Callable[[], Job] | None,
    ) -> None:
        """Show something finished that needs no worker to be looked at (the example, an imported model)."""
        self.detach()
        self.job, self.opener, self.history = None, opener, list(records)
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
            shown=experiment,
            title=title,
            status=status,
            snapshot=snapshot,
            observation=default_observation(experiment)
            if observation is None
            else tuple(float(v) for v in observation),
        )
        self.judge()

    def detach(self) -> None:
        """Look away; a job that nobody looks at any more and that rests is stopped (its folder stays)."""
        job, self.job = self.job, None
        if self._leave:
            self._leave()
            self._leave = None
        if job is not None and job.handle.state in ("paused", "finished"):
            self.jobs.abandon(job)

    def close(self) -> None:
        """The page is gone. The job goes on; what rests keeps its worker for a while, in case of a reload."""
        if self._leave:
            self._leave()
        self.job, self._leave, self.wake = None, None, lambda: None

    def _same_problem(self, experiment: Experiment) -> bool:
        return self.shown is not None and self.shown.problem == experiment.problem

    # ---- commands
    def new_run(self, *, run: bool = True) -> None:
        """Start what is picked as a new run. The run that was shown is saved and let go."""
        experiment = self.choices.experiment()
        experiment.check()
        old = self.job
        job = self.jobs.start(experiment, device=self.device)
        if old is not None:
            old.handle.pause()
        self.attach(job)
        if old is not None:
            self.jobs.abandon(old)
        if run:
            job.handle.run()
        self.param.trigger("title")

    def play(self) -> None:
        """Go on with the shown run, or start what is picked when that is something else or the run has
        ended."""
        if self.can_go_on:
            self.steer().handle.run()
        else:
            self.new_run()

    def pause(self) -> None:
        if self.job is not None:
            self.job.handle.pause()

    def step(self, n: int) -> None:
        """Exactly n steps."""
        if self.dirty:
            self.new_run(run=False)
        self.steer().handle.step(n)

    def resume(self) -> None:
        """Go on from the last checkpoint of a run whose worker is gone."""
        if self.job is None:
            raise RunError("There is no run to resume")
        folder, title = self.job.handle.folder, self.title
        self.attach(self.jobs.open(folder, device=self.device), title=title)
        self.job.handle.run()

    def open(self, folder: Path) -> None:
        """Look at the run in a folder, and put its experiment into the form."""
        job = self.jobs.open(folder, device=self.device)
        self.choices.take(job.experiment)
        self.attach(job)

    def play_shown(self) -> None:
        """Train on what is shown."""
        self.steer().handle.run()

    def forget(self, folder: Path) -> None:
        """Look away from the run in this folder, which is about to be removed, and let its worker go."""
        if self.job is not None and self.job.handle.folder == folder:
            job = self.job
            self.detach()
            job.handle.stop()
            self.param.update(status=Status(state="none"), title="")

    def steer(self) -> Job:
        """The job behind what is shown; where there is none yet (the example), one is made."""
        if self.job is None:
            if self.opener is None:
                raise RunError("What is shown cannot be trained", suggestion="start a new run")
            still, history = self.snapshot, self.history
            self.attach(self.opener(), title=self.title)
            self.param.update(snapshot=still)
            self.job.history = self.job.history or history
        return self.job

    def set_live(self, name: str, value) -> None:
        """Change a live setting of the running run."""
        if self.job is not None and not self.dirty:
            self.job.handle.set(name, value)

    def change_objective(self) -> None:
        """Train the shown run on with the picked objective: network, optimiser and history stay."""
        if not self.only_objective:
            raise RunError(
                "The run can change its objective and nothing else", suggestion="start a new run instead"
            )
        objective = self.choices.experiment().objective
        changed = self.shown.replace(objective=objective)
        changed.check()
        titled = self.title == self.shown.title
        self.job.handle.set("objective", {"key": objective.key, "settings": objective.values()})
        self.job.handle.experiment = changed
        self.param.update(shown=changed, title=changed.title if titled else self.title)
        self.judge()
        self.look()
        self.say("info", f"From here on the run descends: {said(objective)}.")

    def observe(self, observation: tuple[float, ...]) -> None:
        """Look at the posterior of another observation. Raises `DataError` for what is not finite."""
        self.observation = checked_values(observation, self.shown.problem.y, error=DataError)
        self.steer()
        self.look()

    # ---- judging
    @property
    def only_objective(self) -> bool:
        """Whether what is picked differs from the shown run, which can go on, in its objective alone."""
        if not self.dirty or self.job is None or self.status.state not in ("paused", "running"):
            return False
        picked, shown = frozen(self.choices.experiment()), frozen(self.shown)
        return picked.pop("objective") != shown.pop("objective") and picked == shown

    @property
    def can_go_on(self) -> bool:
        """Whether play means going on with the shown run."""
        return (
            not self.dirty and self.job is not None and self.status.state in ("paused", "running", "starting")
        )

    def judge(self) -> None:
        """Whether the choices are still those of the shown run, apart from what may change live."""
        dirty = self.shown is None or frozen(self.choices.experiment()) != frozen(self.shown)
        if dirty != self.dirty:
            self.dirty = dirty
        else:
            self.param.trigger("dirty")  # the choices have changed all the same: a refusal may be gone

    # ---- looking
    def look(self) -> None:
        """The tick: take what is new, and ask for what is missing. Cheap when there is nothing."""
        job = self.job
        if job is None:
            return
        status = job.handle.status()
        if status != self.status:
            self.status = status
        version, snapshot = job.look()
        if snapshot is not None and version != self._seen:
            begun = time.monotonic()
            self._seen, self._asked_at = version, 0.0
            self.history = job.history
            self.snapshot = snapshot
            drawn = time.monotonic() - begun
            self._next = time.monotonic() + max(self.refresh, drawn * (self.crowd() / DRAWING_SHARE - 1))
        self._ask()

    def _ask(self) -> None:
        now, status, wanted = time.monotonic(), self.status, (self.views, self.observation)
        if not self.job.handle.live or not self.views or (self._asked_at and now - self._asked_at < PATIENCE):
            return
        stale = self.snapshot is None or self.snapshot.iteration != status.iteration
        changed = wanted != self._wanted or self._seen == 0
        if changed or (stale and (status.state != "running" or now >= self._next)):
            self._asked_at, self._wanted = now, wanted
            self.job.ask(self.views, self.observation)


def default_observation(experiment: Experiment) -> tuple[float, ...]:
    """Where the posterior is looked at first; empty for a problem without y."""
    return (
        tuple(float(v) for v in experiment.problem.default_observation) if experiment.problem.shapes.y else ()
    )


def frozen(experiment: Experiment) -> dict:
    """All values but those that may change in a running run."""
    values = experiment.to_dict()
    for part in (*KINDS, "training"):
        spec = getattr(experiment, part)
        settings = values[part]["settings"] if part in KINDS else values[part]
        for name in spec.live:
            settings.pop(name, None)
    return values
