"""Settings of every test: one thread, a home of its own, patient notebooks, and a guarded browser."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Before anything imports torch, and inherited by every process that a test starts.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("WORKBENCH_FAST", "1")
os.environ["BOKEH_RESOURCES"] = "server"

import pytest  # noqa: E402

from tools.browser import ARGUMENTS, find_chromium, leaves  # noqa: E402

NOTEBOOK_OUTPUT_SECONDS = 120
#: A notebook among the samples of earlier versions would write files beside them; a test runs it elsewhere.
collect_ignore = ["compatibility/samples"]


def pytest_configure(config: pytest.Config) -> None:
    """Runs of the tests go to a folder that is thrown away, never into the user's home."""
    home = tempfile.mkdtemp(prefix="workbench-tests-")
    os.environ["WORKBENCH_HOME"] = home
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))


def pytest_itemcollected(item: pytest.Item) -> None:
    """nbval waits 5 s, hard-coded, for each output after a cell's reply: too little on a busy machine."""
    if hasattr(item, "output_timeout"):
        item.output_timeout = NOTEBOOK_OUTPUT_SECONDS
    if "browser" in getattr(item, "fixturenames", ()):
        item.add_marker("browser")


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser. Without one: skipped with a sentence, and a failure in CI."""
    path = find_chromium()
    if path is None:
        sentence = "Chromium was not found (Debian: apt install chromium; or set WORKBENCH_CHROMIUM)"
        (pytest.fail if in_ci() else pytest.skip)(sentence)
    return path


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator:
    """A headless Chromium, one a module: Playwright's event loop would be in the way of other tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield instance
        instance.close()


@contextmanager
def guarded_context(browser) -> Iterator:
    """A browser context with pages of 1280 by 720. On its pages and on those that they open, no console
    error is tolerated, and no request that leaves this machine; no other host would be found."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, accept_downloads=True)
    context.set_default_timeout(20_000)
    complaints: list[str] = []
    context.on("console", lambda line: line.type == "error" and complaints.append(f"console: {line.text}"))
    context.on("weberror", lambda found: complaints.append(f"exception: {found.error}"))
    context.on("request", lambda sent: leaves(sent.url) and complaints.append(f"request: {sent.url}"))
    yield context
    context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def page(browser) -> Iterator:
    """A fresh page of a `guarded_context`."""
    with guarded_context(browser) as context:
        yield context.new_page()
