"""Settings of training itself: data split, optimiser, schedule, validation and the non-finite guard."""

from __future__ import annotations

from typing import Any

import param

from workbench.core.errors import unknown
from workbench.core.spec import Spec
from workbench.divergences import DIVERGENCES


class _Divergences(param.List):
    """Parameter that is a list of keys of divergences; assigning an unknown key raises `SpecError`."""

    def _validate(self, val: Any) -> None:
        super()._validate(val)
        for key in val:
            if key not in DIVERGENCES:
                raise unknown("divergence", key, DIVERGENCES.keys())


class Training(Spec):
    """Settings of a run: optimiser, schedule, data split, validation and guards."""

    key = "training"
    title = "Training"
    summary = "Optimiser, schedule, validation and guards."
    live = frozenset({"learning_rate", "gradient_clip", "measured"})

    learning_rate = param.Number(2e-3, bounds=(1e-7, 1.0), doc="Step size of the optimiser at its peak.")
    batch_size = param.Integer(256, bounds=(2, 1_000_000), doc="Points in a mini-batch.")
    samples = param.Integer(
        20_000,
        bounds=(50, 50_000_000),
        doc="Pairs drawn from the problem, for training and validation together; from a table, at most so "
        "many rows are used.",
    )
    optimiser: param.Selector[str] = param.Selector(
        default="adam", objects=["adam", "adamw"], doc="Adam, or AdamW with decoupled weight decay."
    )
    weight_decay = param.Number(
        0.0, bounds=(0, 1), doc="L2 regularisation (Adam) or decoupled decay (AdamW)."
    )
    schedule: param.Selector[str] = param.Selector(
        default="cosine",
        objects=["cosine", "constant"],
        doc="Decrease of the learning rate over the planned steps.",
    )
    warm_up = param.Integer(
        50, bounds=(0, 1_000_000), doc="Steps over which the learning rate rises to its peak."
    )
    noise_y = param.Number(
        0.0,
        bounds=(0, 1),
        doc="Normal noise that is added to y anew in every batch, in standard deviations of y. Where y is an "
        "exact function of x, p(x | y) has no density; noise gives it a width that a network can fit.",
    )
    fresh_noise = param.Boolean(
        False,
        doc="Draw the noise of the observations anew in every batch, so that it cannot be memorised; only "
        "for problems that separate signal and noise.",
    )
    gradient_clip = param.Number(
        5.0, bounds=(0, 1e6), doc="Largest norm of the gradient; 0 switches clipping off."
    )
    validation_fraction = param.Number(
        0.1, bounds=(0.01, 0.5), doc="Fraction of the data held out for validation."
    )
    validate_every = param.Integer(50, bounds=(1, 1_000_000), doc="Steps between two validations.")
    early_stopping = param.Boolean(
        True, doc="Stop when validation no longer improves, and keep the best weights."
    )
    patience = param.Integer(
        20, bounds=(1, 100_000), doc="Validations without improvement before stopping early."
    )
    averaging = param.Number(
        0.0,
        bounds=(0, 0.99999),
        doc="Decay of the exponential moving average (EMA) of the "
        "weights that are evaluated and exported; 0 switches it off.",
    )
    precision: param.Selector[str] = param.Selector(
        default="float32", objects=["float32", "float64"], doc="Floating point type."
    )
    recoveries = param.Integer(
        5, bounds=(0, 100), doc="How often a non-finite loss may be rolled back before the run gives up."
    )
    measured = _Divergences(
        ["energy_distance", "maximum_mean_discrepancy"],
        item_type=str,
        doc="Divergences that are measured on held-out data at each validation, whatever is trained: keys, "
        "or none. Those without a critic are cheap.",
    )
