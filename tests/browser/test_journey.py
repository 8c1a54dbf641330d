"""One whole journey in a real browser: open, pick, play, pause, step, tap, reload, export, share, import."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

# machines that run tests are busy; a journey that waits is better than one that guesses
PATIENCE = 120_000
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


class Studio:
    """The studio as a user sees it."""

    def __init__(self, page, address: str) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE)
        self.open(address)

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_selector(".wb-iteration")
        self.page.wait_for_selector("#loader", state="hidden")
        self.page.wait_for_selector(".wb-card canvas")

    @property
    def iteration(self) -> int:
        return int(self.page.locator(".wb-iteration").inner_text().replace(" ", ""))

    def press(self, name: str) -> None:
        self.page.locator(f".wb-{name} button").first.click()

    def turn_to(self, name: str) -> None:
        self.page.locator(".wb-pages").get_by_role("button", name=name, exact=True).click()

    def pick(self, kind: str, title: str) -> None:
        self.page.locator(f".wb-{kind} .MuiSelect-select").click()
        self.page.get_by_role("menuitem", name=title).click()

    def wait_for(self, what: str, *arguments) -> None:
        """Until a condition on the readout's text holds; `what` is JavaScript over `text` and `number`."""
        self.page.wait_for_function(
            """([what, args]) => {
                const find = (root) => {
                    for (const e of root.querySelectorAll('*')) {
                        if (e.className === 'wb-cells') return e;
                        const inner = e.shadowRoot && find(e.shadowRoot);
                        if (inner) return inner;
                    }
                };
                const cells = find(document);
                if (!cells) return false;
                const text = cells.innerText;
                const number = parseInt(cells.querySelector('.wb-iteration').innerText.replace(/\\s/g, ''));
                return new Function('text', 'number', 'a', 'return ' + what)(text, number, args);
            }""",
            arg=[what, list(arguments)],
            timeout=PATIENCE,
        )

    def picture(self, view: str) -> bytes:
        return self.page.locator(f".wb-view-{view}").screenshot()

    def wait_for_change(self, view: str, before: bytes) -> None:
        """Until a plot looks different."""
        for _ in range(PATIENCE // 200):
            if self.picture(view) != before:
                return
            self.page.wait_for_timeout(200)
        raise AssertionError(f"The view {view} did not move")


def test_the_whole_journey(page, studio, tmp_path: Path):
    # open: the trained example
    studio_page = Studio(page, studio)
    assert studio_page.iteration == 2000
    assert "The trained example" in page.locator(".wb-cells").inner_text()
    assert "invertible" in page.locator(".wb-badge").inner_text()

    # pick, and what does not fit has its reason in the menu
    page.locator(".wb-architecture .MuiSelect-select").click()
    disabled_item = page.get_by_role("menuitem", name=re.compile("Invertible neural network —"))
    assert disabled_item.get_attribute("aria-disabled") == "true"
    page.keyboard.press("Escape")
    studio_page.pick("problem", "Inverse kinematics")
    studio_page.pick("architecture", "RealNVP")
    page.locator(".wb-message", has_text="for a new run").wait_for()

    # play: the counter and the plots move
    studio_page.press("play")
    studio_page.wait_for("text.includes('training') && number > 3")
    page.locator(".wb-view-posterior canvas").first.wait_for()
    before, at = studio_page.picture("losses"), studio_page.iteration
    studio_page.wait_for("number > a[0] + 20", at)
    studio_page.wait_for_change("losses", before)

    # pause stops them, and a step is one step
    studio_page.press("pause")
    studio_page.wait_for("text.includes('paused')")
    last = studio_page.iteration
    page.wait_for_timeout(700)
    assert studio_page.iteration == last
    studio_page.press("step")
    studio_page.wait_for("number === a[0]", last + 1)

    # tap an observation: its posterior is shown
    page.locator(".wb-view-posterior .wb-caption", has_text="(1.5, 0)").wait_for()
    plot = page.locator(".wb-view-resimulation canvas").first.bounding_box()
    page.mouse.click(plot["x"] + 0.6 * plot["width"], plot["y"] + 0.35 * plot["height"])
    page.locator(".wb-view-posterior .wb-caption", has_not_text="(1.5, 0)").wait_for()

    # a reload comes back to the same run
    assert "run=" in page.url
    page.reload()
    page.wait_for_selector(".wb-iteration")
    studio_page.wait_for("number === a[0] && text.includes('paused')", last + 1)
    page.wait_for_selector("#loader", state="hidden")

    # export: a file that holds no code
    studio_page.turn_to("Export")
    studio_page.press("export-weights")
    with page.expect_download() as download:
        page.locator(".wb-download-weights").locator("button, a").first.click()
    export = tmp_path / "model.zip"
    download.value.save_as(export)
    assert set(zipfile.ZipFile(export).namelist()) == {
        "manifest.json",
        "model.safetensors",
        "vectors.safetensors",
        "observations.safetensors",
    }

    # reload by link: the same experiment, untrained
    studio_page.turn_to("Share")
    expect(page.locator(".wb-link input")).to_have_value(re.compile(r"\?e=."), timeout=PATIENCE)
    link = page.locator(".wb-link input").input_value()
    assert link.startswith(studio) and "?e=" in link
    page.goto(link)
    page.wait_for_selector("#loader", state="hidden")
    studio_page.wait_for("number === 0 && text.includes('not started')")
    page.locator(".wb-banner", has_text="nothing has been started").wait_for()
    assert page.url == link  # and a reload shows the same
    studio_page.press("open")
    studio_page.wait_for("number === 0 && text.includes('paused')")
    page.wait_for_selector(".wb-card canvas")
    assert "Inverse kinematics" in page.locator(".wb-problem .MuiSelect-select").inner_text()
    assert "RealNVP" in page.locator(".wb-architecture .MuiSelect-select").inner_text()

    # import the export: checked and opened
    studio_page.turn_to("Export")
    page.locator(".wb-import input[type=file]").set_input_files(export)
    studio_page.wait_for("number === a[0] && text.includes('finished')", last + 1)
