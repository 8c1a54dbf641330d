"""Ownership of a run's folder: at most one process writes there, and everyone can tell whether it lives.

Two things stand in the folder. ``run.lock`` is locked by the owner, and the operating system unlocks it when
the owner's process ends, however it ends. ``owner.json`` has the number of the attempt, one more whenever
the run changes hands, with a token, machine and process. Locks do not work on every network disk, therefore
an owner compares the token before it writes: one that was cut off, and whose run goes on elsewhere, stops.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import psutil

from workbench.core.errors import RunError
from workbench.training.whole_files import age, disk_full, read_object, sweep, write_whole

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK, OWNER, RESERVE = "run.lock", "owner.json", ".reserve"
#: States in which a run has an owner.
ALIVE = ("starting", "running", "paused")
#: Seconds, by the disk's clock, without a sign of life after which an owner that cannot be seen by its lock
#: (on another machine, or on a disk without locks) counts as dead.
SILENCE = 60.0
#: Seconds to wait for a lock: another process may be testing it.
_PATIENCE = 1.0
#: Bytes that an owner keeps on the disk, to be able to say its last words on a full one.
_RESERVE_BYTES = 2**16


class OwnershipError(RunError):
    """A run that another process, or another object in this one, has taken over."""


class Ownership:
    """The right to write into the folder of a run; one object for each `RunFolder`.

    Within a process the latest claim has it. Across processes a claim is refused while another one lives.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.attempt, self.token = 0, ""
        self._lock: BaseFileLock | None = None
        self._process = 0

    @property
    def held(self) -> bool:
        """True from a `claim` to a `release`, unless another object of this process has claimed since."""
        return self._process == os.getpid()  # a forked process inherits the object, and not the lock

    def claim(self) -> bool:
        """Take the folder over; returns False where this object was its latest owner already.

        Raises `OwnershipError` while another process owns it.
        """
        with _registry:
            if self.held:
                self.check()
                return False
            self._lock = self._taken_lock()
            try:
                owner = read_owner(self.folder)
                same = bool(self.token) and owner.get("token") == self.token
                if not same:
                    self._begin_attempt(owner)
            except BaseException:
                _unlock(self._lock)
                self._lock = None
                raise
            self._process = os.getpid()
            _owners[_key(self.folder)] = self
        sweep(self.folder)
        sweep(self.folder / "data")
        self.keep_reserve()
        return not same

    def _taken_lock(self) -> BaseFileLock | None:
        """Return the folder's lock: of an earlier owner in this process, or new; None on a disk without."""
        previous = owner_here(self.folder)
        if previous is None:
            return _new_lock(self.folder)
        lock, previous._lock, previous._process = previous._lock, None, 0
        return lock

    def _begin_attempt(self, owner: dict[str, Any]) -> None:
        attempt = owner.get("attempt")
        self.attempt = (attempt if isinstance(attempt, int) else 0) + 1
        self.token = secrets.token_hex(8)
        values = {"attempt": self.attempt, "token": self.token, "host": platform.node(), "pid": os.getpid()}
        write_whole(self.folder / OWNER, json.dumps(values).encode())

    def check(self) -> None:
        """Raise `OwnershipError` where the folder has been claimed by another object or process since."""
        if not self.token:
            return
        owner = read_owner(self.folder)
        if owner and owner.get("token") != self.token:
            raise OwnershipError(
                f"Run '{self.folder.name}' goes on elsewhere",
                expected=f"attempt {self.attempt} in owner.json, which is this one",
                found=f"attempt {owner.get('attempt')} of {describe(owner)}",
                suggestion="open the run again to see how far it has come",
            )

    def release(self) -> None:
        """Give the folder back, so that another process may claim it."""
        with _registry:
            if not self.held:
                return
            (self.folder / RESERVE).unlink(missing_ok=True)
            _unlock(self._lock)
            self._lock, self._process = None, 0
            _owners.pop(_key(self.folder), None)

    # ---- room on the disk for the last words
    def keep_reserve(self) -> None:
        """Occupy some room in the folder, to be freed when the disk is full; none there is no error."""
        path = self.folder / RESERVE
        with suppress(OSError):
            if not path.exists():
                path.write_bytes(os.urandom(_RESERVE_BYTES))  # bytes that no disk compresses

    def free_reserve(self) -> bool:
        """Free that room; returns False where there is none."""
        try:
            (self.folder / RESERVE).unlink()
        except OSError:
            return False
        return True


#: The owner of each folder in this process, and the lock of this table.
_owners: WeakValueDictionary[str, Ownership] = WeakValueDictionary()
_registry = threading.RLock()


def _key(folder: Path) -> str:
    return os.path.realpath(folder)


def owner_here(folder: Path) -> Ownership | None:
    """Return the object of this process that owns a folder, if one does."""
    owner = _owners.get(_key(folder))
    return owner if owner is not None and owner.held else None


def read_owner(folder: Path) -> dict[str, Any]:
    """Read attempt, token, machine and process of the latest owner; empty where there is none to be read."""
    try:
        return read_object(folder / OWNER, "The owner's file")
    except (FileNotFoundError, NotADirectoryError, RunError):
        return {}


def describe(owner: dict[str, Any]) -> str:
    """Return machine and process of an owner, or of a status, in words."""
    place = "" if owner.get("host") == platform.node() else f" on {owner.get('host', 'an unknown machine')}"
    return f"process {owner.get('pid', 'unknown')}{place}"


# ---- locks
def _new_lock(folder: Path) -> BaseFileLock | None:
    """Lock a folder that no process owns; returns None on a disk without locks.

    Raises `OwnershipError` where another process holds the lock, and `OSError` for a read-only folder.
    """
    from filelock import Timeout

    try:
        return _locked(folder / LOCK, _PATIENCE)
    except Timeout as error:
        raise owned_elsewhere(folder) from error


def _locked(path: Path, seconds: float) -> BaseFileLock | None:
    from filelock import FileLock, SoftFileLock

    lock = FileLock(path, thread_local=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # it says that it falls back to files, which outlive their process
            lock.acquire(timeout=seconds, poll_interval=0.01)
    except NotImplementedError:
        return None
    except OSError as error:
        if isinstance(error, TimeoutError | PermissionError) or disk_full(error):
            raise
        if not path.parent.is_dir():
            raise
        return None
    if isinstance(lock, SoftFileLock):
        lock.release()
        return None
    return lock


def _unlock(lock: BaseFileLock | None) -> None:
    if lock is not None:
        lock.release(force=True)


def owned_elsewhere(folder: Path) -> OwnershipError:
    """Return the error for a run that another process owns."""
    return OwnershipError(
        f"Run '{folder.name}' is already alive",
        expected="a run whose process has ended",
        found=f"alive in {describe(read_owner(folder))}",
        suggestion="look at it there, or stop it first; its figures and samples can be read meanwhile",
    )


def lock_held(folder: Path) -> bool | None:
    """Test whether a process holds the lock of a run; None where the disk cannot say."""
    from filelock import Timeout

    if owner_here(folder) is not None:
        return True
    if not (folder / LOCK).exists():
        return False
    try:
        lock = _locked(folder / LOCK, 0.03)  # not at once: another process may be testing it, too
    except Timeout:
        return True
    except OSError:  # a folder that may only be read
        return None
    if lock is None:
        return None
    lock.release()
    return False


def held_elsewhere(folder: Path) -> bool:
    """Test whether another process holds the lock of a run."""
    return owner_here(folder) is None and lock_held(folder) is True


# ---- signs of life
def sign_of_life(attempt: int) -> dict[str, Any]:
    """Return what a status says of its writer; ``attempt`` is 0 for one that does not own the folder."""
    values: dict[str, Any] = {"host": platform.node(), "pid": os.getpid(), "since_boot": since_boot()}
    return values | ({"attempt": attempt} if attempt else {})


def since_boot(pid: int | None = None) -> float:
    """Return the seconds from the start of the machine to that of a process, which no clock changes."""
    return round(psutil.Process(pid).create_time() - psutil.boot_time(), 2)


def alive(folder: Path, status: dict[str, Any]) -> bool:
    """Test whether the writer of a run's latest status still has the run.

    The lock decides. Where it cannot, the process does, or on another machine the silence of the status file.
    """
    lock = lock_held(folder)
    if lock:
        return True
    if status.get("host", platform.node()) != platform.node():
        return _speaks(folder / "status.json")  # some network disks keep locks to each machine
    if "attempt" in status and lock is not None:
        return False
    return _process_exists(status)


def _speaks(path: Path) -> bool:
    """Test whether a status file was written within the last `SILENCE` seconds."""
    try:
        return age(path) < SILENCE
    except OSError:  # nothing can be written there, so that its clock cannot be read
        return time.time() - path.stat().st_mtime < SILENCE


def _process_exists(status: dict[str, Any]) -> bool:
    """Test whether the process that wrote a status on this machine exists; process ids are used again."""
    try:
        process = psutil.Process(int(status.get("pid", 0)))
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return False
        if "since_boot" in status:
            return abs(since_boot(process.pid) - status["since_boot"]) < 1.0
        # of an earlier version: the process must be older than the status
        return process.create_time() <= float(status.get("time", 0.0)) + 1.0
    except psutil.AccessDenied:
        return True
    except (psutil.Error, ValueError, TypeError):
        return False
