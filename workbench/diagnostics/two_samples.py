"""Two sets of draws: can a classifier tell them apart, and how far must one be moved to become the other?

C2ST         held-out accuracy of a classifier that is trained to tell them apart, both sets in the mean and
             deviation of the first, five folds. 0.5 cannot tell, 1 always can.
network      two hidden layers of 10 D ReLU units, as the simulation-based inference benchmark defines it.
             Five trainings: about a second for a thousand draws in two dimensions, more in more
neighbours   a vote of the k = √n nearest of n training points, as in the paper that named the test.
             Milliseconds, and it does not see what is finer than the distance to those neighbours: of laws on
             a surface, which a network tells from a thin layer around it, it compares the shapes
Bias         few draws cannot show small differences: the accuracy grows with their number, so that only
             numbers from equally many draws compare. Values a little below 0.5 happen.
W2           root of the least mean squared distance over all pairings of equally many draws: exact for the
             two sets, by linear assignment. Upwards by the scatter of the draws: two sets of one law differ,
             more so in more dimensions. n³ at worst; 0.02 s for 500 draws.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor

from workbench.core.errors import DataError, SpecError

#: Classifiers that `c2st` knows.
CLASSIFIERS = ("network", "neighbours")


def exact_wasserstein(first: Tensor | np.ndarray, second: Tensor | np.ndarray) -> float:
    """W2, the 2-Wasserstein distance between two empirical laws: draws (n, D) each, in the units of x.

    Raises `DataError` for tables of different shape, without rows or with numbers that are not finite.
    Source: Kantorovich 1942; for equal weights an optimal plan is a pairing (Birkhoff 1946).
    """
    first, second = (np.asarray(part, dtype=np.float64) for part in (first, second))
    if first.ndim != 2 or first.shape != second.shape or not len(first):
        raise DataError(
            "W2 pairs two sets of draws",
            expected="two tables (n, D) of the same shape",
            found=f"shapes {first.shape} and {second.shape}",
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("W2 compares finite draws", found="draws that are not finite")
    squared = cdist(first, second, "sqeuclidean")
    return float(np.sqrt(squared[linear_sum_assignment(squared)].mean()))


def c2st(
    reference: Tensor | np.ndarray,
    model: Tensor | np.ndarray,
    *,
    classifier: str = "network",
    folds: int = 5,
    seed: int = 1,
    iterations: int = 10_000,
) -> float:
    """Classifier two-sample test: the held-out accuracy, 0.5 for equal laws.

    Parameters
    ----------
    reference, model : draws (n, D) and (m, D) in any units; the reference's mean and deviation scale both.
    classifier : "network", the benchmark's, or "neighbours".
    folds, seed, iterations : of the cross-validation and of the network, which stops after so many
        epochs at the latest; the defaults are the benchmark's. Few draws are learned by heart in thousands of
        epochs, which takes long and tells no more than a hundred.

    Raises `SpecError` for another classifier, `DataError` for sets of different width, fewer than ``folds``
    rows or numbers that are not finite.
    Source: Lopez-Paz and Oquab 2017, arXiv 1610.06545; the network as defined by Lueckmann et al. 2021,
    arXiv 2101.04653.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import KFold, cross_val_score

    if classifier not in CLASSIFIERS:
        raise SpecError(
            "C2ST does not know this classifier", expected=" or ".join(CLASSIFIERS), found=classifier
        )
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
    made = _made(classifier, points.shape[1], len(points) * (folds - 1) // folds, seed, iterations)
    parts = KFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return float(np.mean(cross_val_score(made, points, labels, cv=parts, scoring="accuracy")))


def _made(classifier: str, features: int, training_points: int, seed: int, iterations: int):
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier

    if classifier == "neighbours":
        return KNeighborsClassifier(math.isqrt(training_points))
    return MLPClassifier(
        activation="relu",
        hidden_layer_sizes=(10 * features, 10 * features),
        max_iter=iterations,
        solver="adam",
        random_state=seed,
    )
