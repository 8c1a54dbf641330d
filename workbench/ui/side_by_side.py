"""Beside: the same problem, architecture and seed under two to four divergences, seen at equal iterations.

Each is a run of its own. All are told to do the same number of steps; when every one of them has done them
and has answered with a snapshot, all are drawn, and told again.
"""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import IncompatibleError, SpecError
from workbench.divergences import DIVERGENCES
from workbench.objectives import OBJECTIVES
from workbench.snapshots import Snapshot
from workbench.training import Experiment
from workbench.ui import text
from workbench.ui.card import ViewCard, dataset, make_card
from workbench.ui.jobs import Job
from workbench.ui.session import Session, default_observation
from workbench.ui.view_choice import VIEWS, applicable, asked, at_first
from workbench.ui.view_grid import CHOOSER_SX

FEWEST, MOST, PULSE = 2, 4, 300
#: Pixels of a row of plots and of the row of headings.
HIGH, HEADING = 300, 26
#: Between two columns, and what puts a heading over its plots' titles.
GAP, HEADED = {"gap": "6px"}, {"padding-left": "10px", "box-sizing": "border-box"}
START = ("jensen_shannon", "kl", "reverse_kl")
_KEY = "variational"


class Lane:
    """One divergence: its job, its cards and what it last showed."""

    def __init__(self, key: str, job: Job) -> None:
        self.key, self.job = key, job
        self.cards: dict[str, ViewCard] = {}
        self.snapshot: Snapshot | None = None
        self._outdated = 0  # the version of the last snapshot that lacks what is asked for now
        self.fresh = False
        self.leave = job.watch(self, lambda: None)

    def reached(self, iteration: int) -> bool:
        """Whether it stands at this iteration and its snapshot shows what is asked for, or it is over."""
        handle = self.job.handle
        if handle.live and (handle.state == "running" or handle.status().iteration < iteration):
            return False
        version, found = self.job.look()
        if version > self._outdated and found is not None:
            self.snapshot, self.fresh = found, True
        return self.over or (self.fresh and self.snapshot.iteration >= iteration)

    def outdate(self) -> None:
        """Something else is asked for: what there is will not do, but is shown meanwhile."""
        self._outdated, self.fresh = self.job.look()[0], False

    @property
    def over(self) -> bool:
        """Whether it takes no more steps: its worker is gone."""
        return not self.job.handle.live


class Beside(pn.viewable.Viewer):
    """The page. ``session`` brings what is picked and the server's jobs; ``guard`` tells users of errors."""

    def __init__(self, session: Session, guard: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.session, self._guard = session, guard
        self.lanes: list[Lane] = []
        self.target, self.playing, self._drawn = 0, False, -1
        self._observed: tuple[float, ...] = ()
        self.divergences = pmui.MultiChoice(
            label=f"divergences, {FEWEST} to {MOST}",
            options={member.title: member.key for member in DIVERGENCES},
            value=list(START),
            max_items=MOST,
            width=520,
            margin=(6, 4),
            css_classes=["wb-beside-divergences"],
        )
        self.stride = pmui.IntInput(
            label="steps between looks", value=50, start=1, end=1000, width=150, size="small", margin=(6, 4)
        )
        self.views = pmui.CheckButtonGroup(
            size="small", margin=(8, 4), color="default", sx=CHOOSER_SX, css_classes=["wb-beside-views"]
        )
        self.start = _button("Start", "play_arrow", "wb-beside-start", lambda: self._guard(self.begin))
        self.hold = _button("Pause", "pause", "wb-beside-hold", self.toggle)
        self.said = pn.pane.HTML("", margin=(6, 8), sizing_mode="stretch_width")
        self.grid = pn.Column(margin=(0, 6), sizing_mode="stretch_width", css_classes=["wb-beside"])
        self.views.param.watch(lambda _: self._guard(self._place), "value")
        bar = pn.Row(self.divergences, self.stride, self.start, self.hold, styles={"flex-wrap": "wrap"})
        self._layout = pn.Column(bar, self.views, self.said, self.grid, sizing_mode="stretch_width")
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(lambda: self._guard(self.tick), PULSE)
            pn.state.on_session_destroyed(lambda context: self.close())

    # ---- what is run
    def experiments(self) -> dict[str, Experiment]:
        """The picked experiment under each chosen divergence. Raises what does not fit, before anything
        starts."""
        keys = list(self.divergences.value)
        if not FEWEST <= len(keys) <= MOST:
            raise SpecError(
                "Side by side needs divergences to compare",
                expected=f"{FEWEST} to {MOST}",
                found=str(len(keys)),
            )
        picked = self.session.choices.experiment()
        base = picked.objective if picked.objective.key == _KEY else OBJECTIVES.make(_KEY)
        made = {}
        for key in keys:
            objective = base.copy()
            objective.set("divergence", key)
            made[key] = picked.replace(objective=objective)
            refused = made[key].refusals()
            if refused:
                raise IncompatibleError(f"{DIVERGENCES[key].title} does not fit here", found=refused[0])
        return made

    def begin(self) -> None:
        """New runs from what is picked; those that were shown are let go."""
        experiments = self.experiments()
        self.close()
        for key, experiment in experiments.items():
            job = self.session.jobs.start(experiment, device=self.session.device)
            self.lanes.append(Lane(key, job))
        first = next(iter(experiments.values()))
        names = [name for name in applicable(first) if name != "arm"]
        chosen = [VIEWS[n].title for n in at_first(first)[:1]] + [VIEWS["losses"].title]
        options = {VIEWS[n].title: n for n in names}
        self.views.param.update(options=options, value=[options[title] for title in chosen])
        self.target, self._drawn, self.playing, self._observed = 0, -1, True, ()
        self.hold.label = "Pause"
        self._place()
        self._say(f"{len(self.lanes)} runs are starting; they are drawn when all have answered.")

    def toggle(self) -> None:
        """Pause after the steps that are under way, or go on."""
        self.playing = not self.playing
        self.hold.label = "Pause" if self.playing else "Go on"

    # ---- looking
    def tick(self) -> None:
        """Draw when all have reached the same iteration, then let all go on."""
        if not self.lanes or not self._all_reached():
            return
        if self._drawn != self.target:
            self._drawn = self.target
            self.draw()
        last = self.lanes[0].job.experiment.steps
        if self.playing and self.target < last and not any(lane.over for lane in self.lanes):
            count = min(self.stride.value, last - self.target)
            self.target += count
            for lane in self.lanes:
                lane.job.handle.step(count)

    def _all_reached(self) -> bool:
        there = True
        for lane in self.lanes:
            if not lane.reached(self.target):
                there = False
                if lane.job.handle.live and lane.job.handle.status().iteration >= self.target:
                    lane.job.ask(asked(tuple(self.views.value), lane.job.experiment), self._observation(lane))
        return there

    def _observation(self, lane: Lane) -> tuple[float, ...]:
        return self._observed or default_observation(lane.job.experiment)

    def _tapped(self, first: float, second: float) -> None:
        """One observation for all, chosen in any of them."""
        now = self._observation(self.lanes[0]) if self.lanes else ()
        if now:
            self._observed = ((first, second) if len(now) > 1 else (first,)) + tuple(now[2:])
            self._ask_anew()

    def _ask_anew(self) -> None:
        for lane in self.lanes:
            lane.outdate()
        self._drawn = -1

    def draw(self) -> None:
        """Every card of every lane, from snapshots of one iteration."""
        with pn.io.hold(freeze=True):
            self._feed()
        shown = {lane.snapshot.iteration for lane in self.lanes if lane.snapshot is not None}
        gone = [DIVERGENCES[lane.key].title for lane in self.lanes if lane.over]
        at = ", ".join(text.counter(i) for i in sorted(shown))
        stopped = f" Stopped: {', '.join(gone)}." if gone else ""
        self._say(f"{self.lanes[0].job.experiment.problem.title}, all at iteration {at}.{stopped}")

    def _feed(self) -> None:
        for lane in self.lanes:
            if lane.snapshot is None:
                continue
            for card in lane.cards.values():
                card.show(
                    dataset(card.view, lane.snapshot, lane.job.experiment, lane.job.history, pair=(0, 1))
                )

    def _place(self) -> None:
        """A row of headings, then a row of cards for each view."""
        width = f"calc({100 / max(len(self.lanes), 1):.2f}% - 8px)"
        column = {"flex": f"0 0 {width}", "max-width": width}
        rows = [
            pn.Row(
                *(
                    pn.pane.HTML(
                        f'<div class="wb-heading">{DIVERGENCES[lane.key].title}</div>',
                        margin=0,
                        styles=column | HEADED,
                    )
                    for lane in self.lanes
                ),
                margin=0,
                styles=GAP,
                height=HEADING,
                sizing_mode="stretch_width",
            )
        ]
        for name in self.views.value:
            for lane in self.lanes:
                if name not in lane.cards:
                    lane.cards[name] = make_card(VIEWS[name], self._tapped)
                lane.cards[name].__panel__().styles = column | {"height": f"{HIGH}px"}
            cards = [lane.cards[name] for lane in self.lanes]
            rows.append(pn.Row(*cards, styles=GAP, margin=0, height=HIGH, sizing_mode="stretch_width"))
        for lane in self.lanes:
            lane.cards = {name: card for name, card in lane.cards.items() if name in self.views.value}
        self._ask_anew()
        self.grid.objects = rows if self.lanes else []
        self._feed()  # plots that are put together anew begin with what they first showed

    def refresh(self) -> None:
        """On each visit: say what would be started."""
        if not self.lanes:
            picked = self.session.choices.experiment()
            self._say(
                f"Start trains {picked.architecture.title} on {picked.problem.title} with seed {picked.seed} "
                "under each divergence."
            )

    def _say(self, sentence: str) -> None:
        self.said.object = f'<div class="wb-note">{text.escape(sentence)}</div>'

    def close(self) -> None:
        """Let the runs go: their folders stay."""
        for lane in self.lanes:
            lane.leave()
            self.session.jobs.abandon(lane.job)
        self.lanes = []

    def __panel__(self):
        return self._layout


def _button(label: str, icon: str, name: str, act: Callable[[], None]) -> pmui.Button:
    made = pmui.Button(
        label=label, icon=icon, variant="outlined", color="default", size="small", margin=(12, 4),
        css_classes=[name],
    )  # fmt: skip
    made.on_click(lambda _: act())
    return made
