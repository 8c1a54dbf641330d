"""Verdict: the diagnostics of a model in plain words. What was checked, what failed, and what to do about it.

Which checks there are is read off the catalogue; they come one after the other, each as soon as it is known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.diagnostics import BUDGETS, DIAGNOSTICS
from workbench.diagnostics.advice import plainly
from workbench.ui import latest_query, text
from workbench.ui.process_pool import POOL

WORDS = {"green": "passed", "amber": "small", "red": "failed", "not applicable": "not checked"}
HEADINGS = {
    "green": "Nothing found",
    "amber": "With reservations",
    "red": "Not to be relied on",
    "": "Not known",
}


class Verdict(pn.viewable.Viewer):
    """A heading with the worst verdict, and one line a check."""

    def __init__(
        self,
        source: Callable[[], str],
        observation: Callable[[], tuple[float, ...]] = tuple,
        *,
        document: Any = None,
        pool: Any = None,
    ) -> None:
        super().__init__()
        self._source, self._observation, self.found = source, observation, {}
        self._of, self._left, self._at = "", [], ()
        self._asker = latest_query.Asker(
            latest_query.verdict, self._came, self._failed, document=document, pool=pool or POOL
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
        """Another model: nothing is known of it."""
        self._asker.forget()
        self.found, self._left, self._of = {}, [], ""
        self.start.loading = False
        self._say(
            "", "Press Check: fresh data are drawn, and every check of the catalogue that applies is made."
        )
        self.lines.object = ""

    def forget(self) -> None:
        """The page has gone: what is under way is not wanted, and nothing is shown any more."""
        self._asker.forget()

    def refresh(self) -> None:
        """Checks are made at the first look at this page."""
        if self._of != self._source():
            self.check()

    def check(self) -> None:
        """Make all checks anew."""
        source = self._source()
        if not source or self._left:
            return
        self.found, self._of, self._left = {}, source, list(DIAGNOSTICS.keys())
        self._at = self._observation()  # the same for all, even if it moves meanwhile
        self.start.loading = True
        self._next()

    def _next(self) -> None:
        if self._left:
            title = DIAGNOSTICS[self._left[0]].title
            done = len(DIAGNOSTICS.keys()) - len(self._left)
            self._say("", f"Checking {title} … ({done} of {len(DIAGNOSTICS.keys())} done)")
            self._asker.ask(self._of, self._left[0], self.budget.value, self._at)
            return
        self.start.loading = False
        worst, sentence = plainly(self.found)
        self._say(worst, sentence)

    def _came(self, one: dict[str, Any]) -> None:
        self.found[one["key"]] = one
        self._left = self._left[1:]
        self.lines.object = "".join(line(each) for each in self.found.values())
        self._next()

    def _failed(self, error: BaseException) -> None:
        key = self._left[0]
        self._came(
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

    def _say(self, worst: str, sentence: str) -> None:
        done = bool(self.found) and not self._left
        title = f'<div class="wb-heading">{HEADINGS[worst]}</div>' if done else ""
        self.heading.object = (
            f'<div class="wb-said {worst}" style="font-size:13px;line-height:19px;padding:4px 10px">{title}'
            f"{text.escape(sentence)}</div>"
        )

    def __panel__(self) -> Any:
        bar = pn.Row(self.budget, self.start, margin=0)
        return pn.Column(
            bar, self.heading, self.lines, sizing_mode="stretch_width", margin=(0, 6), max_width=1000
        )


def line(one: dict[str, Any]) -> str:
    """One check as HTML: its name and verdict, what it looks at, what it found, what to do."""
    verdict, escape = one["verdict"], text.escape
    colour = verdict if verdict in ("green", "amber", "red") else ""
    advice = f"<div><b>What to do:</b> {escape(one['advice'])}</div>" if colour and one["advice"] else ""
    return (
        f'<div class="wb-said {colour}" style="margin:9px 0;font-size:12.5px;line-height:17px">'
        f"<b>{escape(one['title'])}: {WORDS.get(verdict, verdict)}.</b> "
        f'<span class="wb-note">{escape(one["summary"])}</span>'
        f"<div>{escape(one['sentence'])}</div>{advice}</div>"
    )
