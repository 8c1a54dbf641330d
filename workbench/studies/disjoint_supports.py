"""VINA §4.1.5: data U(0, 1) from a latent U(c, c + 1) beside it: which divergence moves the map?

code    the authors' network in one dimension, which has nothing to split: x = (z − t) e^{−s} over and over,
        s and t from networks of a constant. Steps of 2e-4 have to cross the distance c, so that this is a
        race as much as a test of supports
ours    one shift and one scale about the latent's centre, with steps that can cross any c of the table in
        time: what is left is whether the divergence points the right way

MMD²    V-statistic of Ardizzone's backward kernel, as in the program (there called MMD); beside it W1 and how
        far the mean is off, which say more far away, where every kernel has gone flat
Source: VINA, arXiv:2602.20480, section 4.1.5, table 2, and the authors' program.
"""

from __future__ import annotations

import param
import torch
import xarray as xr
from torch import Tensor, nn

from workbench.divergences import DIVERGENCES, SampleDivergence, mmd_squared
from workbench.studies.base import STUDIES, Cell, Column, Published, Study
from workbench.studies.bench import Bench, clock
from workbench.studies.game import Rules, play
from workbench.studies.reading import grouped

#: MMD of latents at c: critic with KL, and Sinkhorn; from the authors' notebook.
_NOTEBOOK = {
    0: (3.07e-3, 1.35e-3), 3: (1.23, 0.240), 5: (1.36, 0.913), 10: (3.07, 1.28), 15: (1.43, 1.33),
    20: (1.69, 2.28), 25: (3.73, 4.96),
}  # fmt: skip
_TABLE = {0: (0.003, 0.001), 3: (1.22, 0.24), 5: (1.36, 0.91), 10: (3.07, 1.28), 15: (1.43, 1.33)}
_OURS = ("kl", "jensen_shannon", "wasserstein_critic", "f_gamma", "maximum_mean_discrepancy",
         "energy_distance", "sinkhorn")  # fmt: skip


def _figures(table: dict, tag: str, source: str) -> tuple[Published, ...]:
    return tuple(
        Published({"setting": "code", "divergence": divergence, "offset": offset}, "mmd", value, tag, source)
        for offset, pair in table.items()
        for divergence, value in zip(("kl", "sinkhorn"), pair, strict=True)
    )


class AffineStack(nn.Module):
    """x ← (x − t_k) e^{−s_k}, k = 1 … blocks, with s_k and t_k the outputs of networks of a constant.

    z (n, 1) to x (n, 1); |s_k| stays below 2.
    """

    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(
            nn.Sequential(
                nn.Linear(1, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
            )
            for _ in range(blocks)
        )

    def forward(self, z: Tensor) -> Tensor:
        for network in self.networks:
            s, t = network(z.new_ones(1)).unbind()
            z = (z - t) * torch.exp(-2 * 0.636 * torch.atan(s))
        return z


class Affine(nn.Module):
    """x = c + t + e^s (z − c), c the centre of the latent, which its analyst knows: z (n, 1) to x (n, 1)."""

    def __init__(self, centre: float) -> None:
        super().__init__()
        self.centre = centre
        self.scale, self.shift = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        return self.centre + self.shift + self.scale.exp() * (z - self.centre)


@STUDIES.register
class DisjointSupports(Study):
    """A latent beside the data, then further and further away."""

    key = "disjoint_supports"
    title = "Disjoint supports"
    summary = "Data and latent are intervals that do not meet: which divergences still say where to go."
    reference = "VINA, arXiv:2602.20480, section 4.1.5, table 2"
    columns = (
        Column("mmd", "MMD²", "", "low"),
        Column("w1", "W1", "", "low"),
        Column("mean_off", "mean off by", "", "low"),
        Column("width", "width"),
        Column("crossed", "way gone"),
        Column("training_seconds", "training", "s", "low"),
    )
    published = _figures(_TABLE, "paper", "VINA, arXiv:2602.20480, table 2") + _figures(
        _NOTEBOOK, "code", "the authors' notebook, mean over 10 runs"
    )
    quick = {"steps": 500, "seeds": 1, "batch_size": 128, "offsets": [0, 3, 10, 25], "rate": 0.2}

    seeds = param.Integer(3, bounds=(1, 100), doc="How often each cell is repeated; the authors have 10.")
    offsets = param.List([0, 3, 5, 10, 15, 20, 25], item_type=int, doc="Where the latent's interval begins.")
    divergences = param.List(list(_OURS), item_type=str, doc="Keys of the divergences that ours compares.")
    steps = param.Integer(1880, bounds=(1, 1_000_000), doc="Steps: 1880 are 20 epochs of 48 000 points.")
    batch_size = param.Integer(512, bounds=(8, 100_000), doc="Points of each law in a step.")
    points = param.Integer(2000, bounds=(50, 20_000), doc="Draws of each law that are compared.")
    rate = param.Number(0.06, bounds=(1e-6, 1.0), doc="Ours: Adam's step size of scale and shift.")

    def cells(self):
        pairs = [("code", d) for d in ("kl", "sinkhorn")] + [("ours", d) for d in self.divergences]
        names = {"code": "as in the code", "ours": "ours"}
        return [
            Cell(
                {"setting": setting, "divergence": divergence, "offset": offset, "seed": seed},
                f"U({offset}, {offset + 1}) · {DIVERGENCES[divergence].title} · {names[setting]}",
            )
            for setting, divergence in pairs
            for offset in self.offsets
            for seed in range(self.seeds)
        ]

    def measure(self, cell: Cell, bench: Bench) -> xr.Dataset:
        place = cell.coordinates
        offset, seed = place["offset"], place["seed"]
        rules = self.rules(place["setting"], place["divergence"])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = AffineStack(6, 64) if place["setting"] == "code" else Affine(offset + 0.5)
        start = clock("cpu")
        values = play(
            network,
            list(network.parameters()),
            lambda n, g: offset + torch.rand(n, 1, generator=g),
            lambda n, g: torch.rand(n, 1, generator=g),
            rules,
            seed=seed,
        )
        seconds = clock("cpu") - start
        generator = torch.Generator().manual_seed(seed + 10_000)
        truth = torch.rand(self.points, 1, generator=generator).double()
        with torch.no_grad():
            made = network(offset + torch.rand(self.points, 1, generator=generator)).double()
        return xr.Dataset(self._numbers(truth, made, offset) | {
            "training_seconds": ((), seconds),
            "curve_training": ("point", _thinned(values)),
            "shown_draws": (("shown", "draw", "parameter"), made[:300].numpy()[None]),
        }, coords={"parameter": ["x"], "observed": ["offset"],
                   "shown_y": (("shown", "observed"), [[float(offset)]])})  # fmt: skip

    def rules(self, setting: str, divergence: str) -> Rules:
        """How a cell is trained."""
        made = DIVERGENCES.make(divergence)
        if setting == "code":
            return Rules(
                made, self.steps, self.batch_size, non_saturating=not isinstance(made, SampleDivergence),
                logit_clamp=4.0,
            )  # fmt: skip
        if divergence == "maximum_mean_discrepancy":
            made = DIVERGENCES.make(divergence, unbiased=True)
        return Rules(
            made, self.steps, self.batch_size, rate=self.rate, critic_rate=2e-3, critic_steps=2,
            gradient_penalty=0.1, settles=True,
        )  # fmt: skip

    def _numbers(self, truth: Tensor, made: Tensor, offset: int) -> dict[str, tuple]:
        off = float((made.mean() - truth.mean()).abs())
        numbers = {
            "mmd": float(mmd_squared(truth, made, kernel_name="backward")),
            "w1": float((truth.sort(0).values - made.sort(0).values).abs().mean()),
            "mean_off": off,
            "width": float(made.std() / truth.std()),
            "crossed": 1 - off / offset if offset else float("nan"),
        }
        return {name: ((), value) for name, value in numbers.items()}

    def conclusions(self, data: xr.Dataset) -> list[str]:
        """Who arrives, and whether the paper's order holds."""
        found = []
        for offset in self.offsets:
            mmd = grouped(data, "mmd", "divergence", setting="code", offset=offset)
            if offset and len(mmd) == 2:
                order = "smaller" if mmd["sinkhorn"] < mmd["kl"] else "not smaller"
                found.append(
                    f"As in the code, latent U({offset}, {offset + 1}): the MMD² of Sinkhorn is {order} than "
                    f"that of KL ({mmd['sinkhorn']:.3g}, {mmd['kl']:.3g})."
                )
        far = max(self.offsets)
        gone = grouped(data, "crossed", "divergence", setting="ours", offset=far)
        for word, picked in (("arrive", [d for d in gone if gone[d] > 0.95]),
                             ("do not arrive", [d for d in gone if gone[d] <= 0.95])):  # fmt: skip
            if picked:
                names = ", ".join(DIVERGENCES[d].title for d in picked)
                found.append(f"Ours, from U({far}, {far + 1}): {word}: {names}.")
        return found


def _thinned(values: list[float], count: int = 60) -> list[float]:
    return values[:: max(1, len(values) // count)][:count]
