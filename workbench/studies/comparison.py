"""Base class of the comparisons after Kruse et al. 2021: every method on one problem, with equal data and
size.

All methods are trained on the same pairs, for the same number of steps, with the same optimiser, schedule,
averaging of the weights and noise on y. The noise is needed because p(x | y) has no density where y = s(x)
exactly, s being the simulator: the likelihood would grow without bound. Components of x that are whole
numbers are learned dequantised (with uniform noise added), and draws of them are rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import param

from workbench.core.global_numbers import global_numbers
from workbench.core.lazy import torch
from workbench.studies import catalogues, conclusions, sample_metrics
from workbench.studies.base import Cell, Column, Study
from workbench.studies.methods import METHODS, Method, recipe
from workbench.studies.posterior_quality import fresh_pairs
from workbench.studies.samplers import (
    AdjointSampler,
    ExactSampler,
    NetworkSampler,
    PriorSampler,
    RejectionSampler,
    Sampler,
    forward_network,
    train_forward,
)
from workbench.studies.study_context import clock

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.problems import Problem
    from workbench.studies.study_context import StudyContext
    from workbench.training import Run, Training
    from workbench.training.data import RunData

#: Observations, and draws for each, that are stored for plots; and points of the stored loss curves.
SHOWN, SHOWN_DRAWS, CURVE = 3, 300, 60
#: Seed of the test data, which are the same for every method.
TEST_SEED = 20_210_126
WITHOUT_NETWORK = ("exact", "prior", "abc", "neural_adjoint")


class PosteriorComparison(Study):
    """Base class of the studies that compare posterior samplers on a problem with an exact reference
    posterior."""

    problem_key: ClassVar[str] = ""
    #: Settings of the problem for training; methods are evaluated on the problem with its defaults.
    training_variant: ClassVar[dict[str, Any]] = {}
    #: Indices of the components of x that are whole numbers.
    whole: ClassVar[tuple[int, ...]] = ()
    remark = (
        "Err_resim is clamped at 10 an observation, as published; the figure of others for the prior is not. "
        "The reference is the exact posterior; the replication's has a tolerance."
    )
    columns = (
        Column("err_post", "Err_post", "", "low"),
        Column("err_post_median", "median", "", "low"),
        Column("err_post_low", "1st quartile", "", "low"),
        Column("err_post_high", "3rd quartile", "", "low"),
        Column("err_post_standardised", "standardised", "", "low"),
        Column("err_resim", "Err_resim", "", "low"),
        Column("calibration_error", "calibration", "", "low"),
        *(Column(f"r_{t}", f"r_{t}", "", "low") for t in sample_metrics.GUESSES),
        Column("sampling_microseconds", "sampling", "µs a draw", "low"),
        Column("training_seconds", "training", "s", "low"),
        Column("parameters", "parameters"),
    )
    quick: ClassVar[dict[str, Any]] = {
        "parameters": 30_000,
        "samples": 20_000,
        "steps": 500,
        "batch_size": 200,
        "learning_rate": 2e-3,
        "averaging": 0.99,
        "observations": 60,
        "draws": 250,
        "adjoint_steps": 100,
    }
    #: Values that replace the defaults where ``middle`` is True.
    between: ClassVar[dict[str, Any]] = {
        "parameters": 100_000,
        "samples": 200_000,
        "steps": 4000,
        "batch_size": 500,
        "learning_rate": 2e-3,
        "averaging": 0.99,
        "observations": 200,
        "draws": 300,
        "adjoint_steps": 100,
    }

    middle = param.Boolean(
        False, doc="A setting between the fast and the full one: about an hour on one core, all methods."
    )
    methods = param.List(
        [],
        item_type=str,
        doc="Keys of the methods to compare, in the order of the table; empty: all of them.",
    )
    parameters = param.Integer(
        3_000_000, bounds=(500, 50_000_000), doc="Approximate number of weights of each network."
    )
    samples = param.Integer(
        1_000_000, bounds=(500, 50_000_000), doc="Training pairs, the same for all methods."
    )
    steps = param.Integer(50_000, bounds=(1, 100_000_000), doc="Training steps, the same for all methods.")
    batch_size = param.Integer(1000, bounds=(2, 1_000_000), doc="Pairs in a mini-batch.")
    learning_rate = param.Number(1e-3, bounds=(1e-7, 1.0), doc="Adam's learning rate at its peak.")
    averaging = param.Number(0.999, bounds=(0, 0.99999), doc="Decay of the moving average of the weights.")
    noise_y = param.Number(
        0.01,
        bounds=(0, 1),
        doc="Noise on y in training, in standard deviations of y; it limits how narrow a posterior can be.",
    )
    sigma_y = param.Number(
        0.1,
        bounds=(1e-3, 10),
        doc="INN by likelihood: σ of the Gaussian misfit of y, in standard deviations of y.",
    )
    observations = param.Integer(
        1000, bounds=(8, 100_000), doc="Fresh observations whose posteriors are evaluated."
    )
    draws = param.Integer(1000, bounds=(50, 100_000), doc="Draws per observation, and of its reference.")
    adjoint_steps = param.Integer(300, bounds=(1, 100_000), doc="Steps of the neural adjoint's descent.")

    def __init__(self, **values: Any) -> None:
        super().__init__(**((self.between if values.get("middle") else {}) | values))

    # ---- the grid
    def problem(self) -> Problem:
        """The problem that methods are evaluated on."""
        return catalogues.PROBLEMS.make(self.problem_key)

    def training_problem(self) -> Problem:
        """The problem that networks are trained on: the one of `problem` with `training_variant` settings."""
        return catalogues.PROBLEMS.make(self.problem_key, **self.training_variant)

    def training(self) -> Training:
        """The training settings, the same for all methods."""
        from workbench.training import Training

        return Training(
            samples=self.samples, batch_size=self.batch_size, learning_rate=self.learning_rate,
            averaging=self.averaging, noise_y=self.noise_y, warm_up=max(1, self.steps // 40),
            early_stopping=False, validation_fraction=0.05, validate_every=max(1, self.steps // CURVE),
        )  # fmt: skip

    def cells(self) -> list[Cell]:
        methods = {method.key: method for method in METHODS}
        keys = self.methods or list(methods)
        return [
            self._cell(methods.get(key, Method(key, key)), seed, exists=key in methods)
            for seed in range(self.seeds)
            for key in keys
        ]

    def _cell(self, method: Method, seed: int, *, exists: bool) -> Cell:
        place = {"method": method.key, "seed": seed}
        if not exists:
            return Cell(place, method.title, refused=f"There is no method '{method.key}' in this comparison.")
        if method.key in WITHOUT_NETWORK:
            return Cell(place, method.title)
        problem = self.training_problem()
        architecture, objective, reason = recipe(method, problem, self.parameters)
        if reason:
            return Cell(place, method.title, refused=reason)
        if method.key == "inn_likelihood":
            objective = objective | {"settings": {"sigma_y": self.sigma_y}}
        from workbench.training import Experiment

        parts = (problem, architecture, objective, self.training())
        return Cell(place, method.title, Experiment(*parts, steps=self.steps, seed=seed))

    # ---- one cell
    def measure(self, cell: Cell, context: StudyContext) -> xr.Dataset:
        import xarray as xr

        test = context.cached("reference", self._test)
        sampler, training = self._sampler(cell, context)
        observations = torch.from_numpy(test["y"].values)
        generator = torch.Generator().manual_seed(TEST_SEED + 1 + int(cell.coordinates["seed"]))
        start = clock(context.device)
        raw = sampler.draw(observations, self.draws, generator)
        seconds = clock(context.device) - start
        draws = self._rounded(raw)
        numbers = self._numbers(draws, raw, test, generator)
        numbers |= {
            "sampling_microseconds": 1e6 * seconds / (raw.shape[0] * raw.shape[1]),
            "training_seconds": training["seconds"],
            "parameters": float(sampler.parameters),
        }
        examples = sampler.draw(torch.from_numpy(test["shown_y"].values), SHOWN_DRAWS, generator)
        examples = self._rounded(examples)
        arrays = {
            "err_post_each": ("observation", numbers.pop("each")),
            "err_resim_each": ("observation", numbers.pop("each_resim")),
            "shown_draws": (("shown", "draw", "parameter"), examples.numpy().astype(np.float32)),
            **training["curves"],
        }
        return xr.Dataset(
            numbers | arrays,
            coords={
                "parameter": list(test["parameter"].values),
                "observed": list(test["observed"].values),
                "shown_y": (("shown", "observed"), test["shown_y"].values),
            },
        )

    def _numbers(
        self, draws: Tensor, raw: Tensor, test: xr.Dataset, generator: torch.Generator
    ) -> dict[str, Any]:
        """Return a dict of metrics of ``draws`` by column name, and of the errors at every observation:
        ``each`` (Err_post) and ``each_resim`` (Err_resim). ``raw`` are the draws before rounding."""
        reference, truth, y = (torch.from_numpy(test[n].values).double() for n in ("reference", "x", "y"))
        each = sample_metrics.posterior_errors(draws, reference)
        scale = torch.from_numpy(test["scale"].values)
        in_prior_units = sample_metrics.posterior_errors(draws, reference, scale)
        distances = sample_metrics.resimulation_distances(draws, y, self.problem(), generator)
        resim = sample_metrics.resimulation_errors(distances)
        numbers = {
            "err_post": np.nanmean(each), "err_post_median": np.nanmedian(each),
            "err_post_low": np.nanquantile(each, 0.25), "err_post_high": np.nanquantile(each, 0.75),
            "err_post_standardised": np.nanmean(in_prior_units),
            "err_resim": resim.mean(), "err_resim_median": np.median(resim),
            "calibration_error": sample_metrics.calibration_error(truth, draws).mean(),
            **{
                f"r_{t}": sample_metrics.best_of(distances, t, y.shape[1]).mean()
                for t in sample_metrics.GUESSES
            },
            "non_finite_share": float((~raw.isfinite().all(-1)).double().mean()),
            "each": each, "each_resim": resim,
        }  # fmt: skip
        if self.whole:
            numbers["err_post_unrounded"] = np.nanmean(sample_metrics.posterior_errors(raw, reference))
        return numbers

    def _rounded(self, draws: Tensor) -> Tensor:
        draws = draws.clone()
        for column in self.whole:
            draws[..., column] = draws[..., column].round()
        return draws

    def _test(self) -> xr.Dataset:
        """Return the test data: fresh pairs with draws of their exact posteriors, and as ``shown_y`` the
        observations whose draws are stored for plots."""
        problem = self.problem()
        test = fresh_pairs(problem, self.observations, self.draws, TEST_SEED)
        examples = np.concatenate([np.atleast_2d(problem.default_observation), test["y"].values[: SHOWN - 1]])
        return test.assign(shown_y=(("shown", "observed"), examples.astype(np.float64)))

    def conclusions(self, data: xr.Dataset) -> list[str]:
        return conclusions.sentences(data, [figure.to_dict() for figure in self.published])

    # ---- samplers
    def _sampler(self, cell: Cell, context: StudyContext) -> tuple[Sampler, dict[str, Any]]:
        """Return the cell's sampler, trained if its method needs it, and a dict with the ``seconds`` (0
        without training) and the loss ``curves`` of its training."""
        nothing = {"seconds": 0.0, "curves": {}}
        method = cell.coordinates["method"]
        if method == "exact":
            return ExactSampler(self.problem()), nothing
        if method == "prior":
            return PriorSampler(self.problem()), nothing
        if method == "abc":
            data = self._data(cell, torch.device("cpu"), torch.float64)
            pairs = data.pairs(held_out=False)
            return RejectionSampler(pairs.x, pairs.y), nothing
        if method == "neural_adjoint":
            return self._adjoint(cell, context)
        run = context.train(cell)
        return NetworkSampler(run.fitted), {"seconds": context.seconds(cell), "curves": curves(run)}

    def _data(self, cell: Cell, device: torch.device, dtype: torch.dtype) -> RunData:
        """Return the training pairs, which are the same for all cells with the same seed."""
        from workbench.training.data import RunData

        seed = int(cell.coordinates["seed"])
        return RunData(self.training_problem(), self.training(), seed=seed, device=device, dtype=dtype)

    def _adjoint(self, cell: Cell, context: StudyContext) -> tuple[Sampler, dict[str, Any]]:
        from workbench.training.device import pick_device

        device = pick_device(context.device)
        data, start = self._data(cell, device, torch.float32), clock(context.device)
        with global_numbers(int(cell.coordinates["seed"])):
            network = forward_network(data.train_x.shape[1], data.train_y.shape[1], self.parameters).to(
                device
            )
        train_forward(network, data, self.training(), self.steps)
        sampler = AdjointSampler(network, data, steps=self.adjoint_steps)
        return sampler, {"seconds": clock(context.device) - start, "curves": {}}


def curves(run: Run) -> dict[str, tuple]:
    """Return the loss curves of a run as variables of a Dataset: iteration and loss of each validation,
    and the mean training loss since the previous validation."""
    marks = [record for record in run.history if record.validation][:CURVE]
    values = np.full((3, CURVE), np.nan)
    before = 0
    for i, mark in enumerate(marks):
        since = [r.loss for r in run.history[before : mark.iteration]]
        values[:, i] = mark.iteration, np.mean(since) if since else mark.loss, mark.validation["loss"]
        before = mark.iteration
    return {
        name: ("point", row)
        for name, row in zip(("curve_iteration", "curve_training", "curve_validation"), values, strict=True)
    }
