"""Cost of a field at the array, in processor time of one core. Prints a table and fails on nothing.

    python tests/bench/waveguide.py [--rows 256]

Beside it, where they are installed: KRAKENC (normal modes, in pelagic, which the extra 'oracles' brings) and
pykrak (real normal modes, loss as a perturbation). pykrak is in no extra: it asks for a name that NumPy no
longer has, and compiles for a minute or two in every process, which is not counted here.

modes apart   pykrak from ours: median over draws and tones of |p - p'| / |p|, after the best common factor
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.problems.test_waveguide import draws, krakenc  # noqa: E402
from workbench.problems.ocean import swellex96  # noqa: E402
from workbench.problems.ocean.environment import Seabed  # noqa: E402
from workbench.problems.ocean.swellex96 import TONES, environment  # noqa: E402
from workbench.problems.ocean.waveguide import Waveguide  # noqa: E402

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
    print(
        "milliseconds a draw      tables [s]   float64   float32  + gradient   KRAKENC    pykrak  modes apart"
    )
    for name, tones in CASES.items():
        print(f"{name:<24}" + "".join(measured(tones, rows)), flush=True)


def measured(tones: tuple[float, ...], rows: torch.Tensor) -> list[str]:
    guides = {}
    cells = [f"{seconds(lambda: guides.update(long=Waveguide(environment(), tones, 3400.0))):12.2f}"]
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
        cells.append(f"{1e3 * seconds(lambda name=name: forward(name)) / len(rows):10.2f}")
    cells.append(f"{1e3 * seconds(backward) / 64:12.2f}")
    cells.append(f"{modes(tones, rows[:8]):10.2f}")
    took, apart = real_modes(tones, rows[:8], guides["long"])
    return [*cells, f"{took:10.2f}", f"{100 * apart:11.1f} %"]


def modes(tones: tuple[float, ...], rows: torch.Tensor) -> float:
    """Milliseconds a draw of KRAKENC, reading its files included; NaN where it is not installed."""
    if importlib.util.find_spec("pelagic") is None:
        return float("nan")
    with tempfile.TemporaryDirectory() as folder:
        work = [(row.tolist(), tone) for row in rows for tone in tones]
        took = seconds(lambda: [krakenc(row, tone, Path(folder)) for row, tone in work])
    return 1e3 * took / len(rows)


def real_modes(tones: tuple[float, ...], rows: torch.Tensor, guide: Waveguide) -> tuple[float, float]:
    """Milliseconds a draw of pykrak and how far its field is from ours; NaN where it is not installed."""
    if importlib.util.find_spec("pykrak") is None:
        return math.nan, math.nan
    rows = rows.clone()
    rows[:, 8] = 0.0  # an upright array
    work = [(row.tolist(), tone) for row in rows for tone in tones]
    pykrak(*work[0])  # compiles
    fields = []
    took = seconds(lambda: fields.extend(pykrak(row, tone) for row, tone in work))
    with torch.no_grad():
        ours = guide.pressure(Seabed(*rows.T)).reshape(len(work), -1).numpy()
    apart = []
    for ours_one, other in zip(ours, fields, strict=True):
        factor = np.vdot(other, ours_one) / np.vdot(other, other).real
        apart.append(np.linalg.norm(ours_one - factor * other) / np.linalg.norm(ours_one))
    return 1e3 * took / len(rows), float(np.median(apart))


def pykrak(row: list[float], tone: float) -> np.ndarray:
    """Pressure at an upright array, up to a factor; complex conjugate of its time convention."""
    if not hasattr(np, "trapz"):
        np.trapz = np.trapezoid
    from pykrak.field import get_pressure
    from pykrak.pykrak_env import FluidEnv

    depth, thickness, speed, increase, density, loss, distance, source, _ = row
    ends, sediment = np.array([depth, depth + thickness]), np.array([speed, speed + increase])
    water = (
        np.array([*swellex96.PROFILE_DEPTHS, depth]),
        np.array([*swellex96.PROFILE_SPEEDS, swellex96.PROFILE_SPEEDS[-1]]),
    )
    guide = FluidEnv(
        [water[0], ends], [water[1], sediment], [np.ones(len(water[0])), np.full(2, density)],
        [np.zeros(len(water[0])), np.full(2, loss)], 1500.0, 0.0, 0.0, 1881.0, 2.06, 0.06, "dbplam",
    )  # fmt: skip
    # the list is its own: the default would remember the mesh of the last tone
    numbers, z, shapes, _ = guide.get_modes(tone, Ng_list=[], c_low=1400.0, c_high=1880.99)
    phones = np.array(swellex96.HYDROPHONES, dtype=float)
    result = get_pressure(
        numbers, z, shapes, np.array([source]), phones, np.array([distance]), np.zeros(len(phones)), tone
    )
    return np.conj(np.asarray(result).ravel())


if __name__ == "__main__":
    main()
