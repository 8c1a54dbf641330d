"""Fields at the array: against the exact Pekeris waveguide, an independent program, and their own
derivatives."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
import torch

from tests.problems import pekeris
from workbench.core.errors import DataError
from workbench.problems.ocean import swellex96
from workbench.problems.ocean.environment import Environment, Layer, Seabed
from workbench.problems.ocean.waveguide import Waveguide

DEPTHS = (50.0, 60.0, 80.0, 95.0)
RANGES = np.linspace(2000.0, 3000.0, 9)
NAMES = tuple(swellex96.NOMINAL)
LOW = torch.tensor([213, 10, 1540, 0, 1.2, 0.02, 2750, 50, -3], dtype=torch.float64)
HIGH = torch.tensor([223, 40, 1640, 50, 2.4, 1.0, 3250, 70, 3], dtype=torch.float64)


def relative(first, second) -> np.ndarray:
    """‖first - second‖ / ‖second‖ over the hydrophones."""
    first, second = np.asarray(first), np.asarray(second)
    return np.linalg.norm(first - second, axis=-1) / np.linalg.norm(second, axis=-1)


def one(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def draws(n: int, seed: int = 0) -> torch.Tensor:
    """Seabeds (n, 9) of the tier with nine unknowns."""
    inside = torch.rand(n, 9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return LOW + (HIGH - LOW) * inside


def pekeris_guide(tone: float, attenuation: float, density: float = 1.8, **settings) -> torch.Tensor:
    bottom = Layer(1700.0, 1700.0, density, attenuation)
    even = Environment((0.0, 60.0), (1500.0, 1500.0), DEPTHS, (bottom,), (30.0, 39.0))
    seabed = Seabed(
        one(100.0), one(20.0), one(1700.0), one(0.0), one(density), one(attenuation),
        torch.from_numpy(RANGES), one(36.0), one(0.0),
    )  # fmt: skip
    return Waveguide(even, (tone,), 3400.0, **settings).pressure(seabed)[:, 0]


@pytest.mark.parametrize("attenuation", [0.0, 0.3])
@pytest.mark.parametrize("tone", [50.0, 200.0, 400.0])
def test_the_field_agrees_with_the_exact_pekeris_waveguide(tone, attenuation):
    exact = pekeris.pressure(tone, RANGES, DEPTHS, attenuation=attenuation)
    again = pekeris.pressure(tone, RANGES, DEPTHS, attenuation=attenuation, offset=1e-3)
    assert relative(again, exact).max() < 1e-6  # the reference does not depend on its contour
    pressure = pekeris_guide(tone, attenuation)
    # amplitude and phase too: a pressure, not only its shape over the array
    assert relative(pressure, exact).max() < 1e-3
    assert relative(pekeris_guide(tone, attenuation, dtype=torch.float32), exact).max() < 2e-3


def test_a_wrong_bottom_is_detected():
    exact = pekeris.pressure(200.0, RANGES, DEPTHS, attenuation=0.3)
    assert relative(pekeris_guide(200.0, 0.3, density=1.9), exact).min() > 1e-3
    assert relative(pekeris_guide(200.0, 0.4), exact).min() > 1e-3


def test_float32_agrees_with_float64():
    seabed = Seabed(*draws(6).T)
    for tones in ((49.0,), (388.0,)):
        guides = [
            Waveguide(swellex96.environment(), tones, 3400.0, dtype=d) for d in (torch.float32, torch.float64)
        ]
        short, long = (guide.pressure(seabed) for guide in guides)
        assert short.dtype == torch.complex64
        assert relative(short, long).max() < 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_field_is_computed_on_the_requested_device(dtype):
    """Without an accelerator: tensors on the device `meta` have no values and mix with no other device."""
    guide = Waveguide(swellex96.environment(), (49.0, 148.0), 3400.0, dtype=dtype, device="meta")
    pressure = guide.pressure(Seabed(*draws(3).T.to("meta", dtype)))
    assert (
        pressure.device.type == "meta"
        and pressure.shape == (3, 2, 21)
        and pressure.dtype == dtype.to_complex()
    )


@pytest.mark.gpu
def test_an_accelerator_computes_the_same_field():
    seabeds = Seabed(*draws(20).T)
    here = Waveguide(swellex96.environment(), (148.0,), 3400.0)
    there = Waveguide(swellex96.environment(), (148.0,), 3400.0, device="cuda")
    pressure = there.pressure(Seabed(*draws(20).T.cuda())).cpu()
    assert relative(pressure, here.pressure(seabeds)).max() < 1e-9


def test_finer_steps_and_a_longer_period_change_little():
    seabed, tones = Seabed(*draws(8).T), (49.0, 201.0)
    usual = Waveguide(swellex96.environment(), tones, 3400.0).pressure(seabed)
    finer = Waveguide(swellex96.environment(), tones, 6000.0, sublayers=24).pressure(seabed)
    difference = relative(usual, finer)
    assert np.median(difference) < 4e-4 and difference.max() < 4e-3


def test_derivatives_are_those_of_finite_differences():
    guide = Waveguide(swellex96.environment(), (112.0,), 3400.0)
    point = torch.tensor([list(swellex96.NOMINAL.values())], dtype=torch.float64).requires_grad_()
    weights = torch.randn(2, 21, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def number(x: torch.Tensor) -> torch.Tensor:
        field = torch.view_as_real(guide.pressure(Seabed(*x.T)))[0, 0].T
        return 1e4 * (weights * field).sum()

    (gradient,) = torch.autograd.grad(number(point), point)
    for i, (low, high) in enumerate(zip(LOW, HIGH, strict=True)):
        step = torch.zeros_like(point)
        step[0, i] = 1e-5 * (high - low)
        with torch.no_grad():
            ends = [number(point + s * step) for s in (-2, -1, 1, 2)]
        reference = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step[0, i])
        assert float(gradient[0, i]) == pytest.approx(float(reference), rel=1e-6), NAMES[i]


def test_rows_are_independent_and_broadcasting_is_repetition():
    guide = Waveguide(swellex96.environment(), (148.0,), 3400.0)
    rows = draws(6)
    whole = guide.pressure(Seabed(*rows.T))
    assert relative(whole[2:3], guide.pressure(Seabed(*rows[2:3].T))).max() < 1e-10
    # one tilt for all takes another way through the series
    rows[:, 8] = 1.7
    batch = Seabed(*rows[:, :8].T, one(1.7))
    assert relative(guide.pressure(batch), guide.pressure(Seabed(*rows.T))).max() < 1e-10
    assert relative(guide.pressure(batch, guide.slopes(batch)), guide.pressure(batch)).max() == 0


def test_a_tilted_array_is_an_array_at_other_ranges():
    guide = Waveguide(swellex96.environment(), (148.0,), 3400.0)
    row = torch.tensor(list(swellex96.NOMINAL.values()), dtype=torch.float64)
    row[8] = 2.5
    array_pressure = guide.pressure(Seabed(*row[None].T))[0, 0]
    for j, depth in enumerate(swellex96.HYDROPHONES):
        upright = row.clone()
        upright[6], upright[8] = row[6] + math.tan(math.radians(2.5)) * (row[0] - depth), 0.0
        alone = guide.pressure(Seabed(*upright[None].T))[0, 0, j]
        assert abs(alone - array_pressure[j]) < 1e-4 * array_pressure.abs().max()


def test_a_graded_mudstone_without_a_grade_is_the_half_space():
    plain = swellex96.environment()
    layers = Environment(
        plain.depths, plain.speeds, plain.hydrophones,
        (Layer(1881.0, 1881.0, 2.06, 0.06, 300.0), Layer(1881.0, 1881.0, 2.06, 0.06)), plain.source_depths,
    )  # fmt: skip
    seabed = Seabed(*draws(4).T)
    first, second = (Waveguide(e, (112.0,), 3400.0).pressure(seabed) for e in (plain, layers))
    assert relative(first, second).max() < 1e-9


def test_an_environment_that_does_not_fit_is_refused():
    plain = swellex96.environment()
    with pytest.raises(DataError, match="source"):
        Waveguide(swellex96.environment(sources=(50.0, 100.0)), (148.0,), 3400.0)
    with pytest.raises(DataError, match="profile"):
        Waveguide(
            Environment((0.0, 40.1), (1500.0, 1500.0), (60.0,), plain.below, (10.0, 20.0)), (148.0,), 3400.0
        )


@pytest.mark.skipif(not importlib.util.find_spec("pelagic"), reason="the extra 'oracles' is not installed")
@pytest.mark.parametrize("tone", [112.0, 148.0, 201.0])
def test_the_field_agrees_with_an_independent_program(tone, tmp_path):
    guide, errors = Waveguide(swellex96.environment(), (tone,), 3400.0), []
    for row in draws(6, seed=4):
        row[5], row[8] = 0.2 + 0.8 * row[5], 0.0
        row[:2] = (10 * row[:2]).round() / 10
        other = krakenc(row.tolist(), tone, tmp_path)
        if other is not None:
            errors.append(float(relative(guide.pressure(Seabed(*row[None].T))[0, 0], other)))
    # one draw in some has a mode near the cut-off, which the other program leaves out
    assert len(errors) >= 4 and np.median(errors) < 0.02 and sorted(errors)[-2] < 0.03


def krakenc(row: list[float], tone: float, folder) -> np.ndarray | None:
    """Pressure at the array by the complex normal modes of KRAKENC, as pelagic has it; None where it gives
    up."""
    from pelagic import PelagicError, kraken

    depth, thickness, speed, increase, density, loss, distance, source, _ = row
    water = [*zip(swellex96.PROFILE_DEPTHS, swellex96.PROFILE_SPEEDS, strict=True)]
    phones = "21\n" + " ".join(map(str, swellex96.HYDROPHONES)) + " /"
    lines = ["'test'", f"{tone}", "2", "'CVF'", f"0 0.0 {depth}"]
    lines += [f"{z} {c} 0.0 1.0 0.0 0.0 /" for z, c in [*water, (depth, water[-1][1])]]
    bottom = depth + thickness
    lines += [f"0 0.0 {bottom}", f"{depth} {speed} 0.0 {density} {loss} 0.0 /"]
    lines += [f"{bottom} {speed + increase} 0.0 {density} {loss} 0.0 /", "'A' 0.0"]
    lines += [f"{bottom} 1881.0 0.0 2.06 0.06 0.0 /", "1400.0 1880.99", "5.0", f"1\n{source} /", phones]
    sheet = ["'test'", "'RA'", "9999", "1", "0.0", f"1\n{distance / 1000} /", f"1\n{source} /", phones]
    sheet += ["21", "0.0 " * 21 + "/"]
    for name, text in (("case.env", lines), ("case.flp", sheet)):
        (folder / name).write_text("\n".join(text) + "\n")
    try:
        result = kraken.load(str(folder / "case.env"), flp=str(folder / "case.flp"), solver="krakenc").run()
    except PelagicError:
        return None
    # its time goes as exp(+iωt), and its modes carry the factor -1
    return -np.conj(np.asarray(result.frequencies[0].field.pressure).ravel())
