"""What the geoacoustic problems share: the unknowns with their priors, fields at the array, posteriors on a
grid.

Unknowns:  uniform on the bounds of `UNKNOWNS`; those that a problem does not ask for keep their nominal
           value.
Phase:     a recording's phase is the source's and says nothing of the seabed. It is taken out by a
           rotation, y exp(-iα) with 2α = arg Σ y_j², and the sign for which Σ (Re y_j + Im y_j) > 0: every
           y that differs by a phase alone becomes the same one.
Grid:      p(x | y) on the midpoints of an even grid, then on a finer grid where the mass is, until it is
           resolved; draws pick a cell and then a place in it.
Source:    bounds after Jenkins, Gerstoft & Park 2024, JASA 156, 812, tightened to physical values, with
           range and source depth about 3 km and 60 m.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.ocean.swellex96 import NOMINAL, environment
from workbench.problems.ocean.waveguide import Seabed, Waveguide

if TYPE_CHECKING:
    from torch import Tensor

#: Every unknown with the bounds of its uniform prior, in the order of `Seabed`.
UNKNOWNS = {
    "depth": Variable("depth", "D", "m", 213.0, 223.0, "Depth of the water at the array."),
    "thickness": Variable("thickness", "h", "m", 10.0, 40.0, "Thickness of the sediment."),
    "speed": Variable("speed", "c", "m/s", 1540.0, 1640.0, "Sound speed at the top of the sediment."),
    "increase": Variable("increase", "Δc", "m/s", 0.0, 50.0, "Rise of the speed through the sediment."),
    "density": Variable("density", "ρ", "g/cm³", 1.2, 2.4, "Density of the sediment."),
    "attenuation": Variable("attenuation", "α", "dB/(km Hz)", 0.02, 1.0, "Attenuation in the sediment."),
    "distance": Variable("distance", "r", "m", 2750.0, 3250.0, "Range of the source from the array's foot."),
    "source_depth": Variable("source_depth", "s", "m", 50.0, 70.0, "Depth of the source."),
    "tilt": Variable("tilt", "τ", "deg", -3.0, 3.0, "Tilt of the array, away from the source."),
}  # fmt: skip
#: Those that the sediment's solution depends on.
SEDIMENT = ("thickness", "speed", "increase", "density", "attenuation")
#: Largest range of the tables, in m; rows at once, so that the numbers stay in the processor's cache.
LONGEST, ROWS = 3400.0, 64
#: Cells of the first grid along each axis, of the finer ones, and how many must hold mass along each.
_FINER, _RESOLVED, _LEVELS = 40, 24, 5
#: Cells less likely than the best by this factor's logarithm hold no mass worth looking for.
_NEGLIGIBLE = 16.0


@lru_cache(maxsize=8)
def waveguide(tones: tuple[float, ...], hydrophones: int = 21, graded: bool = False) -> Waveguide:
    """The tabulated environment, kept for the next call."""
    return Waveguide(environment(hydrophones, graded=graded), tones, LONGEST)


def seabed(known: dict[str, Tensor]) -> Seabed:
    """A seabed of what is given, and the nominal value of what is not, as tensors that broadcast."""
    like = next(iter(known.values()))
    return Seabed(**{name: known.get(name, like.new_tensor([NOMINAL[name]])) for name in UNKNOWNS})


def fields(guide: Waveguide, names: tuple[str, ...], x: Tensor, **given: Tensor) -> Tensor:
    """Pressure (n, tones, hydrophones), complex, for unknowns ``x`` (n, D) called ``names``; ``given``
    holds further members of the seabed, (n,). Differentiable; float64 inside."""
    x = x.double()
    parts = []
    for rows in torch.arange(len(x)).split(ROWS):
        known = dict(zip(names, x[rows].T, strict=True)) | {name: v[rows] for name, v in given.items()}
        parts.append(guide.pressure(seabed(known)))
    return torch.cat(parts)


def sediment_columns(names: tuple[str, ...]) -> list[int]:
    """Which of the unknowns belong to the sediment."""
    return [i for i, name in enumerate(names) if name in SEDIMENT]


def shared_fields(guide: Waveguide, names: tuple[str, ...], x: Tensor, together: int) -> Tensor:
    """As `fields`, where each ``together`` rows in a row have the same sediment, which is solved once."""
    parts = []
    for rows in torch.arange(len(x)).split(ROWS * together):
        known = dict(zip(names, x[rows].T, strict=True))
        slopes = guide.slopes(seabed({name: v[::together] for name, v in known.items()}))
        for place in range(together):
            found = {name: v[place::together] for name, v in known.items()}
            count = len(found[names[0]])
            parts.append((rows[place::together], guide.pressure(seabed(found), [s[:count] for s in slopes])))
    order = torch.cat([rows for rows, _ in parts]).argsort()
    return torch.cat([found for _, found in parts])[order]


def level(pressure: Tensor) -> Tensor:
    """The field of each tone scaled to a mean square of 1 over the hydrophones: its level is the
    source's."""
    return pressure * (pressure.shape[-1] ** 0.5 / torch.linalg.vector_norm(pressure, dim=-1, keepdim=True))


def without_phase(y: Tensor) -> Tensor:
    """Complex recordings (…, hydrophones) turned by the phase of each, so that it is gone."""
    y = y * torch.exp(-0.5j * y.square().sum(-1, keepdim=True).angle())
    sign = (y.real + y.imag).sum(-1, keepdim=True).sign()
    return y * torch.where(sign == 0, 1.0, sign)


def as_numbers(y: Tensor) -> Tensor:
    """Complex (n, tones, hydrophones) as (n, 2 · tones · hydrophones): real and imaginary part in turn."""
    return torch.view_as_real(y.resolve_conj()).flatten(1)


def as_recordings(y: Tensor, hydrophones: int) -> Tensor:
    """The way back from `as_numbers`."""
    return torch.view_as_complex(y.reshape(len(y), -1, hydrophones, 2).contiguous())


def complex_noise(shape: tuple[int, ...], variance: float | Tensor, generator: torch.Generator) -> Tensor:
    """Circular normal noise, complex128, with E|e|² = ``variance``."""
    parts = torch.randn(*shape, 2, generator=generator, dtype=torch.float64)
    return torch.view_as_complex(parts) * (0.5 * torch.as_tensor(variance, dtype=torch.float64)).sqrt()


def recording_variables(tones: tuple[float, ...], hydrophones: int, note: str) -> tuple[Variable, ...]:
    """Names of what `as_numbers` gives."""
    return tuple(
        Variable(
            f"{part}_{tone:.0f}_{j}", f"{part.capitalize()} y ({tone:.0f} Hz, {j})", "", description=note
        )
        for tone in tones
        for j in range(1, hydrophones + 1)
        for part in ("re", "im")
    )


def midpoints(low: float, high: float, count: int) -> Tensor:
    """Centres (count,) of equal cells."""
    return low + (high - low) * (torch.arange(count, dtype=torch.float64) + 0.5) / count


def on_grid(guide: Waveguide, names: tuple[str, str], first: Tensor, second: Tensor) -> Tensor:
    """Pressure (len first, len second, tones, hydrophones), where the first unknown is none of the
    sediment's, which is then solved once for each point of the second axis."""
    slopes = guide.slopes(seabed({names[1]: second}))
    rows = [guide.pressure(seabed({names[0]: v.reshape(1), names[1]: second}), slopes) for v in first]
    return torch.stack(rows)


def grid_draws(
    log_likelihood: Callable[[Tensor, Tensor], Tensor],
    box: tuple[tuple[float, float], tuple[float, float]],
    cells: tuple[int, int],
    n: int,
    generator: torch.Generator,
) -> Tensor:
    """``n`` draws (n, 2) of the law on ``box`` whose log density at the points of two axes is
    ``log_likelihood(first, second)`` (a matrix), up to a constant. ``cells`` is the first grid."""
    for step in range(_LEVELS):
        counts = cells if step == 0 else (_FINER, _FINER)
        axes = [midpoints(*side, count) for side, count in zip(box, counts, strict=True)]
        logs = log_likelihood(*axes)
        held = logs > logs.max() - _NEGLIGIBLE
        spans = [held.any(1 - i).nonzero()[:, 0] for i in (0, 1)]
        taken = [int(span[-1] - span[0]) + 1 for span in spans]
        if min(taken) >= _RESOLVED:
            break
        width = [(side[1] - side[0]) / count for side, count in zip(box, counts, strict=True)]
        box = tuple(
            (max(side[0], side[0] + (int(span[0]) - 1) * w), min(side[1], side[0] + (int(span[-1]) + 2) * w))
            for side, span, w in zip(box, spans, width, strict=True)
        )
    chosen = torch.multinomial((logs - logs.max()).exp().flatten(), n, True, generator=generator)
    place = torch.stack([chosen // len(axes[1]), chosen % len(axes[1])], 1)
    low = torch.tensor([side[0] for side in box], dtype=torch.float64)
    width = torch.tensor(
        [(s[1] - s[0]) / len(a) for s, a in zip(box, axes, strict=True)], dtype=torch.float64
    )
    inside = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    return low + (place + inside) * width


def uniform_draws(variables: tuple[Variable, ...], n: int, generator: torch.Generator) -> Tensor:
    """Draws (n, D) of the prior, float64."""
    low, high = bounds(variables)
    return low + (high - low) * torch.rand(n, len(low), generator=generator, dtype=torch.float64)


def log_prior(x: Tensor, variables: tuple[Variable, ...]) -> tuple[Tensor, float]:
    """Whether each row of ``x`` lies in the box (n,), and the log density there."""
    low, high = (v.to(x) for v in bounds(variables))
    return ((x >= low) & (x <= high)).all(1), -sum(math.log(v.high - v.low) for v in variables)


def bounds(variables: tuple[Variable, ...]) -> Tensor:
    """Lowest and highest values, (2, D)."""
    return torch.tensor([[v.low for v in variables], [v.high for v in variables]], dtype=torch.float64)
