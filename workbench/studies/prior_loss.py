"""Study of VINA §4.1.1: a loss that pulls draws towards a prior, right or wrong, beside the likelihood.

printed   λ' times eq. 47 (Gaussian) or eq. 48 (uniform on [0, 1], which is not the arm's prior)
code      the Gaussian scaled by the prior's variances, the uniform on [−0.5, 0.5] and ten times as heavy
ours      the distribution of the draws over all observations against that of x, by the energy distance,
          which the exact posterior minimises, since ∫ p(x | y) p(y) dy is the prior

The Gaussian rows use the version of the code. The network is a coupling flow of x given y and not the paper's
INN from x to [y, z]: with a density of x the likelihood needs no weights between y, z and padding. y has a
little noise, as it has in the authors' program: without it p(x | y) has no density.

Expected: eq. 47 compares a draw with an x that has another latent. Its minimiser is the posterior's mean,
whatever the prior: it narrows the draws, well specified or not. Ours compares distributions, not pairs, and
cannot favour narrow draws; it cannot be misspecified, since its prior is that of the data.

Source: VINA, arXiv:2602.20480, section 4.1.1, equations 47 and 48, and the authors' program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import param

from workbench.studies.base import STUDIES, Cell, Figure
from workbench.studies.case_study import SETTINGS, PosteriorCase
from workbench.studies.cell_means import apart, grouped, span

if TYPE_CHECKING:
    import xarray as xr

    from workbench.problems import Problem

#: Lower and upper bound of the uniform prior, and the factor on λ', in each way to train.
_UNIFORM = {"printed": (0.0, 1.0, 1.0), "code": (-0.5, 0.5, 10.0)}
#: Names of the prior losses in the row titles.
NAMES = {"gaussian": "gaussian prior", "uniform": "uniform prior", "law": "prior as a distribution"}


@STUDIES.register
class PriorLoss(PosteriorCase):
    """Training by likelihood without a prior loss, and with the right prior or a wrong one at small and
    large weight."""

    key = "prior_loss"
    title = "Prior loss"
    summary = "A prior loss beside the likelihood, with the right prior and a wrong one, light and heavy."
    reference = "VINA, arXiv:2602.20480, section 4.1.1, equations 47 and 48"
    figure = Figure(
        ("prior", "weight"), ("setting",), ("resimulation_distance", "mmd", "spread"), connected=False
    )
    quick = PosteriorCase.quick | {"steps": 800, "learning_rate": 2e-3, "seeds": 2}

    seeds = param.Integer(3, bounds=(1, 100), doc="Repetitions of each cell.")
    settings_compared = param.List(
        ["printed", "code", "ours"],
        item_type=str,
        doc="Rows: printed and code (uniform prior), ours (energy distance to the prior).",
    )
    weights = param.List([1.0, 100.0], item_type=float, doc="Weights λ' of the prior loss, beside 0.")
    noise_y = param.Number(0.05, bounds=(0, 1), doc="Noise on y in training, in standard deviations of y.")

    def cells(self) -> list[Cell]:
        return [self._cell(*kind, seed) for kind in self._kinds() for seed in range(self.seeds)]

    def _kinds(self) -> list[tuple[str, float, str]]:
        kinds = [("none", 0.0, "code")]
        kinds += [("gaussian", float(w), "code") for w in self.weights]
        return kinds + [
            ("law" if setting == "ours" else "uniform", float(w), setting)
            for setting in self.settings_compared
            for w in self.weights
        ]

    def _cell(self, prior: str, weight: float, setting: str, seed: int) -> Cell:
        place = {"prior": prior, "weight": weight, "setting": setting, "seed": seed}
        values = {
            # measured beside the likelihood, and of no weight but in the rows of ours
            "divergence": "energy_distance", "direction": "backward_marginal", "weight_divergence": 0.0,
            "weight_likelihood": 1.0, "model_rate": 1.0, "model_averaging": 0.0, "prior_loss": "none",
        }  # fmt: skip
        if prior == "law":
            values |= {"weight_divergence": weight}
        elif prior == "gaussian":
            values |= {"prior_loss": prior, "weight_prior": weight}
        elif prior == "uniform":
            low, high, factor = _UNIFORM[setting]
            values |= {"prior_loss": prior, "weight_prior": factor * weight}
            values |= {"prior_low": low, "prior_high": high}
        training = self.training("code").copy()
        training.set("noise_y", self.noise_y)
        network = {"key": "realnvp", "settings": {"transforms": 4, "width": self.width, "clamp": 2.0}}
        title = "no prior loss" if prior == "none" else f"{NAMES[prior]}, λ' = {weight:g}"
        return self.cell(place, title, network, {"key": "variational", "settings": values}, training)

    def problem(self, setting: str) -> Problem:
        return super().problem("code")  # one arm for all, so that rows compare

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Return sentences on the effect of each prior loss on ‖f(x̂) − y‖ (the VINA paper's metric), on MMD²
        and on the posterior's width, and on whether the right prior at λ' = 1 helps, as that paper finds."""
        sentences = [self._effect(data, *kind) for kind in self._kinds() if kind[0] != "none"]
        right = self._verdict(data, "gaussian", 1.0, "code", "mmd")
        near = self._verdict(data, "gaussian", 1.0, "code", "resimulation_distance")
        if 1.0 in self.weights:
            by_posterior, by_target = ("is" if v == "lower" else "is not" for v in (right, near))
            sentences.append(
                f"The paper finds that the right prior at λ' = 1 helps. By MMD² that {by_posterior} seen "
                f"here; by the distance to the target, which is the paper's metric, it {by_target}."
            )
        return [sentence for sentence in sentences if sentence]

    def _verdict(self, data: xr.Dataset, prior: str, weight: float, setting: str, metric: str) -> str:
        place = {"prior": prior, "weight": weight, "setting": setting}
        return apart(span(data, metric, **place), span(data, metric, prior="none"))

    def _effect(self, data: xr.Dataset, prior: str, weight: float, setting: str) -> str:
        place = {"prior": prior, "weight": weight, "setting": setting}
        names = ("resimulation_distance", "mmd", "spread")
        base = [grouped(data, name, "prior", prior="none").get("none") for name in names]
        mine = [grouped(data, name, "prior", **place).get(prior) for name in names]
        if None in (*base, *mine):
            return ""
        words = {"lower": "helps", "higher": "harms", "": "changes nothing that the repetitions show"}
        verdict = words[self._verdict(data, prior, weight, setting, "mmd")]
        return (
            f"{NAMES[prior]} at λ' = {weight:g}, {SETTINGS[setting]}, {verdict}: MMD² {mine[1]:.3g} instead "
            f"of {base[1]:.3g}, distance to the target {mine[0]:.3g} instead of {base[0]:.3g}, draws "
            f"{mine[2]:.2f} times as wide as the exact posterior instead of {base[2]:.2f}."
        )
