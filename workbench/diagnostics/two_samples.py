"""Can a classifier tell two sets of draws apart?

C2ST         held-out accuracy of a small network that is trained to tell them apart, as the simulation-based
             inference benchmark defines it: both sets in the mean and deviation of the first, two hidden
             layers of 10 D ReLU units, five folds. 0.5 cannot tell, 1 always can.
Bias         few draws cannot show small differences: the accuracy grows with their number, so that only
             numbers from equally many draws compare. Values a little below 0.5 happen.
Cost         five trainings, about a second for a thousand draws in two dimensions
"""

from __future__ import annotations

import warnings

import numpy as np
from torch import Tensor

from workbench.core.errors import DataError


def c2st(
    reference: Tensor | np.ndarray, model: Tensor | np.ndarray, *, folds: int = 5, seed: int = 1
) -> float:
    """Classifier two-sample test: the held-out accuracy, 0.5 for equal laws.

    Parameters
    ----------
    reference, model : draws (n, D) and (m, D) in any units; the reference's mean and deviation scale both.
    folds, seed : of the cross-validation and of the classifier; the defaults are the benchmark's.

    Raises `DataError` for sets of different width, fewer than ``folds`` rows or numbers that are not finite.
    Source: Lopez-Paz and Oquab 2017, arXiv 1610.06545; as defined by Lueckmann et al. 2021, arXiv 2101.04653.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.neural_network import MLPClassifier

    first, second = (np.asarray(part, dtype=np.float64) for part in (reference, model))
    fits = first.ndim == second.ndim == 2 and first.shape[1:] == second.shape[1:]
    if not fits or min(len(first), len(second)) < max(2, folds):
        raise DataError(
            "C2ST compares two sets of draws",
            expected=f"two tables of the same width with at least {max(2, folds)} rows",
            found=f"shapes {first.shape} and {second.shape}",
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("C2ST compares finite draws", found="draws that are not finite")
    spread = first.std(0, ddof=1)
    spread = np.where(spread > 0, spread, 1.0)
    points = np.concatenate([(part - first.mean(0)) / spread for part in (first, second)])
    labels = np.repeat([0, 1], [len(first), len(second)])
    width = 10 * points.shape[1]
    classifier = MLPClassifier(
        activation="relu",
        hidden_layer_sizes=(width, width),
        max_iter=10_000,
        solver="adam",
        random_state=seed,
    )
    parts = KFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(np.mean(cross_val_score(classifier, points, labels, cv=parts, scoring="accuracy")))
