"""Side by side: one problem, architecture and seed trained with two to four divergences, at equal iterations.

Each divergence has a run of its own. All train the same number of steps; once every run has done so and
returned a snapshot, all are drawn and the next steps start.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import panel as pn
import panel_material_ui as pmui

from workbench.core.errors import IncompatibleError, SpecError
from workbench.divergences import DIVERGENCES
from workbench.objectives import OBJECTIVES
from workbench.snapshots import VIEWS, Snapshot, applicable, at_first, requested_parts
from workbench.training import Experiment
from workbench.ui import text
from workbench.ui.card import ViewCard, dataset, make_card
from workbench.ui.jobs import Job
from workbench.ui.session import Session, default_observation
from workbench.ui.view_grid import CHOOSER_SX, draw_now

#: Smallest and largest number of divergences, and milliseconds between two polls.
MIN_RUNS, MAX_RUNS, PULSE = 2, 4, 300
#: Height in pixels of a row of plots and of the row of headings.
PLOT_HEIGHT, HEADING_HEIGHT = 300, 26
#: Style of a row, and of a heading that aligns with the titles of the plots.
GAP, ALIGNED = {"gap": "6px"}, {"padding-left": "10px", "box-sizing": "border-box"}
START = ("jensen_shannon", "kl", "reverse_kl")
_KEY = "variational"


class RunColumn:
    """The run with one divergence: its job, its cards (plots) by view, and its latest snapshot."""

    def __init__(self, key: str, job: Job) -> None:
        self.key, self.job = key, job
        self.cards: dict[str, ViewCard] = {}
        self.snapshot: Snapshot | None = None
        self._outdated = 0  # version of the last snapshot without what is requested now
        self.fresh = False
        self.leave = job.watch(self, lambda: None)

    def is_ready(self, iteration: int) -> bool:
        """Read the latest snapshot; return True if it has what is requested, at ``iteration`` or later, or if
        the run's worker has ended."""
        handle = self.job.handle
        if handle.live and (handle.state == "running" or handle.status().iteration < iteration):
            return False
        version, snapshot = self.job.latest()
        if version > self._outdated and snapshot is not None:
            self.snapshot, self.fresh = snapshot, True
        return self.is_over or (self.fresh and self.snapshot.iteration >= iteration)

    def invalidate(self) -> None:
        """Require a new snapshot, since views or observation have changed; the old one stays shown."""
        self._outdated, self.fresh = self.job.latest()[0], False

    @property
    def is_over(self) -> bool:
        """True if the run takes no more steps, because its worker has ended."""
        return not self.job.handle.live


class SideBySide(pn.viewable.Viewer):
    """The page with one column of plots per divergence.

    ``session`` has the choices and the server's jobs; ``guard`` reports errors to the user.
    """

    def __init__(self, session: Session, guard: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.session, self._guard = session, guard
        self.redraw: Callable[[dict[str, Callable[[], None]]], None] = partial(draw_now, guard)
        self.columns: list[RunColumn] = []
        self.target, self.playing, self._drawn_iteration = 0, False, -1
        self._observation: tuple[float, ...] = ()
        self.divergences = pmui.MultiChoice(
            label=f"divergences, {MIN_RUNS} to {MAX_RUNS}",
            options={member.title: member.key for member in DIVERGENCES},
            value=list(START),
            max_items=MAX_RUNS,
            width=520,
            margin=(6, 4),
            css_classes=["wb-side-by-side-divergences"],
        )
        self.stride = pmui.IntInput(
            label="steps between plots", value=50, start=1, end=1000, width=150, size="small", margin=(6, 4)
        )
        self.views = pmui.CheckButtonGroup(
            size="small", margin=(8, 4), color="default", sx=CHOOSER_SX, css_classes=["wb-side-by-side-views"]
        )
        self.start = _button("Start", "play_arrow", "wb-side-by-side-start", lambda: self._guard(self.begin))
        self.pause = _button("Pause", "pause", "wb-side-by-side-pause", self.toggle)
        self.pause.disabled = True  # until there are runs
        self.message = pn.pane.HTML("", margin=(6, 8), sizing_mode="stretch_width")
        self.grid = pn.Column(margin=(0, 6), sizing_mode="stretch_width", css_classes=["wb-side-by-side"])
        self.views.param.watch(lambda _: self._guard(self._place), "value")
        bar = pn.Row(self.divergences, self.stride, self.start, self.pause, styles={"flex-wrap": "wrap"})
        self._layout = pn.Column(bar, self.views, self.message, self.grid, sizing_mode="stretch_width")
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(lambda: self._guard(self.tick), PULSE)
            pn.state.on_session_destroyed(lambda context: self.close())

    # ---- the runs
    def experiments(self) -> dict[str, Experiment]:
        """Return the chosen experiment with each selected divergence, by the divergence's key.

        Raises `SpecError` for too few or too many, and `IncompatibleError` for a divergence that does not
        fit.
        """
        keys = list(self.divergences.value)
        if not MIN_RUNS <= len(keys) <= MAX_RUNS:
            raise SpecError(
                "Side by side needs divergences to compare",
                expected=f"{MIN_RUNS} to {MAX_RUNS}",
                found=str(len(keys)),
            )
        experiment = self.session.choices.experiment()
        base = experiment.objective if experiment.objective.key == _KEY else OBJECTIVES.make(_KEY)
        result = {}
        for key in keys:
            objective = base.copy()
            objective.set("divergence", key)
            result[key] = experiment.replace(objective=objective)
            refusals = result[key].refusals()
            if refusals:
                raise IncompatibleError(f"{DIVERGENCES[key].title} does not fit here", found=refusals[0])
        return result

    def begin(self) -> None:
        """Start a new run per selected divergence, and release the runs on display."""
        experiments = self.experiments()
        self.close()
        for key, experiment in experiments.items():
            job = self.session.jobs.start(experiment, device=self.session.device)
            self.columns.append(RunColumn(key, job))
        first = next(iter(experiments.values()))
        names = [name for name in applicable(first) if name != "arm"]
        titles = [VIEWS[n].title for n in at_first(first)[:1]] + [VIEWS["losses"].title]
        options = {VIEWS[n].title: n for n in names}
        self.views.param.update(options=options, value=[options[title] for title in titles])
        self.target, self._drawn_iteration, self.playing, self._observation = 0, -1, True, ()
        self.pause.param.update(label="Pause", disabled=False)
        self._place()
        self._show_message(f"{len(self.columns)} runs are starting; plots appear when all are ready.")

    def toggle(self) -> None:
        """Pause all runs after the steps in progress, or continue."""
        self.playing = not self.playing
        self.pause.label = "Pause" if self.playing else "Continue"

    # ---- snapshots and plots
    def tick(self) -> None:
        """Draw if all runs are at the target iteration, then start the next steps; called periodically."""
        if not self.columns or not self.session.is_open() or not self._all_ready():
            return
        if self._drawn_iteration != self.target:
            self._drawn_iteration = self.target
            self.draw()
        last = self.columns[0].job.experiment.steps
        if self.playing and self.target < last and not any(column.is_over for column in self.columns):
            count = min(self.stride.value, last - self.target)
            self.target += count
            for column in self.columns:
                column.job.handle.step(count)

    def _all_ready(self) -> bool:
        ready = True
        for column in self.columns:
            if not column.is_ready(self.target):
                ready = False
                if column.job.handle.live and column.job.handle.status().iteration >= self.target:
                    parts = requested_parts(self.views.value, column.job.experiment)
                    column.job.request(parts, self._observation_of(column))
        return ready

    def _observation_of(self, column: RunColumn) -> tuple[float, ...]:
        return self._observation or default_observation(column.job.experiment)

    def _on_tap(self, first: float, second: float) -> None:
        """Set the observation of all runs to the one tapped in any of their plots."""
        current = self._observation_of(self.columns[0]) if self.columns else ()
        if current:
            self._observation = ((first, second) if len(current) > 1 else (first,)) + tuple(current[2:])
            self._invalidate()

    def _invalidate(self) -> None:
        for column in self.columns:
            column.invalidate()
        self._drawn_iteration = -1

    def draw(self) -> None:
        """Update every plot of every run, from snapshots of the same iteration."""
        self.redraw(self._steps())
        iterations = {column.snapshot.iteration for column in self.columns if column.snapshot is not None}
        names = [DIVERGENCES[column.key].title for column in self.columns if column.is_over]
        at = ", ".join(text.counter(i) for i in sorted(iterations))
        suffix = f" Stopped: {', '.join(names)}." if names else ""
        self._show_message(f"{self.columns[0].job.experiment.problem.title}, all at iteration {at}.{suffix}")

    def _steps(self) -> dict[str, Callable[[], None]]:
        """Return a step for each plot that has data, by a name of its own; it draws the newest snapshot."""

        def draw(column: RunColumn, card: ViewCard) -> None:
            experiment, history = column.job.experiment, column.job.history
            card.show(dataset(card.view, column.snapshot, experiment, history, pair=(0, 1)))

        return {
            f"{column.key} {name}": partial(draw, column, card)
            for column in self.columns
            if column.snapshot is not None
            for name, card in column.cards.items()
        }

    def _place(self) -> None:
        """Lay out a row of headings, then a row of plots per view, one column per run."""
        width = f"calc({100 / max(len(self.columns), 1):.2f}% - 8px)"
        style = {"flex": f"0 0 {width}", "max-width": width}
        rows = [
            pn.Row(
                *(
                    pn.pane.HTML(
                        f'<div class="wb-heading">{DIVERGENCES[column.key].title}</div>',
                        margin=0,
                        styles=style | ALIGNED,
                    )
                    for column in self.columns
                ),
                margin=0,
                styles=GAP,
                height=HEADING_HEIGHT,
                sizing_mode="stretch_width",
            )
        ]
        for name in self.views.value:
            for column in self.columns:
                if name not in column.cards:
                    column.cards[name] = make_card(VIEWS[name], self._on_tap)
                column.cards[name].__panel__().styles = style | {"height": f"{PLOT_HEIGHT}px"}
            cards = [column.cards[name] for column in self.columns]
            rows.append(pn.Row(*cards, styles=GAP, margin=0, height=PLOT_HEIGHT, sizing_mode="stretch_width"))
        for column in self.columns:
            column.cards = {name: card for name, card in column.cards.items() if name in self.views.value}
        self._invalidate()
        self.grid.objects = rows if self.columns else []
        self.redraw(self._steps())  # plots that are moved in the layout start again with their first data

    def refresh(self) -> None:
        """Say in a sentence what the Start button would train, while there are no runs."""
        if not self.columns:
            experiment = self.session.choices.experiment()
            self._show_message(
                f"Start trains {experiment.architecture.title} on {experiment.problem.title} "
                f"with seed {experiment.seed} under each divergence."
            )

    def _show_message(self, sentence: str) -> None:
        self.message.object = f'<div class="wb-note">{text.escape(sentence)}</div>'

    def close(self) -> None:
        """Stop showing all runs and free their workers; the runs' folders stay."""
        for column in self.columns:
            column.leave()
            self.session.jobs.release(column.job)
        self.columns = []

    def __panel__(self):
        return self._layout


def _button(label: str, icon: str, name: str, act: Callable[[], None]) -> pmui.Button:
    button = pmui.Button(
        label=label, icon=icon, variant="outlined", color="default", size="small", margin=(12, 4),
        css_classes=[name],
    )  # fmt: skip
    button.on_click(lambda _: act())
    return button
