"""Predictive distributions of a column of a table given the others: the recommended network and baselines.

Every method takes training rows and returns, for the test rows, −log density (nats, NaN where a method has no
density), CRPS and the central 90 % interval, and the seconds that it took to train.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.errors import RunError
from workbench.core.lazy import torch
from workbench.studies import predictive_scores as scores
from workbench.studies.study_context import clock

if TYPE_CHECKING:
    import pandas as pd

#: Levels of the ends of the central 90 % interval, and the normal's upper one.
ENDS, _NORMAL_END = (0.05, 0.95), 1.6448536269514722
#: Number of trees of NGBoost, its authors' default, and of levels of the boosted quantiles.
_TREES, _LEVELS = 500, 20


@dataclass(frozen=True)
class Prediction:
    """Scores of n test rows: −log p and CRPS (n,), ends of the 90 % intervals (n,), seconds of training."""

    negative_log_density: np.ndarray
    crps: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Split:
    """Training and test rows of a table, and the name of the column to predict from all others."""

    train: pd.DataFrame
    test: pd.DataFrame
    target: str

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the other columns and the target of the training rows, then those of the test rows."""
        parts = []
        for frame in (self.train, self.test):
            parts += [frame.drop(columns=self.target).to_numpy(float), frame[self.target].to_numpy(float)]
        return tuple(parts)


def recommended(split: Split, seed: int, draws: int, device: str) -> Prediction:
    """Train the recommended experiment; CRPS and intervals are those of ``draws`` for each row."""
    from workbench.problems import TableProblem
    from workbench.training import Experiment, Run

    features = [name for name in split.train.columns if name != split.target]
    start = clock(device)
    problem = TableProblem(split.train, x=[split.target], y=features)
    run = Run(Experiment.recommended(problem, len(split.train), seed=seed), device=device)
    for _ in run:
        pass
    network, seconds = run.fitted, clock(device) - start
    x, y = (torch.tensor(split.test[names].to_numpy(float).copy()) for names in ([split.target], features))
    generator = torch.Generator(device=network.model.device).manual_seed(seed)
    with torch.no_grad():
        loss = -network.log_prob(x, y).double().cpu().numpy()
        values = network.sample(len(x) * draws, y.repeat_interleave(draws, 0), generator)
    values = values.double().cpu().numpy().reshape(len(x), draws)
    low, high = np.quantile(values, ENDS, axis=1)
    return Prediction(loss, scores.draws_crps(x[:, 0].numpy(), values), low, high, seconds)


def _normal(x: np.ndarray, mean: np.ndarray, sigma: np.ndarray, seconds: float) -> Prediction:
    return Prediction(
        scores.normal_negative_log_density(x, mean, sigma),
        scores.normal_crps(x, mean, sigma),
        mean - _NORMAL_END * sigma,
        mean + _NORMAL_END * sigma,
        seconds,
    )


def linear(split: Split, seed: int, draws: int, device: str) -> Prediction:
    """Fit a linear regression with normal errors by least squares."""
    start = clock("cpu")
    y, x, test_y, test_x = split.arrays()
    shift, scale = y.mean(0), np.where(y.std(0) > 0, y.std(0), 1.0)
    design, test = (np.c_[(part - shift) / scale, np.ones(len(part))] for part in (y, test_y))
    coefficients, _, rank, _ = np.linalg.lstsq(design, x, rcond=None)
    sigma = np.sqrt(((x - design @ coefficients) ** 2).sum() / max(len(x) - rank, 1))
    return _normal(test_x, test @ coefficients, np.full(len(test), sigma), clock("cpu") - start)


def ngboost(split: Split, seed: int, draws: int, device: str) -> Prediction:
    """Fit NGBoost with a normal distribution and its authors' defaults.

    Raises `RunError` where it is not installed.
    """
    try:
        from ngboost import NGBRegressor
    except ImportError as error:
        raise RunError("NGBoost is not installed", suggestion="install the bench extra") from error
    y, x, test_y, test_x = split.arrays()
    start = clock("cpu")
    model = NGBRegressor(n_estimators=_TREES, verbose=False, random_state=seed).fit(y, x)
    seconds = clock("cpu") - start
    parameters = model.pred_dist(test_y).params
    return _normal(test_x, parameters["loc"], parameters["scale"], seconds)


def quantiles(split: Split, seed: int, draws: int, device: str) -> Prediction:
    """Fit scikit-learn's gradient-boosted trees to each of twenty quantiles; there is no density."""
    from sklearn.ensemble import GradientBoostingRegressor

    y, x, test_y, test_x = split.arrays()
    levels, start = (np.arange(_LEVELS) + 0.5) / _LEVELS, clock("cpu")
    models = [
        GradientBoostingRegressor(loss="quantile", alpha=level, random_state=seed).fit(y, x)
        for level in levels
    ]
    seconds = clock("cpu") - start
    values = np.sort(np.stack([model.predict(test_y) for model in models], 1), 1)
    low, high = np.stack([np.interp(ENDS, levels, row) for row in values], 1)
    nothing = np.full(len(test_x), np.nan)
    return Prediction(nothing, scores.quantile_crps(test_x, values, levels), low, high, seconds)


METHODS = {"recommended": recommended, "linear": linear, "ngboost": ngboost, "quantiles": quantiles}
