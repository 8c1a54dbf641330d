"""Jobs: the runs that this server takes care of, whoever looks at them. One registry a server process.

A job belongs to the server, not to a browser: a reload finds it again by its id, which is hard to guess and
stands in
the address. What nobody looks at any more trains to its end, is saved, and gives its worker back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from workbench.backends import Backend, Handle, ProcessBackend
from workbench.snapshots import Snapshot, SnapshotRequest
from workbench.training import Experiment, Record

#: Seconds after which a job that rests and is watched by nobody gives its worker back.
IDLE_SECONDS = 120.0
#: Records kept for the curves of a long run; the run's folder has them all.
LONGEST_HISTORY = 6000


class Job:
    """A handle and what all who look at it share: the history so far and who is looking."""

    def __init__(self, handle: Handle) -> None:
        self.handle, self.id = handle, handle.id
        self.history: list[Record] = []
        self.watchers: set[object] = set()
        self.left_at = time.monotonic()
        self._lock, self._seen = threading.Lock(), 0
        handle.subscribe(self._collect)

    @property
    def experiment(self) -> Experiment:
        return self.handle.experiment

    def _collect(self) -> None:
        version, snapshot = self.handle.latest()
        if snapshot is None or version == self._seen:
            return
        with self._lock:
            self._seen = version
            last = self.history[-1].iteration if self.history else -1
            if self.history and snapshot.iteration < last:  # a recovery went back: what came after it is void
                self.history = [r for r in self.history if r.iteration <= snapshot.iteration]
                last = self.history[-1].iteration if self.history else -1
            self.history = thinned(self.history + [r for r in snapshot.records if r.iteration > last])

    def ask(self, views: tuple[str, ...], observation: tuple[float, ...]) -> None:
        """Ask for a snapshot with these views; the records since the last one come with it."""
        history = self.history
        since = history[-1].iteration if history else 0
        fresh = self.handle.state != "running"  # what is dear may be a little old while numbers fly by
        self.handle.request(SnapshotRequest(views=views, observation=observation, since=since, fresh=fresh))

    def look(self) -> tuple[int, Snapshot | None]:
        return self.handle.latest()

    def watch(self, watcher: object, wake: Callable[[], None]) -> Callable[[], None]:
        """Be woken when something is new; returns how to leave."""
        self.watchers.add(watcher)
        unsubscribe = self.handle.subscribe(wake)

        def leave() -> None:
            unsubscribe()
            self.watchers.discard(watcher)
            self.left_at = time.monotonic()

        return leave


def thinned(history: list[Record]) -> list[Record]:
    """A long history with every second of its older records left out; those with a validation stay."""
    if len(history) <= LONGEST_HISTORY:
        return history
    half = len(history) // 2
    return [r for i, r in enumerate(history[:half]) if i % 2 == 0 or r.validation] + history[half:]


class Jobs:
    """All jobs by id. Every method may be called from any thread. How many there may be is the backend's
    business."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, experiment: Experiment, *, device: str = "auto") -> Job:
        """A new run in a folder of its own, paused before its first step."""
        self.sweep()
        return self._add(self.backend.start(experiment, device=device))

    def open(self, folder: Path, *, device: str = "auto") -> Job:
        """The run in a folder: the job that has it, or a new one that goes on from the last checkpoint."""
        self.sweep()
        return self._add(self.backend.start(folder=folder, device=device, resume=True))

    def find(self, id: str) -> Job | None:
        """The job with this id, while its worker (or the memory of it) is there."""
        with self._lock:
            return self._jobs.get(id)

    def live(self) -> list[Job]:
        """Jobs that take commands."""
        with self._lock:
            return [job for job in self._jobs.values() if job.handle.live]

    def abandon(self, job: Job) -> None:
        """The last one who looked has turned to something else: save it and give its worker back."""
        if not job.watchers:
            job.handle.stop()

    def sweep(self) -> None:
        """Stop what rests unwatched and forget what is over and unwatched. Called now and then by any
        session."""
        now = time.monotonic()
        with self._lock:
            idle = [j for j in self._jobs.values() if not j.watchers and now - j.left_at > IDLE_SECONDS]
            for job in idle:
                if not job.handle.live:
                    self._jobs.pop(job.id, None)
        for job in idle:
            if job.handle.live and job.handle.state in ("paused", "finished"):
                job.handle.stop()

    def close(self) -> None:
        """Save and stop everything."""
        for job in self.live():
            job.handle.stop()
        self.backend.close()

    def _add(self, handle: Handle) -> Job:
        with self._lock:
            known = self._jobs.get(handle.id)  # a run that is opened twice has one handle, and one job
            if known is None:
                known = self._jobs[handle.id] = Job(handle)
            return known


_shared: Jobs | None = None
_making = threading.Lock()


def jobs() -> Jobs:
    """The registry of this server process, made at first use. The app script runs once a session; this does
    not."""
    global _shared
    with _making:
        if _shared is None:
            backend = ProcessBackend()
            backend.warm_up()
            _shared = Jobs(backend)
        return _shared
