"""Local classifier two-sample test: is the posterior right at one particular observation?

Pairs        (x, y) from the problem against (x̃, y), x̃ ~ model(· | y), at the same fresh y. A model with
             latents and a density is compared in latent space: (T(x; y), y) against (ε, y), ε ~ N(0, I).
             Others are compared in x minus its linear prediction from y, in standard deviations of the
             residuals.
Classifier   least squares on the labels ±1 (kernel ridge regression with a Gaussian kernel of the median
             distance), whose prediction f estimates 2 P(problem | ·) − 1.
Statistic    at an observation: mean of (f/2)² over the model's draws at this observation, which is the mean
             squared distance of the class probability from ½.
Test         under an exact model the two members of each pair are exchangeable: labels are swapped within
             pairs, at random, and all classifiers of the swapped labels are solved for at once. One p value
             for each observation; over the observations the smallest, against its own distribution under the
             swaps.
Severity     shift between two normal distributions that a classifier of this |P − ½|, above its value for
             swapped labels, tells apart as well: less than the true one, since the ridge shrinks f.
Verdict      green: p at least the level. Amber: below, but the severity is under 0.125. Red otherwise. The
             p value is exact for a model that is right
             everywhere; a model that is wrong at other observations may be flagged too, since one classifier
             serves all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.scale import column_scale
from workbench.diagnostics.checks.base import (
    DIAGNOSTICS,
    NON_FINITE_SHARE,
    Diagnostic,
    HeldOutPairs,
    dataset,
    finite,
    held_out_pairs,
    non_finite_share,
    on_cpu,
    posterior_draws,
    variable_names,
    verdict_of,
)

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem

RIDGE = 1.0
#: Number of points whose median distance is the width of the kernel.
_DISTANCES = 400


@DIAGNOSTICS.register
class LocalC2st(Diagnostic):
    """Check by a local classifier two-sample test (L-C2ST)."""

    key = "local_c2st"
    title = "Local C2ST"
    summary = "Whether a classifier tells truths from posterior draws at chosen observations, one by one."
    reference = "Linhart, Gramfort and Rodrigues 2023, arXiv 2306.03580"
    purpose = "Whether the posterior is right at single observations, not only on average over all of them."
    remedy = "Draw more simulations near the observations that fail, or refine the posterior there."
    needs_problem = frozenset({Capability.OBSERVATION})
    thorough = {"pairs": 1500, "draws": 500}

    pairs = param.Integer(600, bounds=(50, 5000), doc="Fresh pairs that the classifier learns from.")
    swaps = param.Integer(1999, bounds=(99, 10_000), doc="How often the labels are swapped for the test.")
    draws = param.Integer(150, bounds=(20, 5000), doc="Draws at which the classifier is evaluated.")
    places = param.Integer(4, bounds=(0, 100), doc="Fresh observations at which the posterior is tested.")
    observation = param.List(
        [], item_type=float, doc="The only observation tested; empty: the problem's own and fresh ones."
    )

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        from scipy.stats import norm

        from workbench.diagnostics.severity import SMALL_SEVERITY

        data = held_out_pairs(fitted, problem, self.pairs + self.places, seed)
        places = self._observations(problem, data)
        x, y = data.x[self.places :], data.y[self.places :]
        generator = torch.Generator().manual_seed(seed + 7)
        latent = {Capability.LATENT, Capability.DENSITY} <= fitted.capabilities
        points_of = _codes if latent else _residuals
        points, non_finite = points_of(fitted, x, y, places, self.draws, seed, generator)
        test = _test(points, y, places, self.swaps, np.random.default_rng(seed))
        worst, p = int((test["bias"] - test["chance"]).argmax()), float(test["p"])
        bias, chance = float(test["bias"][worst]), float(test["chance"][worst])
        severity = 2 * float(norm.ppf(0.5 + min(max(0.0, bias - chance), 0.4999)))
        return dataset(
            {
                "statistic": ("place", test["statistic"], {"long_name": "mean square of P - 1/2"}),
                "bias": ("place", test["bias"], {"long_name": "mean |P - 1/2| at the model's draws"}),
                "chance": ("place", test["chance"], {"long_name": "mean |P - 1/2| with swapped labels"}),
                "local_p": ("place", test["local_p"]),
                "p": ((), p),
                "observation": (("place", "observed"), places.numpy()),
                "non_finite_share": ((), non_finite),
            },
            verdict=verdict_of(p, self.level, small=severity < SMALL_SEVERITY, non_finite=non_finite),
            sentence=_sentence(len(places), bias, chance, p, non_finite),
            data=data,
            p_value=p,
            severity=severity,
            observed=("observed", variable_names(problem.y)),
        )

    def _observations(self, problem: Problem, data: HeldOutPairs) -> Tensor:
        """Return the P observations (P, M) at which the posterior is tested."""
        fresh = data.y[: self.places]
        own = self.observation or list(problem.default_observation)
        if self.observation or (own and not data.in_sample):
            row = problem.checked_observation(own)[None]
            return row if self.observation else torch.cat([row, fresh])
        return fresh


class Points(NamedTuple):
    """Inputs of the classifier, without y.

    The classifier is trained on the rows of ``real`` (truths) and ``model`` (model draws), (n, K) each and
    paired by row, and evaluated at ``places`` (P, draws, K), model draws at the P tested observations.
    """

    real: Tensor
    model: Tensor
    places: Tensor


def _sentence(count: int, bias: float, chance: float, p: float, non_finite: float) -> str:
    from workbench.inference.statistics import percent

    loss = f"{percent(non_finite)} of the draws are not finite. " if non_finite > NON_FINITE_SHARE else ""
    return (
        f"{loss}At {count} observation{'s' if count > 1 else ''} a classifier's probability that a "
        f"posterior draw is a truth is off 1/2 by {bias:.2g} at most, by chance alone {chance:.2g}; "
        f"p {p:.2g}."
    )


def _codes(
    fitted: FittedModel,
    x: Tensor,
    y: Tensor,
    places: Tensor,
    count: int,
    seed: int,
    generator: torch.Generator,
) -> tuple[Points, float]:
    """Return the classifier's points in latent space, and the fraction of truths with non-finite latents.

    Each latent of the truths x (n, D) is paired with a draw from N(0, I). At each of the P tested
    observations ``places`` (P, M), ``count`` further draws from N(0, I) stand for the model's draws.
    """
    real = on_cpu(fitted.latent(x, y)[0])
    model = torch.randn(real.shape, generator=generator, dtype=torch.float64)
    own = torch.randn(count, real.shape[1], generator=generator, dtype=torch.float64)
    return Points(finite(real), model, own.expand(len(places), -1, -1)), non_finite_share(real)


def _residuals(
    fitted: FittedModel,
    x: Tensor,
    y: Tensor,
    places: Tensor,
    count: int,
    seed: int,
    generator: torch.Generator,
) -> tuple[Points, float]:
    """Return the classifier's points as residuals of a linear regression of x on y, and a fraction.

    Residuals of the truths x (n, D) are paired with those of model draws at the same y; ``count`` model draws
    are made at each of the P tested observations ``places`` (P, M). Residuals are divided by their standard
    deviation. The fraction is that of non-finite model draws, the larger one of both sets of draws.
    """
    model = posterior_draws(fitted, y, len(y), 1, seed)[:, 0]
    own = posterior_draws(fitted, places, len(places), count, seed + 1)
    non_finite = max(non_finite_share(model), non_finite_share(own))

    middle, unit = y.mean(0), column_scale(y)

    def design(rows: Tensor) -> Tensor:
        rows = (rows - middle) / unit
        return torch.cat([torch.ones(len(rows), 1, dtype=torch.float64), rows], 1)

    # fitted to truths and draws together: a line through the truths alone would lie nearer to them
    both = torch.cat([x, finite(model)])
    coefficients = torch.linalg.lstsq(design(torch.cat([y, y])), both, driver="gelsd").solution
    line = design(y) @ coefficients
    scale = column_scale(both - torch.cat([line, line]))
    line_there = (design(places) @ coefficients)[:, None]
    parts = (x - line, model - line, own - line_there)
    return Points(*(finite(part / scale) for part in parts)), non_finite


def _test(
    points: Points, y: Tensor, places: Tensor, swaps: int, generator: np.random.Generator
) -> dict[str, np.ndarray | float]:
    """Train the classifier with true and with swapped labels, and test it at observations ``places`` (P, M).

    Returns a dict: per observation (P,) the ``statistic``, its p value ``local_p``, the ``bias`` (mean
    |P(truth) − ½| over the model's draws) and ``chance`` (the mean bias of classifiers of swapped labels);
    and ``p``, the p value of all observations jointly.
    """
    from sklearn.kernel_ridge import KernelRidge

    middle, scale = y.mean(0), column_scale(y)
    context, context_there = ((rows - middle) / scale for rows in (y, places))
    table = torch.cat([torch.cat([part, context], 1) for part in (points.real, points.model)]).numpy()
    signs = np.ones((len(y), swaps + 1))
    signs[:, 1:] = generator.choice((-1.0, 1.0), size=(len(y), swaps))
    # whole pairs: the width of the kernel must not tell which member is which
    pairs = generator.permutation(len(y))[: _DISTANCES // 2]
    subset = table[np.concatenate([pairs, pairs + len(y)])]
    gaps = ((subset[:, None] - subset[None]) ** 2).sum(2)
    median = float(np.median(gaps[np.triu_indices(len(subset), 1)])) or 1.0
    classifier = KernelRidge(alpha=RIDGE, kernel="rbf", gamma=1 / median)
    classifier.fit(table, np.concatenate([signs, -signs]))
    values = []
    for own, row in zip(points.places, context_there, strict=True):
        rows = torch.cat([own, row.expand(len(own), -1)], 1)
        values.append(classifier.predict(rows.numpy()).clip(-1, 1))
    f = np.asarray(values)  # (P, draws, 1 + swaps)
    statistic = (f**2).mean(1) / 4
    bias = 0.5 * np.abs(f).mean(1)
    # p value of every column of labels among all columns: the first is the real one
    order = np.sort(statistic, axis=1)
    below = [np.searchsorted(row, values, side="left") for row, values in zip(order, statistic, strict=True)]
    shares = 1 - np.asarray(below) / statistic.shape[1]
    smallest = shares.min(0)
    return {
        "statistic": statistic[:, 0],
        "local_p": shares[:, 0],
        "p": float((smallest <= smallest[0]).mean()),
        "bias": bias[:, 0],
        "chance": bias[:, 1:].mean(1),
    }
