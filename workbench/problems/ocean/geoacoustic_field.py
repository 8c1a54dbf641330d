"""Shared parts of the geoacoustic problems: unknowns with their priors, fields at the array, grid posteriors.

Unknowns:  uniform on the bounds of `UNKNOWNS`; those that a problem does not include keep their nominal
           value.
Phase:     a recording's phase is that of the source and carries no information on the seabed. It is removed
           by a rotation, y exp(-iα) with 2α = arg Σ y_j², and the sign for which Σ (Re y_j + Im y_j) > 0:
           recordings that differ by a phase alone become equal.
Grid:      p(x | y) on the midpoints of an even grid, then on a finer grid around the mass, until it is
           resolved; draws choose a cell and then a point in it.
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
from workbench.problems.ocean.environment import Seabed
from workbench.problems.ocean.swellex96 import NOMINAL, environment
from workbench.problems.ocean.waveguide import Waveguide

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

#: All unknowns with the bounds of their uniform priors, in the order of `Seabed`.
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
#: Unknowns on which the solution in the sediment depends.
SEDIMENT = ("thickness", "speed", "increase", "density", "attenuation")
#: Largest range in m for which fields are computed; rows per batch, to fit into the processor's cache.
LONGEST, ROWS = 3400.0, 64
#: Cells of a finer grid along each axis, how many of them the mass must span, and most grids to try.
_FINER, _RESOLVED, _LEVELS = 40, 24, 5
#: Cells whose log density is lower than the largest by more than this hold negligible mass.
_NEGLIGIBLE = 16.0


@lru_cache(maxsize=8)
def waveguide(tones: tuple[float, ...], hydrophones: int = 21, graded: bool = False) -> Waveguide:
    """Return the solver for the acoustic field of the SWellEx-96 experiment's site at ``tones`` in Hz.

    It computes the pressure at the uppermost ``hydrophones`` of the vertical array, for ranges up to
    `LONGEST`. In the mudstone, the rock below the sediment, the sound speed is constant, or with ``graded``
    rises with depth. Solvers are cached, as they are slow to build.
    """
    return Waveguide(environment(hydrophones, graded=graded), tones, LONGEST)


def seabed(members: dict[str, Tensor]) -> Seabed:
    """Return a `Seabed` with the parameters ``members`` (name -> values) and nominal values of all others."""
    like = next(iter(members.values()))
    return Seabed(**{name: members.get(name, like.new_tensor([NOMINAL[name]])) for name in UNKNOWNS})


def fields(guide: Waveguide, names: tuple[str, ...], x: Tensor, **others: Tensor) -> Tensor:
    """Return the complex pressure (n, tones, hydrophones) for ``x`` (n, D), ``names`` naming its columns.

    ``others`` holds further parameters of `Seabed` by name, (n,) each. Differentiable; computed in float64.
    """
    x = x.double()
    parts = []
    for rows in torch.arange(len(x)).split(ROWS):
        members = dict(zip(names, x[rows].T, strict=True)) | {name: v[rows] for name, v in others.items()}
        parts.append(guide.pressure(seabed(members)))
    return torch.cat(parts)


def sediment_columns(names: tuple[str, ...]) -> list[int]:
    """Return the indices in ``names`` of the unknowns that are properties of the sediment."""
    return [i for i, name in enumerate(names) if name in SEDIMENT]


def shared_fields(guide: Waveguide, names: tuple[str, ...], x: Tensor, together: int) -> Tensor:
    """Return what `fields` returns, faster, for ``x`` in which blocks of ``together`` rows share a sediment.

    The solution in the sediment is computed once per block.
    """
    parts = []
    for rows in torch.arange(len(x)).split(ROWS * together):
        members = dict(zip(names, x[rows].T, strict=True))
        slopes = guide.slopes(seabed({name: v[::together] for name, v in members.items()}))
        for place in range(together):
            part = {name: v[place::together] for name, v in members.items()}
            count = len(part[names[0]])
            parts.append((rows[place::together], guide.pressure(seabed(part), [s[:count] for s in slopes])))
    order = torch.cat([rows for rows, _ in parts]).argsort()
    return torch.cat([pressure for _, pressure in parts])[order]


def level(pressure: Tensor) -> Tensor:
    """Return pressure (…, hydrophones) scaled to mean square 1, as the source's strength is unknown."""
    return pressure * (pressure.shape[-1] ** 0.5 / torch.linalg.vector_norm(pressure, dim=-1, keepdim=True))


def without_phase(y: Tensor) -> Tensor:
    """Return complex recordings (…, hydrophones) rotated to a standard phase, as the source's is unknown."""
    y = y * torch.exp(-0.5j * y.square().sum(-1, keepdim=True).angle())
    sign = (y.real + y.imag).sum(-1, keepdim=True).sign()
    return y * torch.where(sign == 0, 1.0, sign)


def as_numbers(y: Tensor) -> Tensor:
    """Return complex y (n, tones, phones) as alternating real and imaginary parts (n, 2 · tones · phones)."""
    return torch.view_as_real(y.resolve_conj()).flatten(1)


def as_recordings(y: Tensor, hydrophones: int) -> Tensor:
    """Return real numbers y (n, M) as complex (n, tones, hydrophones): the inverse of `as_numbers`."""
    return torch.view_as_complex(y.reshape(len(y), -1, hydrophones, 2).contiguous())


def complex_noise(shape: tuple[int, ...], variance: float | Tensor, generator: torch.Generator) -> Tensor:
    """Draw circular complex normal noise, complex128, with E|e|² = ``variance``."""
    parts = torch.randn(*shape, 2, generator=generator, dtype=torch.float64)
    return torch.view_as_complex(parts) * (0.5 * torch.as_tensor(variance, dtype=torch.float64)).sqrt()


def recording_variables(tones: tuple[float, ...], hydrophones: int, note: str) -> tuple[Variable, ...]:
    """Return the M variables of y, one per column of `as_numbers`, with the description ``note``."""
    return tuple(
        Variable(
            f"{part}_{tone:.0f}_{j}", f"{part.capitalize()} y ({tone:.0f} Hz, {j})", "", description=note
        )
        for tone in tones
        for j in range(1, hydrophones + 1)
        for part in ("re", "im")
    )


def midpoints(low: float, high: float, count: int) -> Tensor:
    """Return the centres (count,) of ``count`` equal cells of the interval [low, high]."""
    return low + (high - low) * (torch.arange(count, dtype=torch.float64) + 0.5) / count


def on_grid(guide: Waveguide, names: tuple[str, ...], first: Tensor, second: Tensor) -> Tensor:
    """Return the complex pressure (len first, len second, tones, hydrophones) on a grid of two unknowns.

    ``names`` names the unknowns, ``first`` and ``second`` are their values on the axes; others are nominal.

    The first must not be a property of the sediment, which is solved once per value of the second.
    """
    slopes = guide.slopes(seabed({names[1]: second}))
    rows = [guide.pressure(seabed({names[0]: v.reshape(1), names[1]: second}), slopes) for v in first]
    return torch.stack(rows)


def grid_draws(
    log_likelihood: Callable[[Tensor, Tensor], Tensor],
    box: Window,
    cells: tuple[int, int],
    n: int,
    generator: torch.Generator,
) -> Tensor:
    """Draw ``n`` points (n, 2) in ``box`` from a density on a grid, which is refined around its mass.

    Parameters
    ----------
    log_likelihood : (first axis, second axis) -> log density on their grid (a matrix), up to a constant.
    box : (low, high) of both axes.
    cells : numbers of cells of the first grid.
    """
    for step in range(_LEVELS):
        counts = cells if step == 0 else (_FINER, _FINER)
        axes = [midpoints(*side, count) for side, count in zip(box, counts, strict=True)]
        logs = log_likelihood(*axes)
        mass = logs > logs.max() - _NEGLIGIBLE
        spans = [mass.any(1 - i).nonzero()[:, 0] for i in (0, 1)]
        if min(int(span[-1] - span[0]) + 1 for span in spans) >= _RESOLVED:
            break
        widths = [(side[1] - side[0]) / count for side, count in zip(box, counts, strict=True)]
        box = tuple(
            (max(side[0], side[0] + (int(span[0]) - 1) * w), min(side[1], side[0] + (int(span[-1]) + 2) * w))
            for side, span, w in zip(box, spans, widths, strict=True)
        )
    cell = torch.multinomial((logs - logs.max()).exp().flatten(), n, True, generator=generator)
    place = torch.stack([cell // len(axes[1]), cell % len(axes[1])], 1)
    low = torch.tensor([side[0] for side in box], dtype=torch.float64)
    width = torch.tensor(
        [(s[1] - s[0]) / len(a) for s, a in zip(box, axes, strict=True)], dtype=torch.float64
    )
    inside = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    return low + (place + inside) * width


def uniform_draws(variables: tuple[Variable, ...], n: int, generator: torch.Generator) -> Tensor:
    """Draw ``n`` rows (n, D), float64, uniform within the bounds of the ``variables``."""
    low, high = bounds(variables)
    return low + (high - low) * torch.rand(n, len(low), generator=generator, dtype=torch.float64)


def log_prior(x: Tensor, variables: tuple[Variable, ...]) -> tuple[Tensor, float]:
    """Return a mask (n,) of the rows of ``x`` within bounds, and the uniform log density there in nats."""
    low, high = (v.to(x) for v in bounds(variables))
    return ((x >= low) & (x <= high)).all(1), -sum(math.log(v.high - v.low) for v in variables)


def bounds(variables: tuple[Variable, ...]) -> Tensor:
    """Return the lowest and highest values of the ``variables`` (2, D), float64."""
    return torch.tensor([[v.low for v in variables], [v.high for v in variables]], dtype=torch.float64)
