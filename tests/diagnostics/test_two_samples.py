"""The classifier test: right accuracies where they are known, and clear refusals."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from workbench.core.errors import DataError, SpecError
from workbench.diagnostics import c2st
from workbench.diagnostics.two_samples import CLASSIFIERS


def gaussian(n: int, shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2)) + np.asarray([shift, 0.0])


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_equal_distributions_cannot_be_told_apart_and_far_ones_always(classifier):
    first = gaussian(300, 0.0, 0)
    assert abs(c2st(first, gaussian(300, 0.0, 1), classifier=classifier) - 0.5) < 0.07
    assert c2st(first, torch.from_numpy(gaussian(300, 8.0, 2)), classifier=classifier) > 0.99


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_the_accuracy_is_that_of_the_best_classifier(classifier):
    # two Gaussians at distance d are told apart at best with probability Φ(d / 2)
    best = norm.cdf(0.75)
    assert abs(c2st(gaussian(500, 0.0, 0), gaussian(500, 1.5, 1), classifier=classifier) - best) < 0.04


@pytest.mark.slow
def test_neighbours_do_not_see_how_thin_a_surface_is_and_a_network_does():
    first, second = gaussian(300, 0.0, 0), gaussian(300, 0.0, 1)
    first[:, 1], second[:, 1] = 0.5 * first[:, 0], 0.5 * second[:, 0] + 0.1 * second[:, 1]
    assert abs(c2st(first, second, classifier="neighbours") - 0.5) < 0.1
    assert c2st(first, second) > 0.8


def test_another_classifier_is_refused():
    with pytest.raises(SpecError, match="network or neighbours"):
        c2st(gaussian(50, 0.0, 0), gaussian(50, 0.0, 1), classifier="forest")


def test_units_do_not_matter_and_the_same_seed_gives_the_same_number():
    first, second = gaussian(200, 0.0, 0), gaussian(200, 0.7, 1)
    units = np.asarray([1e3, 1e-3])
    plain, other_units = c2st(first, second), c2st(first * units + 5, second * units + 5)
    assert plain == c2st(first, second) == pytest.approx(other_units, abs=0.02)


@pytest.mark.parametrize(
    "model", [np.zeros((50, 3)), np.zeros((2, 2)), np.full((50, 2), np.nan)], ids=["wide", "few", "nan"]
)
def test_what_cannot_be_compared_is_refused(model):
    with pytest.raises(DataError, match="C2ST compares"):
        c2st(gaussian(50, 0.0, 0), model)


def test_an_interruption_ends_the_test_and_not_only_the_training_of_its_classifier(monkeypatch):
    from sklearn.neural_network import MLPClassifier

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(MLPClassifier, "_update_no_improvement_count", interrupt)
    with pytest.raises(KeyboardInterrupt):
        c2st(gaussian(100, 0.0, 0), gaussian(100, 0.0, 1))
