"""Selection of views: those that apply to an experiment, and the snapshot parts that they need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.entries import public
from workbench.core.errors import unknown
from workbench.snapshots.base import VIEWS

if TYPE_CHECKING:
    from workbench.training import Experiment

#: Number of views that a page shows before the user chooses.
MOST_AT_ONCE = 6
#: Snapshot part that every page needs: its badge shows the errors of round trips.
ALWAYS = "invertibility"


@public
def applicable(experiment: Experiment) -> tuple[str, ...]:
    """Return the keys of the views that apply to an experiment, in the order of its page."""
    views = [view for view in VIEWS.shown().values() if view.applies(experiment)]
    return tuple(view.key for view in sorted(views, key=lambda view: view.position_for(experiment)))


@public
def at_first(experiment: Experiment) -> tuple[str, ...]:
    """Return the keys of the views that a page shows before the user chooses."""
    return applicable(experiment)[:MOST_AT_ONCE]


@public
def missing(experiment: Experiment) -> tuple[str, ...]:
    """Return one sentence per capability that the architecture lacks, naming the views not shown for it."""
    architecture, titles = experiment.architecture, dict[Capability, list[str]]()
    for view in VIEWS.shown().values():
        if not view.applies(experiment):
            for need in sorted(view.needs_model - architecture.capabilities):
                titles.setdefault(need, []).append(view.title)
    return tuple(
        f"Not shown: {', '.join(names)}. They need a model that {need.sentence}; "
        f"{architecture.title} does not qualify."
        for need, names in titles.items()
    )


@public
def requested_parts(keys: Iterable[str], experiment: Experiment) -> tuple[str, ...]:
    """Return the keys of the snapshot parts that these views need, and `ALWAYS`, which every page needs."""
    views = VIEWS.shown()
    parts: dict[str, None] = {}
    for key in keys:
        if not isinstance(key, str) or key not in views:
            raise unknown(VIEWS.noun, key, views)
        parts.update(dict.fromkeys(views[key].parts_for(experiment)))
    return tuple(parts | {ALWAYS: None})
