"""What an oceanographer looks at: speed over depth, transmission loss, and how well a seabed matches what
is heard.

Speed:      that of the water, then of the sediment, linear, then of the mudstone.
Loss:       TL = -20 log₁₀ |p / p(1 m)| in dB, p for a source of unit strength. Above the source's depth by
            reciprocity: source and hydrophone change places.
Bartlett:   B = mean over the tones of |g_f^H y_f|² / (‖g_f‖² ‖y_f‖²), between 0 and 1, 1 for a perfect
            match: what matched-field processing maps, and but for normalisation what the likelihood is made
            of.
Source:     Jensen, Kuperman, Porter & Schmidt 2011, Computational Ocean Acoustics, chapters 1 and 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.core.lazy import torch
from workbench.problems.ocean import geoacoustic_field as field
from workbench.problems.ocean import swellex96
from workbench.problems.ocean.waveguide import Environment, Waveguide

if TYPE_CHECKING:
    from torch import Tensor

#: Tone of the transmission loss in Hz, and the margin in m between source and hydrophones there.
PICTURED, _APART = 148.0, 1.5


class AcousticViews:
    """What a geoacoustic problem gives the pictures; members have ``seabeds``, ``graded`` and
    ``recordings``.

    seabeds(x) : members of the seabed by name, (n,) each.
    modelled(x) : fields (n, tones, hydrophones) up to a factor a tone.
    recordings(y) : observations (n, M) as complex (n, tones, hydrophones).
    """

    graded, hydrophones = False, len(swellex96.HYDROPHONES)
    #: Names of the two unknowns over which the match is mapped.
    mapped = ("depth", "speed")

    @property
    def array_depths(self) -> tuple[float, ...]:
        """Depths of the hydrophones in m."""
        return swellex96.HYDROPHONES[: self.hydrophones]

    @property
    def ambiguity_pair(self) -> tuple[int, int]:
        """Columns of x over which the match is mapped."""
        names = [v.name for v in self.x]
        return names.index(self.mapped[0]), names.index(self.mapped[1])

    def placed(self, x: Tensor) -> dict[str, Tensor]:
        """Every member of the seabed, nominal where it is not an unknown, (n,) each."""
        known = self.seabeds(x)
        nominal = swellex96.NOMINAL
        return {
            name: known.get(name, x.new_full((len(x),), nominal[name])).expand(len(x)) for name in nominal
        }

    def speed_profiles(self, x: Tensor, depths: Tensor) -> Tensor:
        """Sound speed in m/s (n, places) at ``depths`` (places,) in m, for unknowns ``x`` (n, D)."""
        here = {name: v[:, None] for name, v in self.placed(x.double()).items()}
        water = _interpolated(depths, swellex96.PROFILE_DEPTHS, swellex96.PROFILE_SPEEDS)
        below = depths - here["depth"]
        sediment = here["speed"] + here["increase"] * below / here["thickness"]
        deeper = below - here["thickness"]
        top = swellex96.MUDSTONE.speed
        rise = (3245.0 - top) / 800.0 if self.graded else 0.0
        ground = torch.where(deeper < 0, sediment, top + rise * deeper)
        return torch.where(below < 0, water.expand_as(ground), ground)

    def bartlett(self, x: Tensor, observation: Tensor) -> Tensor:
        """Match between 0 and 1 (n,) of unknowns ``x`` (n, D) with one observation (M,)."""
        with torch.no_grad():
            fields, heard = self.modelled(x.double()), self.recordings(observation[None])
        matched = (fields.conj() * heard).sum(-1).abs().square()
        return (matched / fields.abs().square().sum(-1) / heard.abs().square().sum(-1)).mean(-1)

    def transmission_loss(self, x: Tensor, ranges: Tensor, depths: Tensor) -> Tensor:
        """Loss in dB (depths, ranges) of the seabed of one ``x`` (D,), at depths from 1 m to the deepest
        hydrophone; NaN next to the source's depth."""
        here = self.placed(x[None].double())
        here = {name: v[:1] for name, v in here.items()} | {"tilt": ranges.new_zeros(1)}
        source, found = (
            float(here["source_depth"]),
            torch.full((len(depths), len(ranges)), torch.nan).double(),
        )
        plain = swellex96.environment(graded=self.graded)
        low, high = depths > source + _APART, depths < source - _APART

        def guide(hydrophones: tuple[float, ...], sources: tuple[float, float]) -> Waveguide:
            around = Environment(plain.depths, plain.speeds, hydrophones, plain.below, sources)
            return Waveguide(around, (PICTURED,), field.LONGEST)

        with torch.no_grad():
            known = here | {"distance": ranges}
            below = guide(tuple(depths[low].tolist()), (source, source))
            found[low] = below.pressure(field.seabed(known))[:, 0].abs().T.double()
            above = guide((source,), (float(depths[0]), source - 0.5 * _APART))
            slopes = above.slopes(field.seabed(here))
            for i in high.nonzero()[:, 0].tolist():
                seabed = field.seabed(known | {"source_depth": depths[i : i + 1]})
                found[i] = above.pressure(seabed, slopes)[:, 0, 0].abs()
        return -20 * found.log10()


def _interpolated(at: Tensor, places: tuple[float, ...], values: tuple[float, ...]) -> Tensor:
    """Piecewise linear, constant beyond the ends."""
    known, heights = (torch.tensor(v, dtype=torch.float64) for v in (places, values))
    i = torch.searchsorted(known, at.contiguous()).clamp(1, len(known) - 1)
    share = ((at - known[i - 1]) / (known[i] - known[i - 1])).clamp(0, 1)
    return heights[i - 1] + share * (heights[i] - heights[i - 1])
