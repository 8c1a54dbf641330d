"""Study of VINA §4.1.6: error of a flow against the number of finite moments of its data.

Data       Pareto with tail index α: moments below α are finite. The theory bounds W1 by a power of the loss
           whose exponent tends to (α − 1) / (2α)
code       the authors' flows: 10 normal latents, 2, 6 or 8 couplings, and a critic (KL) of the first
           component of their draws; W1 between 10,000 draws of each
ours       the same flows with the exact gradient
likelihood a flow of two Pareto variables of the third network's size, by maximum likelihood
Caveat     A bi-Lipschitz map of a Gaussian has Gaussian tails: the assumption that some flow is exact fails
           for every α, so that the figure agrees with the theorem without testing it. At α ≤ 1 W1 is
           infinite. The study `realisable_moments` meets the assumptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import param

from workbench.core.lazy import torch
from workbench.studies import catalogues
from workbench.studies.adversarial_training import AdversarialSettings, train_adversarially
from workbench.studies.base import STUDIES, Cell, Figure, Published, Study
from workbench.studies.heavy_tails import COLUMNS, build, cell_dataset, pareto, trend

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.studies.loop_checkpoint import LoopCheckpoint
    from workbench.studies.study_context import StudyContext

#: Couplings and hidden width of the authors' three networks; and W1 for α = 1 … 10, read off their figure.
NETWORKS = {"first": (2, 128), "second": (6, 64), "third": (8, 128)}
_FIGURE = {
    "first": (28.5, 0.740, 0.106, 0.105, 0.134, 0.168, 0.153, 0.071, 0.069, 0.054),
    "second": (9.10, 0.580, 0.398, 0.301, 0.224, 0.184, 0.161, 0.132, 0.103, 0.081),
    "third": (1.26, 0.580, 0.416, 0.316, 0.245, 0.206, 0.181, 0.146, 0.117, 0.092),
}
#: Ways to train, with their names in the row titles.
SETTINGS = {"code": "as in the code", "ours": "ours", "likelihood": "maximum likelihood"}
LATENTS = 10


@STUDIES.register
class Moments(Study):
    """W1 between data and draws of flows with normal latents, against the tail index of the data."""

    key = "moments"
    title = "Finite moments"
    summary = "Flows on data with heavier and heavier tails: the error of their draws, and its cause."
    reference = "VINA, arXiv:2602.20480, section 4.1.6 and figure 8"
    columns = COLUMNS
    published = tuple(
        Published(
            {"network": network, "setting": "code", "alpha": alpha}, "w1", value, "digitised",
            "VINA, arXiv:2602.20480, figure 8",
        )
        for network, values in _FIGURE.items()
        for alpha, value in enumerate(values, 1)
    )  # fmt: skip
    figure = Figure(("alpha",), ("network", "setting"), ("w1", "w1_relative", "tail"))
    quick: ClassVar[dict[str, Any]] = {
        "steps": 300, "seeds": 1, "batch_size": 256, "alphas": [1, 2, 3, 5, 10], "rate": 1e-3,
        "settings_compared": ["code", "likelihood"],
    }  # fmt: skip

    seeds = param.Integer(3, bounds=(1, 100), doc="Repetitions of each cell; the authors have 11.")
    alphas = param.List(
        list(range(1, 11)), item_type=int, doc="Tail index α of the Pareto distribution, x ≥ 1."
    )
    networks = param.List(list(NETWORKS), item_type=str, doc="The authors' networks: first, second, third.")
    settings_compared = param.List(
        list(SETTINGS), item_type=str, doc="Ways to train: code, ours, likelihood (the third network only)."
    )
    steps = param.Integer(
        1880, bounds=(1, 1_000_000), doc="Training steps: 1880 are 20 epochs of 48 000 points."
    )
    batch_size = param.Integer(512, bounds=(8, 100_000), doc="Points of each distribution in a step.")
    rate = param.Number(2e-4, bounds=(1e-6, 1.0), doc="Adam's learning rate of network and critic.")
    likelihood_rate = param.Number(2e-3, bounds=(1e-6, 1.0), doc="Adam's learning rate for the likelihood.")
    points = param.Integer(
        10_000, bounds=(200, 10_000_000), doc="Draws of each distribution for the metrics."
    )

    def cells(self) -> list[Cell]:
        return [
            self._cell(network, setting, alpha, seed)
            for network in self.networks
            for setting in self.settings_compared
            if setting != "likelihood" or network == "third"
            for alpha in self.alphas
            for seed in range(self.seeds)
        ]

    def _cell(self, network: str, setting: str, alpha: int, seed: int) -> Cell:
        place = {"network": network, "setting": setting, "alpha": alpha, "seed": seed}
        title = f"{network} · α = {alpha} · {SETTINGS[setting]}"
        if setting != "likelihood":
            return Cell(place, title)
        from workbench.training import Experiment

        transforms, width = NETWORKS[network]
        training = {
            "samples": 60_000, "batch_size": self.batch_size, "learning_rate": self.likelihood_rate,
            "early_stopping": False, "averaging": 0.99, "validate_every": max(1, self.steps // 10),
        }  # fmt: skip
        architecture = {"key": "realnvp", "settings": {"transforms": transforms, "width": width}}
        problem = {"key": "pareto", "settings": {"alpha": float(alpha)}}
        return Cell(
            place,
            title,
            Experiment(problem, architecture, "maximum_likelihood", training, steps=self.steps, seed=seed),
        )

    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        alpha, seed = float(cell.coordinates["alpha"]), cell.coordinates["seed"]
        generator = torch.Generator().manual_seed(seed + 10_000)
        truth, again = (pareto(self.points, alpha, generator)[:, 0].double() for _ in range(2))
        if cell.experiment is None:
            checkpoint = context.checkpoint(cell)
            draws, losses = self._train_by_critic(cell.coordinates, alpha, generator, checkpoint)
            seconds = checkpoint.seconds
        else:
            run = context.train(cell)
            own = torch.Generator(device=run.device).manual_seed(seed + 10_000)
            draws = run.fitted.sample(self.points, None, own)[:, 0].double().cpu()
            losses, seconds = [record.loss for record in run.history], context.seconds(cell)
        return cell_dataset((truth, again, draws), alpha, seconds, losses)

    def _train_by_critic(
        self, place: dict[str, Any], alpha: float, generator: torch.Generator, checkpoint: LoopCheckpoint
    ) -> tuple[Tensor, list[float]]:
        """Train the authors' flow of 10 components, of which the critic reads the first.

        Returns draws (points,) of that component, and the divergence at every step.
        """
        transforms, width = NETWORKS[place["network"]]
        flow = {"transforms": transforms, "width": width, "clamp": 2.0, "mixing": "permutation"}
        model = build("realnvp", flow, LATENTS, place["seed"])

        def normal(n: int, generator: torch.Generator) -> Tensor:
            return torch.randn(n, LATENTS, generator=generator)

        def image(z: Tensor) -> Tensor:
            return model.inverse(z, None)[0][:, :1]

        code = place["setting"] == "code"
        settings = AdversarialSettings(
            catalogues.DIVERGENCES.make("kl"), self.steps, self.batch_size, rate=self.rate,
            critic_rate=self.rate,
            non_saturating=code, logit_clamp=4.0 if code else 0.0, settles=not code,
            critic_steps=1 if code else 2,
        )  # fmt: skip
        losses = train_adversarially(
            image, model, normal, lambda n, g: pareto(n, alpha, g), settings,
            seed=place["seed"], checkpoint=checkpoint,
        )  # fmt: skip
        with torch.no_grad():
            return image(normal(self.points, generator))[:, 0].double(), losses

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Return sentences on the trend of W1 with α, absolute and relative to the width of the data."""
        trends = [
            trend(data, f"{network}, {SETTINGS[setting]}", network=network, setting=setting)
            for network in self.networks
            for setting in self.settings_compared
        ]
        return [sentence for sentence in trends if sentence] + [
            "Flows with normal latents cannot have Pareto tails, so that no row is a test of the theorem; "
            "the study realisable_moments has rows that meet its assumptions."
        ]
