"""Two-sample distances: the classifier two-sample test (C2ST) and the exact Wasserstein distance W2.

C2ST         held-out accuracy of a classifier that is trained to tell two sets of draws apart, both
             standardised by mean and standard deviation of the first, in five-fold cross-validation.
             0.5: indistinguishable, 1: separate.
network      classifier with two hidden layers of 10 D ReLU units for D dimensions, as in the simulation-based
             inference benchmark. It is trained five times: about a second for a thousand draws in two
             dimensions, longer in more
neighbours   classifier by a vote of the k = √n nearest of n training points, as in Lopez-Paz and Oquab 2017.
             It takes milliseconds, but is blind to structure finer than the distance to these neighbours: it
             does not tell a surface from a thin layer around it, which a network does
Bias         few draws cannot show small differences: the accuracy grows with their number, so that only
             values from equally many draws can be compared. Values a little below 0.5 occur.
W2           root of the least mean squared distance over all pairings of equally many draws: exact for the
             two sets, by linear assignment. Biased upwards: two sets of one distribution differ by chance,
             more so in more dimensions. n³ at worst; 0.02 s for 500 draws.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from workbench.core.entries import public
from workbench.core.errors import DataError, SpecError
from workbench.core.numbers import checked_seed, whole_number
from workbench.core.scale import array_scale

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin
    from sklearn.model_selection import KFold
    from torch import Tensor

#: Classifiers that `c2st` knows.
CLASSIFIERS = ("network", "neighbours")
#: Beginning of the warning with which scikit-learn answers Ctrl+C.
_INTERRUPTION = "Training interrupted by user"


@public
def exact_wasserstein(first: Tensor | np.ndarray, second: Tensor | np.ndarray) -> float:
    """Return the 2-Wasserstein distance between two sets of draws (n, D), in their units.

    Raises `DataError` for tables of different shape, without rows or with numbers that are not finite.
    Source: Kantorovich 1942; for equal weights an optimal plan is a pairing (Birkhoff 1946).
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    first, second = (np.asarray(part, dtype=np.float64) for part in (first, second))
    if first.ndim != 2 or first.shape != second.shape or not len(first):
        raise DataError(
            "W2 pairs two sets of draws",
            expected="two tables (n, D) of the same shape",
            found=f"shapes {first.shape} and {second.shape}",
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("W2 compares finite draws", found="draws that are not finite")
    costs = cdist(first, second, "sqeuclidean")
    return float(np.sqrt(costs[linear_sum_assignment(costs)].mean()))


@public
def c2st(
    reference: Tensor | np.ndarray,
    model: Tensor | np.ndarray,
    *,
    classifier: str = "network",
    folds: int = 5,
    seed: int = 1,
    iterations: int = 10_000,
) -> float:
    """Return the held-out accuracy of a classifier two-sample test: 0.5 for equal distributions.

    Parameters
    ----------
    reference, model : draws (n, D) and (m, D) in any units; both are standardised by mean and standard
        deviation of the reference.
    classifier : "network" (that of the simulation-based inference benchmark) or "neighbours".
    folds, seed, iterations : number of folds, seed, and largest number of epochs of the network; the defaults
        are the benchmark's. For few draws a hundred epochs give the same accuracy as thousands, in which the
        network only overfits.

    Raises `SpecError` for another classifier, `DataError` for sets of different width, fewer than ``folds``
    rows or numbers that are not finite.
    Source: Lopez-Paz and Oquab 2017, arXiv 1610.06545; the network as defined by Lueckmann et al. 2021,
    arXiv 2101.04653.
    """
    from sklearn.model_selection import KFold

    if classifier not in CLASSIFIERS:
        raise SpecError(
            "C2ST does not know this classifier", expected=" or ".join(CLASSIFIERS), found=classifier
        )
    folds = whole_number(folds, "number of folds", low=2)
    iterations = whole_number(iterations, "number of epochs")
    seed = checked_seed(seed, low=0, high=2**32 - 1)
    first, second = (np.asarray(part, dtype=np.float64) for part in (reference, model))
    comparable = first.ndim == second.ndim == 2 and first.shape[1:] == second.shape[1:]
    if not comparable or min(len(first), len(second)) < max(2, folds):
        raise DataError(
            "C2ST compares two sets of draws",
            expected=f"two tables of the same width with at least {max(2, folds)} rows",
            found=f"shapes {first.shape} and {second.shape}",
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("C2ST compares finite draws", found="draws that are not finite")
    spread = array_scale(first) * math.sqrt(len(first) / (len(first) - 1))  # unbiased, as in the benchmark
    points = np.concatenate([(part - first.mean(0)) / spread for part in (first, second)])
    labels = np.repeat([0, 1], [len(first), len(second)])
    estimator = _estimator(classifier, points.shape[1], len(points) * (folds - 1) // folds, seed, iterations)
    return _held_out_accuracy(estimator, points, labels, KFold(folds, shuffle=True, random_state=seed))


def _held_out_accuracy(
    estimator: ClassifierMixin, points: np.ndarray, labels: np.ndarray, parts: KFold
) -> float:
    """Return the mean accuracy of an estimator over the parts; raises KeyboardInterrupt at Ctrl+C.

    scikit-learn itself ends the training at Ctrl+C and goes on, with an accuracy that looks like any other.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import cross_val_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("error", message=_INTERRUPTION)
        try:
            scores = cross_val_score(
                estimator, points, labels, cv=parts, scoring="accuracy", error_score="raise"
            )
        except UserWarning as warning:
            if not str(warning).startswith(_INTERRUPTION):
                raise
            raise KeyboardInterrupt from warning
    return float(np.mean(scores))


def _estimator(
    classifier: str, features: int, training_points: int, seed: int, iterations: int
) -> ClassifierMixin:
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
