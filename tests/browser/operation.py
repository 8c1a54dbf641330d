"""Operate every control of a page by mouse or keyboard, and compare what it shows with what the server holds.

Controls are found in the page itself, in the views of its models; the server (`inspected_server`) says what
their values are and what else there is in the session. A control of a kind that is not known here is an
error, so that a new one is covered or noticed.
"""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Error

from tests.browser.hand import Hand
from tests.browser.shown_values import Part, agrees, own_look

SCRIPT = Path(__file__).with_name("operation.js")
#: Seconds that a value has to arrive in, and that a button has to show an effect in; machines may be busy.
PATIENCE = float(os.environ.get("WORKBENCH_PATIENCE", "60"))
#: Print each control as it is operated.
TRACE = bool(os.environ.get("WORKBENCH_TRACE"))
#: Kinds of parts in the order in which they are operated, those before which all others come last.
ORDER = ("slider", "text", "checkbox", "table", "tap", "box", "draw", "file", "fold", "button", "select")
LATER = ("toggle", "link")
#: Kinds that are operated again to come back to what a button led away from.
AGAIN = ("table", "toggle")
VALUES = ("slider", "text", "select", "checkbox", "toggle")


class Postponed(Exception):
    """A control was disabled just when it was to be operated; its turn comes again."""


class Operator(Hand):
    """Drives one page of the inspected server; ``keyboard`` chooses the means.

    ``skip`` is a pattern of names that are left out; with ``sample`` one control of each kind of widget is
    operated, and every page within the page. ``choices`` has a part of the entry to choose from a menu, by
    the menu's class, where any other entry is refused for a reason.
    """

    def __init__(
        self,
        page: Any,
        inspect: str,
        files: Callable[[str], Path | None],
        *,
        keyboard: bool = False,
        skip: str = r"(?!)",
        sample: bool = False,
        choices: dict[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.page, self.inspect, self.files, self.keyboard = page, inspect, files, keyboard
        self.skip, self.patience = re.compile(skip), patience
        self.sample, self.choices = sample, choices or {}
        self.settling = 1.0 if sample else 3.0  # seconds that a value has to show an effect of its own in
        page.set_default_timeout(1000 * patience)
        self.names: dict[tuple[str, int, str], str] = {}
        self.done: list[str] = []
        self.turn: set[str] = set()  # what has had its turn in this round
        self.kinds: dict[str, tuple[str, ...]] = {}  # the kind of widget of what has had its turn
        self.enabled: set[str] = set()  # what has been there and enabled
        self.rounds = 0
        self.postponed: dict[str, int] = {}
        self.faults: list[str] = []
        self.reads: dict[str, tuple[str, int]] = {}  # controls without an effect yet, and how often read
        self.downloads: dict[str, tuple[str, Path]] = {}

    # ---- what there is
    def session(self) -> dict[str, Any]:
        """Return what the server holds of this page."""
        answers = []
        for root in self.page.evaluate("wb.roots()"):
            try:
                with urllib.request.urlopen(f"{self.inspect}/{root}", timeout=300) as answer:
                    self.latest = json.load(answer)
                    return self.latest
            except urllib.error.HTTPError as error:
                answers.append(error.read().decode())
        raise AssertionError(f"The server does not know this page: {answers}")

    def parts(self, session: dict[str, Any] | None = None) -> list[Part]:
        """Return the visible interactive elements of the page."""
        session = session or self.session()
        parts = [Part(**each) for each in self.page.evaluate("wb.parts()")]
        if any(part.id not in session["shown"] for part in parts):  # it came up just now
            session = self.session()
        for part in parts:
            part.control = session["controls"].get(part.id, {})
            words = part.words if part.kind in ("toggle", "link") or not part.control else ""
            # the name at first sight: a button may change its label when it is pressed
            part.identity = self.names.setdefault((part.id, part.index, words), part.name())
        return parts

    def values(self, kind: str = "") -> dict[str, Any]:
        """Return the values of the page's controls by label, of all or of one kind."""
        controls = self.session()["controls"].values()
        return {c["label"]: c["value"] for c in controls if kind in ("", c["kind"])}

    def wait_for(self, path: str, condition: Callable[[Any], bool]) -> Any:
        """Wait until a value of the session meets a condition; ``path`` is the end of its path."""
        end = time.monotonic() + self.patience
        while True:
            state = self.session()["state"]
            values = [value for name, value in state.items() if name.endswith(path)]
            if values and condition(values[0]):
                return values[0]
            assert time.monotonic() < end, f"{path} stays {values}"
            self.page.wait_for_timeout(100)

    def element(self, part: Part) -> Any:
        """Return the element of a part, scrolled into view. Raises `Postponed` where it is not there or
        disabled."""
        handle = self.page.evaluate_handle("(where) => wb.element(where)", [part.id, part.index]).as_element()
        if handle is None or (part.kind in ("button", "toggle") and not handle.is_enabled()):
            self.page.wait_for_timeout(300)
            raise Postponed
        try:
            handle.scroll_into_view_if_needed(timeout=5000)
        except Error:  # it was built anew or hidden just now
            raise Postponed from None
        return handle

    def again(self, part: Part, session: dict[str, Any]) -> Part | None:
        """Return a part as it is now."""
        same = [p for p in self.parts(session) if (p.id, p.index) == (part.id, part.index)]
        return same[0] if same else None

    # ---- one after the other
    def operate_all(self, limit: int = 400) -> list[str]:
        """Operate everything on the page that has not been operated yet, also what comes up meanwhile."""
        first = len(self.done)
        for _ in range(limit):
            todo = self._awaited() or self._another_round()
            if not todo:
                break
            part = min(todo, key=self._rank)
            self.turn.add(part.identity)
            self.kinds[part.identity] = self._widget(part)
            start, faults = time.monotonic(), len(self.faults)
            try:
                self.operate(part)
                if part.kind == "button" and self._has_hidden(part, todo):
                    self.operate(part)  # what it has folded away is still to be operated
            except Postponed:
                self.turn.remove(part.identity)
                self.kinds.pop(part.identity)
                self.postponed[part.identity] = self.postponed.get(part.identity, 0) + 1
                continue
            except (Error, AssertionError) as error:
                self.faults.append(f"{part.identity}: {str(error)[:3000]}")
                self.page.keyboard.press("Escape")  # a menu that stayed open would hide the next control
            if part.identity not in self.done:
                self.done.append(part.identity)
            if TRACE:
                value = f"{part.shown!r} -> {self._value(part, self.latest)!r}"[:90]
                print(f"{time.monotonic() - start:6.1f} s  {part.identity}", value, flush=True)
                print("".join(f"    {fault}\n" for fault in self.faults[faults:]), end="", flush=True)
        never = [name for name, count in self.postponed.items() if count > 10 and name not in self.done]
        self.faults += [f"{name}: it was never ready" for name in never]
        self._check_reads()
        self._check_shown()
        return self.done[first:]

    @staticmethod
    def _widget(part: Part) -> tuple[str, ...]:
        """Return the kind of widget of a part; every page within the page is one of its own."""
        css = part.control.get("css") or [""]
        page = part.identity if css[0] == "wb-pages" else ""
        return part.kind, part.control.get("kind", ""), page

    def _has_hidden(self, part: Part, todo: list[Part]) -> bool:
        """Return True if a button has hidden what was to be operated, and is still there itself."""
        present = {each.identity: each.id for each in self.parts()}
        hidden = any(each.identity not in present for each in todo if each.identity != part.identity)
        return hidden and present.get(part.identity) == part.id

    def _todo(self) -> list[Part]:
        parts = [part for part in self.parts() if self._is_due(part)]
        self.enabled |= {part.identity for part in parts}
        return parts

    def _awaited(self) -> list[Part]:
        """Return what is to be operated. While the page is busy and only ways to other pages are left, wait
        for what comes up, such as a download when its file is written."""
        end = time.monotonic() + 4 * self.patience
        while True:
            todo = self._todo()
            is_here = any(part.kind not in LATER for part in todo)
            if self.sample or is_here or not self._is_busy() or time.monotonic() > end:
                return todo
            self.page.wait_for_timeout(500)

    def _another_round(self) -> list[Part]:
        """Visit all parts of the page again where a button led away before the others had their turn."""
        remaining = self.enabled - self.turn
        if self.sample or not remaining or self.rounds >= 4:
            return []
        self.rounds += 1
        self.turn -= {identity for identity in self.turn if identity.startswith(AGAIN)}
        return self._todo()

    def _is_busy(self) -> bool:
        return any(control.get("loading") for control in self.session()["controls"].values())

    def _is_due(self, part: Part) -> bool:
        is_pressed = part.kind == "toggle" and part.shown and part.control["kind"].startswith("Radio")
        if is_pressed or self.postponed.get(part.identity, 0) > 10:
            return False  # one of several that is pressed comes later, when another one is
        is_of_page = part.kind == "link" or not part.control.get("kind") and part.kind == "button"
        if self.sample and (is_of_page or self._widget(part) in self.kinds.values()):
            return False  # the drawer would hide the others, a link would leave them
        return not part.disabled and part.identity not in self.turn and not self.skip.search(part.identity)

    def _rank(self, part: Part) -> int:
        order = [*ORDER, "unknown", *LATER]
        return order.index(part.kind)

    def operate(self, part: Part) -> None:
        """Operate one part, and check that its value arrives, or that something happens."""
        if part.kind == "unknown":
            raise AssertionError("a control of a kind that this test does not know")
        before = self.session()
        toasts = len(before["toasts"])
        means = getattr(self, f"_{part.kind}")
        try:
            in_browser = self._replay(part) if self._is_of_player(part) else means(part)
        except Error as error:
            if "not attached" in str(error):  # it was built anew just now
                raise Postponed from None
            raise
        if in_browser:
            self.session()
        elif part.kind in VALUES:
            self._arrival(part, before)
        else:
            if part.kind == "file":
                self._wait_for_work()
            beside = [p for p in self.parts(before) if p.id == part.id and p.kind == "button" and p != part]
            if not beside or not self._effect(part, before, 2 * self.settling, must=False):
                for other in beside[-1:]:  # at the bound of a number: away from it, and back
                    self._press(other)
                    assert self._effect(other, before, self.patience)
                    before = self.latest
                    self._press(part)
                self._effect(part, before, self.patience)
        after = self.latest
        self.faults += [f"{part.identity}: {s}" for kind, s in after["toasts"][toasts:] if kind == "error"]
        self.faults += [f"after {part.identity}: {sentence}" for sentence in after["wrong"]]

    def _wait_for_work(self) -> None:
        """Wait until no message of the page ends with … any more: what was sent has been dealt with."""
        end, waiting = time.monotonic() + 4 * self.patience, ["…"]
        while waiting:
            assert time.monotonic() < end, f"{waiting} after a file"
            self.page.wait_for_timeout(200)
            texts = [str(each.get("object", "")) for each in self.session()["shown"].values()]
            waiting = [text for text in texts if re.search(r"wb-message[^>]*>[^<]*…\s*<", text)]

    # ---- the buttons of a player
    @staticmethod
    def _is_of_player(part: Part) -> bool:
        return part.kind == "button" and part.control.get("kind") == "Player"

    def _replay(self, part: Part) -> bool:
        """Press a button of a player where it has something to do, and check that it does it."""
        buttons = {each.words: each for each in self.parts() if each.id == part.id and each.kind == "button"}
        steps = {
            "first": ["last"],
            "previous": ["last"],
            "next": ["first"],
            "last": ["first"],
            "play": ["last"],  # where it starts anew
            "pause": ["last", "play"],
        }
        for name in [*steps[part.words], part.words]:
            self._press(buttons[name])
            self._wait_for_player(part, name)
        if part.words in ("play", "pause"):
            self._press(buttons["pause"])
            value = self._wait_for_player(part, "pause")
            self.page.wait_for_timeout(600)
            assert self.session()["controls"][part.id]["value"] == value, "it plays on"
        return True

    def _wait_for_player(self, part: Part, name: str) -> int:
        """Wait until a player is where this button leads to; returns its frame."""
        end = time.monotonic() + self.patience
        while True:
            player = self.session()["controls"][part.id]
            value, low, high = player["value"], player["start"], player["end"]
            places = {"first": low, "last": high, "previous": high - 1, "next": low + 1}
            is_there = value == places.get(name, value) and player["direction"] == (name == "play")
            if is_there and (name != "play" or value < high):
                return value
            assert time.monotonic() < end, f"after {name}: frame {value} of {low} to {high}"
            self.page.wait_for_timeout(50)

    # ---- values
    def _arrival(self, part: Part, before: dict[str, Any]) -> None:
        """Wait until the value that is shown is another one than before, and that of the session."""
        start, old = time.monotonic(), self._value(part, before)
        end = start + self.patience
        while True:
            session = self.session()
            now = self.again(part, session)
            if now is None:  # its part of the page was built anew
                break
            value, late = self._value(part, session), time.monotonic() > start + self.settling
            if value != old and agrees(now, value):
                break
            if part.kind == "text" and value == old and agrees(now, value) and late:
                assert isinstance(value, str), "the field does not take a number"
                break  # a text for reading: it takes nothing, and shows its value again
            if time.monotonic() > end:
                raise AssertionError(f"{now.shown!r} is shown, the session has {value!r} (before: {old!r})")
            self.page.wait_for_timeout(50)
        if not self._effect(part, before, self.settling, must=False):
            count = session["controls"].get(part.id, {}).get("reads", 0)
            self.reads[part.identity] = (part.id, count)

    @staticmethod
    def _value(part: Part, session: dict[str, Any]) -> Any:
        return session["controls"].get(part.id, {}).get("value")

    def _effect(self, part: Part, before: dict[str, Any], seconds: float, must: bool = True) -> bool:
        """Wait until something else in the session than this control has changed."""
        end, after = time.monotonic() + seconds, self.session() if must else self.latest
        while True:
            if before["state"] != after["state"]:
                return True
            others = {*before["shown"], *after["shown"]} - {part.id}
            if any(before["shown"].get(i) != after["shown"].get(i) for i in others):
                return True
            if own_look(part, before) != own_look(part, after):
                return True
            if len(before["toasts"]) != len(after["toasts"]):
                return True
            if time.monotonic() > end:
                if must:
                    raise AssertionError("nothing happened")
                return False
            self.page.wait_for_timeout(50)
            after = self.session()

    def _check_reads(self) -> None:
        """Every control without an effect of its own was read afterwards, by a button or a drawing."""
        controls = self.session()["controls"]
        for identity, (model, count) in self.reads.items():
            if model in controls and controls[model]["reads"] <= count:
                self.faults.append(f"{identity}: the value arrived and nothing reads it")
        self.reads = {}

    def _check_shown(self) -> None:
        """Every control that is visible in the end shows the value that the session has."""
        end, wrong = time.monotonic() + self.patience, [""]
        while wrong and time.monotonic() < end:
            session = self.session()
            parts = [p for p in self.parts(session) if p.kind in VALUES and "value" in p.control]
            wrong = [
                f"{part.identity}: {part.shown!r} is shown in the end, the session has {value!r}"
                for part in parts
                if not agrees(part, value := self._value(part, session))
            ]
            self.page.wait_for_timeout(200)
        self.faults += wrong
