"""Is the posterior right at this very observation? A classifier that is asked there.

Pairs        (x, y) from the problem against (x̃, y), x̃ ~ model(· | y), at the same fresh y. A model that maps
             onto standard normal codes is compared in them: (T(x; y), y) against (ε, y), ε ~ N(0, I). Others
             are compared in x less its linear guess from y, in standard deviations of what the guess leaves.
Classifier   least squares on the labels ±1 (kernel ridge regression with a Gaussian kernel of the median
             distance), so that f = 2 P(problem | ·) − 1.
Statistic    at an observation: mean of (f/2)² over draws of the model there, the mean squared distance of the
             class probability from ½.
Test         under an exact model the two members of each pair are exchangeable: labels are swapped within
             pairs, at random, and all classifiers of the swapped labels are solved for at once. One p value
             an observation; over the observations the smallest, against its own law under the swaps.
Verdict      green: p at least the level. Amber: below, but |P − ½| is on average less than 0.05 above what
             swapped labels give. Red otherwise. Exact where the model is right everywhere; one that is wrong
             elsewhere may be flagged here too, since one classifier serves all observations.
"""

from __future__ import annotations

import numpy as np
import param
import torch
from torch import Tensor

from workbench.core.capability import Capability
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    dataset,
    draws,
    fresh,
    lost_share,
    on_cpu,
)
from workbench.inference.statistics import percent

SMALL, RIDGE = 0.05, 1.0
_DISTANCES = 400


@DIAGNOSTICS.register
class LocalC2st(Diagnostic):
    """Local classifier two-sample test (L-C2ST)."""

    key = "local_c2st"
    title = "Local C2ST"
    summary = "Whether a classifier tells truths from posterior draws at chosen observations, one by one."
    reference = "Linhart, Gramfort and Rodrigues 2023, arXiv 2306.03580"
    checked = "Whether the posterior is right at single observations, not only on average over all of them."
    remedy = "Draw more simulations near the observations that fail, or refine the posterior there."
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"pairs": 1500, "draws": 500}

    pairs = param.Integer(600, bounds=(50, 5000), doc="Fresh pairs that the classifier learns from.")
    swaps = param.Integer(499, bounds=(99, 10_000), doc="How often the labels are swapped for the test.")
    draws = param.Integer(150, bounds=(20, 5000), doc="Draws at which the classifier is asked.")
    places = param.Integer(4, bounds=(0, 100), doc="Fresh observations at which it is asked.")
    observation = param.List(
        [], item_type=float, doc="Asked here alone; empty: at the problem's own and at fresh ones."
    )

    def _measure(self, fitted, problem, seed):
        data = fresh(fitted, problem, self.pairs + self.places, seed)
        chosen = data.y[: self.places]
        given = self.observation or list(problem.default_observation)
        if self.observation or (given and not data.in_sample):
            own = problem.checked_observation(given)[None]
            chosen = own if self.observation else torch.cat([own, chosen])
        x, y = data.x[self.places :], data.y[self.places :]
        generator = torch.Generator().manual_seed(seed + 7)
        coded = {Capability.LATENT, Capability.DENSITY} <= fitted.capabilities
        side = _codes if coded else _residuals
        real, made, asked, lost = side(fitted, x, y, chosen, self.draws, seed, generator)
        found = _test((real, made, asked), (y, chosen), self.swaps, np.random.default_rng(seed))
        worst, together = int((found["bias"] - found["chance"]).argmax()), float(found["p"])
        off, chance = float(found["bias"][worst]), float(found["chance"][worst])
        verdict = "green" if together >= self.level else "amber" if off - chance < SMALL else "red"
        said = (
            f"At {len(chosen)} observation{'s' if len(chosen) > 1 else ''} a classifier's probability that a "
            f"posterior draw is a truth is off 1/2 by {off:.2g} at most, by chance alone {chance:.2g}; "
            f"p {together:.2g}."
        )
        if lost > NON_FINITE_SHARE:
            said = f"{percent(lost)} of the draws are not finite. " + said
        return dataset(
            {
                "statistic": ("place", found["statistic"], {"long_name": "mean square of P - 1/2"}),
                "bias": ("place", found["bias"], {"long_name": "mean |P - 1/2| at the model's draws"}),
                "chance": ("place", found["chance"], {"long_name": "mean |P - 1/2| with swapped labels"}),
                "local_p": ("place", found["local_p"]),
                "p": ((), together),
                "observation": (("place", "observed"), chosen.numpy()),
                "non_finite_share": ((), lost),
            },
            verdict="red" if lost > NON_FINITE_SHARE else verdict,
            sentence=said,
            data=data,
            observed=("observed", [v.name for v in problem.y]),
        )


def _codes(fitted, x, y, chosen, count, seed, generator):
    """Codes of truths (n, K), standard normal ones, those asked about (P, count, K), and the share lost."""
    real = on_cpu(fitted.latent(x, y)[0])
    lost = lost_share(real)
    made = torch.randn(real.shape, generator=generator, dtype=torch.float64)
    asked = torch.randn(count, real.shape[1], generator=generator, dtype=torch.float64)
    return real.nan_to_num(0.0, 0.0, 0.0), made, asked.expand(len(chosen), -1, -1), lost


def _residuals(fitted, x, y, chosen, count, seed, generator):
    """The same in x less its linear guess from y, in standard deviations of what is left."""
    made = draws(fitted, y, len(y), 1, seed)[:, 0]
    asked = draws(fitted, chosen, len(chosen), count, seed + 1)
    lost = max(lost_share(made), lost_share(asked))

    def design(rows: Tensor) -> Tensor:
        return torch.cat([torch.ones(len(rows), 1, dtype=torch.float64), rows], 1)

    # truths and draws guess together: a line through the truths alone would lie nearer to them
    both = torch.cat([x, made.nan_to_num(0.0, 0.0, 0.0)])
    learned = torch.linalg.lstsq(design(torch.cat([y, y])), both, driver="gelsd").solution
    line = design(y) @ learned
    left = (both - torch.cat([line, line])).std(0).clamp(min=1e-12)
    there = (design(chosen) @ learned)[:, None]
    parts = (x - line, made - line, asked - there)
    return *((part / left).nan_to_num(0.0, 0.0, 0.0) for part in parts), lost


def _test(points, observations, swaps: int, generator: np.random.Generator):
    """By name: statistic, local_p, bias, chance (P,) and p; from (real, made, asked) and (y, chosen)."""
    from sklearn.kernel_ridge import KernelRidge

    (real, made, asked), (y, chosen) = points, observations
    middle, scale = y.mean(0), y.std(0).clamp(min=1e-12)
    seen, there = ((rows - middle) / scale for rows in (y, chosen))
    table = torch.cat([torch.cat([real, seen], 1), torch.cat([made, seen], 1)]).numpy()
    signs = np.ones((len(y), swaps + 1))
    signs[:, 1:] = generator.choice((-1.0, 1.0), size=(len(y), swaps))
    # whole pairs: the width of the kernel must not tell which member is which
    pairs = generator.permutation(len(y))[: _DISTANCES // 2]
    some = table[np.concatenate([pairs, pairs + len(y)])]
    gaps = ((some[:, None] - some[None]) ** 2).sum(2)
    median = max(float(np.median(gaps[np.triu_indices(len(some), 1)])), 1e-12)
    learner = KernelRidge(alpha=RIDGE, kernel="rbf", gamma=1 / median)
    learner.fit(table, np.concatenate([signs, -signs]))
    values = []
    for place in range(len(chosen)):
        rows = torch.cat([asked[place], there[place].expand(asked.shape[1], -1)], 1)
        values.append(learner.predict(rows.numpy()).clip(-1, 1))
    found = np.asarray(values)  # (P, draws, 1 + swaps)
    statistic = (found**2).mean(1) / 4
    bias = 0.5 * np.abs(found).mean(1)
    # p value of every column of labels among all columns: the first is the real one
    shares = (statistic[:, None, :] >= statistic[:, :, None]).mean(2)
    smallest = shares.min(0)
    return {
        "statistic": statistic[:, 0],
        "local_p": shares[:, 0],
        "p": float((smallest <= smallest[0]).mean()),
        "bias": bias[:, 0],
        "chance": bias[:, 1:].mean(1),
    }
