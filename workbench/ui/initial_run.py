"""The run or experiment that the studio opens with: that of the page's address, or the trained example.

Nothing is started for an address: no worker and no folder. Anyone can make a browser ask for one, with an
image on a page of another site or a link in a message. What the address names is shown, and a click starts
it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from workbench.backends import Status
from workbench.core.errors import SpecError, WorkbenchError
from workbench.training import Experiment, Runs
from workbench.ui import example
from workbench.ui.session import READY, SAVED, Session, run_query

if TYPE_CHECKING:
    from workbench.training import RunFolder

ARGUMENTS = {"run", "e"}


def open_initial(session: Session, arguments: Mapping[str, list[bytes]]) -> None:
    """Show the run or experiment in the address's arguments ``run`` or ``e``, else the trained example.

    A run that a worker of this server has open is joined; anything else waits for a click.

    Arguments that are unknown or cannot be opened are ignored with a warning.
    """
    values = {key: texts[0].decode("utf-8", "replace") for key, texts in arguments.items() if texts}
    unknown = sorted(set(values) - ARGUMENTS)
    if unknown:
        session.notify("warning", f"Ignored in the address: {', '.join(name[:40] for name in unknown)}.")
    if "run" in values and _open_run(session, values["run"]):
        return
    if "e" in values and _open_link(session, values["e"]):
        return
    show_example(session)


def _open_run(session: Session, run_id: str) -> bool:
    try:
        folder = Runs().folder(run_id)
        job = session.jobs.of_folder(folder.path)
        experiment = job.experiment if job is not None else folder.experiment()
        session.choices.load(experiment)
        if job is not None:
            session.attach(job)
        else:
            _show_saved(session, folder, experiment)
    except WorkbenchError as error:
        session.notify("warning", f"The run in the address was ignored. {error}")
        return False
    return True


def _show_saved(session: Session, folder: RunFolder, experiment: Experiment) -> None:
    """Show a run that no worker has open, with its numbers, until the user asks for its plots."""
    about = folder.status()
    loss = about.get("loss")
    status = Status(
        state=SAVED,
        iteration=int(about["iteration"]),
        steps=experiment.steps,
        loss=loss if isinstance(loss, float) else math.nan,
    )
    session.show_unopened(
        experiment,
        status,
        lambda: session.jobs.open(folder.path, device=session.device),
        source=folder.path if folder.has_checkpoint else None,
        address=run_query(folder.path.name),
    )


def _open_link(session: Session, link: str) -> bool:
    try:
        experiment = Experiment.from_link(link)
        if getattr(experiment.problem, "reads_files", False):
            raise SpecError("A link cannot name a file of this server", found=experiment.problem.key)
        experiment.check()
    except WorkbenchError as error:
        session.notify("warning", f"The experiment in the address was ignored. {error}")
        return False
    session.choices.load(experiment)
    _show_ready(session, experiment, address=f"?e={experiment.to_link()}")
    return True


def _show_ready(session: Session, experiment: Experiment, *, address: str = "") -> None:
    """Show an experiment that has not been started."""
    session.show_unopened(
        experiment,
        Status(state=READY, steps=experiment.steps),
        lambda: session.jobs.start(experiment, device=session.device),
        address=address,
    )


def show_example(session: Session) -> None:
    """Show the trained example, which needs no worker; if its files are missing, an experiment to start."""
    if not example.exists():
        _show_ready(session, session.choices.experiment())
        return
    experiment, snapshot, records = example.read()
    session.choices.load(experiment)
    session.source = example.FOLDER / example.MODEL
    session.show_finished(experiment, snapshot, records, title="The trained example", job_factory=None)
