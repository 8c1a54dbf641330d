"""Study of VINA §4.1.2: coupling or residual blocks, choice of the f-divergence, and its direction.

forward   compares distributions of the latents        backward   compares distributions of x
Source: VINA, arXiv:2602.20480, section 4.1.2.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.studies import catalogues
from workbench.studies.base import STUDIES, Cell, Figure
from workbench.studies.case_study import SETTINGS, PosteriorCase, digitised
from workbench.studies.cell_means import grouped

if TYPE_CHECKING:
    import xarray as xr

ARCHITECTURES = {"coupling": "inn", "residual": "residual_inn"}
SIDES = ("forward", "backward")
_AXES = ("architecture", "divergence", "direction")
_SOURCE = "VINA, arXiv:2602.20480, figure 4"
_JS, _KL, _RKL = "jensen_shannon", "kl", "reverse_kl"


@STUDIES.register
class ArchitecturesAndDivergences(PosteriorCase):
    """The twelve combinations of section 4.1.2 of the VINA paper (arXiv:2602.20480), and further divergences.

    Two kinds of blocks (coupling, residual), three f-divergences (Jensen-Shannon, KL, reverse KL) and two
    directions (comparing latents or x), each trained in up to three ways: as the paper prints it, as its
    authors' code does it, and as this workbench recommends.
    """

    key = "architectures_and_divergences"
    title = "Architectures, divergences and directions"
    summary = "Coupling or residual blocks, the divergence, and the comparison of latents or of x."
    reference = "VINA, arXiv:2602.20480, section 4.1.2, equations 49 to 53, figure 4"
    published = digitised("resimulation_distance", {
        ("coupling", _JS, "forward"): 3.58, ("coupling", _JS, "backward"): 0.196,
        ("residual", _JS, "forward"): 5.17, ("residual", _JS, "backward"): 0.375,
        ("coupling", _KL, "forward"): 1.92, ("coupling", _KL, "backward"): 0.305,
        ("residual", _KL, "forward"): 3.26, ("residual", _KL, "backward"): 0.385,
        ("coupling", _RKL, "forward"): 2.48, ("coupling", _RKL, "backward"): 0.252,
        ("residual", _RKL, "forward"): 3.25, ("residual", _RKL, "backward"): 0.320,
    }, _AXES, _SOURCE) + digitised("training_minutes", {
        ("residual", _JS, "forward"): 0.74, ("coupling", _JS, "backward"): 0.24,
        ("residual", _JS, "backward"): 1.17, ("coupling", _KL, "backward"): 0.25,
        ("residual", _KL, "forward"): 0.74, ("residual", _KL, "backward"): 0.93,
        ("coupling", _RKL, "backward"): 0.23, ("residual", _RKL, "forward"): 0.74,
        ("residual", _RKL, "backward"): 1.47,
    }, _AXES, _SOURCE)  # fmt: skip
    figure = Figure(
        ("architecture", "divergence", "direction"), ("setting",),
        ("resimulation_distance", "mmd", "spread"), connected=False,
    )  # fmt: skip
    quick = PosteriorCase.quick | {"divergences": [_JS, _KL, _RKL], "residual_divergences": [_JS]}

    seeds = param.Integer(3, bounds=(1, 100), doc="Repetitions of each cell; the VINA paper has 20.")
    architectures = param.List(
        list(ARCHITECTURES), item_type=str, doc="Blocks of the network: coupling, residual."
    )
    divergences = param.List(
        [_JS, _KL, _RKL, "squared_hellinger", "maximum_mean_discrepancy", "energy_distance"],
        item_type=str,
        doc="Keys of divergences; the VINA paper has the first three.",
    )
    residual_divergences = param.List(
        [], item_type=str, doc="Divergences that the slower residual blocks are trained with; empty: all."
    )

    def cells(self) -> list[Cell]:
        return [
            self._cell(architecture, divergence, direction, setting, seed)
            for architecture in self.architectures
            for seed in range(self.seeds)
            for divergence in self._with(architecture)
            for direction in SIDES
            for setting in self.settings_compared
        ]

    def _with(self, architecture: str) -> list[str]:
        return (architecture == "residual" and self.residual_divergences) or self.divergences

    def _cell(self, architecture: str, divergence: str, direction: str, setting: str, seed: int) -> Cell:
        place = {
            "architecture": architecture, "divergence": divergence, "direction": direction,
            "setting": setting, "seed": seed,
        }  # fmt: skip
        title = f"{architecture} · {catalogues.DIVERGENCES[divergence].title} · {direction}"
        forward = direction == "forward"
        if setting == "ours":
            values = self.ours(divergence, forward=forward)
        else:
            values = self.followed(setting, divergence, forward=forward)
        network = self.network(setting, kind=ARCHITECTURES[architecture])
        return self.cell(place, title, network, {"key": "variational", "settings": values})

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Return sentences that compare backward with forward by MMD² and by the VINA paper's metric
        ‖f(x̂) − y‖, and that report posteriors of a wrong width, which ‖f(x̂) − y‖ does not detect."""
        sentences = []
        for setting in self.settings_compared:
            parts = []
            for metric, name in (("resimulation_distance", "‖f(x̂) − y‖"), ("mmd", "MMD²")):
                mean = grouped(data, metric, "direction", setting=setting)
                if len(mean) == 2:
                    ahead, back = mean["forward"], mean["backward"]
                    parts.append(f"{name} is {ahead:.3g} forward and {back:.3g} backward")
            wins, pairs = self._wins(data, setting)
            if parts and pairs:
                sentences.append(
                    f"{SETTINGS[setting]}: on average {', and '.join(parts)}. By MMD² backward is better in "
                    f"{wins} of {pairs} pairs; the paper finds it better throughout, by the distance."
                )
            width = grouped(data, "spread", "direction", setting=setting)
            sentences += [
                f"{SETTINGS[setting]}, {side}: draws are {value:.3g} times as wide as the exact posterior"
                + (", which the distance to the target does not see." if value < 1 else ".")
                for side, value in width.items()
                if not 0.8 <= value <= 1.25
            ]
        return sentences + self._narrow(data)

    def _wins(self, data: xr.Dataset, setting: str) -> tuple[int, int]:
        """Return (wins, pairs): of the pairs of cells that differ only in direction, the number in which
        backward has the smaller MMD², and the number of all pairs."""
        values: dict[tuple, dict[str, float]] = {}
        for i in range(data.sizes["cell"]):
            place = {name: data[name].values[i].item() for name in (*_AXES, "setting", "seed")}
            side, value = place.pop("direction"), float(data["mmd"].values[i]) if "mmd" in data else math.nan
            if place["setting"] == setting and math.isfinite(value):
                values.setdefault(tuple(place.values()), {})[side] = value
        pairs = [pair for pair in values.values() if len(pair) == 2]
        return sum(pair["backward"] < pair["forward"] for pair in pairs), len(pairs)

    def _narrow(self, data: xr.Dataset) -> list[str]:
        """Return one sentence per way to train in which the row that is best by ‖f(x̂) − y‖ differs from the
        row that is best by MMD², with the MMD² and the posterior width of both rows."""
        sentences = []
        for setting in self.settings_compared:
            near = grouped(data, "resimulation_distance", "title", setting=setting)
            right, wide = (grouped(data, name, "title", setting=setting) for name in ("mmd", "spread"))
            if len(near) > 1 and near.keys() == right.keys() == wide.keys():
                best, exact = min(near, key=near.get), min(right, key=right.get)
                if best != exact:
                    sentences.append(
                        f"By the distance to the target {best} is best ({near[best]:.3g}) with an MMD² of "
                        f"{right[best]:.3g} and {wide[best]:.2f} times the width; by MMD² it is {exact} "
                        f"({right[exact]:.3g}, {wide[exact]:.2f} times the width)."
                    )
        return sentences
