"""Geoacoustic inversion: properties of the seabed from a few tones recorded by an array of hydrophones.

Field:      p_f(x) at 21 hydrophones from a source some 3 km away; see `workbench.problems.ocean.waveguide`.
Observed:   g_f = √21 p_f / ‖p_f‖,  y_f = exp(iφ_f) g_f(x) + e_f with φ_f ~ U(0, 2π), the unknown phase of
            the source, and e_f ~ CN(0, s² I), s² = 10^(-SNR/10), SNR in dB per hydrophone; independent over
            the tones. Then the phase is removed (`without_phase`).
Likelihood: Σ_f -21 log(π s²) - (‖y_f‖² + 21)/s² + log I₀(2 |g_f^H y_f| / s²), exact. It is the density of
            the recording before its phase is removed; as it does not depend on the phase, the posterior is
            the same for both.
Tiers:      swx_2 depth of the water and speed in the sediment, 148 Hz; swx_4 also tilt and thickness, 49,
            112 and 148 Hz; swx_9 all nine unknowns, same tones; swx_9_hard all nine, seven tones.
Synthetic:  the environment is that of SWellEx-96 with a half-space of mudstone, the same at every range.
            Data come from the same model as the likelihood: no recording of the experiment is used, and
            there is no model error.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.ocean import geoacoustic_field as field
from workbench.problems.ocean.acoustic_views import AcousticViews
from workbench.problems.ocean.swellex96 import NOMINAL, TONES

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.problems.base import Window

THREE = (49.0, 112.0, 148.0)
#: Names of the unknowns and frequencies of the tones in Hz of each tier.
TIERS = {
    "swx_2": (("depth", "speed"), (148.0,)),
    "swx_4": (("depth", "speed", "tilt", "thickness"), THREE),
    "swx_9": (tuple(field.UNKNOWNS), THREE),
    "swx_9_hard": (tuple(field.UNKNOWNS), TONES),
}
#: Number of hydrophones, and of cells along each axis of the first grid for the reference posterior.
HYDROPHONES, CELLS = 21, 150
#: Number of draws of source and array that share one sediment in `signal_draws`.
SHARING = 4
#: Seed of the noise in the default observation.
_SEED = 1996


@lru_cache(maxsize=1)
def _coarse_grid() -> torch.Tensor:
    """Return the noise-free fields of tier swx_2 on the coarse grid with which its posterior draws begin.

    The shape is (cells, cells, tones, hydrophones); the result is cached.
    """
    names, tones = TIERS["swx_2"]
    axes = [field.midpoints(v.low, v.high, CELLS) for v in (field.UNKNOWNS[name] for name in names)]
    with torch.no_grad():
        return field.level(field.on_grid(field.waveguide(tones), names, *axes))


@lru_cache(maxsize=16)
def _first_observation(tier: str, signal_to_noise: float) -> tuple[float, ...]:
    """Return the default observation (M,) of a tier, simulated at the nominal seabed with a fixed seed."""
    problem = GeoacousticInversion(tier=tier, signal_to_noise=signal_to_noise)
    truth = torch.tensor([[NOMINAL[v.name] for v in problem.x]], dtype=torch.float64)
    return tuple(problem.simulate(truth, torch.Generator().manual_seed(_SEED))[0].tolist())


@PROBLEMS.register
class GeoacousticInversion(AcousticViews, Problem):
    """Infer seabed, source and array geometry of SWellEx-96 from noisy tones of unknown phase."""

    key = "geoacoustic"
    title = "Geoacoustic inversion"
    summary = "Water depth and seabed from the sound of a few tones at 21 hydrophones; synthetic data."
    reference = "UC San Diego Library, SWellEx-96; Jenkins, Gerstoft & Park 2024, JASA 156, 812"

    tier = param.Selector(
        default="swx_2",
        objects=list(TIERS),
        doc="Unknowns and tones: swx_2 two unknowns and one tone, with a reference posterior; swx_4 four "
        "unknowns and three tones; swx_9 nine unknowns and three tones; swx_9_hard nine and seven tones.",
    )
    signal_to_noise = param.Number(
        0.0,
        bounds=(-20.0, 30.0),
        doc="Signal-to-noise ratio in dB at each hydrophone. The tiers are meant for 0 (swx_2, swx_4), 5 or "
        "0 (swx_9) and 10 (swx_9_hard).",
    )

    @property
    def tones(self) -> tuple[float, ...]:
        """Frequencies in Hz of the tones in the present tier."""
        return TIERS[self.tier][1]

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the unknowns in the present tier."""
        return TIERS[self.tier][0]

    @property
    def noise(self) -> float:
        """Variance s² of the complex noise at a hydrophone; the signal's mean square is 1."""
        return 10 ** (-self.signal_to_noise / 10)

    @property
    def x(self) -> tuple[Variable, ...]:
        return tuple(field.UNKNOWNS[name] for name in self.unknowns)

    @property
    def y(self) -> tuple[Variable, ...]:
        note = "Recorded pressure over the signal's effective value, its phase taken out."
        return field.recording_variables(self.tones, HYDROPHONES, note)

    @property
    def phase_free(self) -> int:
        """Number of hydrophones: y has one complex vector per tone, whose phase is unknown."""
        return HYDROPHONES

    @property
    def capabilities(self) -> frozenset[Capability]:
        always = {Capability.OBSERVATION, Capability.SIMULATE, Capability.LOG_JOINT, Capability.SIGNAL}
        return frozenset(always | ({Capability.REFERENCE_POSTERIOR} if self.tier == "swx_2" else set()))

    @property
    def window(self) -> Window:
        return tuple((v.low, v.high) for v in self.x)

    @property
    def observation_window(self) -> Window:
        # signals rarely exceed twice their effective value, and noise rarely three standard deviations
        side = round(2.2 + 3 * math.sqrt(self.noise / 2), 1)
        return ((-side, side),) * len(self.y)

    @property
    def default_observation(self) -> tuple[float, ...]:
        """Values of y (M,) simulated with noise at the nominal seabed."""
        return _first_observation(self.tier, self.signal_to_noise)

    def signals(self, x: torch.Tensor) -> torch.Tensor:
        """Return noise-free fields g (n, tones, 21), complex128, of unknowns ``x`` (n, D); differentiable."""
        return field.level(field.fields(field.waveguide(self.tones), self.unknowns, x))

    def signal_draws(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw ``n`` seabeds (n, D) from the prior with their `signals`.

        Where the whole sediment is unknown, `SHARING` draws of source and array share each sediment, whose
        solution is the most expensive part: every row is distributed as the prior, but rows that share a
        sediment are not independent.
        """
        own = field.sediment_columns(self.unknowns)
        x = self.prior(n, generator)
        with torch.no_grad():
            if len(own) < len(field.SEDIMENT):
                return x, self.signals(x)
            first = x[::SHARING, own].repeat_interleave(SHARING, 0)[:n]
            x[:, own] = first
            guide = field.waveguide(self.tones)
            return x, field.level(field.shared_fields(guide, self.unknowns, x, SHARING))

    def signal_groups(self, n: int) -> torch.Tensor | None:
        """Return labels (n,) of the sediments that rows of `signal_draws` share, or None."""
        all_columns = len(field.sediment_columns(self.unknowns)) == len(field.SEDIMENT)
        return torch.arange(n) // SHARING if all_columns else None

    def recorded(self, signals: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return observations (n, M), float64, of ``signals`` (n, tones, 21) with noise from ``generator``.

        No phase is drawn for the source: it would be removed again, and circular noise is invariant to it.
        """
        noise = field.complex_noise(tuple(signals.shape), self.noise, generator)
        return field.as_numbers(field.without_phase(signals.detach().cpu().to(torch.complex128) + noise))

    def signal_numbers(self, signals: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return complex signals (n, tones, 21) as real numbers (n, 42 · tones), smooth in the unknowns.

        Each tone is rotated to the phase of the recording y (M,), to which the likelihood is invariant.
        """
        recording = field.as_recordings(y[None].double(), HYDROPHONES)[0]
        product = (signals.conj() * recording).sum(-1, keepdim=True)
        return field.as_numbers(signals * torch.exp(1j * product.angle()))

    def log_likelihood_of(self, numbers: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return log p(y | g) in nats (n,) for g as of `signal_numbers`, or close to it, and one y (M,)."""
        recording = field.as_recordings(y[None].double(), HYDROPHONES)[0]
        return self.log_likelihood(field.level(field.as_recordings(numbers, HYDROPHONES)), recording)

    def log_prior(self, x: torch.Tensor) -> torch.Tensor:
        """Return log p(x) in nats (n,) of the uniform prior; -inf outside its bounds."""
        inside, level = field.log_prior(x, self.x)
        return torch.where(inside, level, -math.inf).to(x)

    # acoustic views -----------------------------------------------------------------------------------
    @property
    def ambiguity_axes(self) -> tuple[str, str]:
        """Water depth and sediment speed; with nine unknowns depth and range, as they correlate strongly."""
        return ("depth", "distance") if "distance" in self.unknowns else ("depth", "speed")

    def seabeds(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return dict(zip(self.unknowns, x.T, strict=True))

    def fields(self, x: torch.Tensor) -> torch.Tensor:
        return self.signals(x)

    def recordings(self, y: torch.Tensor) -> torch.Tensor:
        return field.as_recordings(y.double(), HYDROPHONES)

    # hooks --------------------------------------------------------------------------------------------
    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return field.uniform_draws(self.x, n, generator)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            return self.recorded(self.signals(x.cpu()), generator).to(x)

    def log_likelihood(self, signals: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return log p(y | g) in nats (…) for fields g (…, tones, 21) and complex y, which broadcast."""
        argument = 2 * (signals.conj() * y).sum(-1).abs() / self.noise
        energy = y.abs().square().sum(-1) + HYDROPHONES
        logs = torch.special.i0e(argument).log() + argument - energy / self.noise
        return (logs - HYDROPHONES * math.log(math.pi * self.noise)).sum(-1)

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        inside, level = field.log_prior(x, self.x)
        low, high = (v.to(x) for v in field.bounds(self.x))
        # outside the bounds the waveguide may fail; the value at the edge is replaced by -inf below
        nearest = torch.minimum(torch.maximum(x, low), high).double()
        logs = self.log_likelihood(self.signals(nearest), field.as_recordings(y.double(), HYDROPHONES))
        return torch.where(inside, (logs + level).to(x), -math.inf)

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        recording = field.as_recordings(observation[None], HYDROPHONES)[0]

        def on_axes(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            if len(first) == CELLS:
                return self.log_likelihood(_coarse_grid(), recording)
            pressure = field.on_grid(field.waveguide(self.tones), self.unknowns, first, second)
            return self.log_likelihood(field.level(pressure), recording)

        with torch.no_grad():
            return field.grid_draws(on_axes, self.window, (CELLS, CELLS), n, generator)
