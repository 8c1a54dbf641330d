"""The pages beside the studio in a real browser: a search that is played back, a table with its plots."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect

from workbench.problems import PROBLEMS
from workbench.studies import STUDIES, StudyFolder
from workbench.training import Experiment, Run, RunFolder

PATIENCE = 120_000
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
STORED = Path(__file__).resolve().parents[2] / "datasets" / "results" / "kinematics_fast.nc"


def open_page(page, address: str, mark: str) -> None:
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.wait_for_selector("#loader", state="hidden")
    page.wait_for_selector(mark)


def test_a_search_is_made_and_played_back(page, studio):
    open_page(page, studio + "inversion", ".wb-source")
    page.locator(".wb-source .MuiSelect-select").click()
    page.get_by_role("menuitem", name="Formula: ").click()
    page.locator(".wb-search button").click()
    expect(page.locator(".wb-verdict")).to_contain_text("points reach the target", timeout=PATIENCE)
    card = page.locator(".wb-view-search")
    card.locator("canvas").first.wait_for()
    last = card.inner_text()
    page.locator(".wb-moment button.first").click()  # back to the start
    expect(card).not_to_have_text(last, timeout=PATIENCE)
    expect(card).to_contain_text("iteration 0", timeout=PATIENCE)


def screenshot(locator) -> bytes:
    """Take a screenshot of an element, again where the page replaces the element meanwhile."""
    for _ in range(20):
        try:
            return locator.screenshot()
        except Error as error:
            if "not attached" not in str(error):
                raise
    raise AssertionError("The element is replaced all the time")


def wait_for_change(locator, before: bytes) -> None:
    """Wait until an element looks different."""
    for _ in range(PATIENCE // 200):
        if screenshot(locator) != before:
            return
        locator.page.wait_for_timeout(200)
    raise AssertionError("The plots did not follow")


def test_a_stored_study_is_a_table_with_plots(page, studio, home):
    study = STUDIES.make("kinematics", fast=True)
    folder = StudyFolder(home / "studies" / "kinematics-kept")
    folder.claim(study)
    shutil.copyfile(STORED, folder.result)
    open_page(page, studio + "compare", ".wb-compare-table")
    table = page.locator(".wb-compare-table")
    expect(table).to_contain_text("Flow matching", timeout=PATIENCE)
    expect(table).to_contain_text("Exact posterior (floor)")
    plots = page.locator("canvas")
    expect(plots.first).to_be_visible(timeout=PATIENCE)
    before = screenshot(plots.first)
    table.locator(".tabulator-row", has_text="Prior only").locator("input[type=checkbox]").first.click()
    wait_for_change(plots.first, before)


def test_a_logarithmic_slider_sets_its_setting(page, studio):
    """The mouse moves the slider of the learning rate, and the shared code has the new value."""
    open_page(page, studio, ".wb-iteration")
    page.locator(".wb-card canvas").first.wait_for()
    rail = page.locator(".wb-set-learning_rate .MuiSlider-root")
    rail.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    box = rail.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    rate = page.locator(".wb-set-learning_rate input[type=range]").get_attribute("aria-valuetext")
    page.locator(".wb-pages").get_by_role("button", name="Share", exact=True).click()
    code = page.locator(".wb-python textarea").first
    expect(code).to_have_value(re.compile(r"learning_rate"), timeout=PATIENCE)
    value = float(re.search(r"learning_rate['\"]?[:=] ?([0-9.e-]+)", code.input_value()).group(1))
    assert value != 2e-3 and f"{value:g}" == rate


def test_a_posterior_is_refined(page, studio, home):
    """An untrained network becomes right at one observation, and is itself again when that moves."""
    experiment = Experiment(
        PROBLEMS.make("gaussian_linear", features=2), "realnvp", training={"samples": 1000}, steps=1
    )
    run = Run(experiment, device="cpu")
    run.attach(RunFolder.create(home / "runs"))
    run.step()
    run.save()
    open_page(page, f"{studio}posterior?run={run.folder.id}", ".wb-view-corner canvas")
    expect(page.locator(".wb-status .wb-message").first).to_contain_text("2 000 draws", timeout=PATIENCE)
    entries = page.locator("[role=option], [role=menuitem]").locator("visible=true")
    for key in ("Enter", "Space", "ArrowDown"):  # menus open without a mouse
        page.locator(".wb-draws [role=combobox]").press(key)
        entries.first.wait_for()
        page.keyboard.press("Escape")
        expect(entries).to_have_count(0)
    page.locator(".wb-refine button").click()
    readout = page.locator(".wb-refined")
    expect(readout).to_contain_text("Pareto", timeout=PATIENCE)
    expect(readout).to_contain_text("exact ones")
    page.locator(".wb-y-slider input[type=range]").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(readout).to_contain_text("discarded", timeout=PATIENCE)


def test_the_posterior_follows_its_observation(page, studio):
    """The explorer: a slider moves the posterior, errors are shown, and diagnostics give a verdict."""
    open_page(page, studio + "posterior", ".wb-status")
    status, corner = page.locator(".wb-status .wb-message").first, page.locator(".wb-view-corner")
    expect(status).to_contain_text("y = (1.5, 0)", timeout=PATIENCE)
    expect(page.locator(".wb-model .MuiSelect-select")).to_contain_text("Example")
    corner.locator("canvas").first.wait_for()
    before = corner.screenshot()

    # the posterior follows a slider
    page.locator(".wb-y-slider input[type=range]").first.focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    expect(status).to_contain_text(re.compile(r"y = \((1\.[0-4]|0\.)"), timeout=PATIENCE)
    wait_for_change(corner, before)

    # an invalid observation is an error, one unlike the training data a warning
    page.get_by_role("button", name="Typed", exact=True).click()
    field = page.locator(".wb-observation-text input")
    field.fill("1, nan")
    field.press("Enter")
    expect(page.locator(".wb-observation-message")).to_contain_text("not finite", timeout=PATIENCE)
    field.fill("5, 0")
    field.press("Enter")
    expect(page.locator(".wb-warning").first).to_contain_text("Outside", timeout=PATIENCE)

    # diagnostics come one after the other, in plain words
    page.locator(".wb-pages").get_by_role("button", name="Diagnostics", exact=True).click()
    expect(page.locator(".wb-checks")).to_contain_text("Invertibility: passed", timeout=PATIENCE)
