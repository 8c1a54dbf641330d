"""What a page opens with: the run or the experiment of its address, or else the trained example."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.core.errors import SpecError, WorkbenchError
from workbench.training import Experiment, Runs
from workbench.ui import example
from workbench.ui.session import Session

KNOWN = {"run", "e"}


def open_first(session: Session, arguments: Mapping[str, list[bytes]]) -> None:
    """Follow the address; what in it cannot be followed is said and ignored."""
    values = {key: given[0].decode("utf-8", "replace") for key, given in arguments.items() if given}
    ignored = sorted(set(values) - KNOWN)
    if ignored:
        session.say("warning", f"Ignored in the address: {', '.join(name[:40] for name in ignored)}.")
    if "run" in values and _opened(session, values["run"]):
        return
    if "e" in values and _linked(session, values["e"]):
        return
    show_example(session)


def _opened(session: Session, run_id: str) -> bool:
    try:
        session.open(Runs().folder(run_id).path)
    except WorkbenchError as error:
        session.say("warning", f"The run in the address was ignored. {error}")
        return False
    return True


def _linked(session: Session, link: str) -> bool:
    try:
        experiment = Experiment.from_link(link)
        if getattr(experiment.problem, "reads_files", False):
            raise SpecError("A link cannot name a file of this server", found=experiment.problem.key)
        experiment.check()
    except WorkbenchError as error:
        session.say("warning", f"The experiment in the address was ignored. {error}")
        return False
    session.choices.take(experiment)
    session.new_run(run=False)
    return True


def show_example(session: Session) -> None:
    """The trained example; it needs no worker. Where it is not shipped, the first choices are shown
    untrained."""
    if not example.exists():
        session.new_run(run=False)
        return
    experiment, snapshot, records = example.read()
    session.choices.take(experiment)
    session.source = example.FOLDER / example.MODEL
    session.show_still(experiment, snapshot, records, title="The trained example", opener=None)
