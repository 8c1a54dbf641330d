"""Reference posteriors of the geoacoustic inversion with nine unknowns at 5 dB, by nested sampling.

python tools/make_geoacoustic_reference.py [--count 10] [--check]

Writes datasets/geoacoustic_swx9.nc, one observation at a time; observations that the file holds already are
not sampled again. The sampler is nautilus (importance nested sampling; the extra 'oracles'). --check compares
the first observation with tempered sequential Monte Carlo from the prior, an independent method that takes
several times as long.
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
from workbench.problems import PROBLEMS, Problem  # noqa: E402
from workbench.problems.ocean import geoacoustic_field as field  # noqa: E402
from workbench.problems.ocean.swellex96 import NOMINAL  # noqa: E402
from workbench.refinement import MarkovChain  # noqa: E402

PLACE = ROOT / "datasets" / "geoacoustic_swx9.nc"
DRAWS, EFFECTIVE, LIVE, SEED = 2000, 6000, 500, 9605


def problem() -> Problem:
    """Return the inversion with nine unknowns at a signal-to-noise ratio of 5 dB."""
    return PROBLEMS.make("geoacoustic", tier="swx_9", signal_to_noise=5.0)


def pairs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``count`` pairs, the nominal seabed first and then draws from the prior, with y rounded to
    float32."""
    model = problem()
    others = model.draw(count, torch.Generator().manual_seed(SEED))
    x = torch.cat([torch.tensor([[NOMINAL[v.name] for v in model.x]], dtype=torch.float64), others.x])
    y = torch.cat([torch.tensor([model.default_observation], dtype=torch.float64), others.y])
    return x[:count], y[:count].float().double()


def nested(
    model: Problem, y: torch.Tensor, seed: int, *, live: int = LIVE, effective: int = EFFECTIVE
) -> tuple[np.ndarray, dict[str, float]]:
    """Draw (DRAWS, D) from p(x | y) by nested sampling; return the draws, and seconds, evaluations, log
    evidence and effective size as a table."""
    from nautilus import Sampler

    low, high = field.bounds(model.x)
    recording, calls = field.as_recordings(y[None], 21)[0], [0]

    def likelihood(cube: np.ndarray) -> np.ndarray:
        x = low + (high - low) * torch.from_numpy(np.atleast_2d(cube))
        calls[0] += len(x)
        with torch.no_grad():
            return model.log_likelihood(model.signals(x), recording).numpy()

    start = time.process_time()
    sampler = Sampler(
        lambda cube: cube,
        likelihood,
        n_dim=len(model.x),
        n_live=live,
        n_networks=1,
        n_batch=256,
        vectorized=True,
        seed=seed,
    )
    sampler.run(verbose=False, n_eff=effective)
    # thinned by their weights, not resampled: a classifier would recognise points that occur twice
    points = sampler.posterior(equal_weight=True)[0]
    if len(points) < DRAWS:
        sampler.run(verbose=False, n_eff=2 * effective)
        points = sampler.posterior(equal_weight=True)[0]
    if len(points) < DRAWS:  # a few points of large weight do occur more than once
        points = sampler.posterior(equal_weight=True, equal_weight_boost=1.1 * DRAWS / len(points))[0]
    rows = np.random.default_rng(seed).permutation(len(points))[:DRAWS]
    costs = {
        "unique": len(np.unique(points[rows], axis=0)),
        "evaluations": calls[0],
        "seconds": time.process_time() - start,
        "log_evidence": float(sampler.log_z),
    }
    return low.numpy() + (high - low).numpy() * points[rows], costs | {"effective": float(sampler.n_eff)}


def stored() -> xr.Dataset | None:
    """Read the file of reference posteriors; None where it does not exist."""
    if not PLACE.exists():
        return None
    with xr.open_dataset(PLACE) as data:
        return data.load()


def add(x: torch.Tensor, y: torch.Tensor, draws: np.ndarray, costs: dict[str, float]) -> None:
    """Append an observation y, its true x, its posterior draws and the costs of sampling them to the file."""
    model, before = problem(), stored()
    new = xr.Dataset(
        {
            "x": (("observation", "parameter"), x[None].numpy()),
            "y": (("observation", "observed"), y[None].numpy().astype(np.float32)),
            "reference": (("observation", "draw", "parameter"), draws[None].astype(np.float32)),
            **{name: ("observation", [value]) for name, value in costs.items()},
        },
        coords={"parameter": list(model.unknowns)},
        attrs={
            "problem": model.key,
            "settings": str(model.values()),
            "units": str([v.unit for v in model.x]),
        },
    )
    data = new if before is None else xr.concat([before, new], "observation", data_vars="all")
    encoding = {name: {"zlib": True, "complevel": 9} for name in ("y", "reference")}
    data.to_netcdf(PLACE.with_suffix(".part"), encoding=encoding)
    PLACE.with_suffix(".part").replace(PLACE)


class Prior:
    """The prior with the interface of an amortised posterior, so that a refinement can start from it."""

    has_density = True

    def __init__(self, model: Problem, y: torch.Tensor) -> None:
        self.problem, self.observation = model, y
        self.fitted, self.capabilities = self, frozenset({Capability.DENSITY})
        self.x, self.y = model.x, model.y
        self.evaluations, self.callback = 0, lambda: None

    def draw(self, n: int, generator: torch.Generator) -> torch.Tensor:
        return self.problem.prior(n, generator)

    def log_density(self, x: torch.Tensor) -> torch.Tensor:
        inside, level = field.log_prior(x, self.problem.x)
        return torch.where(inside, level, -torch.inf).double()

    def log_joint(self, x: torch.Tensor) -> torch.Tensor:
        self.evaluations += len(x)
        with torch.no_grad():
            return self.problem.log_joint(x, self.observation.expand(len(x), -1))


def sequential_monte_carlo(
    model: Problem, y: torch.Tensor, *, crowd: int, moves: int, seed: int
) -> tuple[torch.Tensor, str]:
    """Draw (DRAWS, D) by tempered sequential Monte Carlo from the prior; return the draws and the
    sampler's report."""
    chain = MarkovChain(crowd=crowd, moves=moves, between=10, draws=DRAWS)
    posterior = chain.refine(Prior(model, y), seed=seed)
    return torch.from_numpy(posterior.sample(DRAWS).to_array().values.T.copy()), posterior.gain.sentence


def check() -> None:
    """Compare nested sampling and sequential Monte Carlo on the first observation: print the C2ST between
    their draws, and shifts of the means and ratios of the standard deviations per parameter."""
    _, y = pairs(1)
    start = time.process_time()
    other, report = sequential_monte_carlo(problem(), y[0], crowd=1000, moves=150, seed=1)
    mine = torch.from_numpy(stored()["reference"].values[0]).double()
    shift = (other.mean(0) - mine.mean(0)) / mine.std(0)
    print(f"tempered sequential Monte Carlo: {time.process_time() - start:.0f} s, {report}")
    print("shift of the means in standard deviations", [round(v, 3) for v in shift.tolist()])
    print("ratio of the spreads", [round(v, 3) for v in (other.std(0) / mine.std(0)).tolist()])
    halves = mine[::2], mine[1::2]
    apart, floor = diagnostics.c2st(mine[::2], other[::2]), diagnostics.c2st(*halves)
    print(f"C2ST {apart:.3f}, of one sampler's halves {floor:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.check:
        return check()
    x, y = pairs(max(options.count, 10))
    count = 0 if stored() is None else stored().sizes["observation"]
    for i in range(count, options.count):
        draws, costs = nested(problem(), y[i], i)
        add(x[i], y[i], draws, costs)
        print(i, {name: round(value, 2) for name, value in costs.items()}, flush=True)


if __name__ == "__main__":
    main()
