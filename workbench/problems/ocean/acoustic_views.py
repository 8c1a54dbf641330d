"""Standard views of underwater acoustics: sound-speed profile, transmission loss, ambiguity surface.

Speed:      as a function of depth, through water, sediment (where it is linear) and mudstone.
Loss:       TL = -20 log₁₀ |p / p(1 m)| in dB, p for a source of unit strength. Above the source's depth by
            reciprocity: source and hydrophone change places.
Bartlett:   B = mean over the tones of |g_f^H y_f|² / (‖g_f‖² ‖y_f‖²), between 0 and 1, 1 for a perfect
            match: the processor of matched-field inversion and, up to normalisation, the statistic of the
            likelihood.
Source:     Jensen, Kuperman, Porter & Schmidt 2011, Computational Ocean Acoustics, chapters 1 and 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.problems.ocean import geoacoustic_field as field
from workbench.problems.ocean import swellex96
from workbench.problems.ocean.environment import Environment
from workbench.problems.ocean.waveguide import Waveguide

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.core.variable import Variable

#: Tone of the transmission loss in Hz, and the smallest distance in depth from the source in m.
LOSS_TONE, _MARGIN = 148.0, 1.5


class AcousticViews:
    """Mixin that gives a geoacoustic problem sound-speed profiles, transmission loss and the Bartlett match.

    The problem implements `seabeds`, `fields` and `recordings`.
    """

    #: True if the mudstone's speed rises with depth, False for a half-space; number of hydrophones in use.
    graded_mudstone: bool = False
    hydrophones: int = len(swellex96.HYDROPHONES)

    if TYPE_CHECKING:

        @property
        def x(self) -> tuple[Variable, ...]: ...

    @property
    def ambiguity_axes(self) -> tuple[str, str]:
        """Names of the two unknowns on the axes of the ambiguity surface (a map of the Bartlett match)."""
        return "depth", "speed"

    def seabeds(self, x: Tensor) -> dict[str, Tensor]:
        """Return those parameters of `Seabed` that ``x`` (n, D) determines: name -> values (n,)."""
        raise NotImplementedError

    def fields(self, x: Tensor) -> Tensor:
        """Return the noise-free pressure (n, tones, hydrophones) of ``x`` (n, D), up to a factor per tone."""
        raise NotImplementedError

    def recordings(self, y: Tensor) -> Tensor:
        """Return observations (n, M) as complex numbers (n, tones, hydrophones)."""
        raise NotImplementedError

    @property
    def array_depths(self) -> tuple[float, ...]:
        """Depths of the hydrophones in m."""
        return swellex96.HYDROPHONES[: self.hydrophones]

    @property
    def ambiguity_pair(self) -> tuple[int, int]:
        """Indices in x of the two unknowns on the axes of the ambiguity surface."""
        names = [v.name for v in self.x]
        return names.index(self.ambiguity_axes[0]), names.index(self.ambiguity_axes[1])

    def seabed_members(self, x: Tensor) -> dict[str, Tensor]:
        """Return all parameters of `Seabed`, name -> values (n,): from ``x`` (n, D) or nominal."""
        unknowns, nominal = self.seabeds(x), swellex96.NOMINAL
        return {
            name: unknowns.get(name, x.new_full((len(x),), value)).expand(len(x))
            for name, value in nominal.items()
        }

    def speed_profiles(self, x: Tensor, depths: Tensor) -> Tensor:
        """Return the sound speed in m/s (n, k) at ``depths`` (k,) in m for unknowns ``x`` (n, D)."""
        here = {name: v[:, None] for name, v in self.seabed_members(x.double()).items()}
        water = _interpolated(depths, swellex96.PROFILE_DEPTHS, swellex96.PROFILE_SPEEDS)
        below = depths - here["depth"]
        sediment = here["speed"] + here["increase"] * below / here["thickness"]
        deeper = below - here["thickness"]
        top = swellex96.MUDSTONE.speed
        rise = (3245.0 - top) / 800.0 if self.graded_mudstone else 0.0
        ground = torch.where(deeper < 0, sediment, top + rise * deeper)
        return torch.where(below < 0, water.expand_as(ground), ground)

    def bartlett(self, x: Tensor, observation: Tensor) -> Tensor:
        """Return the Bartlett match B (n,) of unknowns ``x`` (n, D) with one observation (M,)."""
        with torch.no_grad():
            fields, recording = self.fields(x.double()), self.recordings(observation[None])
        power = (fields.conj() * recording).sum(-1).abs().square()
        return (power / fields.abs().square().sum(-1) / recording.abs().square().sum(-1)).mean(-1)

    def transmission_loss(self, x: Tensor, ranges: Tensor, depths: Tensor) -> Tensor:
        """Return the transmission loss in dB (depths, ranges) for the seabed of one ``x`` (D,).

        ``depths`` in m reach from 1 m to the deepest hydrophone; NaN within 1.5 m of the source's depth.
        """
        here = self.seabed_members(x[None].double()) | {"tilt": ranges.new_zeros(1)}
        source = float(here["source_depth"])
        pressure = torch.full((len(depths), len(ranges)), torch.nan).double()
        plain = swellex96.environment(graded=self.graded_mudstone)
        low, high = depths > source + _MARGIN, depths < source - _MARGIN

        def guide(hydrophones: tuple[float, ...], sources: tuple[float, float]) -> Waveguide:
            around = Environment(plain.depths, plain.speeds, hydrophones, plain.below, sources)
            return Waveguide(around, (LOSS_TONE,), field.LONGEST)

        with torch.no_grad():
            members = here | {"distance": ranges}
            below = guide(tuple(depths[low].tolist()), (source, source))
            pressure[low] = below.pressure(field.seabed(members))[:, 0].abs().T.double()
            above = guide((source,), (float(depths[0]), source - 0.5 * _MARGIN))
            slopes = above.slopes(field.seabed(here))
            for i in high.nonzero()[:, 0].tolist():
                seabed = field.seabed(members | {"source_depth": depths[i : i + 1]})
                pressure[i] = above.pressure(seabed, slopes)[:, 0, 0].abs()
        return -20 * pressure.log10()


def _interpolated(at: Tensor, places: tuple[float, ...], values: tuple[float, ...]) -> Tensor:
    """Interpolate linearly, at the points ``at`` (k,), a function with ``values`` at the nodes ``places``.

    The function is constant beyond the first and the last node.
    """
    nodes, heights = (torch.tensor(v, dtype=torch.float64) for v in (places, values))
    i = torch.searchsorted(nodes, at.contiguous()).clamp(1, len(nodes) - 1)
    share = ((at - nodes[i - 1]) / (nodes[i] - nodes[i - 1])).clamp(0, 1)
    return heights[i - 1] + share * (heights[i] - heights[i - 1])
