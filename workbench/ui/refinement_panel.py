"""Panel that refines the posterior at the current observation with the problem's exact density.

A refinement belongs to one observation: it is discarded when that changes, finished or not. It runs in a
separate process, which stops when the page removes a temporary file, the lease.
"""

from __future__ import annotations

import math
import shlex
import time
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from workbench.core.capability import Capability
from workbench.diagnostics.posterior_explorer.refinement_summary import RefinementSummary
from workbench.refinement import REFINEMENT
from workbench.ui import latest_query, text
from workbench.ui.exploration import Exploration
from workbench.ui.menus import Menu
from workbench.ui.notifications import guard, report_error

if TYPE_CHECKING:
    from bokeh.document import Document

    from workbench.ui.process_pool import ProcessPool

HINT = "Corrects the network's posterior at this one observation with the exact density."
#: Milliseconds between two updates of the elapsed time.
TICK = 1000
WIDTH = 284
CODE = "display:block;max-height:66px;overflow:auto;user-select:all;word-break:break-all"


class RefinementPanel(pn.viewable.Viewer):
    """Menu of refinement methods, a button to start and cancel, and a summary of the result."""

    def __init__(
        self, state: Exploration, *, document: Document | None = None, pool: ProcessPool | None = None
    ) -> None:
        super().__init__()
        self.state, self._document = state, document
        self._query = latest_query.LatestQuery(
            latest_query.refine,
            self._on_result,
            self._on_error,
            document=document,
            pool=pool or latest_query.REFINER,
        )
        self._lease: Any = None  # temporary file, while a refinement is in progress
        self._at: tuple[float, ...] = ()  # the observation of the current or last refinement
        self._start_time, self._timer = 0.0, None
        self.method = Menu(
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
        self.message = pn.pane.HTML("", margin=(2, 6), width=WIDTH, css_classes=["wb-refined"])
        self.commands = pn.pane.HTML("", margin=(2, 6), width=WIDTH, css_classes=["wb-refine-commands"])
        self._controls = pn.Column(self.method, self.button, margin=0)
        self.button.on_click(lambda _: guard(self.toggle))
        self.method.param.watch(lambda _: guard(self._show_commands), "value")
        state.param.watch(lambda _: guard(self._on_model), "model_count")
        state.param.watch(lambda _: guard(self._on_change), ["observation", "answer_count"])

    @property
    def busy(self) -> bool:
        """True while a refinement is in progress."""
        return self._lease is not None

    # ---- the methods
    def _on_model(self) -> None:
        """Offer the refinement methods that apply to the model that was opened."""
        self._end()
        self._at = ()
        self.state.show_refined(None)
        offers = self.state.info.refinements
        usable = {o.title: o.key for o in offers if not o.reason and not o.trains}
        self.method.param.update(options=usable, value=next(iter(usable.values()), None))
        self._controls.visible = bool(usable)
        self._show_message(HINT if usable else self._reason())
        self._show_commands()

    def _reason(self) -> str:
        """Return the sentence that explains why no refinement method can run on this page for the model."""
        info = self.state.info
        if info.problem_capabilities and Capability.LOG_JOINT not in info.problem_capabilities:
            return (
                "Not possible on this page: its methods weight draws by the exact joint density of x and y, "
                "which is not available for this problem."
            )
        return " ".join(["Not possible on this page.", *(o.reason for o in info.refinements[:1])])

    def _show_commands(self) -> None:
        """Show shell commands for refining with other settings, or with methods that train a network."""
        info, observation = self.state.info, self.state.observation
        if info is None:  # another model is being opened
            return
        values = ",".join(f"{v:.9g}" for v in observation)
        source = shlex.quote(self.state.sources.get("model", ""))
        sentences = {}
        if self.method.value:
            sentences[self.method.value] = "With settings of your own, such as --set draws=50000 --seed 1:"
        for offer in info.refinements:
            if offer.trains and not offer.reason:
                sentences[offer.key] = (
                    f"{offer.title}. {offer.summary} This takes minutes and runs from the command line:"
                )
        lines = "".join(
            f'<div style="margin-top:4px">{text.escape(sentence)}</div><code style="{CODE}">'
            f"{text.escape(f'workbench refine {source} --observation={values} --method {key}')}</code>"
            for key, sentence in sentences.items()
        )
        more = "More on the command line" if self.method.value else "Available on the command line"
        head = f"<summary>{more}</summary>"
        self.commands.object = f'<details class="wb-note">{head}{lines}</details>' if sentences else ""

    # ---- start, progress and end
    def toggle(self) -> None:
        """Start a refinement, or cancel the one in progress."""
        if self.busy:
            self._end()
            return self._show_message("Cancelled.")
        answer, method = self.state.answers.get("model"), self.method.value
        if answer is None or not method or self.state.info is None:
            return
        if method not in self.method.options.values():  # a browser may send anything
            return
        self.state.show_refined(None)
        self._lease, self._at = NamedTemporaryFile(prefix="workbench-refining-"), self.state.observation
        self._start_time = time.monotonic()
        self.button.param.update(label="Cancel", icon="close", color="warning")
        self.method.disabled = True
        self._tick()
        if self._document is not None:
            self._timer = self._document.add_periodic_callback(self._tick, TICK)
        self._query.submit(self.state.sources["model"], answer.observation, method, self._lease.name)

    def _tick(self) -> None:
        if self.busy:
            self._show_message(f"Refining … {text.duration(time.monotonic() - self._start_time)}")

    def _end(self) -> None:
        """Cancel the refinement in progress, if there is one, and reset the controls."""
        self._query.cancel()
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.close()  # which removes it
        if self._timer is not None:
            self._document.remove_periodic_callback(self._timer)
            self._timer = None
        self.button.param.update(label="Refine", icon="auto_fix_high", color="primary")
        self.method.disabled = False

    def _on_result(self, summary: RefinementSummary) -> None:
        self._end()
        labels = [v.symbol or v.name for v in self.state.info.x]
        self.message.object = readout(summary, labels)
        self.state.show_refined(summary)

    def _on_error(self, error: BaseException) -> None:
        self._end()
        self.message.object = f'<div class="wb-message bad">{text.escape(report_error(error))}</div>'

    def _on_change(self) -> None:
        """Discard the refinement if the observation has changed."""
        state = self.state
        if state.info is None:  # another model is being opened
            self._end()
            return
        if self._at and state.observation != self._at:
            had_one = self.busy or state.refined is not None
            self._end()
            self._at = ()
            state.show_refined(None)
            self._show_message(
                "The observation has changed: the refinement was discarded." if had_one else HINT
            )
        answer = state.answers.get("model")
        if answer is not None and answer.query.at_rest:  # not while it moves
            self._show_commands()

    def _show_message(self, sentence: str) -> None:
        self.message.object = f'<div class="wb-note">{text.escape(sentence)}</div>'

    def close(self) -> None:
        """Cancel the refinement in progress when the page is closed."""
        self._end()

    def __panel__(self) -> Any:
        return pn.Column(self._controls, self.message, self.commands, margin=0)


def readout(summary: RefinementSummary, labels: list[str]) -> str:
    """Format a refinement as HTML: effective sample size, Pareto k̂, change of the posterior, and cost.

    The colour is amber if there are warnings; `warnings_of` returns these.
    """
    gain = summary.gain
    lines = []
    if not math.isnan(gain.effective_sample_size):
        share = 100 * gain.effective_sample_size / max(gain.draws, 1)
        lines.append(
            f"{_count(gain.draws)} draws of {gain.proposal} are worth {_count(gain.effective_sample_size)} "
            f"exact ones ({share:.2g} %)."
        )
        lines.append(f"Pareto k̂ {_k(gain.pareto_k)}: {reliability(gain.pareto_k)}.")
    if not math.isnan(gain.acceptance):
        lines.append(f"{100 * gain.acceptance:.0f} % of the moves were accepted.")
    lines.append(change_sentence(summary, labels))
    lines.append(f"{gain.seconds:.1f} s, {_count(gain.evaluations)} evaluations of the exact density.")
    colour = "amber" if gain.warnings else "green"
    body = "".join(f"<div>{text.escape(line)}</div>" for line in lines)
    return f'<div class="wb-sentence {colour}"><b>{text.escape(summary.title)}</b>{body}</div>'


def warnings_of(summary: RefinementSummary) -> list[str]:
    """Return a refinement's warnings, with methods named by their titles instead of their keys."""
    warnings = []
    for warning in summary.gain.warnings:
        for member in REFINEMENT:
            warning = warning.replace(f"the {member.key} method", f"“{member.title}”")
        warnings.append(warning)
    return warnings


def reliability(pareto_k: float) -> str:
    """Return in words how reliable importance weights with this Pareto k̂ are."""
    if pareto_k == -math.inf:
        return "all draws have the same weight"
    if pareto_k <= 0.5:
        return "good, the weights can be relied on"
    if pareto_k <= 0.7:
        return "fair, the weights can be relied on but are noisy"
    return "too high, the weights alone are not to be relied on"


def change_sentence(summary: RefinementSummary, labels: list[str]) -> str:
    """Return a sentence on how the refined means and standard deviations differ from the network's."""
    shift, ratio, chance = summary.mean_shift, summary.sd_ratio, summary.chance
    finite = np.isfinite(shift) & np.isfinite(ratio)
    if not finite.any():
        return "The network's draws have no spread to compare with."
    shift, ratio = np.where(finite, shift, 0.0), np.where(finite, ratio, 1.0)
    farthest, least, most = int(np.abs(shift).argmax()), int(ratio.argmin()), int(ratio.argmax())
    same_means = abs(shift[farthest]) <= chance
    if same_means and max(abs(math.log(max(r, 1e-9))) for r in ratio) <= chance:
        return "Means and spreads are the network's, within sampling error: there was little to correct."
    means = "Means are unchanged, within sampling error"
    if not same_means:
        distance = f"{abs(shift[farthest]):.2f} standard deviations of the network's draws"
        means = f"Means moved by up to {distance} ({labels[farthest]})"
    spreads = f"{ratio[least]:.2f} ({labels[least]})"
    if most != least:
        spreads += f" to {ratio[most]:.2f} ({labels[most]})"
    return f"{means}; spreads are {spreads} times the network's."


def _count(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def _k(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if math.isfinite(value) else "−∞" if value < 0 else "∞"
