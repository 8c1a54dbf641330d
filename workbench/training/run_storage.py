"""A run and its folder: who writes there, saving, and resuming."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from workbench.core.entries import public
from workbench.core.errors import RunError
from workbench.training.checkpoint_files import Version
from workbench.training.folder import RunFolder
from workbench.training.other_run import discard, refuse_other_run
from workbench.training.ownership import OwnershipError

if TYPE_CHECKING:
    from workbench.problems.base import Problem
    from workbench.training.run import Run


@public
class RunStorage:
    """Base of `Run`: its folder, `save` and `resume`.

    A run claims its folder at its first step or save, and gives it back when it is saved as finished or
    stopped. A claim is refused while another process has the folder, and where another run than this one has
    written the latest checkpoint there: of two that were resumed from the same one, one goes on.
    """

    folder: RunFolder | None

    def _begin_without_folder(self) -> None:
        self.folder = None
        self._written, self._events_written = 0, 0
        self._version: Version | None = None  # of the checkpoint in the folder that this run comes from
        self._whole = True  # history and events are written anew at the next save, not appended

    def attach(self, folder: str | Path | RunFolder, *, overwrite: bool = False) -> RunFolder:
        """Set the run's folder and write the experiment to it.

        ``overwrite`` removes the results of another run there. Raises `RunError` for a folder that holds
        another run, and if ``samples`` were given, and `OwnershipError` while another process trains there.
        """
        if cast(Any, self)._from_samples:
            raise RunError(
                "A run on pairs that were handed to it cannot be resumed from a folder, so it has none",
                suggestion="export its model with workbench.save instead",
            )
        target = folder if isinstance(folder, RunFolder) else RunFolder(folder)
        if self.folder is None or self.folder.path.resolve() != target.path.resolve():
            target.refuse_elsewhere()
            if overwrite:
                discard(target)
            refuse_other_run(target, cast("Run", self).experiment, cast("Run", self).iteration)
            if self.folder is not None:
                self.folder.ownership.release()
            self.folder, self._whole, self._version = target, True, target.checkpoints.version()
        self.folder.write_experiment(cast("Run", self).experiment)
        return self.folder

    def claim_before_step(self) -> None:
        """Claim the folder, so that no other process trains the run at the same time.

        Raises `OwnershipError` where one does. A folder that cannot be written to is reported by `save`.
        """
        with suppress(OSError):
            self._claim()

    def _claim(self) -> None:
        folder = cast(RunFolder, self.folder)
        self._check_version(folder)
        if folder.claim():
            self._whole = True
        try:
            self._check_version(folder)
        except OwnershipError:
            folder.ownership.release()
            raise

    def _check_version(self, folder: RunFolder) -> None:
        if folder.checkpoints.version() != self._version:
            raise OwnershipError(
                f"Run '{folder.id}' has gone on elsewhere since it was opened here",
                expected="the checkpoint that this run comes from",
                found=f"a newer one, at step {folder.status().get('iteration', 0)}",
                suggestion="resume the run again, or save this one to another folder",
            )

    def save(
        self,
        folder: RunFolder | str | Path | None = None,
        *,
        state: str = "",
        overwrite: bool = False,
    ) -> RunFolder:
        """Write checkpoint, history and status into the run's folder.

        ``state`` goes into the status; default "finished" or "stopped". ``overwrite`` replaces another run in
        ``folder``. Raises `RunError` without a folder and for one that holds another run, `OwnershipError`
        for a run that goes on elsewhere, and `DiskFullError` where there is no room.
        """
        run = cast("Run", self)
        if folder is not None:
            self.attach(folder, overwrite=overwrite)
        if self.folder is None:
            raise RunError(
                "This run has no folder to be saved to", expected="run.save(folder) or Run(…, folder=…)"
            )
        try:
            self._claim()
            self._write_records()
            self.folder.write_checkpoint(run.state_dict())
            self._version = self.folder.checkpoints.version()
            if run.objectives:  # after the checkpoint, which brings its own objective along
                self.folder.write_experiment(run.experiment)
            self.folder.ownership.keep_reserve()
            self.folder.write_status(state or ("finished" if run.finished else "stopped"), **run.brief())
        except OSError as error:
            raise self.folder.writing_error(error) from error
        return self.folder

    def _write_records(self) -> None:
        """Append the records and events since the last save, or write all where others wrote in between."""
        run, folder = cast("Run", self), cast(RunFolder, self.folder)
        if self._whole:
            folder.rewrite_history(run.history)
            folder.rewrite_events(run.events)
            self._whole = False
        else:
            folder.append_history(run.history.since(self._written))
            self._written = run.iteration
            folder.append_events(run.events[self._events_written :])
        self._written, self._events_written = run.iteration, len(run.events)

    @classmethod
    def resume(
        cls, folder: str | Path | RunFolder, *, device: str = "auto", problem: Problem | None = None
    ) -> Self:
        """Continue a saved run from its latest checkpoint, in the same folder.

        A run of a simulator of one's own continues with the pairs in its folder. ``problem`` brings its
        functions back where new simulations are needed. Raises `OwnershipError` for a run that another
        process trains or has paused; nothing is written before the first step or save.
        """
        folder = folder if isinstance(folder, RunFolder) else RunFolder(folder)
        folder.refuse_elsewhere()
        version = folder.checkpoints.version()
        run = folder.open(device=device, problem=problem)
        run.folder, run._version = folder, version
        return cast(Self, run)
