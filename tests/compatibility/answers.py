"""Answers of a trained model to stored questions, and how two records of answers are compared.

Shared by `make_samples`, which writes the answers down, and by the tests, which ask again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

#: What may be asked of a fitted model; a sample names those that its model can answer.
QUESTIONS = ("log_prob", "latent", "inverse", "predict", "evidence", "draws")
#: Draws from a fixed generator, at one observation where there is one.
DRAWS = 6
#: Steps by which each sample run is continued.
STEPS = 5

#: Relative and absolute tolerance of answers and loss parts, for stored weights and after further steps.
#: Another processor rounds differently, by about 1e-7 (float32) an operation, and layers and optimiser steps
#: amplify that: kernels without vector instructions moved runs by a twentieth of the tolerance at most, and
#: the weights of one architecture (Bernstein polynomials) by a sixth. Losing an optimiser's moments, a
#: generator's state, an average or the order of batches moves them by 20 times the tolerance or more.
TOLERANCE = {"float32": (1e-4, 1e-5), "float64": (1e-8, 1e-10)}


def answer(fitted: Any, question: str, inputs: dict[str, Any]) -> list:
    """The answer of a fitted model to one of `QUESTIONS`, as nested lists of numbers.

    ``inputs`` holds x (n, D), z (n, K), y (n, M) or None, observation (M,) or None, and the precision.
    """
    dtype = getattr(torch, inputs["precision"])
    x, y, observation = inputs["x"], inputs["y"], inputs["observation"]
    z = torch.tensor(inputs["z"], dtype=dtype)
    with torch.no_grad():
        if question == "log_prob":
            value = fitted.log_prob(x, y)
        elif question == "latent":
            value = fitted.latent(x, y)[0]
        elif question == "inverse":
            value = fitted.inverse(z, y)[0]
        elif question == "predict":
            value = fitted.predict(x)
        elif question == "evidence":
            value = fitted.evidence_lower_bound(x, y, z)
        else:
            value = fitted.sample(DRAWS, observation, torch.Generator().manual_seed(11))
    return value.tolist()


def answers(fitted: Any, inputs: dict[str, Any], questions: list[str]) -> dict[str, list]:
    """The answers to several questions, by question."""
    return {question: answer(fitted, question, inputs) for question in questions}


def record_of(record: Any) -> dict[str, Any]:
    """Parts of a step that must be the same when a run is continued: all but its time."""
    return {
        "iteration": record.iteration,
        "learning_rate": record.learning_rate,
        "parts": dict(record.parts),
        "validation": dict(record.validation),
    }


def compare(value: Any, reference: Any, tolerance: tuple[float, float], where: str = "") -> None:
    """Raise `AssertionError` unless ``value`` holds all of ``reference``, with numbers within ``tolerance``.

    Tables may hold further keys: a later version may say more, never less. Lists of numbers have the same
    shape, texts are equal.
    """
    if isinstance(reference, dict):
        assert reference.keys() <= value.keys(), f"{where}: {sorted(reference.keys() - value.keys())} missing"
        for key, entry in reference.items():
            compare(value[key], entry, tolerance, f"{where}.{key}")
    elif isinstance(reference, list) and reference and isinstance(reference[0], (dict, str)):
        assert len(value) == len(reference), f"{where}: {len(value)} entries, expected {len(reference)}"
        for number, (entry, counterpart) in enumerate(zip(value, reference, strict=True)):
            compare(entry, counterpart, tolerance, f"{where}[{number}]")
    elif isinstance(reference, (list, float)):
        relative, absolute = tolerance
        assert np.shape(value) == np.shape(reference), f"{where}: shape {np.shape(value)}"
        np.testing.assert_allclose(value, reference, rtol=relative, atol=absolute, err_msg=where)
    else:
        assert value == reference, f"{where}: {value!r}, expected {reference!r}"
