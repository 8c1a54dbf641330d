"""How quickly the posterior explorer follows a slider, and what a million draws cost. Prints a table and
fails on nothing. Without a browser: what the screen adds is its drawing of three figures.

    python tests/bench/explorer.py [--moves 40] [--model FILE]

slider to figure   from a slider's movement to new columns in the figures, with the network in its own process
server, sampler    processor milliseconds of a movement in either process: what it takes on a quiet machine
redraw             new columns for all figures, which does not depend on the number of draws
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def waited(condition, seconds: float = 120.0) -> float:
    """Seconds until a condition holds."""
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > seconds:
            sys.exit("The explorer did not answer.")
        time.sleep(0.002)
    return time.perf_counter() - start


def quantiles(values: list[float], unit: float = 1000.0) -> str:
    ascending = sorted(values)
    median, late = (ascending[int(q * (len(ascending) - 1))] for q in (0.5, 0.95))
    line = f"median {unit * median:6.0f} ms   95 % within {unit * late:6.0f} ms"
    return f"{line}   best {unit * ascending[0]:.0f} ms"


def processor(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def moves(page, count: int) -> None:
    """A slider back and forth."""
    slider, state = page.observation_picker.sliders[0], page.state
    own = psutil.Process()
    other = max(own.children(recursive=True), key=lambda p: p.memory_info().rss)
    start, times = (processor(own), processor(other)), []
    for i in range(count):
        value = slider.value + (1 if i % 20 < 10 else -1) * slider.step
        before = time.perf_counter()
        slider.value = value
        waited(
            lambda at=value: (
                state.answers["model"].observation[0] == at and state._answer_queries["model"].idle
            )
        )
        times.append(time.perf_counter() - before)
    print(f"slider to figure   {quantiles(times)}")
    loads = [1000 * (processor(p) - b) / count for p, b in zip((own, other), start, strict=True)]
    print(f"server, sampler    {loads[0]:.0f} ms and {loads[1]:.0f} ms of a processor a movement")


def million(page) -> None:
    """Draws that come in parts while the observation rests."""
    state = page.state
    state.set_draws(1_000_000)
    waited(lambda: state._answer_queries["model"].idle)
    start = time.perf_counter()
    state.rest()
    waited(lambda: state.answers["model"].histogram.attrs["total"] == 1_000_000, 600.0)
    print(f"a million draws    {time.perf_counter() - start:.1f} s in parts of 20 000")
    times = []
    for _ in range(20):
        start = time.process_time()
        page.draw()
        times.append(time.process_time() - start)
    print(f"redraw of them     {quantiles(times)} (processor time)")


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    reader.add_argument("--moves", type=int, default=40)
    reader.add_argument("--model", help="a run's folder or an exported file; default: the example")
    options = reader.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["WORKBENCH_HOME"] = home
        from workbench.ui.explorer_page import ExplorerPage
        from workbench.ui.models import offer

        if options.model:
            offer(options.model)
        page = ExplorerPage()
        waited(lambda: "model" in page.state.answers and page.state._answer_queries["model"].idle)
        print(page.state.info.title)
        moves(page, options.moves)
        million(page)


if __name__ == "__main__":
    main()
