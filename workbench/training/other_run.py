"""A run that starts in a folder which holds another run's results: refused, or put aside on request."""

from __future__ import annotations

import filecmp
import json
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from workbench.core.errors import RunError, WorkbenchError
from workbench.training.checkpoint_files import DIGESTS, LATEST, PREVIOUS

if TYPE_CHECKING:
    from workbench.training.experiment import Experiment
    from workbench.training.folder import RunFolder


def refuse_other_run(folder: RunFolder, experiment: Experiment, iteration: int) -> None:
    """Raise `RunError` where ``folder`` holds a checkpoint that training ``experiment`` would not give again.

    The same experiment with the same data gives the same run, so that nothing is lost; a run that was trained
    beyond its planned steps, and beyond ``iteration``, is another one.
    """
    if not folder.has_checkpoint:
        return
    status = folder.status()
    steps = int(status.get("iteration", 0))
    if _same_experiment(folder, experiment) and steps <= max(experiment.steps, iteration):
        return
    raise RunError(
        f"The folder '{folder.id}' holds another run, which would be lost",
        expected="a new or an empty folder, or the one of this experiment",
        found=f"a run at step {steps} ({status['state']}) in {folder.path}",
        suggestion="choose another folder, go on with that run by Run.resume, or write overwrite=True to "
        "replace it",
    )


def discard(folder: RunFolder) -> None:
    """Remove the results of the run in ``folder``, so that no later reader takes them for those of another.

    Raises `OwnershipError` while another process trains it.
    """
    folder.refuse_elsewhere()
    for name in (LATEST, PREVIOUS, DIGESTS, "history.jsonl", "events.jsonl", "status.json"):
        (folder.path / name).unlink(missing_ok=True)


def _same_experiment(folder: RunFolder, experiment: Experiment) -> bool:
    """Test whether the folder holds this experiment, with the data that its problem would keep there."""
    try:
        with warnings.catch_warnings():  # its run has told what is to be said of the data
            warnings.simplefilter("ignore")
            former = folder.experiment()
        if json.loads(former.to_json()) != json.loads(experiment.to_json()):
            return False
        with TemporaryDirectory() as place:
            experiment.problem.save_data(Path(place))
            own = [str(p.relative_to(place)) for p in Path(place).rglob("*") if p.is_file()]
            return all(filecmp.cmp(Path(place) / name, folder.path / name, shallow=False) for name in own)
    except (WorkbenchError, OSError, ValueError):
        return False
