"""The run that the studio opens with: the one in the page's address, or else the trained example."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.core.errors import SpecError, WorkbenchError
from workbench.training import Experiment, Runs
from workbench.ui import example
from workbench.ui.session import Session

ARGUMENTS = {"run", "e"}


def open_initial(session: Session, arguments: Mapping[str, list[bytes]]) -> None:
    """Open the run or experiment in the address's arguments ``run`` or ``e``, else the trained example.

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
        session.open(Runs().folder(run_id).path)
    except WorkbenchError as error:
        session.notify("warning", f"The run in the address was ignored. {error}")
        return False
    return True


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
    session.new_run(run=False)
    return True


def show_example(session: Session) -> None:
    """Show the trained example, which needs no worker; if its files are missing, an untrained run."""
    if not example.exists():
        session.new_run(run=False)
        return
    experiment, snapshot, records = example.read()
    session.choices.load(experiment)
    session.source = example.FOLDER / example.MODEL
    session.show_finished(experiment, snapshot, records, title="The trained example", job_factory=None)
