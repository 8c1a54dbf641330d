"""Study of VINA §4.1.3: number of latent components, for KL with a critic and for Sinkhorn.

An observation of the arm leaves two components of x open, so that two latents are needed. Each further one is
a zero that pads x on one side of the network, and on the other a latent that it must learn to ignore.

Source: VINA, arXiv:2602.20480, section 4.1.3, figure 5, and the authors' program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.studies import catalogues
from workbench.studies.base import STUDIES, Cell, Figure
from workbench.studies.case_study import SETTINGS, PosteriorCase, digitised
from workbench.studies.cell_means import grouped

if TYPE_CHECKING:
    import xarray as xr

_SIZES = (2, 6, 10, 14, 18, 22, 26, 30, 34, 38)
_FIGURE = {
    "kl": (0.277, 2.70, 0.825, 0.319, 0.405, 0.247, 0.382, 0.417, 1.585, 0.215),
    "sinkhorn": (0.138, 0.109, 0.109, 0.157, 0.112, 0.106, 0.138, 0.38, 0.160, 0.185),
}


@STUDIES.register
class LatentDimension(PosteriorCase):
    """Posteriors with two latents, the number that is needed, and with more, up to 38."""

    key = "latent_dimension"
    title = "Latent dimension"
    summary = (
        "More latents than the observation leaves open: their effect on posteriors, with KL and Sinkhorn."
    )
    reference = "VINA, arXiv:2602.20480, section 4.1.3, figure 5"
    published = digitised(
        "resimulation_distance",
        {(d, n): v for d, values in _FIGURE.items() for n, v in zip(_SIZES, values, strict=True)},
        ("divergence", "latents"),
        "VINA, arXiv:2602.20480, figure 5",
    )
    figure = Figure(("latents",), ("divergence", "setting"), ("resimulation_distance", "mmd", "spread"))
    quick = PosteriorCase.quick | {"latents": [2, 6, 14, 30]}

    seeds = param.Integer(3, bounds=(1, 100), doc="Repetitions of each cell.")
    settings_compared = param.List(
        ["code", "ours"], item_type=str, doc="Ways to train: code (authors' program), ours."
    )
    latents = param.List(list(_SIZES), item_type=int, doc="Numbers of latent components, from 2 to 66.")
    divergences = param.List(list(_FIGURE), item_type=str, doc="Keys of divergences.")

    def cells(self) -> list[Cell]:
        return [
            self._cell(divergence, latents, setting, seed)
            for divergence in self.divergences
            for setting in self.settings_compared
            for latents in self.latents
            for seed in range(self.seeds)
        ]

    def _cell(self, divergence: str, latents: int, setting: str, seed: int) -> Cell:
        place = {"divergence": divergence, "latents": latents, "setting": setting, "seed": seed}
        if setting == "ours":
            values = self.ours(divergence)
        elif divergence == "sinkhorn":
            values = self.transport()
        else:
            values = self.followed(setting, divergence)
        return self.cell(
            place,
            f"{latents} latents · {catalogues.DIVERGENCES[divergence].title}",
            self.network(setting, latents=latents),
            {"key": "variational", "settings": values},
        )

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Return sentences on the best number of latents by ‖f(x̂) − y‖ and by MMD², and on how many local
        minima each metric has as a function of the number of latents."""
        sentences = []
        for divergence in self.divergences:
            for setting in self.settings_compared:
                title = f"{catalogues.DIVERGENCES[divergence].title}, {SETTINGS[setting]}"
                for metric, name in (("resimulation_distance", "‖f(x̂) − y‖"), ("mmd", "MMD²")):
                    curve = grouped(data, metric, "latents", divergence=divergence, setting=setting)
                    if len(curve) > 2:
                        bends = valleys(list(curve.values()))
                        sentences.append(
                            f"{title}: by {name} {min(curve, key=curve.get)} latents are best "
                            f"({min(curve.values()):.3g}, worst {max(curve.values()):.3g}), and the curve "
                            f"has {bends} valley{'s' if bends != 1 else ''}; the paper's is locally U-shaped."
                        )
        return sentences


def valleys(values: list[float]) -> int:
    """Number of local minima of a sequence, ends included."""
    with_ends = [float("inf"), *values, float("inf")]
    return sum(a > b <= c for a, b, c in zip(with_ends, with_ends[1:], with_ends[2:], strict=False))
