"""Cost of the studio and the time in which it answers, in real browsers. Prints tables and fails on nothing.

    python tests/bench/studio.py [--browsers 1,4] [--seconds 20] [--sessions 30] [--pages 5] [--runs 3]

lateness      how much later than asked a 10 ms sleep on the server's loop returns while a run is trained
to screen     from the worker's snapshot to the text that the browser shows for it (counter in the readout)
speed lost    training steps per second with the studio watching, against the same run with nobody watching
first content from the request to the counter and the first plot on the screen
sessions      pages opened and closed one after the other: sessions left, and growth of the server's memory
clicks        seconds from a click to its effect on the screen, with five pages open and three runs training:
              on "Views", which the server answers alone, and on "Pause", which the run has to answer; on the
              machine as it is (goal: 0.3 s) and beside two busy processes (goal: 2 s)
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ["BOKEH_RESOURCES"] = "server"

from tools.browser import ARGUMENTS, find_chromium  # noqa: E402


class Server:
    """A studio in this process, on a thread of its own, with a probe on its loop."""

    def __init__(self, home: str) -> None:
        os.environ["WORKBENCH_HOME"] = home
        import panel as pn

        from workbench.ui.jobs import jobs
        from workbench.ui.studio import studio

        self.jobs, self.late = jobs(), []
        self.panel, self.page, self.loop = pn, studio, None
        threading.Thread(target=self._run, daemon=True).start()
        while self.loop is None:
            time.sleep(0.05)

    def _run(self) -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        self.server = self.panel.serve(
            {"/": self.page},
            port=0,
            address="localhost",
            show=False,
            start=False,
            verbose=False,
            unused_session_lifetime_milliseconds=2000,
            check_unused_sessions_milliseconds=1000,
        )
        self.server.start()
        self.loop = self.server.io_loop
        self.loop.add_callback(self._probe)
        self.loop.start()

    async def _probe(self) -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(0.01)
            self.late.append(time.perf_counter() - start - 0.01)

    @property
    def address(self) -> str:
        return f"http://localhost:{self.server.port}/"

    @property
    def sessions(self) -> int:
        return len(self.server.get_sessions("/"))


def open_page(browser, address: str) -> tuple[object, float]:
    page, start = browser.new_page(viewport={"width": 1280, "height": 720}), time.perf_counter()
    page.goto(address, timeout=120_000)
    page.wait_for_selector(".wb-iteration", timeout=120_000)
    page.wait_for_selector(".wb-card canvas", timeout=120_000)
    return page, time.perf_counter() - start


def counter(page) -> int:
    return int(page.locator(".wb-iteration").inner_text().replace(" ", ""))


def experiment():
    from workbench.training import Experiment

    training = {"early_stopping": False, "samples": 5000}
    return Experiment(
        "two_moons", {"key": "realnvp", "settings": {"width": 32}}, training=training, steps=1_000_000
    )


def speed(handle, seconds: float) -> float:
    """Steps per second by the clock; the status says where the run is without any browser."""
    first, start = handle.status().iteration, time.perf_counter()
    time.sleep(seconds)
    return (handle.status().iteration - first) / (time.perf_counter() - start)


def screen_delays(handle, page, seconds: float) -> list[float]:
    """Seconds from a snapshot's arrival at the server to its iteration in the page's readout (to 30 ms)."""
    delays, end, version_before = [], time.perf_counter() + seconds, handle.latest()[0]
    while time.perf_counter() < end:
        version, snapshot = handle.latest()
        if version == version_before or snapshot is None:
            time.sleep(0.01)
            continue
        version_before, request_time = version, time.perf_counter()
        while counter(page) < snapshot.iteration and time.perf_counter() < end:
            time.sleep(0.03)
        delays.append(time.perf_counter() - request_time)
    return delays


def watched(server: Server, browser, count: int, seconds: float) -> dict[str, float]:
    job = server.jobs.start(experiment(), device="cpu")
    job.handle.wait("paused", timeout=120)
    job.handle.run()
    speed(job.handle, 3)
    alone = speed(job.handle, seconds)
    pages = [open_page(browser, f"{server.address}?run={job.handle.folder.name}") for _ in range(count)]
    time.sleep(8)
    server.late.clear()
    before, together = job.handle.latest()[0], speed(job.handle, seconds)  # nobody asks the page meanwhile
    frames = job.handle.latest()[0] - before
    late = sorted(server.late) or [0.0]
    delays = screen_delays(job.handle, pages[0][0], seconds)
    for page, _ in pages:
        page.close()
    job.handle.stop()
    return {
        "browsers": count,
        "first content [s]": max(wait for _, wait in pages),
        "lateness p50 [ms]": 1e3 * late[len(late) // 2],
        "lateness p99 [ms]": 1e3 * late[int(0.99 * (len(late) - 1))],
        "to screen, median [ms]": 1e3 * sorted(delays)[len(delays) // 2] if delays else float("nan"),
        "snapshots a second": frames / seconds,
        "steps/s alone": alone,
        "steps/s watched": together,
        "speed lost [%]": 100 * (1 - together / alone),
    }


def opened_and_closed(server: Server, browser, count: int) -> dict[str, float]:
    process, sizes = psutil.Process(), []
    for _ in range(count):
        page, _ = open_page(browser, server.address)
        page.close()
        time.sleep(0.2)
        sizes.append(process.memory_info().rss / 2**20)
    time.sleep(8)
    warm = min(len(sizes) - 1, 5)
    return {
        "pages": count,
        "sessions left": server.sessions,
        "memory after 5 [MB]": sizes[warm],
        "memory at the end [MB]": process.memory_info().rss / 2**20,
    }


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep ``count`` processes busy for the duration of the block."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def click_time(page, button: str, effect: Callable[[], bool], limit: float = 120.0) -> float:
    """Seconds from a click of the mouse on ``button`` until ``effect()`` is true on the page."""
    box = page.locator(button).bounding_box()
    start = time.perf_counter()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    while not effect() and time.perf_counter() - start < limit:
        time.sleep(0.005)
    return time.perf_counter() - start


def views_click(page) -> float:
    """Time until the choice of views appears or disappears."""
    before = page.locator(".wb-views").is_visible()
    return click_time(page, ".wb-choose-views", lambda: page.locator(".wb-views").is_visible() != before)


def pause_click(page, handle) -> float:
    """Time until the page says that its run is paused; the run then goes on."""
    readout = page.locator(".wb-cells")
    wait = click_time(page, ".wb-pause", lambda: "paused" in readout.inner_text())
    handle.run()
    return wait


def click_row(server: Server, pages: list, jobs: list, count: int, others: int) -> dict[str, float]:
    """Click on each page in turn, ``count`` times, beside ``others`` busy processes."""
    with busy_processes(others):
        time.sleep(5)
        server.late.clear()
        versions, start = [job.handle.latest()[0] for job in jobs], time.perf_counter()
        views, pauses = [], []
        for _ in range(count):
            for number, page in enumerate(pages):
                views.append(views_click(page))
                time.sleep(0.3)
                pauses.append(pause_click(page, jobs[number % len(jobs)].handle))
                time.sleep(0.7)
        span, late = time.perf_counter() - start, sorted(server.late) or [0.0]
        frames = sum(job.handle.latest()[0] for job in jobs) - sum(versions)
    row = {"busy processes": others, "clicks": len(views) + len(pauses)}
    for name, times in (("Views", views), ("Pause", pauses)):
        times.sort()
        row |= {
            f"{name}, median [s]": times[len(times) // 2],
            f"{name}, 90 % [s]": times[int(0.9 * (len(times) - 1))],
            f"{name}, longest [s]": times[-1],
        }
    return row | {
        "lateness p99 [ms]": 1e3 * late[int(0.99 * (len(late) - 1))],
        "snapshots a second": frames / span,
        "load": os.getloadavg()[0],
    }


def clicked(server: Server, browser, pages: int, runs: int, count: int) -> None:
    """Print times of clicks with ``pages`` pages open on ``runs`` runs that train, free and loaded."""
    jobs = []
    for _ in range(runs):
        jobs.append(server.jobs.start(experiment(), device="cpu"))
        jobs[-1].handle.wait("paused", timeout=120)
        jobs[-1].handle.run()
    addresses = [f"{server.address}?run={jobs[i % runs].handle.folder.name}" for i in range(pages)]
    tabs = [open_page(browser, address)[0] for address in addresses]
    time.sleep(8)
    for others in (0, 2):
        table([click_row(server, tabs, jobs, count, others)])
    for page in tabs:
        page.close()
    for job in jobs:
        job.handle.stop()


def table(rows: list[dict[str, float]]) -> None:
    for name in rows[0]:
        digits = 2 if "[s]" in name else 1
        print(f"{name:26}" + "".join(f"{row[name]:>12.{digits}f}" for row in rows))
    print(flush=True)


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--browsers", default="1,4")
    reader.add_argument("--seconds", type=float, default=20.0)
    reader.add_argument("--sessions", type=int, default=30)
    reader.add_argument("--pages", type=int, default=5)
    reader.add_argument("--runs", type=int, default=3)
    reader.add_argument("--clicks", type=int, default=3, help="of each kind on each page")
    options = reader.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = Server(home)
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        if options.clicks:
            clicked(server, browser, options.pages, options.runs, options.clicks)
        if options.browsers:
            table([watched(server, browser, int(n), options.seconds) for n in options.browsers.split(",")])
        if options.sessions:
            table([opened_and_closed(server, browser, options.sessions)])
        browser.close()
        server.jobs.close()


if __name__ == "__main__":
    main()
