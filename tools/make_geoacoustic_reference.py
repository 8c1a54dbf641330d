"""Reference posteriors of the geoacoustic inversion with nine unknowns at 5 dB, by nested sampling.

python tools/make_geoacoustic_reference.py [--count 10] [--check]

Writes datasets/geoacoustic_swx9.nc, an observation at a time; what is there already is kept. The sampler is
nautilus (importance nested sampling; the extra 'oracles'). --check compares the first observation with
tempered sequential Monte Carlo from the prior, an independent way that takes several times as long.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
import xarray as xr

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from workbench import diagnostics  # noqa: E402
from workbench.core.capability import Capability  # noqa: E402
from workbench.problems import PROBLEMS  # noqa: E402
from workbench.problems.ocean import geoacoustic_field as field  # noqa: E402
from workbench.problems.ocean.swellex96 import NOMINAL  # noqa: E402
from workbench.refinement import MarkovChain  # noqa: E402

PLACE = ROOT / "datasets" / "geoacoustic_swx9.nc"
DRAWS, EFFECTIVE, LIVE, SEED = 2000, 6000, 500, 9605


def problem():
    return PROBLEMS.make("geoacoustic", tier="swx_9", signal_to_noise=5.0)


def pairs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The nominal seabed, then draws of the prior; observations as float32 holds them."""
    made = problem()
    others = made.draw(count, torch.Generator().manual_seed(SEED))
    x = torch.cat([torch.tensor([[NOMINAL[v.name] for v in made.x]], dtype=torch.float64), others.x])
    y = torch.cat([torch.tensor([made.default_observation], dtype=torch.float64), others.y])
    return x[:count], y[:count].float().double()


def nested(made, y: torch.Tensor, seed: int, *, live: int = LIVE, effective: int = EFFECTIVE):
    """Draws (DRAWS, D) of p(x | y) and what they cost, as a table."""
    from nautilus import Sampler

    low, high = field.bounds(made.x)
    recording, asked = field.as_recordings(y[None], 21)[0], [0]

    def likelihood(cube: np.ndarray) -> np.ndarray:
        x = low + (high - low) * torch.from_numpy(np.atleast_2d(cube))
        asked[0] += len(x)
        with torch.no_grad():
            return made.log_likelihood(made.signals(x), recording).numpy()

    start = time.process_time()
    sampler = Sampler(
        lambda cube: cube,
        likelihood,
        n_dim=len(made.x),
        n_live=live,
        n_networks=1,
        n_batch=256,
        vectorized=True,
        seed=seed,
    )
    sampler.run(verbose=False, n_eff=effective)
    # thinned by their weights, not resampled: a point that came twice would be known again by a classifier
    points = sampler.posterior(equal_weight=True)[0]
    if len(points) < DRAWS:
        sampler.run(verbose=False, n_eff=2 * effective)
        points = sampler.posterior(equal_weight=True)[0]
    if len(points) < DRAWS:  # a few points of large weight: they come more than once after all
        points = sampler.posterior(equal_weight=True, equal_weight_boost=1.1 * DRAWS / len(points))[0]
    rows = np.random.default_rng(seed).permutation(len(points))[:DRAWS]
    costs = {
        "unique": len(np.unique(points[rows], axis=0)),
        "evaluations": asked[0],
        "seconds": time.process_time() - start,
        "log_evidence": float(sampler.log_z),
    }
    return low.numpy() + (high - low).numpy() * points[rows], costs | {"effective": float(sampler.n_eff)}


def stored() -> xr.Dataset | None:
    if not PLACE.exists():
        return None
    with xr.open_dataset(PLACE) as data:
        return data.load()


def add(x: torch.Tensor, y: torch.Tensor, draws: np.ndarray, costs: dict[str, float]) -> None:
    """One observation more in the file."""
    made, before = problem(), stored()
    new = xr.Dataset(
        {
            "x": (("observation", "parameter"), x[None].numpy()),
            "y": (("observation", "observed"), y[None].numpy().astype(np.float32)),
            "reference": (("observation", "draw", "parameter"), draws[None].astype(np.float32)),
            **{name: ("observation", [value]) for name, value in costs.items()},
        },
        coords={"parameter": list(made.unknowns)},
        attrs={"problem": made.key, "settings": str(made.values()), "units": str([v.unit for v in made.x])},
    )
    data = new if before is None else xr.concat([before, new], "observation", data_vars="all")
    packed = {name: {"zlib": True, "complevel": 9} for name in ("y", "reference")}
    data.to_netcdf(PLACE.with_suffix(".part"), encoding=packed)
    PLACE.with_suffix(".part").replace(PLACE)


class Prior:
    """The prior in the place of a network, for a refinement to begin with."""

    has_density = True

    def __init__(self, made, y: torch.Tensor) -> None:
        self.made, self.problem, self.observation = made, made, y
        self.fitted, self.capabilities = self, frozenset({Capability.DENSITY})
        self.x, self.y = made.x, made.y
        self.evaluations, self.alive = 0, lambda: None

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        return self.made.prior(n, generator)

    def log_density(self, x: torch.Tensor) -> torch.Tensor:
        inside, level = field.log_prior(x, self.made.x)
        return torch.where(inside, level, -torch.inf).double()

    def log_joint(self, x: torch.Tensor) -> torch.Tensor:
        self.evaluations += len(x)
        with torch.no_grad():
            return self.made.log_joint(x, self.observation.expand(len(x), -1))


def tempered(made, y: torch.Tensor, *, crowd: int, moves: int, seed: int) -> tuple[torch.Tensor, str]:
    """Draws (DRAWS, D) by sequential Monte Carlo from the prior, and what it says of itself."""
    chain = MarkovChain(crowd=crowd, moves=moves, between=10, draws=DRAWS)
    refined = chain.refine(Prior(made, y), seed=seed)
    return torch.from_numpy(refined.sample(DRAWS).to_array().values.T.copy()), refined.gain.sentence


def check() -> None:
    """C2ST between both samplers on the first observation, and means in standard deviations."""
    _, y = pairs(1)
    start = time.process_time()
    other, told = tempered(problem(), y[0], crowd=1000, moves=150, seed=1)
    mine = torch.from_numpy(stored()["reference"].values[0]).double()
    shift = (other.mean(0) - mine.mean(0)) / mine.std(0)
    print(f"tempered sequential Monte Carlo: {time.process_time() - start:.0f} s, {told}")
    print("shift of the means in standard deviations", [round(v, 3) for v in shift.tolist()])
    print("ratio of the spreads", [round(v, 3) for v in (other.std(0) / mine.std(0)).tolist()])
    halves = mine[::2], mine[1::2]
    apart, floor = diagnostics.c2st(mine[::2], other[::2]), diagnostics.c2st(*halves)
    print(f"C2ST {apart:.3f}, of one sampler's halves {floor:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.check:
        return check()
    x, y = pairs(max(chosen.count, 10))
    done = 0 if stored() is None else stored().sizes["observation"]
    for i in range(done, chosen.count):
        draws, costs = nested(problem(), y[i], i)
        add(x[i], y[i], draws, costs)
        print(i, {name: round(value, 2) for name, value in costs.items()}, flush=True)


if __name__ == "__main__":
    main()
