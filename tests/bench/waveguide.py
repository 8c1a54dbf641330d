"""What a field at the array costs, in processor time of one core. Prints a table and fails on nothing.

    python tests/bench/waveguide.py [--rows 256]

Beside it, where the extra 'oracles' is installed: KRAKENC (normal modes, in pelagic). pykrak is not among
them: it needs NumPy below 2.4, and some 100 s of compilation in every process.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.problems.test_waveguide import draws, krakenc  # noqa: E402
from workbench.problems.swellex96 import TONES, environment  # noqa: E402
from workbench.problems.waveguide import Seabed, Waveguide  # noqa: E402

CASES = {"148 Hz": (148.0,), "49, 112, 148 Hz": (49.0, 112.0, 148.0), "7 tones": TONES}


def seconds(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=256)
    rows = draws(parser.parse_args().rows)
    torch.set_num_threads(1)
    print("milliseconds a draw       tables [s]   float64   float32  + gradient   KRAKENC")
    for name, tones in CASES.items():
        print(f"{name:<24}" + "".join(measured(tones, rows)), flush=True)


def measured(tones: tuple[float, ...], rows: torch.Tensor) -> list[str]:
    guides = {}
    found = [f"{seconds(lambda: guides.update(long=Waveguide(environment(), tones, 3400.0))):12.2f}"]
    guides["short"] = Waveguide(environment(), tones, 3400.0, dtype=torch.float32)

    def forward(name: str) -> None:
        with torch.no_grad():
            for part in rows.split(64):
                guides[name].pressure(Seabed(*part.T))

    def backward() -> None:
        for part in rows[:64].split(32):
            x = part.clone().requires_grad_()
            guides["long"].pressure(Seabed(*x.T)).abs().sum().backward()

    for name in ("long", "short"):
        forward(name)
        found.append(f"{1e3 * seconds(lambda name=name: forward(name)) / len(rows):10.2f}")
    found.append(f"{1e3 * seconds(backward) / 64:12.2f}")
    return [*found, f"{modes(tones, rows[:8]):10.2f}"]


def modes(tones: tuple[float, ...], rows: torch.Tensor) -> float:
    """Milliseconds a draw of KRAKENC, reading its files included; NaN where it is not installed."""
    if importlib.util.find_spec("pelagic") is None:
        return float("nan")
    with tempfile.TemporaryDirectory() as folder:
        work = [(row.tolist(), tone) for row in rows for tone in tones]
        took = seconds(lambda: [krakenc(row, tone, Path(folder)) for row, tone in work])
    return 1e3 * took / len(rows)


if __name__ == "__main__":
    main()
