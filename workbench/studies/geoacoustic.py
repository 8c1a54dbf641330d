"""Study of VINA §4.2: geoacoustic inversion, compared with the true unknowns, as in the VINA paper, and with
exact posteriors.

Rows of the table, by the coordinate ``problem``:
vina      the problem `geoacoustic_paper`: two unknowns, water depth and sediment speed. Networks "config 1"
          and "config 2" are the VINA paper's INNs from x to [y, z], with the noise among the unknowns,
          trained as its authors' program does (see `case_study`); "ours" is an INN without surplus latents
          and with this workbench's objective; "flow" is a conditional flow of the two unknowns alone. Each is
          trained by maximum likelihood and by divergences that need a critic.
swx_9     the problem `geoacoustic` with nine unknowns, three tones and an SNR of 5 dB, against stored
          reference posteriors: a conditional spline flow whose embedding does not depend on the recording's
          phase, before ("amortised") and after refinement with a local signal model and exact likelihoods.

Columns:

(m̂ − m)²  mean squared distance of draws m̂ to the true m: the paper's "L2 loss". It is least for a point at
          the truth, wherever the posterior lies; a right answer scores as the row of the exact posterior.
KL(p ‖ q)  of the exact posterior p from the network's q, by stored draws of p and its evidence: the amount by
          which the mean of −log q(x | y) at these observations could still fall.
C2ST, MMD², spread  against draws of the exact posterior of the seabed (the noise follows from it); ½, 0 and 1
          are perfect.  coverage: fraction of true values in the central 90 % of draws.
times     processor seconds of training and of 1000 draws of one posterior; speed-up over Markov chains on
          the same likelihood (nine unknowns: over the reference's nested sampling).
With nine unknowns the columns are means over the stored observations.

Synthetic and well specified: data come from the model that explains them, the environment is that of
SWellEx-96, the same at every range, and no recording is used. The paper's own test observation and noise are
not published: its figures compare in order of magnitude only.

Source: VINA, arXiv:2602.20480, section 4.2, tables 3 to 5.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import param

from workbench.studies import catalogues
from workbench.studies.base import STUDIES, Cell, Column, Published
from workbench.studies.case_study import PosteriorCase
from workbench.studies.comparison import curves

if TYPE_CHECKING:
    import xarray as xr

    from workbench.problems import Problem
    from workbench.studies.study_context import StudyContext

_SOURCE = "VINA, arXiv:2602.20480, tables 3 to 5 (10 epochs)"
NETWORKS = {"config_1": "INN, config 1", "config_2": "INN, config 2", "ours": "INN, ours", "flow": "Flow"}
LOSSES = {
    "likelihood": "NLL", "kl": "KL", "jensen_shannon": "JS", "reverse_kl": "reverse KL",
    "squared_hellinger": "squared Hellinger",
}  # fmt: skip
#: Surplus latent components, hidden width and number of blocks of each INN; z needs two components.
CONFIGURATIONS = {"config_1": (16, 64, 3), "config_2": (0, 403, 4), "ours": (0, 128, 4)}


def _published() -> tuple[Published, ...]:
    """Return the numbers of the VINA paper's tables 3 to 5, per network and loss: squared errors of water
    depth and sediment speed, and seconds of training (ten epochs) and of inference."""
    table = {
        ("config_1", "likelihood"): (22.48, 193.99, 30.50), ("config_1", "kl"): (3.27, 2.24, 10.91),
        ("config_1", "jensen_shannon"): (3.26, 7.26, 11.08), ("config_2", "likelihood"): (0.75, 1.91, 26.02),
        ("config_2", "kl"): (11.56, 6.31, 13.36), ("config_2", "jensen_shannon"): (12.26, 10.24, 12.45),
    }  # fmt: skip
    columns = ("depth_squared", "speed_squared", "training_seconds")
    figures = []
    for (network, loss), values in table.items():
        row = {"problem": "vina", "network": network, "loss": loss}
        figures += [Published(row, c, v, "paper", _SOURCE) for c, v in zip(columns, values, strict=True)]
        inference = 0.0060 if network == "config_1" else 0.0036
        figures.append(Published(row, "posterior_seconds", inference, "paper", _SOURCE))
    return tuple(figures)


@STUDIES.register
class Geoacoustic(PosteriorCase):
    """VINA's geoacoustic inversion with two unknowns and a harder one with nine, against exact posteriors."""

    key = "geoacoustic"
    title = "Geoacoustic inversion"
    summary = "VINA's tables 3 to 5 beside ours, and the distance of the posteriors to the exact ones."
    reference = "VINA, arXiv:2602.20480, section 4.2"
    columns = (
        Column("depth_squared", "(m̂₁ − m₁)²", "m²"),
        Column("speed_squared", "(m̂₂ − m₂)²", "m²/s²"),
        Column("c2st", "C2ST", "", "low"),
        Column("c2st_refined", "C2ST refined", "", "low"),
        Column("kl", "KL(p ‖ q)", "nats", "low"),
        Column("mmd", "MMD²", "", "low"),
        Column("spread", "spread"),
        Column("coverage", "coverage of 90 %"),
        Column("training_seconds", "training", "s", "low"),
        Column("posterior_seconds", "posterior", "s", "low"),
        Column("speed_up", "faster than the reference", "×"),
        Column("effective_share", "effective share"),
        Column("refined_seconds", "refined posterior", "s", "low"),
    )
    published = _published()
    remark = (
        "Synthetic and well specified: the data come from the model that explains them, in the environment "
        "of SWellEx-96, the same at every range; no recording is used. The paper's test observation and "
        "noise are not published, so that its figures compare in order of magnitude only; its times are of "
        "its own machine."
    )
    quick: ClassVar[dict[str, Any]] = {
        "samples": 2000, "steps": 120, "batch_size": 128, "learning_rate": 1e-3, "observations": 8,
        "draws": 300, "classified": 2, "seeds": 1, "nine_samples": 30_000, "nine_steps": 2000,
        "refined_draws": 4000, "nine_observations": 4,
    }  # fmt: skip

    settings_compared = param.List(["code", "ours"], item_type=str, precedence=-1)
    width = param.Integer(128, bounds=(4, 1024), doc="Hidden units of the networks ours and flow.")
    samples = param.Integer(100_000, bounds=(200, 50_000_000), doc="Training pairs for VINA's problem.")
    steps = param.Integer(
        6250, bounds=(1, 100_000_000), doc="Training steps; 6250 are ten epochs of 80 000 pairs."
    )
    batch_size = param.Integer(128, bounds=(2, 1_000_000), doc="Pairs in a mini-batch.")
    classified = param.Integer(10, bounds=(1, 1000), doc="Observations whose C2ST is computed.")
    losses = param.List(list(LOSSES), item_type=str, doc="Losses: likelihood, or keys of divergences.")
    networks = param.List(
        list(NETWORKS),
        item_type=str,
        doc="Networks: config_1, config_2, ours, flow; an empty list leaves VINA's problem out.",
    )
    nine_samples = param.Integer(
        500_000, bounds=(0, 50_000_000), doc="Training signals with nine unknowns; 0 leaves that problem out."
    )
    nine_steps = param.Integer(24_000, bounds=(1, 100_000_000), doc="Training steps with nine unknowns.")
    nine_width = param.Integer(
        256, bounds=(4, 2048), doc="Hidden units of the embedding network with nine unknowns."
    )
    nine_observations = param.Integer(
        10, bounds=(1, 100), doc="Stored observations whose posteriors are evaluated."
    )
    refined_draws = param.Integer(
        4000, bounds=(200, 1_000_000), doc="Draws of the local signal model that refinement weights."
    )
    stored = param.String(
        "datasets/geoacoustic_swx9.nc", doc="File with reference posteriors for nine unknowns."
    )

    # ---- the grid
    def cells(self) -> list[Cell]:
        place = {"problem": "vina", "network": "exact", "loss": "", "seed": 0}
        cells = [Cell(place, "Exact posterior")] if self.networks else []
        cells += [self._nine(seed) for seed in range(self.seeds)] if self.nine_samples else []
        cells += [
            self._vina(network, loss, seed)
            for network in self.networks
            for loss in self.losses
            for seed in range(self.seeds)
        ]
        return cells

    def problem(self, setting: str = "ours") -> Problem:
        return catalogues.PROBLEMS.make("geoacoustic_paper", noise_appended=setting != "flow")

    def _vina(self, network: str, loss: str, seed: int) -> Cell:
        place = {"problem": "vina", "network": network, "loss": loss, "seed": seed}
        title = f"{NETWORKS[network]} · {LOSSES.get(loss, loss)}"
        setting = "code" if network.startswith("config") else "ours"
        if network == "flow":
            architecture = {"key": "neural_spline_coupling", "settings": {"width": self.width}}
        else:
            surplus, width, blocks = CONFIGURATIONS[network]
            width = width if setting == "code" else self.width
            sizes = {"transforms": blocks, "width": width, "extra_latent": surplus}
            architecture = {"key": "inn", "settings": sizes | {"activation": "gelu", "clamp": 2.0}}
        if loss == "likelihood":
            objective: dict[str, Any] = {"key": "maximum_likelihood"}
        else:
            values = self.followed("code", loss) if setting == "code" else self.ours(loss)
            objective = {"key": "variational", "settings": values}
        parts = (self.problem(network), architecture, objective, self.training(setting))
        return Cell.of_experiment(place, title, *parts, steps=self.steps, seed=seed)

    def _nine(self, seed: int) -> Cell:
        place = {"problem": "swx_9", "network": "flow", "loss": "likelihood", "seed": seed}
        title = "Nine unknowns · Spline flow · NLL"
        if not Path(self.stored).exists():
            reason = f"There is no file {self.stored}: tools/make_geoacoustic_reference.py makes it."
            return Cell(place, title, refused=reason)
        problem = catalogues.PROBLEMS.make("geoacoustic", tier="swx_9", signal_to_noise=5.0)
        flow = {"width": 128, "transforms": 2, "affine": True, "activation": "silu"}
        # 21 complex numbers a tone, whose common phase carries no information
        embedding = {
            "embedding": "phase_free", "embedding_features": 64, "embedding_channels": problem.phase_free,
            "embedding_width": self.nine_width, "embedding_depth": 3,
        }  # fmt: skip
        network = {"key": "neural_spline_autoregressive", "settings": flow | embedding}
        from workbench.training import Training

        training = Training(
            samples=self.nine_samples,
            batch_size=512,
            validation_fraction=0.02,
            fresh_noise=True,
            early_stopping=False,
            averaging=0.995,
            learning_rate=3e-3,
            validate_every=max(1, self.nine_steps // 20),
            measured=[],
        )
        objective = {"key": "maximum_likelihood"}
        parts = (problem, network, objective, training)
        return Cell.of_experiment(place, title, *parts, steps=self.nine_steps, seed=seed)

    # ---- one cell
    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        from workbench.studies.geoacoustic_evaluation import exact_row, nine_row, seabed_row

        if cell.coordinates["problem"] == "swx_9":
            run = context.train(cell)
            data = nine_row(run, self.stored, self.nine_observations, self.refined_draws)
        else:
            test = context.cached("exact", lambda: exact_row(self.observations, self.draws))
            if cell.experiment is None:
                return seabed_row(None, test, self.classified)
            run = context.train(cell)
            data = seabed_row(run.fitted, test, self.classified)
        return data.assign(training_seconds=((), context.seconds(cell))).assign(curves(run))

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Return sentences that name the network nearest to the exact posterior (MMD²) and the one nearest to
        the true depth ((m̂₁ − m₁)², the VINA paper's metric), and, for nine unknowns, whether C2ST and
        speed-up reach the project's goals."""
        results = data.where(data["status"] == "done", drop=True)
        vina = results.where((results["problem"] == "vina") & (results["network"] != "exact"), drop=True)
        nine, sentences = results.where(results["problem"] == "swx_9", drop=True), []
        if vina.sizes["cell"]:
            first = {c: int(np.argmin(vina[c].values)) for c in ("mmd", "depth_squared")}
            near, true = (str(vina["title"].values[i]) for i in first.values())
            best = float(vina["mmd"].min()), float(vina["c2st"].min())
            sentences.append(
                f"Nearest to the exact posterior comes {near} (MMD² {best[0]:.3g}; the least C2ST of all is "
                f"{best[1]:.3f}); nearest to the true depth, by the paper's metric, {true}."
            )
        if nine.sizes["cell"]:
            goals = {"c2st": ("C2ST {:.3f} amortised", 0.60), "c2st_refined": ("{:.3f} refined", 0.53)}
            parts = []
            for column, (words, goal) in goals.items():
                value = float(nine[column].mean())
                parts.append(f"{words.format(value)} ({'meets' if value <= goal else 'misses'} {goal:.2f})")
            if "kl" in nine and np.isfinite(nine["kl"]).any():
                parts.append(f"KL(p ‖ q) {float(nine['kl'].mean()):.2f} nats")
            pace = float(nine["speed_up"].mean())
            parts.append(
                f"a posterior {pace:.0f} times faster than the reference "
                f"({'meets' if pace >= 1000 else 'misses'} 1000)"
            )
            sentences.append("Nine unknowns at 5 dB: " + ", ".join(parts) + ".")
            sentences.append(_marginals(nine))
        return sentences


def _marginals(nine: xr.Dataset) -> str:
    """Return a sentence that lists, for each of the nine unknowns, the shift of the posterior mean and the
    ratio of standard deviations against the reference posterior, before (amortised) and after refinement."""
    from workbench.problems.ocean.geoacoustic_field import UNKNOWNS

    columns = [f"{what}_{kind}" for kind in ("amortised", "refined") for what in ("shift", "ratio")]
    values = [nine[name].mean("cell").values for name in columns]
    parts = [
        f"{name} {a:.2f} ({b:.2f}) → {c:.2f} ({d:.2f})"
        for name, a, b, c, d in zip(UNKNOWNS, *values, strict=True)
    ]
    return (
        "Marginals against the reference, distance of the means in its standard deviations (ratio of the "
        "spreads), amortised → refined: " + "; ".join(parts) + "."
    )
