"""Refining: the posterior of the observation that is looked at made better, and what that gained in words.

A refinement belongs to one observation: it is dropped when that moves, whether it is done or under way. The
work is done in a process of its own, which looks at a file that the page holds: without it, it ends.
"""

from __future__ import annotations

import math
import shlex
import time
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from workbench.core.capability import Capability
from workbench.diagnostics.posterior_explorer.refinement_summary import Refined
from workbench.refinement import REFINEMENT
from workbench.ui import latest_query, text
from workbench.ui.exploration import Exploration
from workbench.ui.notifications import guard, tell

HINT = "Mends the network's answer to this one observation with the exact density."
#: Milliseconds between two looks at the clock.
TICK = 1000
WIDTH = 284
CODE = "display:block;max-height:66px;overflow:auto;user-select:all;word-break:break-all"


class Refining(pn.viewable.Viewer):
    """A menu of methods, a button that begins and cancels, and what was gained."""

    def __init__(self, state: Exploration, *, document: Any = None, pool: Any = None) -> None:
        super().__init__()
        self.state, self._document, self._source = state, document, ""
        self._asker = latest_query.Asker(
            latest_query.refined,
            self._came,
            self._failed,
            document=document,
            pool=pool or latest_query.REFINER,
        )
        self._lease: Any = None  # while a refinement is under way
        self._at: tuple[float, ...] = ()  # where it is, or was, made
        self._began, self._timer = 0.0, None
        self.method = pmui.Select(
            label="Method",
            options={},
            size="small",
            width=292,
            margin=(8, 4),
            sx={"& .MuiSelect-select": {"fontSize": "14px"}},
            css_classes=["wb-method"],
        )
        self.button = pmui.Button(
            label="Refine",
            icon="auto_fix_high",
            size="small",
            width=292,
            margin=(2, 4, 6, 4),
            css_classes=["wb-refine"],
        )
        self.said = pn.pane.HTML("", margin=(2, 6), width=WIDTH, css_classes=["wb-refined"])
        self.elsewhere = pn.pane.HTML("", margin=(2, 6), width=WIDTH, css_classes=["wb-elsewhere"])
        self._controls = pn.Column(self.method, self.button, margin=0)
        self.button.on_click(lambda _: guard(self.pressed))
        self.method.param.watch(lambda _: guard(self._command), "value")
        state.param.watch(lambda _: guard(self._opened), "opened")
        state.param.watch(lambda _: guard(self._moved), ["observation", "changed"])

    @property
    def busy(self) -> bool:
        """A refinement is under way."""
        return self._lease is not None

    # ---- what can be done
    def _opened(self) -> None:
        """Another model: which methods it allows."""
        self._end()
        self._at = ()
        self.state.show_refined(None)
        offers = self.state.about.refinements
        usable = {o.title: o.key for o in offers if not o.reason and not o.trains}
        self.method.param.update(options=usable, value=next(iter(usable.values()), None))
        self._controls.visible = bool(usable)
        self._say(HINT if usable else self._reason())
        self._command()

    def _reason(self) -> str:
        """Why nothing can be done here."""
        about = self.state.about
        if about.given and Capability.LOG_JOINT not in about.given:
            return (
                "Not possible on this page: its methods weigh draws by the exact joint density of x and y, "
                "which this problem does not know."
            )
        return " ".join(["Not possible on this page.", *(o.reason for o in about.refinements[:1])])

    def _command(self) -> None:
        """How settings are chosen, and how a method that trains is used."""
        about, observation = self.state.about, self.state.observation
        values = ",".join(f"{v:.9g}" for v in observation)
        source = shlex.quote(self.state.sources.get("model", ""))
        told = {}
        if self.method.value:
            told[self.method.value] = "With settings of your own, such as --set draws=50000 --seed 1:"
        for offer in about.refinements:
            if offer.trains and not offer.reason:
                told[offer.key] = f"{offer.title}. {offer.summary} That takes minutes, so only here:"
        lines = "".join(
            f'<div style="margin-top:4px">{text.escape(said)}</div><code style="{CODE}">'
            f"{text.escape(f'workbench refine {source} --observation={values} --method {key}')}</code>"
            for key, said in told.items()
        )
        more = "More on the command line" if self.method.value else "What can be done on the command line"
        head = f"<summary>{more}</summary>"
        self.elsewhere.object = f'<details class="wb-note">{head}{lines}</details>' if told else ""

    # ---- doing it
    def pressed(self) -> None:
        """Begin, or cancel what is under way."""
        if self.busy:
            self._end()
            return self._say("Cancelled.")
        answer, method = self.state.answers.get("model"), self.method.value
        if answer is None or not method or self.state.about is None:
            return
        if method not in self.method.options.values():  # a browser may send anything
            return
        self.state.show_refined(None)
        self._lease, self._at = NamedTemporaryFile(prefix="workbench-refining-"), self.state.observation
        self._began = time.monotonic()
        self.button.param.update(label="Cancel", icon="close", color="warning")
        self.method.disabled = True
        self._tick()
        if self._document is not None:
            self._timer = self._document.add_periodic_callback(self._tick, TICK)
        self._asker.ask(self.state.sources["model"], answer.observation, method, self._lease.name)

    def _tick(self) -> None:
        if self.busy:
            self._say(f"Refining … {text.duration(time.monotonic() - self._began)}")

    def _end(self) -> None:
        """Nothing is under way, or what is under way is not wanted any more."""
        self._asker.forget()
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.close()  # which removes it
        if self._timer is not None:
            self._document.remove_periodic_callback(self._timer)
            self._timer = None
        self.button.param.update(label="Refine", icon="auto_fix_high", color="primary")
        self.method.disabled = False

    def _came(self, found: Refined) -> None:
        self._end()
        labels = [v.symbol or v.name for v in self.state.about.x]
        self.said.object = readout(found, labels)
        self.state.show_refined(found)

    def _failed(self, error: BaseException) -> None:
        self._end()
        self.said.object = f'<div class="wb-message bad">{text.escape(tell(error))}</div>'

    def _moved(self) -> None:
        """What belongs to another observation is dropped."""
        state = self.state
        if state.about is None:  # another model is being opened
            self._end()
            return
        if self._at and state.observation != self._at:
            busy, had = self.busy, state.refined is not None
            self._end()
            self._at = ()
            state.show_refined(None)
            self._say("The observation has moved: the refinement was dropped." if busy or had else HINT)
        answer = state.answers.get("model")
        if answer is not None and answer.ask.at_rest:  # not at every movement
            self._command()

    def _say(self, sentence: str) -> None:
        self.said.object = f'<div class="wb-note">{text.escape(sentence)}</div>'

    def close(self) -> None:
        """The page has gone."""
        self._end()

    def __panel__(self) -> Any:
        return pn.Column(self._controls, self.said, self.elsewhere, margin=0)


def readout(found: Refined, labels: list[str]) -> str:
    """What was gained, as HTML: worth of the draws, k̂ in words, what has changed, and what it cost. Amber:
    there are warnings, which `warned` has."""
    gain = found.gain
    lines = []
    if not math.isnan(gain.effective_sample_size):
        share = 100 * gain.effective_sample_size / max(gain.draws, 1)
        lines.append(
            f"{_count(gain.draws)} draws of {gain.proposal} are worth {_count(gain.effective_sample_size)} "
            f"exact ones ({share:.2g} %)."
        )
        lines.append(f"Pareto k̂ {_k(gain.pareto_k)}: {trust(gain.pareto_k)}.")
    if not math.isnan(gain.acceptance):
        lines.append(f"{100 * gain.acceptance:.0f} % of the moves were accepted.")
    lines.append(changed(found, labels))
    lines.append(f"{gain.seconds:.1f} s, {_count(gain.evaluations)} evaluations of the exact density.")
    colour = "amber" if gain.warnings else "green"
    said = "".join(f"<div>{text.escape(line)}</div>" for line in lines)
    return f'<div class="wb-said {colour}"><b>{text.escape(found.title)}</b>{said}</div>'


def warned(found: Refined) -> list[str]:
    """The warnings of a refinement, with the methods named as the menu names them."""
    told = []
    for warning in found.gain.warnings:
        for member in REFINEMENT:
            warning = warning.replace(f"the {member.key} method", f"“{member.title}”")
        told.append(warning)
    return told


def trust(pareto_k: float) -> str:
    """What weights with a tail of this shape are good for."""
    if pareto_k == -math.inf:
        return "all draws weigh alike"
    if pareto_k <= 0.5:
        return "good, the weights can be relied on"
    if pareto_k <= 0.7:
        return "fair, the weights can be relied on but are noisy"
    return "too high, the weights alone are not to be relied on"


def changed(found: Refined, labels: list[str]) -> str:
    """By how much means and spreads differ from the network's, in a sentence."""
    moved, widened, chance = found.moved, found.widened, found.chance
    known = np.isfinite(moved) & np.isfinite(widened)
    if not known.any():
        return "The network's draws have no spread to compare with."
    moved, widened = np.where(known, moved, 0.0), np.where(known, widened, 1.0)
    far, least, most = int(np.abs(moved).argmax()), int(widened.argmin()), int(widened.argmax())
    stayed = abs(moved[far]) <= chance
    if stayed and max(abs(math.log(max(w, 1e-9))) for w in widened) <= chance:
        return "Means and spreads are the network's, within chance: there was little to mend."
    means = "Means stayed, within chance"
    if not stayed:
        far_moved = f"{abs(moved[far]):.2f} standard deviations of the network's draws"
        means = f"Means moved by up to {far_moved} ({labels[far]})"
    spreads = f"{widened[least]:.2f} ({labels[least]})"
    if most != least:
        spreads += f" to {widened[most]:.2f} ({labels[most]})"
    return f"{means}; spreads are {spreads} times the network's."


def _count(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def _k(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if math.isfinite(value) else "−∞" if value < 0 else "∞"
