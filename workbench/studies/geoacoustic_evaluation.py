"""Evaluation of the geoacoustic inversion: test observations, exact draws, metrics and times."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench import diagnostics
from workbench.core.errors import WorkbenchError
from workbench.core.lazy import torch
from workbench.problems import PROBLEMS
from workbench.problems.ensemble_sampler import ensemble_draws, resampled
from workbench.refinement import refine
from workbench.studies import sample_metrics
from workbench.studies.posterior_quality import fresh_pairs, spread
from workbench.studies.samplers import NetworkSampler

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.inference import FittedModel
    from workbench.training import Run

TEST_SEED = 20_260_229
#: Epochs of the C2ST's classifier for nine unknowns; the benchmark's thousands would overfit so few draws.
_EPOCHS = 100
#: Draws per observation over which log densities are averaged.
_COMPARED = 500
#: Walkers, burn-in, thinning and draws of the Markov chains that a posterior's time is compared with.
_WALKERS, _BURN, _BETWEEN, _POSTERIOR = 40, 60, 10, 1000


def exact_row(observations: int, draws: int) -> xr.Dataset:
    """Return the test data of the two-unknown problem: fresh pairs (x, y) with draws of their exact
    posteriors, and as ``chain_seconds`` the processor seconds that Markov chains need for one posterior."""
    bare = PROBLEMS.make("geoacoustic_paper", noise_appended=False)
    pairs = fresh_pairs(bare, observations, draws, TEST_SEED)
    y = torch.from_numpy(pairs["y"].values[0])
    generator, start = torch.Generator().manual_seed(TEST_SEED), time.process_time()

    def log_density(x: Tensor) -> Tensor:
        return bare.log_joint(x, y.expand(len(x), -1))

    with torch.no_grad():
        prior = bare.prior(1000, generator)
        walkers = resampled(prior, log_density(prior), _WALKERS, generator)
        ensemble_draws(log_density, walkers, _POSTERIOR, generator, burn=_BURN, between=_BETWEEN)
    return pairs.assign(chain_seconds=((), time.process_time() - start))


def seabed_row(fitted: FittedModel | None, test: xr.Dataset, classifier_observations: int) -> xr.Dataset:
    """Return the metrics of one table row of the two-unknown problem, by column name.

    They compare the draws of the network ``fitted`` with exact draws; for None, the row "exact posterior",
    they compare one half of the exact draws with the other half.
    """
    truth, y, scale = (torch.from_numpy(test[name].values).double() for name in ("x", "y", "scale"))
    reference = torch.from_numpy(test["reference"].values).double()
    half = reference.shape[1] // 2
    generator = torch.Generator().manual_seed(TEST_SEED + 1)
    if fitted is None:
        draws, reference, seconds = reference[:, :half], reference[:, half:], float("nan")
    else:
        sampler, start = NetworkSampler(fitted), time.process_time()
        sampler.draw(y[:1], _POSTERIOR, generator)
        seconds = time.process_time() - start
        draws = sampler.draw(y, half, generator)[..., :2]
        reference = reference[:, :half]
    errors = (draws - truth[:, None]).square().mean((0, 1))
    numbers = {
        "depth_squared": float(errors[0]),
        "speed_squared": float(errors[1]),
        "mmd": float(np.nanmean(sample_metrics.posterior_errors(draws, reference, scale))),
        "c2st": _mean(_each(draws[:classifier_observations], reference)),
        "spread": spread(draws, reference),
        "coverage": _coverage(truth, draws),
    }
    if fitted is not None:
        pace = float(test["chain_seconds"]) / max(seconds, 1e-9)
        numbers |= {"posterior_seconds": seconds, "speed_up": pace}
    arrays = {"shown_draws": (("shown", "draw", "parameter"), draws[:2].float().numpy())}
    return xr.Dataset({name: ((), value) for name, value in numbers.items()} | arrays)


def nine_row(run: Run, path: str, most: int, refined_draws: int) -> xr.Dataset:
    """Return the metrics of the table row with nine unknowns, by column name.

    They compare the run's posteriors, before and after refinement, with the reference posteriors stored in
    ``path``, and are means over its first observations, ``most`` at most.
    """
    with xr.open_dataset(path) as file:
        references = file.load().isel(observation=slice(most))
    truth, y = (torch.from_numpy(references[name].values).double() for name in ("x", "y"))
    reference = torch.from_numpy(references["reference"].values).double()
    generator, sampler = torch.Generator().manual_seed(TEST_SEED), NetworkSampler(run.fitted)
    seconds = _seconds(run.fitted, y[0])
    count = reference.shape[1] // 2
    draws = sampler.draw(y, count, generator)
    scale = run.problem.prior(4000, generator).std(0)
    refinements = [_refine(run, row, refined_draws, count, i) for i, row in enumerate(y)]
    improved_draws, shares, times = (list(part) for part in zip(*refinements, strict=True))
    fresh = run.problem.draw(200, torch.Generator().manual_seed(TEST_SEED + 2))
    parts = {"amortised": draws, "refined": torch.stack(improved_draws)}
    accuracies = {name: _each(values, reference[:, :count], _EPOCHS) for name, values in parts.items()}
    excess = [_divergence(run, *row) for row in _exact(references)] or [float("nan")] * len(y)
    numbers = {
        "mmd": float(np.nanmean(sample_metrics.posterior_errors(draws, reference[:, :count], scale))),
        "c2st": _mean(accuracies["amortised"]),
        "c2st_refined": _mean(accuracies["refined"]),
        "c2st_floor": _mean(_each(reference[:, count:], reference[:, :count], _EPOCHS)),
        "kl": float(np.mean(excess)),
        "spread": spread(draws, reference),
        "coverage": _coverage(fresh.x, sampler.draw(fresh.y, 200, generator)),
        "posterior_seconds": seconds,
        "speed_up": float(references["seconds"].mean()) / max(seconds, 1e-9),
        "effective_share": float(np.mean(shares)),
        "refined_seconds": float(np.mean(times)),
    }
    arrays = {
        f"nine_{name}": (("observation", "nine_draw", "nine"), v.float().numpy()) for name, v in parts.items()
    }
    arrays |= {f"c2st_each_{name}": ("observation", values) for name, values in accuracies.items()}
    arrays["kl_each"] = ("observation", excess)
    for name, values in parts.items():
        shift, ratio = marginals(values, reference)
        arrays |= {f"shift_{name}": ("nine", shift.numpy()), f"ratio_{name}": ("nine", ratio.numpy())}
    return xr.Dataset({name: ((), value) for name, value in numbers.items()} | arrays)


def _seconds(fitted: FittedModel, y: Tensor) -> float:
    """Processor seconds for 1000 draws of one posterior, after an untimed first call."""
    fitted.sample(_POSTERIOR, y)
    start = time.process_time()
    fitted.sample(_POSTERIOR, y)
    return time.process_time() - start


def _exact(references: xr.Dataset) -> list[tuple[Tensor, Tensor, float]]:
    """Return one tuple per stored observation: draws of its exact posterior (n, D), the observation y (M,),
    and the log evidence log p(y). The list is empty where the file holds no evidence."""
    if "log_evidence" not in references:
        return []
    parts = (references[name].values for name in ("reference", "y", "log_evidence"))
    return [
        (torch.from_numpy(x[:_COMPARED]).double(), torch.from_numpy(y).double(), float(z))
        for x, y, z in zip(*parts, strict=True)
    ]


def _divergence(run: Run, x: Tensor, y: Tensor, log_evidence: float) -> float:
    """KL(p ‖ q) in nats of the exact posterior p from the network's q, over draws x (n, D) of p: the mean
    of log p(x, y) - log p(y) - log q(x | y)."""
    rows = y.expand(len(x), -1)
    with torch.no_grad():
        exact, network = run.problem.log_joint(x, rows), run.fitted.log_prob(x, rows)
    return float((exact - log_evidence - network.double()).mean())


def marginals(draws: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Compare each unknown's marginal with the reference: distance of the means in standard deviations of the
    reference, and ratio of the standard deviations, both (D,).

    Means over the observations of draws (n, m, D) and reference draws (n, k, D), NaN left out.
    """
    spread = reference.std(1)
    shift = (draws.mean(1) - reference.mean(1)).abs() / spread
    return shift.nanmean(0), (draws.std(1) / spread).nanmean(0)


def _refine(run: Run, y: Tensor, draws: int, count: int, seed: int) -> tuple[Tensor, float, float]:
    """Refine the posterior at y: return refined draws (count, 9), the ratio of the effective sample size to
    the number of weighted draws, and processor seconds.

    Where refinement fails the draws are NaN, the ratio is 0 and the seconds are NaN.
    """
    start = time.process_time()
    try:
        posterior = refine(run, y.tolist(), method="signal_model", draws=max(draws, 100), seed=seed)
    except WorkbenchError:
        return torch.full((count, run.problem.shapes.x), torch.nan).double(), 0.0, float("nan")
    values = posterior.sample(count, seed=seed).to_array().values.T.copy()
    share = posterior.gain.effective_sample_size / max(posterior.gain.draws, 1)
    return torch.from_numpy(values), share, time.process_time() - start


def _each(draws: Tensor, reference: Tensor, epochs: int = 10_000) -> list[float]:
    """C2ST between the draws and the reference draws of each observation; NaN where a draw is not finite."""
    return [
        diagnostics.c2st(exact, mine, iterations=epochs) if bool(mine.isfinite().all()) else float("nan")
        for mine, exact in zip(draws, reference, strict=False)
    ]


def _mean(values: list[float]) -> float:
    """Mean of the values, NaN left out; NaN where none is finite."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _coverage(truth: Tensor, draws: Tensor) -> float:
    """Fraction of true components in the central 90 % of their draws."""
    low, high = draws.nan_to_num().quantile(torch.tensor([0.05, 0.95], dtype=draws.dtype), dim=1)
    return float(((truth >= low) & (truth <= high)).double().mean())
