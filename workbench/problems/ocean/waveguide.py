"""Acoustic pressure of tones at an array in a layered ocean, by wavenumber integration, for many seabeds.

Depth:     G'' + (k_w(z)² - k²) G = -2 δ(z - z_s), G(0) = 0 at the surface; ψ and ψ'/ρ are continuous
           across interfaces; ψ'/ψ = i (k_b² - k²)^½, Im > 0, in the half-space at the bottom. Time goes as
           exp(-iωt).
Range:     p(r, z) = ½ ∫ G(z; k) H₀⁽¹⁾(kr) k dk, so that p = exp(ikR)/R near the source. The sum runs over
           evenly spaced k below the real axis, k - iε, which avoids the poles and attenuates what the
           spacing aliases; both ends are tapered. H₀⁽¹⁾ is taken as (2/πkr)^½ exp(i (kr - π/4 - 1/8kr)).
Water:     the same for every seabed. The solution ψ₁ from the surface and two solutions from the depth
           where the speed becomes constant are tabulated once for each tone and k, and so are the layers
           below the sediment. With A, B = ψ₂, ψ₂' at that depth, G = -2 ψ₁(z_s) ψ₂(z) / (ψ₁ B - ψ₁' A).
Sediment:  one layer whose speed is linear in depth, by fourth-order Magnus steps of (ψ, ψ').
Tilt:      each hydrophone has its own range; exp(ik Δr) as a power series about the array's middle, with
           the powers of k in the table: one product of matrices for the whole array.
Loss:      attenuation in dB/(km Hz) adds i α f / 8685.9 to ω/c, in 1/m.
Sources:   Jensen, Kuperman, Porter & Schmidt 2011, Computational Ocean Acoustics, chapter 4;
           Blanes, Casas, Oteo & Ros 2009, Physics Reports 470 (Magnus). All lengths in m, speeds in m/s,
           densities in g/cm³, frequencies in Hz.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.problems.ocean.environment import Environment, Seabed

if TYPE_CHECKING:
    from torch import Tensor

#: Depth step of the tables in the water in m, and decibels per neper times metres per kilometre.
STEP, DECIBELS = 0.25, 8685.889638065037
#: Range after which the sum over k repeats, in units of the longest range; and the decay over that distance,
#: in nepers.
_PERIOD, _FADING = 1.45, 10.0
#: Lower end of the sum over k, in units of ω over the highest speed: where its taper begins and ends.
_STEEPEST, _WHOLE = 0.6, 0.85
#: Upper end of the sum over k, as decay rate in depth in 1/m, (k² - (ω / lowest water speed)²)^½: where its
#: taper begins, and where it is zero.
_EVANESCENT = (0.1, 0.35)
#: ½ (-2) (2/π)^½ exp(-iπ/4): the product of the factors of G, of the integral and of H₀⁽¹⁾.
_CONSTANT = -math.sqrt(2 / math.pi) * complex(math.sqrt(0.5), -math.sqrt(0.5))
_GAUSS = (0.5 - math.sqrt(3) / 6, 0.5 + math.sqrt(3) / 6)


class Waveguide:
    """Acoustic pressure at the hydrophones for any seabed, from tables for one environment and given tones.

    Parameters
    ----------
    environment : the fixed part: sound-speed profile, hydrophones, and layers below the sediment.
    tones : frequencies in Hz.
    longest : largest range in m at which the field will be evaluated.
    dtype : torch.float64 (default), or torch.float32 for the sums (phases k r are float64 in both), which is
        accurate to about 1e-4 where hydrophones lie no farther below the profile's last depth than the source
        lies above it.
    device : device of the computation.
    sublayers : Magnus steps in the sediment; 0 chooses them by frequency.
    period : range after which the sum over k repeats, in units of ``longest``; larger is more accurate and
        slower.
    """

    def __init__(
        self,
        environment: Environment,
        tones: tuple[float, ...],
        longest: float,
        *,
        dtype: torch.dtype | None = None,
        device: str | torch.device = "cpu",
        sublayers: int = 0,
        period: float = _PERIOD,
    ) -> None:
        _check(environment)
        self.environment, self.tones = environment, tuple(tones)
        self.complex = torch.complex64 if dtype == torch.float32 else torch.complex128
        self.device, self.longest = torch.device(device), longest
        self._tables = [
            _Table(environment, f, period * longest, self.complex, self.device, sublayers) for f in tones
        ]

    def pressure(self, seabed: Seabed, slopes: list[Tensor] | None = None) -> Tensor:
        """Return the complex pressure (…, tones, hydrophones) of a source of unit strength.

        … is the shape to which the seabed's tensors broadcast; differentiable in all of them. ``slopes`` is
        the result of `slopes` for a seabed with the same sediment, so that many seabeds share its solution.
        """
        slopes = self.slopes(seabed) if slopes is None else slopes
        parts = [table.pressure(seabed, slope) for table, slope in zip(self._tables, slopes, strict=True)]
        return torch.stack(parts, -2)

    def slopes(self, seabed: Seabed) -> list[Tensor]:
        """Return ψ'/ψ in the water at the seabed (…, k) per tone, all that the field needs of sediment."""
        return [change / value for value, change in self.sediment(seabed)]

    def sediment(self, seabed: Seabed) -> list[tuple[Tensor, Tensor]]:
        """Return the solution ψ and its slope ψ' in the water at the seabed, (…, k) for each tone.

        ψ is 1 at the bottom of the sediment; unlike their ratio both are smooth in the sediment's properties.
        """
        return [table.sediment(seabed) for table in self._tables]


def _check(environment: Environment) -> None:
    """Raise `DataError` unless the profile's depths rise from 0 in multiples of `STEP`, and all source depths
    lie above the hydrophones and above the depth where the profile ends."""
    on_grid = all(abs(d / STEP - round(d / STEP)) < 1e-9 for d in environment.depths)
    if not on_grid or environment.depths[0] != 0 or list(environment.depths) != sorted(environment.depths):
        raise DataError(
            "The sound-speed profile does not fit",
            expected=f"depths that rise from 0 in multiples of {STEP} m",
            found=str(environment.depths),
        )
    low, high = environment.source_depths
    if not 0 < low <= high < min(min(environment.hydrophones), environment.deep):
        raise DataError(
            "The source must be above the hydrophones and above the water of constant speed",
            found=f"source at {low} to {high} m, highest hydrophone at {min(environment.hydrophones)} m, "
            f"constant speed below {environment.deep} m",
        )


def magnus(first: Tensor, second: Tensor, step: Tensor | float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the entries (m11, m12, m21, m22) of the propagator of (ψ, ψ') over a ``step`` of ψ'' = -q ψ.

    ``first`` and ``second`` are q at the two Gauss points of the step.
    """
    mean = 0.5 * (first + second)
    lean = (math.sqrt(3) / 12) * step * step * (second - first)
    angle = (step * step * mean - lean * lean).sqrt()
    turn = torch.exp(1j * angle)
    back = 1 / turn
    cosine, sinc = 0.5 * (turn + back), -0.5j * (turn - back) / angle
    return cosine + sinc * lean, sinc * step, -sinc * step * mean, cosine - sinc * lean


def _wavenumber(speed: Tensor, attenuation: Tensor | float, tone: float) -> Tensor:
    """Return the wavenumber ω/c + i α f / 8685.9 in 1/m for c in m/s, α in dB/(km Hz) and tone f in Hz."""
    real = 2 * math.pi * tone / speed
    imaginary = attenuation * tone / DECIBELS
    imaginary = imaginary if isinstance(imaginary, torch.Tensor) else torch.full_like(real, imaginary)
    return torch.complex(*torch.broadcast_tensors(real, imaginary.to(real)))


def _climb(
    slope: Tensor, top: Tensor, increase: Tensor, thickness: Tensor, loss: Tensor | float, tone: float,
    squares: Tensor, steps: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return ψ and ψ' at the top of a layer of linear speed, where ψ = 1 and ψ' = ``slope`` at its bottom.

    ``squares`` holds the squared horizontal wavenumbers k².
    """
    value, change = torch.ones_like(slope), slope
    step = (-thickness / steps)[..., None].to(slope.dtype)
    for i in range(steps, 0, -1):
        at = [(i - gauss) / steps for gauss in _GAUSS]
        q = [_wavenumber(top + increase * a, loss, tone)[..., None].square().to(slope) - squares for a in at]
        a, b, c, d = magnus(*q, step)
        value, change = a * value + b * change, c * value + d * change
    return value, change


def _bump(t: Tensor) -> Tensor:
    """Return a smooth step: 0 for t <= 0, 1 for t >= 1, all derivatives continuous."""
    t = t.clamp(1e-6, 1 - 1e-6)
    return torch.sigmoid(1 / (1 - t) - 1 / t)


def _hermite(t: Tensor, h: float) -> tuple[Tensor, ...]:
    """Return quintic Hermite weights of ψ, ψ', ψ'' at both ends of a step ``h`` for the fraction ``t``."""
    a = 1 - t
    return (
        a**3 * (1 + 3 * t + 6 * t * t), h * t * a**3 * (1 + 3 * t), 0.5 * h * h * t * t * a**3,
        t**3 * (1 + 3 * a + 6 * a * a), -h * a * t**3 * (1 + 3 * a), 0.5 * h * h * a * a * t**3,
    )  # fmt: skip


class _Table:
    """Tables for one tone, the same for all seabeds: nk wavenumbers k, nk being their number, and for each
    its weight in the sum over k, the solutions ψ in the water, and ψ'/(ψ ρ) below the sediment.
    """

    def __init__(
        self,
        environment: Environment,
        tone: float,
        period: float,
        dtype: torch.dtype,
        device: torch.device,
        sublayers: int,
    ) -> None:
        self.tone, self.dtype, self.device = tone, dtype, device
        self.sublayers = sublayers or max(6, math.ceil(tone / 25))
        self.environment = environment
        self._grid(period)
        squares = self.k.square()
        self.gamma = (_square(environment.speeds[-1], tone) - squares).sqrt()
        self._water(squares)
        self._array()
        self.bottom = self._below(squares)
        self.squares = squares
        for name in ("weight", "squares", "gamma", "surface", "value", "change", "bottom", "array"):
            setattr(self, name, getattr(self, name).to(device, dtype))
        self.k = self.k.to(device)

    def _grid(self, period: float) -> None:
        """Set the wavenumbers k on the contour and their weights: taper, spacing, and √k from H₀⁽¹⁾."""
        e, omega = self.environment, 2 * math.pi * self.tone
        fastest = max(max(layer.speed, layer.bottom_speed) for layer in e.below)
        slowest = min(e.speeds)
        low, whole = (part * omega / fastest for part in (_STEEPEST, _WHOLE))
        flat, high = (math.hypot(omega / slowest, kappa) for kappa in _EVANESCENT)
        spacing = 2 * math.pi / period
        real = low + spacing * torch.arange(math.ceil((high - low) / spacing), dtype=torch.float64)
        taper = _bump((real - low) / (whole - low)) * _bump((high - real) / (high - flat))
        self.k = torch.complex(real, torch.full_like(real, -_FADING / period))
        self.weight = taper * spacing * self.k.sqrt() * _CONSTANT

    def _water(self, squares: Tensor) -> None:
        """Tabulate the solutions in the water.

        The surface solution: ψ, ψ', ψ'' at the nodes around the source, and ψ, ψ' at the deep end of the
        profile. The solutions with (ψ, ψ') = (1, 0) and (0, 1) at that end: at the nodes around the upper
        hydrophones.
        """
        e = self.environment
        nodes = STEP * torch.arange(round(e.deep / STEP) + 1, dtype=torch.float64)
        speed = _interpolated(nodes, e)
        q = [_square(_interpolated(nodes[:-1] + g * STEP, e), self.tone)[:, None] - squares for g in _GAUSS]
        a, b, c, d = magnus(*q, STEP)
        down = [(torch.zeros_like(squares), torch.ones_like(squares))]
        for i in range(len(nodes) - 1):
            value, change = down[-1]
            down.append((a[i] * value + b[i] * change, c[i] * value + d[i] * change))
        # only ratios of ψ₁ matter: scaled to at most 1 they fit into float32 as well
        scale = torch.stack([v for v, _ in down]).abs().amax(0)
        curve = squares - _square(speed, self.tone)[:, None]
        value, change = (torch.stack(v) / scale for v in zip(*down, strict=True))
        self.value, self.change = value[-1], change[-1]
        first = math.floor(e.source_depths[0] / STEP)
        self.first, last = first, math.ceil(e.source_depths[1] / STEP) + 2
        self.surface = torch.stack([value, change, curve * value])[:, first:last]
        upward = [(torch.ones_like(squares), torch.zeros_like(squares)),
                  (torch.zeros_like(squares), torch.ones_like(squares))]  # fmt: skip
        self._up = {len(nodes) - 1: upward}
        self._curve = curve
        for i in range(len(nodes) - 2, math.floor(min(e.hydrophones) / STEP) - 1, -1):
            # the inverse of a matrix of determinant 1
            upward = [(d[i] * v - b[i] * w, a[i] * w - c[i] * v) for v, w in upward]
            self._up[i] = upward

    def _array(self) -> None:
        """Tabulate both solutions from the profile's end at the hydrophones, times powers of k - k̄.

        The shape is (2 nk, powers × hydrophones); k̄ is the centre of the wavenumbers.
        """
        e, columns = self.environment, []
        for depth in e.hydrophones:
            if depth >= e.deep:
                angle = self.gamma * (depth - e.deep)
                columns.append((angle.cos(), angle.sin() / self.gamma))
                continue
            i = min(math.floor(depth / STEP), len(self._curve) - 2)
            weights = _hermite(torch.tensor(depth / STEP - i, dtype=torch.float64), STEP)
            columns.append(tuple(
                sum(w * part for w, part in zip(weights, (
                    low[0], low[1], self._curve[i] * low[0], up[0], up[1], self._curve[i + 1] * up[0],
                ), strict=True))
                for low, up in zip(self._up[i], self._up[i + 1], strict=True)
            ))  # fmt: skip
        del self._up, self._curve
        depths = torch.tensor(e.hydrophones, dtype=torch.float64)
        self.middle = float(0.5 * (depths.max() + depths.min()))
        offsets = self.middle - depths
        self.offsets = offsets.to(self.device)
        self.centre = float(0.5 * (self.k.real[0] + self.k.real[-1]))
        # largest exponent of the series for a tilt of 3.5 degrees
        largest = float(offsets.abs().max()) * math.tan(math.radians(3.5))
        largest *= float((self.k - self.centre).abs().max())
        self.terms = next(m for m in range(1, 60) if largest**m / math.factorial(m) < 1e-5)
        shift = 1j * (self.k - self.centre)
        powers = [shift**m / math.factorial(m) for m in range(self.terms)]
        solutions = [torch.stack(part, 1) for part in zip(*columns, strict=True)]
        self.array = torch.cat([torch.cat([p[:, None] * s for p in powers], 1) for s in solutions])

    def _below(self, squares: Tensor) -> Tensor:
        """Return ψ'/(ψ ρ) (nk,), ρ the density, at the top of the layers below the sediment."""
        *layers, last = self.environment.below
        deepest = (_square(last.speed, self.tone, last.attenuation) - squares).sqrt()
        slope = 1j * deepest / last.density
        for layer in reversed(layers):
            top, increase, thickness = (
                torch.tensor(v, dtype=torch.float64)
                for v in (layer.speed, layer.bottom_speed - layer.speed, layer.thickness)
            )
            steps = max(6, math.ceil(self.tone * layer.thickness / 500))
            inner = slope * layer.density
            value, change = _climb(
                inner, top, increase, thickness, layer.attenuation, self.tone, squares, steps
            )
            slope = change / value / layer.density
        return slope

    def _source(self, depth: Tensor) -> Tensor:
        """Return ψ₁, the solution from the surface, at source depths ``depth`` (…): (…, nk)."""
        place = (depth / STEP - self.first).clamp(0, self.surface.shape[1] - 1.001)
        node = place.detach().floor().long()
        weights = _hermite(place - node, STEP)
        parts = [self.surface[m, node + n] for n in (0, 1) for m in (0, 1, 2)]
        return sum(w[..., None].to(self.dtype) * part for w, part in zip(weights, parts, strict=True))

    def sediment(self, s: Seabed) -> tuple[Tensor, Tensor]:
        """Return ψ and ψ' on the water's side of the seabed, (…, nk) each."""
        density = s.density[..., None].to(self.dtype)
        value, change = _climb(
            density * self.bottom, s.speed, s.increase, s.thickness, s.attenuation, self.tone, self.squares,
            self.sublayers,
        )  # fmt: skip
        return value, change / density

    def pressure(self, s: Seabed, slope: Tensor) -> Tensor:
        """Return the complex pressure (…, hydrophones) of this tone; ``slope`` is ψ'/ψ at the seabed."""
        rest = self.gamma * (s.depth - self.environment.deep)[..., None].to(self.dtype)
        turn = torch.exp(1j * rest)
        back = 1 / turn
        cosine, sine = 0.5 * (turn + back), -0.5j * (turn - back)
        value = cosine - slope * sine / self.gamma
        change = self.gamma * sine + slope * cosine
        tangent = torch.tan(torch.deg2rad(s.tilt))
        centre = s.distance + tangent * (s.depth - self.middle)
        phase = self.k * centre[..., None]
        wave = torch.exp(1j * (phase - 0.125 / phase)).to(self.dtype)
        common = self.weight * wave * self._source(s.source_depth)
        common = common / (self.value * change - self.change * value)
        value, change = torch.broadcast_tensors(common * value, common * change)
        waves, offset = torch.cat([value, change], -1), tangent[..., None] * self.offsets
        if tangent.numel() == 1:  # one tilt for all: its series is summed before the product
            total = waves @ self._series(self.array, offset.reshape(-1))
        else:
            total = self._series(waves @ self.array, offset)
        shift = torch.polar((centre[..., None] + offset).rsqrt(), self.centre * offset)
        return total * shift.to(self.dtype)

    def _series(self, terms: Tensor, offset: Tensor) -> Tensor:
        """Sum power series in the hydrophones' ``offset``: (…, powers × hydrophones) -> (…, hydrophones)."""
        count = len(self.offsets)
        total = terms[..., -count:]
        for m in range(self.terms - 2, -1, -1):
            total = terms[..., m * count : (m + 1) * count] + offset.to(self.dtype) * total
        return total


def _square(speed: Tensor | float, tone: float, attenuation: float = 0.0) -> Tensor:
    """Return the squared complex wavenumber (`_wavenumber`) in 1/m², complex128, at ``speed`` in m/s."""
    speed = torch.as_tensor(speed, dtype=torch.float64)
    return _wavenumber(speed, attenuation, tone).square()


def _interpolated(depth: Tensor, e: Environment) -> Tensor:
    """Return the sound speed in m/s (n,) at depths in m (n,) within the profile of ``e``."""
    depths, speeds = (torch.tensor(v, dtype=torch.float64) for v in (e.depths, e.speeds))
    i = torch.searchsorted(depths, depth.contiguous(), right=True).clamp(1, len(depths) - 1)
    share = (depth - depths[i - 1]) / (depths[i] - depths[i - 1])
    return speeds[i - 1] + share * (speeds[i] - speeds[i - 1])
