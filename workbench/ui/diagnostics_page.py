"""Diagnostics of a model in plain words: what was checked, what failed, and what to do about it.

All of `DIAGNOSTICS` run one after the other, and each result appears as soon as it is available.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import panel as pn
import panel_material_ui as pmui

from workbench.diagnostics import BUDGETS, DIAGNOSTICS
from workbench.diagnostics.advice import in_family, plain_summary
from workbench.ui import latest_query, text
from workbench.ui.process_pool import POOL, ProcessPool

if TYPE_CHECKING:
    from bokeh.document import Document

WORDS = {"green": "passed", "amber": "small deviation", "red": "failed", "not applicable": "not checked"}
HEADINGS = {
    "green": "No problem found",
    "amber": "With reservations",
    "red": "Not to be relied on",
    "": "Unknown",
}


class DiagnosticsPage(pn.viewable.Viewer):
    """A heading with the worst verdict, and one line per diagnostic.

    ``source()`` and ``observation()`` return the path of the model and the observation to check.
    """

    def __init__(
        self,
        source: Callable[[], str],
        observation: Callable[[], tuple[float, ...]] = tuple,
        *,
        document: Document | None = None,
        pool: ProcessPool | None = None,
    ) -> None:
        super().__init__()
        self._source, self._observation = source, observation
        self.results: dict[str, dict[str, Any]] = {}
        self._checked_source, self._pending, self._at = "", [], ()
        self._query = latest_query.LatestQuery(
            latest_query.check, self._on_result, self._on_error, document=document, pool=pool or POOL
        )
        self.budget = pmui.RadioButtonGroup(
            options={"Fast": BUDGETS[0], "Thorough": BUDGETS[1]},
            value=BUDGETS[0],
            size="small",
            color="default",
            margin=(8, 8),
            sx={"& .MuiToggleButton-root": {"textTransform": "none"}},
        )
        self.start = pmui.Button(
            label="Check", icon="fact_check", margin=(8, 6), width=120, css_classes=["wb-check"]
        )
        self.start.on_click(lambda _: self.check())
        self.heading = pn.pane.HTML(
            "", sizing_mode="stretch_width", margin=(6, 10), css_classes=["wb-verdict"]
        )
        self.lines = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 10), css_classes=["wb-checks"])
        self.clear()

    def clear(self) -> None:
        """Cancel the diagnostics and remove all results, since another model has been opened."""
        self._query.cancel()
        self.results, self._pending, self._checked_source = {}, [], ""
        self.start.loading = False
        self._show_message(
            "", "Press Check to run every check that applies to this model, on freshly simulated data."
        )
        self.lines.object = ""

    def close(self) -> None:
        """Cancel the diagnostic in progress when the page is closed."""
        self._query.cancel()

    def refresh(self) -> None:
        """Run all diagnostics when the page is opened, unless the results are the current model's."""
        if self._checked_source != self._source():
            self.check()

    def check(self) -> None:
        """Run all diagnostics again; does nothing while they run or without a model."""
        source = self._source()
        if not source or self._pending:
            return
        self.results, self._checked_source, self._pending = {}, source, list(DIAGNOSTICS.keys())
        self._at = self._observation()  # the same for all, even if it moves meanwhile
        self.start.loading = True
        self._next()

    def _next(self) -> None:
        if self._pending:
            title = DIAGNOSTICS[self._pending[0]].title
            n_done = len(DIAGNOSTICS.keys()) - len(self._pending)
            self._show_message("", f"Checking {title} … ({n_done} of {len(DIAGNOSTICS.keys())} done)")
            self._query.submit(self._checked_source, self._pending[0], self.budget.value, self._at)
            return
        self.start.loading = False
        self.results = in_family(self.results)  # verdicts of checks that ran one by one
        self.lines.object = "".join(line(each) for each in self.results.values())
        worst, sentence = plain_summary(self.results)
        self._show_message(worst, sentence)

    def _on_result(self, result: dict[str, Any]) -> None:
        self.results[result["key"]] = result
        self._pending = self._pending[1:]
        self.lines.object = "".join(line(each) for each in self.results.values())
        self._next()

    def _on_error(self, error: BaseException) -> None:
        key = self._pending[0]
        self._on_result(
            {
                "key": key,
                "title": DIAGNOSTICS[key].title,
                "summary": DIAGNOSTICS[key].summary,
                "verdict": "not applicable",
                "sentence": text.sentence(error),
                "advice": "",
                "numbers": {},
            }
        )

    def _show_message(self, worst: str, sentence: str) -> None:
        is_complete = bool(self.results) and not self._pending
        title = f'<div class="wb-heading">{HEADINGS[worst]}</div>' if is_complete else ""
        self.heading.object = (
            f'<div class="wb-sentence {worst}" style="font-size:13px;line-height:19px;padding:4px 10px">'
            f"{title}{text.escape(sentence)}</div>"
        )

    def __panel__(self) -> Any:
        bar = pn.Row(self.budget, self.start, margin=0)
        return pn.Column(
            bar, self.heading, self.lines, sizing_mode="stretch_width", margin=(0, 6), max_width=1000
        )


def line(result: dict[str, Any]) -> str:
    """Format the result of one diagnostic as HTML: title and verdict, purpose, result and advice."""
    verdict, escape = result["verdict"], text.escape
    colour = verdict if verdict in ("green", "amber", "red") else ""
    advice = (
        f"<div><b>What to do:</b> {escape(result['advice'])}</div>" if colour and result["advice"] else ""
    )
    return (
        f'<div class="wb-sentence {colour}" style="margin:9px 0;font-size:12.5px;line-height:17px">'
        f"<b>{escape(result['title'])}: {WORDS.get(verdict, verdict)}.</b> "
        f'<span class="wb-note">{escape(result["summary"])}</span>'
        f"<div>{escape(result['sentence'])}</div>{advice}</div>"
    )
