"""The geoacoustic inversion of the VINA paper: water depth and sediment speed from 70 numbers.

Field:     p_f(m) at the five highest hydrophones, seven tones from 49 to 388 Hz, source at 60 m and 3 km
           away. The sediment is 23.5 m thick and 1593 m/s fast at its bottom; below it 800 m of mudstone
           whose speed rises from 1881 to 3245 m/s, over a half-space.
Observed:  y = F(m) + ε with a known phase of the source: F_f = p_f / a_f with a_f the RMS value of p_f over
           hydrophones and prior, split into real and imaginary parts; ε_f ~ N(0, s²/2), s² = 10^(-SNR/10).
Unknowns:  x = (m, ε), as in the paper: an invertible network with output [y, z] then has 72
           inputs, and y follows from x without noise. Or x = m alone, and the simulator adds the noise.
Posterior: of m on a grid, then ε = y - F(m).
Departures from the paper: it sums normal modes (KRAKEN), here the field is integrated over wavenumbers; it
           states neither the covariance of its noise nor its test observation, so that its figures compare
           with those here in their order of magnitude only.
Source:    VINA, arXiv:2602.20480, section 4.2; Zhang & Curtis 2021, doi 10.1029/2021JB022320 (noise as
           unknowns).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.numbered_variables import numbered
from workbench.problems.ocean import geoacoustic_field as field
from workbench.problems.ocean.acoustic_views import AcousticViews
from workbench.problems.ocean.swellex96 import TONES

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

HYDROPHONES, BOTTOM_SPEED = 5, 1593.0
#: Cells of the first grid in depth and speed (the posterior is narrow in depth), Chebyshev nodes in speed.
CELLS, NODES = (360, 60), 14
NUMBERS = 2 * HYDROPHONES * len(TONES)
SEABED = (
    Variable("depth", "m₁", "m", 200.5, 236.5, "Depth of the water at the array."),
    Variable("speed", "m₂", "m/s", 1532.0, 1592.0, "Sound speed at the top of the sediment."),
)
#: The published seabed, from which the default observation is simulated, and the seed of its noise.
_TRUTH, _SEED = (216.5, 1572.368), 2026


@lru_cache(maxsize=1)
def _sediments() -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Return Chebyshev nodes of the sediment speed, and per tone the wave function ψ and ψ' at the seabed."""
    low, high = SEABED[1].low, SEABED[1].high
    angles = math.pi * (torch.arange(NODES, dtype=torch.float64) + 0.5) / NODES
    nodes = 0.5 * (low + high) + 0.5 * (high - low) * angles.cos()
    members = {"speed": nodes, "increase": BOTTOM_SPEED - nodes}
    with torch.no_grad():
        return nodes, field.waveguide(TONES, HYDROPHONES, True).sediment(field.seabed(members))


def pressure(depth: Tensor, speed: Tensor) -> Tensor:
    """Return the complex pressure (…, tones, hydrophones) at an upright array; depth and speed broadcast.

    The sediment has one unknown: its solution is interpolated between a few speeds, accurate to about 1e-8.
    """
    nodes, solutions = _sediments()
    differences = nodes[:, None] - nodes + torch.eye(NODES, dtype=torch.float64)
    others = (speed[..., None, None] - nodes) / differences
    weights = others.where(~torch.eye(NODES, dtype=torch.bool), 1.0).prod(-1).to(torch.complex128)
    slopes = [(weights @ change) / (weights @ value) for value, change in solutions]
    guide = field.waveguide(TONES, HYDROPHONES, True)
    return guide.pressure(field.seabed({"depth": depth, "tilt": depth.new_zeros(1)}), slopes)


@lru_cache(maxsize=1)
def _level() -> Tensor:
    """Return the RMS pressure (tones, 1) of each tone, over hydrophones and the prior."""
    fields = _on_axes(*(field.midpoints(v.low, v.high, n) for v, n in zip(SEABED, (48, 8), strict=True)))
    return fields.abs().square().mean((0, 1, 3)).sqrt()[:, None]


@lru_cache(maxsize=1)
def _grid() -> Tensor:
    """Return the noise-free F(m) on the coarse grid of depth and speed with which posterior draws begin.

    The shape is (depths, speeds, tones, hydrophones); the result is cached.
    """
    return (
        _on_axes(*(field.midpoints(v.low, v.high, n) for v, n in zip(SEABED, CELLS, strict=True))) / _level()
    )


def _on_axes(first: Tensor, second: Tensor) -> Tensor:
    """Return the pressure (len first, len second, tones, hydrophones) on a grid of depth and speed."""
    with torch.no_grad():
        return torch.stack([pressure(v.reshape(1), second) for v in first])


@lru_cache(maxsize=8)
def _first_observation(signal_to_noise: float) -> tuple[float, ...]:
    """Return the default observation (70,), simulated at the published seabed with a fixed seed."""
    problem = GeoacousticPaper(signal_to_noise=signal_to_noise)
    noise = problem.spread * torch.randn(NUMBERS, generator=torch.Generator().manual_seed(_SEED)).double()
    return tuple((problem.noise_free(torch.tensor([_TRUTH]).double())[0] + noise).tolist())


@PROBLEMS.register
class GeoacousticPaper(AcousticViews, Problem):
    """Infer water depth and sediment speed, and possibly the noise, from seven tones at five hydrophones."""

    key = "geoacoustic_paper"
    title = "Geoacoustic inversion of VINA"
    summary = "Water depth and sediment speed from 70 numbers, the noise among the unknowns; synthetic data."
    reference = "VINA, arXiv 2602.20480, section 4.2; Zhang & Curtis 2021, doi 10.1029/2021JB022320"

    graded_mudstone, hydrophones = True, HYDROPHONES

    signal_to_noise = param.Number(15.0, bounds=(-20.0, 40.0), doc="Signal-to-noise ratio in dB.")
    noise_appended = param.Boolean(
        True,
        doc="The 70 noise values count as unknowns, so that y follows from x without noise, as an invertible "
        "network with output [y, z] requires. Switched off, x has the two unknowns of the seabed only.",
    )

    @property
    def spread(self) -> float:
        """Standard deviation of the noise in each number of y; the signal's mean square is ½."""
        return math.sqrt(0.5) * 10 ** (-self.signal_to_noise / 20)

    @property
    def x(self) -> tuple[Variable, ...]:
        noise = numbered("noise", "ε", NUMBERS, description="Noise in the number of y with this index.")
        return SEABED + noise if self.noise_appended else SEABED

    @property
    def y(self) -> tuple[Variable, ...]:
        return field.recording_variables(TONES, HYDROPHONES, "Pressure over its effective value.")

    @property
    def capabilities(self) -> frozenset[Capability]:
        always = {Capability.OBSERVATION, Capability.SIMULATE, Capability.REFERENCE_POSTERIOR}
        return frozenset(always if self.noise_appended else always | {Capability.LOG_JOINT})

    @property
    def window(self) -> Window:
        seabed = tuple((v.low, v.high) for v in SEABED)
        side = 3 * self.spread
        return seabed + ((-side, side),) * NUMBERS if self.noise_appended else seabed

    @property
    def observation_window(self) -> Window:
        side = round(2.2 + 3 * self.spread, 1)
        return ((-side, side),) * NUMBERS

    @property
    def default_observation(self) -> tuple[float, ...]:
        """Values of y (70,) simulated with noise at the published seabed."""
        return _first_observation(self.signal_to_noise)

    def noise_free(self, m: Tensor) -> Tensor:
        """Return the noise-free y = F(m) (n, 70), float64, for depth and speed m (n, 2); differentiable."""
        parts = [pressure(rows[:, 0], rows[:, 1]) for rows in m.double().split(field.ROWS)]
        return field.as_numbers(torch.cat(parts) / _level())

    # acoustic views -----------------------------------------------------------------------------------
    def seabeds(self, x: Tensor) -> dict[str, Tensor]:
        upright = x.new_zeros(1)
        return {"depth": x[:, 0], "speed": x[:, 1], "increase": BOTTOM_SPEED - x[:, 1], "tilt": upright}

    def fields(self, x: Tensor) -> Tensor:
        return self.recordings(self.noise_free(x[:, :2]))

    def recordings(self, y: Tensor) -> Tensor:
        return field.as_recordings(y.double(), HYDROPHONES)

    # hooks --------------------------------------------------------------------------------------------
    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        m = field.uniform_draws(SEABED, n, generator)
        if not self.noise_appended:
            return m
        return torch.cat([m, self.spread * torch.randn(n, NUMBERS, generator=generator).double()], 1)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            clean = self.noise_free(x[:, :2].cpu())
        noise = (
            x[:, 2:].cpu().double()
            if self.noise_appended
            else self.spread * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
        )
        return (clean + noise).to(x)

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        inside, level = field.log_prior(x, SEABED)
        low, high = (v.to(x) for v in field.bounds(SEABED))
        clean = self.noise_free(torch.minimum(torch.maximum(x, low), high))
        logs = -0.5 * ((y.double() - clean) / self.spread).square().sum(1)
        logs = logs - NUMBERS * math.log(self.spread * math.sqrt(2 * math.pi))
        return torch.where(inside, (logs + level).to(x), -math.inf)

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        recording = field.as_recordings(observation[None], HYDROPHONES)[0]

        def on_axes(first: Tensor, second: Tensor) -> Tensor:
            fields = _grid() if len(first) == CELLS[0] else _on_axes(first, second) / _level()
            return -0.5 * (recording - fields).abs().square().sum((-1, -2)) / self.spread**2

        with torch.no_grad():
            m = field.grid_draws(on_axes, tuple((v.low, v.high) for v in SEABED), CELLS, n, generator)
            if not self.noise_appended:
                return m
            return torch.cat([m, observation - self.noise_free(m)], 1)
