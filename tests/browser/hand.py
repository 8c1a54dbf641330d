"""Movements on a control, by mouse or keyboard; `operation.Operator` checks what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Error

from tests.browser.shown_values import Part, agrees, retyped


class Hand:
    """One method for each kind of control; True where the effect was in the browser itself."""

    page: Any
    keyboard: bool
    patience: float
    choices: dict[str, str]
    files: Callable[[str], Path | None]
    latest: dict[str, Any]
    downloads: dict[str, tuple[str, Path]]

    def _slider(self, part: Part) -> None:
        element = self.element(part)
        rail = self.page.evaluate("(element) => wb.rail(element)", element)
        if self.keyboard:
            element.focus()
            for _ in range(2):
                self.page.keyboard.press("ArrowLeft" if rail["share"] > 0.5 else "ArrowRight")
            return
        middle = rail["y"] + rail["height"] / 2
        self.page.mouse.move(rail["x"] + rail["share"] * rail["width"], middle)
        self.page.mouse.down()
        share = rail["share"] + (-0.6 if rail["share"] > 0.5 else 0.4)
        self.page.mouse.move(rail["x"] + share * rail["width"], middle, steps=3)
        self.page.mouse.up()

    def _text(self, part: Part) -> None:
        element = self.element(part)
        if self.keyboard:
            element.focus()
        else:
            element.click()
        # a number is shown with marks of thousands, and typed without
        is_number = isinstance(part.control.get("value"), (int, float))
        text = retyped(part.shown.replace(",", "") if is_number else part.shown, part.control)
        if "Area" in part.control.get("kind", ""):
            self._type(text, "Tab")
            return
        self._type(text, "Enter")
        self._type(retyped(text, part.control), "Enter")  # also what is typed next, before the field is left

    def _type(self, text: str, end: str) -> None:
        self.page.keyboard.press("Control+a")
        if len(text) > 60:  # as when it is pasted
            self.page.keyboard.insert_text(text)
        else:
            self.page.keyboard.type(text)
        self.page.keyboard.press(end)
        self.page.wait_for_timeout(60)

    def _checkbox(self, part: Part) -> None:
        self._press(part, "Space")

    def _toggle(self, part: Part) -> None:
        self._press(part, "Space")

    def _select(self, part: Part) -> bool:
        options = part.control.get("options") or []
        if isinstance(part.shown, list) and len(part.shown) >= len(options):
            self._take_away(part)
            return False
        self._open(part)
        items = self.page.locator("[role=option], [role=menuitem]").locator("visible=true")
        items.first.wait_for()
        present = part.shown if isinstance(part.shown, list) else [part.shown]
        choice = self.choices.get((part.control.get("css") or [""])[0], "")
        place = items.evaluate_all(
            "(all, [present, choice]) => all.findIndex((e) => e.getAttribute('aria-disabled') !== 'true' && "
            "!e.classList.contains('Mui-disabled') && e.innerText.trim() && "
            "!present.includes(e.innerText.trim()) && e.innerText.includes(choice))",
            [present, choice],
        )
        if place < 0:
            self.page.keyboard.press("Escape")
            assert not isinstance(part.shown, list), "no entry can be chosen"
            return agrees(part, self._value(part, self.latest))  # the only entry
        if self.keyboard:
            items.nth(place).focus()
            self.page.keyboard.press("Enter")
        else:
            items.nth(place).click()
        for _ in range(10):  # a menu that takes several stays open
            self.page.wait_for_timeout(100)
            if not items.count():
                return False
            with suppress(Error):  # it closes just now
                items.first.press("Escape", timeout=500)
        raise AssertionError("the menu does not close")

    def _open(self, part: Part) -> None:
        """Open a menu: by a key, or at its arrow, since an entry that is chosen may be in its middle."""
        element = self.element(part)
        if self.keyboard:
            return self._press(part)
        box = element.bounding_box()
        return element.click(position={"x": box["width"] - 8, "y": box["height"] / 2})

    def _take_away(self, part: Part) -> None:
        """Take the last of the chosen entries away, by its own button or key."""
        chip = self.element(part).query_selector_all(".MuiChip-root")[-1]
        if self.keyboard:
            chip.focus()
            self.page.keyboard.press("Delete")
        else:
            chip.query_selector(".MuiChip-deleteIcon").click()

    def _press(self, part: Part, key: str = "Enter") -> None:
        element = self.element(part)
        if self.keyboard:
            element.focus()
            self.page.keyboard.press(key)
        else:
            element.click()

    def _fold(self, part: Part) -> bool:
        opened = "(e) => e.parentElement.open"
        before = self.element(part).evaluate(opened)
        self._press(part)
        return self.element(part).evaluate(opened) != before

    def _button(self, part: Part) -> bool:
        """Press a button; True where the browser itself shows the effect: a file, a page, the clipboard."""
        if part.control.get("kind") == "FileDownload":
            with self.page.expect_download(timeout=1000 * self.patience) as download:
                self._press(part)
            path = Path(download.value.path())
            self.downloads[part.identity] = download.value.suggested_filename, path
            return True
        self._press(part)
        if part.words.startswith("Copy"):
            self.page.wait_for_timeout(500)
            text = self.page.evaluate("navigator.clipboard.readText()")
            values = [control.get("value") for control in self.session()["controls"].values()]
            assert text and text in values, f"{text!r} is on the clipboard"
        return False

    def _link(self, part: Part) -> bool:
        if self.element(part).get_attribute("target") != "_blank":
            here = self.page.url
            with self.page.expect_navigation() as navigation:
                self._press(part)
            assert navigation.value.ok, f"{part.href} answers {navigation.value.status}"
            self.page.goto(here)
            self.page.wait_for_function("() => window.wb && wb.parts().length > 3")
            self.page.wait_for_timeout(1500)
            return True
        with self.page.context.expect_page(timeout=1000 * self.patience) as popup:
            self._press(part)
        popup.value.wait_for_load_state()
        assert popup.value.url.startswith(part.href[:30])
        popup.value.close()
        return True

    def _file(self, part: Part) -> None:
        path = self.files(part.control.get("accept", ""))
        assert path is not None, "there is no sample of such a file"
        with self.page.expect_file_chooser() as chooser:
            self._press(part)
        chooser.value.set_files(path)

    def _table(self, part: Part) -> None:
        boxes = self.element(part).query_selector_all(".tabulator-row input[type=checkbox]")
        if boxes:
            boxes[0].focus() if self.keyboard else None
            self.page.keyboard.press("Space") if self.keyboard else boxes[0].click()
            return
        if self.keyboard:
            self.element(part).query_selector(".tabulator-tableholder").focus()
            self.page.keyboard.press("ArrowDown")
            return
        cells = self.element(part).query_selector_all(".tabulator-row .tabulator-cell")
        next(cell for cell in cells if cell.is_visible()).click()

    def _tap(self, part: Part) -> None:
        box = self.element(part).bounding_box()
        self.page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"])

    def _drag(self, part: Part) -> None:
        box = self.element(part).bounding_box()
        self.page.mouse.move(box["x"] + 0.35 * box["width"], box["y"] + 0.35 * box["height"])
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=5)
        self.page.mouse.up()

    _box = _draw = _drag
