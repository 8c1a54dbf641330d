"""Study of VINA §4.1.4: Sinkhorn divergences with more and less entropic regularisation ε, debiased or not.

code    the values of ε in the paper's figure are those that its program passes on as the blur, so that the
        true ε is their square; the program compares distributions of x alone, and adds at weight 10 the
        distance between x and a draw from an independent latent, which narrows the draws
ours    compares the joint distribution of x and y without that term, and ε itself is the figure's value

Expected: debiased, a large ε compares only means; not debiased, it makes every draw the mean. The distance to
the target does not distinguish a narrow posterior from a right one; the spread, MMD² and C2ST do.

Source: VINA, arXiv:2602.20480, section 4.1.4, figure 6, and the authors' program.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.studies.base import STUDIES, Cell, Figure, Published
from workbench.studies.case_study import SETTINGS, PosteriorCase, digitised
from workbench.studies.cell_means import falls, grouped

if TYPE_CHECKING:
    import xarray as xr

_ENTROPIES = (0.01, 0.1, 1.0, 10.0)
KINDS = ("debiased", "biased")
_DISTANCE = {"debiased": (0.156, 0.150, 0.074, 0.032), "biased": (0.156, 0.154, 0.863, 0.878)}
_MINUTES = {"debiased": (0.473, 0.455, 0.435, 0.400), "biased": (0.418, 0.407, 0.397, 0.395)}
_SOURCE = "VINA, arXiv:2602.20480, figure 6; which colour is which ε is assumed"


def _figures(column: str, table: dict[str, tuple[float, ...]]) -> tuple[Published, ...]:
    rows = {(k, e): v for k, values in table.items() for e, v in zip(_ENTROPIES, values, strict=True)}
    return digitised(column, rows, ("kind", "entropy"), _SOURCE)


@STUDIES.register
class EntropicRegularisation(PosteriorCase):
    """Sinkhorn divergences with four values of ε, debiased and biased."""

    key = "entropic_regularisation"
    title = "Entropic regularisation"
    summary = "Sinkhorn with more and less entropy: accuracy, width of the posterior, and time."
    reference = "VINA, arXiv:2602.20480, section 4.1.4, figure 6"
    published = _figures("resimulation_distance", _DISTANCE) + _figures("training_minutes", _MINUTES)
    figure = Figure(("entropy",), ("kind", "setting"), ("resimulation_distance", "mmd", "spread"))
    quick = PosteriorCase.quick | {"steps": 150}

    seeds = param.Integer(3, bounds=(1, 100), doc="Repetitions of each cell.")
    settings_compared = param.List(
        ["code", "ours"], item_type=str, doc="Ways to train: code (authors' program), ours."
    )
    entropies = param.List(list(_ENTROPIES), item_type=float, doc="Values of ε, the entropic regularisation.")

    def cells(self) -> list[Cell]:
        return [
            self._cell(kind, float(entropy), setting, seed)
            for setting in self.settings_compared
            for kind in KINDS
            for entropy in self.entropies
            for seed in range(self.seeds)
        ]

    def _cell(self, kind: str, entropy: float, setting: str, seed: int) -> Cell:
        place = {"kind": kind, "entropy": entropy, "setting": setting, "seed": seed}
        is_debiased = kind == "debiased"
        if setting == "ours":
            values = self.ours("sinkhorn", sinkhorn_blur=math.sqrt(entropy), sinkhorn_debiased=is_debiased)
        else:
            values = self.transport(blur=entropy, debiased=is_debiased)
        title = f"{kind} · {entropy:g}"
        return self.cell(place, title, self.network(setting), {"key": "variational", "settings": values})

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Return sentences on the trend of the metrics, of the training time and of the posterior's width
        with ε; the VINA paper finds that less entropy is better but slower."""
        sentences = []
        for setting in self.settings_compared:
            for kind in KINDS:
                for metric, name in (("resimulation_distance", "‖f(x̂) − y‖"), ("mmd", "MMD²")):
                    curve = grouped(data, metric, "entropy", kind=kind, setting=setting)
                    if len(curve) > 1:
                        first, *_, last = curve.values()
                        trend = "as the paper says" if first < last else "against the paper's sentence"
                        sentences.append(
                            f"{SETTINGS[setting]}, {kind}: {name} goes from {first:.3g} at {min(curve):g} to "
                            f"{last:.3g} at {max(curve):g} ({falls(curve)} of {len(curve) - 1} steps down), "
                            f"{trend}."
                        )
                clock = grouped(data, "training_minutes", "entropy", kind=kind, setting=setting)
                if len(clock) > 1:
                    low, high = min(clock), max(clock)
                    sentences.append(
                        f"{SETTINGS[setting]}, {kind}: training takes {60 * clock[low]:.3g} s at {low:g} and "
                        f"{60 * clock[high]:.3g} s at {high:g}; the paper finds less entropy slower."
                    )
                width = grouped(data, "spread", "entropy", kind=kind, setting=setting)
                if width:
                    widest = max(width)
                    sentences.append(
                        f"{SETTINGS[setting]}, {kind}: at {widest:g} draws are {width[widest]:.2f} times as "
                        "wide as the exact posterior."
                    )
        return sentences
