"""Jobs: the runs of this server, independent of the pages that show them. One registry per server process.

A job belongs to the server, not to a browser: a reloaded page finds it again by the name of the run's folder,
which is hard to guess and part of the page's address. A run that no page shows any more trains to its end, is
saved, and frees its worker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from workbench.backends import Backend, Handle, ProcessBackend
from workbench.snapshots import Snapshot, SnapshotRequest
from workbench.training import Experiment, Record

#: Seconds after which an idle job without watchers frees its worker.
IDLE_SECONDS = 120.0
#: Largest number of records kept in memory for the curves of a run; the run's folder has them all.
MAX_HISTORY = 6000
#: How many of them stay complete when the others are thinned, and how many others then remain at most.
NEWEST, THINNED = 1000, 3500


class Job:
    """A run's `Handle`, with its history and the set of pages that show it (watchers)."""

    def __init__(self, handle: Handle) -> None:
        self.handle, self.id = handle, handle.id
        self.history: list[Record] = []
        self.watchers: set[object] = set()
        self.last_watched = time.monotonic()
        self._lock, self._version = threading.Lock(), 0
        handle.subscribe(self._collect)

    @property
    def experiment(self) -> Experiment:
        """The `Experiment` that the run trains."""
        return self.handle.experiment

    def _collect(self) -> None:
        version, snapshot = self.handle.latest()
        if snapshot is None or version == self._version:
            return
        with self._lock:
            self._version = version
            last = self.history[-1].iteration if self.history else -1
            if self.history and snapshot.iteration < last:  # a recovery went back: later records are void
                self.history = [r for r in self.history if r.iteration <= snapshot.iteration]
                last = self.history[-1].iteration if self.history else -1
            self.history = thin(self.history + [r for r in snapshot.records if r.iteration > last])

    def request(self, views: tuple[str, ...], observation: tuple[float, ...]) -> None:
        """Request a snapshot with these views at an observation, and with the records since the last one."""
        history = self.history
        since = history[-1].iteration if history else 0
        fresh = self.handle.state != "running"  # while it trains, expensive views may be slightly outdated
        self.handle.request(SnapshotRequest(views=views, observation=observation, since=since, fresh=fresh))

    def latest(self) -> tuple[int, Snapshot | None]:
        """Return (version, snapshot): a counter and the latest snapshot; (0, None) before the first one."""
        return self.handle.latest()

    def watch(self, watcher: object, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake()`` called, from any thread, on each new status or snapshot of the run.

        Returns a function that unsubscribes; before it is called, ``watcher`` keeps the job from being
        released.
        """
        self.watchers.add(watcher)
        unsubscribe = self.handle.subscribe(wake)

        def leave() -> None:
            unsubscribe()
            self.watchers.discard(watcher)
            self.last_watched = time.monotonic()

        return leave


def thin(history: list[Record]) -> list[Record]:
    """Return a history of at most `MAX_HISTORY` records: the newest ones, and older ones at equal distances.

    Of the older ones one in each interval of iterations stays, one with a validation where there is any.
    """
    if len(history) <= MAX_HISTORY:
        return history
    older, newest, width = history[:-NEWEST], history[-NEWEST:], 1
    while len(older) > THINNED:
        width *= 2
        intervals: dict[int, Record] = {}
        for record in older:
            present = intervals.get(record.iteration // width)
            if present is None or (record.validation and not present.validation):
                intervals[record.iteration // width] = record
        older = list(intervals.values())
    return older + newest


class Jobs:
    """Thread-safe registry of the server's jobs by id. The backend limits their number."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Have a worker ready for the next run. Called once a browser has opened a page, or by a server that
        was started for its pages; never for a mere request."""
        if isinstance(self.backend, ProcessBackend):
            self.backend.warm_up()

    def start(self, experiment: Experiment, *, device: str = "auto") -> Job:
        """Start a run of an experiment in a new folder, paused before its first step; returns its job."""
        self.sweep()
        return self._add(self.backend.start(experiment, device=device))

    def open(self, folder: Path, *, device: str = "auto") -> Job:
        """Return the job of the run in a folder; without one, it is started at the latest checkpoint."""
        self.sweep()
        return self._add(self.backend.start(folder=folder, device=device, resume=True))

    def find(self, id: str) -> Job | None:
        """Return the job with this id, or None if it is not in the registry."""
        with self._lock:
            return self._jobs.get(id)

    def of_folder(self, folder: Path) -> Job | None:
        """Return the job whose worker has the run in this folder open, or None."""
        path = folder.resolve()
        return next((job for job in self.live() if job.handle.folder.resolve() == path), None)

    def live(self) -> list[Job]:
        """Return the jobs whose run takes commands, since its worker is alive."""
        with self._lock:
            return [job for job in self._jobs.values() if job.handle.live]

    def release(self, job: Job) -> None:
        """Save a job's run and end its worker, unless a page still watches it."""
        if not job.watchers:
            job.handle.stop()

    def sweep(self) -> None:
        """Free the workers of jobs that nobody has watched for `IDLE_SECONDS` and that are not training.

        Those whose worker has ended are removed from the registry.
        """
        now = time.monotonic()
        with self._lock:
            idle = [j for j in self._jobs.values() if not j.watchers and now - j.last_watched > IDLE_SECONDS]
            for job in idle:
                if not job.handle.live:
                    self._jobs.pop(job.id, None)
        for job in idle:
            if job.handle.live and job.handle.state in ("paused", "finished"):
                job.handle.stop()

    def close(self) -> None:
        """Save and stop all runs, and close the backend."""
        for job in self.live():
            job.handle.stop()
        self.backend.close()

    def _add(self, handle: Handle) -> Job:
        with self._lock:
            job = self._jobs.get(handle.id)  # a run that is opened twice has one handle, and one job
            if job is None:
                job = self._jobs[handle.id] = Job(handle)
            return job


_registry: Jobs | None = None
_registry_lock = threading.Lock()


def jobs() -> Jobs:
    """Return the job registry of this server process, created at first use and shared by all sessions."""
    global _registry
    with _registry_lock:
        if _registry is None:
            _registry = Jobs(ProcessBackend())
        return _registry
