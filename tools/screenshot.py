"""Write docs/studio.png and docs/posterior.png: the studio and the posterior explorer with their trained
examples."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"studio": "", "posterior": "posterior"}
sys.path.insert(0, str(ROOT))

from tools.browser import ARGUMENTS, find_chromium  # noqa: E402


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address: str, server: subprocess.Popen, seconds: float) -> None:
    """Wait until the server answers; exit where it ended or does not answer in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            sys.exit("The studio's server ended before it answered; run `make serve` to see why.")
        try:
            urllib.request.urlopen(address, timeout=30).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    sys.exit(f"The studio did not answer within {seconds:.0f} s.")


def settle(page: Page, seconds: float) -> None:
    """Wait, for at most ``seconds``, until the page's run has started and two successive screenshots are
    equal."""
    end, last = time.monotonic() + seconds, b""
    page.wait_for_selector("canvas", state="attached", timeout=seconds * 1000)
    while time.monotonic() < end:
        page.wait_for_timeout(3000)
        now = page.screenshot()
        if now == last and not page.get_by_text("starting").count():
            return
        last = now


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of the pictures")
    reader.add_argument("--only", choices=PAGES, help="one page")
    reader.add_argument("--address", help="of a studio that is served already; default: serve one")
    reader.add_argument("--wait", type=float, default=60, help="seconds to wait for the plots")
    options = reader.parse_args()
    chromium = find_chromium() or sys.exit("Chromium was not found; set WORKBENCH_CHROMIUM to its path.")
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server, address = None, options.address
        if address is None:
            port = free_port()
            address = f"http://localhost:{port}/"
            command = [sys.executable, "-m", "workbench", "serve", "--port", str(port)]
            server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "WORKBENCH_HOME": home})
        try:
            if server is not None:
                wait_for(address, server, 120)
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            for name, path in PAGES.items():
                if options.only in (None, name):
                    page = browser.new_page(viewport={"width": 1440, "height": 900})
                    page.goto(address + path, wait_until="load", timeout=120_000)
                    settle(page, options.wait)
                    page.screenshot(path=options.out / f"{name}.png")
                    page.close()
                    print(options.out / f"{name}.png")
            browser.close()
        finally:
            if server is not None:
                server.terminate()
                server.wait(20)


if __name__ == "__main__":
    main()
