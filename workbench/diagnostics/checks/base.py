"""Diagnostic: base class of the checks of a trained model, each of which measures a Dataset with a verdict.

Verdicts: green (no fault found; the setting ``level`` bounds the rate of false alarms), amber (a fault, but
one below the check's stated thresholds, for most an eighth of the posterior's standard deviation), red (a
larger fault). The level is that of the check alone; reports correct for the number of checks. A subclass
implements ``_measure`` only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import param

from workbench.core.capability import Needs
from workbench.core.catalogue import Catalogue
from workbench.core.errors import IncompatibleError, WorkbenchError, unknown
from workbench.core.lazy import torch
from workbench.core.spec import Spec

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem
    from workbench.training import Run, Training

DIAGNOSTICS: Catalogue[Diagnostic] = Catalogue("diagnostics", "diagnostic")
#: Verdicts from best to worst; "not applicable" is none of them.
VERDICTS = ("green", "amber", "red")
BUDGETS = ("fast", "thorough")
#: A larger fraction of non-finite draws makes the verdict red, whatever the test says.
NON_FINITE_SHARE = 1e-3
#: Kinds of faults of a posterior, for `Diagnostic.notices`.
WRONG_WIDTH, WRONG_PLACE, MISSING_MODE = "wrong width", "wrong place", "missing mode"


@dataclass(frozen=True)
class HeldOutPairs:
    """Pairs that the model has not been trained on: ``x`` (n, D), ``y`` (n, M), float64 on the CPU.

    ``in_sample`` is True where the pairs may be training data, because these are not known.
    """

    x: Tensor
    y: Tensor
    in_sample: bool

    def observation(self) -> Tensor | None:
        """Return ``y``, or None for a problem without an observation (M = 0)."""
        return self.y if self.y.shape[1] else None


class Diagnostic(Needs, Spec):
    """Base of every check of a trained model; `measure` returns numbers and a verdict."""

    #: One sentence each: the property that is checked, and the remedy where the check is amber or red.
    purpose: ClassVar[str] = ""
    remedy: ClassVar[str] = ""
    #: Settings for the budget "thorough"; the defaults are those for "fast".
    thorough: ClassVar[dict[str, Any]] = {}
    #: Faults of a posterior that this check can detect; empty for checks of other properties.
    notices: ClassVar[frozenset[str]] = frozenset({WRONG_WIDTH, WRONG_PLACE, MISSING_MODE})

    level = param.Number(
        0.01,
        bounds=(1e-4, 0.5),
        doc="How often a model that is exactly right may fail to be green by chance.",
    )

    @classmethod
    def within(cls, budget: str) -> Diagnostic:
        """Return the check with the settings of ``budget``: "fast" or "thorough"; `SpecError` for others."""
        if budget not in BUDGETS:
            raise unknown("budget", budget, BUDGETS)
        return cls(**(cls.thorough if budget == "thorough" else {}))

    def at_observation(self, observation: list[float]) -> Diagnostic:
        """Return this check for one observation, in data units; unchanged if it has no such setting."""
        if "observation" not in self.values():
            return self
        return type(self).from_values(self.values() | {"observation": observation})

    def refusals(self, fitted: FittedModel | Run, problem: Problem | None) -> list[str]:
        """List the reasons why this check does not apply, one sentence each; empty when it applies."""
        model = cast("FittedModel", getattr(fitted, "fitted", fitted))
        reasons = [f"{reason}." for reason in self.unmet_by_model(model.capabilities)]
        if problem is None:
            return [*reasons, f"{self.title} needs the problem that the model was trained on."]
        # a problem that is not ready may not even know its capabilities
        unready = list(problem.refusals())
        return [*reasons, *(unready or problem.unmet(self))]

    def measure(self, fitted: FittedModel | Run, problem: Problem, *, seed: int = 0) -> xr.Dataset:
        """Run the check; returns its numbers, with ``verdict`` and ``sentence`` among the attributes.

        Further attributes are ``level``, ``seed``, ``in_sample``, ``p_value`` (of all tests of the check
        together; 0 for a fault that is no matter of chance, NaN for a check without a test) and ``severity``
        (see `workbench.diagnostics.severity`; NaN where a check has none), among others.

        Parameters
        ----------
        fitted : a FittedModel or a Run.
        problem : the problem that it was trained on.
        seed : seed of the held-out data and of the draws; same seed, same verdict.

        Raises `IncompatibleError` where `refusals` is not empty, with its first sentence.
        """
        reasons = self.refusals(fitted, problem)
        if reasons:
            raise IncompatibleError(reasons[0])
        model = cast("FittedModel", getattr(fitted, "fitted", fitted))
        with torch.no_grad():
            result = self._measure(model, problem, _data_seed(seed))
        return result.assign_attrs(
            diagnostic=self.key,
            title=self.title,
            seed=int(seed),
            level=float(self.level),
            settings=str(self.values()),
            checked=self.purpose,
            remedy=self.remedy,
            p_value=float(result.attrs.get("p_value", math.nan)),
            severity=float(result.attrs.get("severity", math.nan)),
            sentence=result.attrs["sentence"] + _severity_sentence(result),
        )

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        """Return the check's numbers, with the attributes ``verdict`` and ``sentence``; for subclasses."""
        raise NotImplementedError


def _severity_sentence(result: xr.Dataset) -> str:
    """Return the size of a fault that is not green, in words; "" for a check without a severity."""
    severity = float(result.attrs.get("severity", math.nan))
    if result.attrs["verdict"] not in ("amber", "red") or not math.isfinite(severity):
        return ""
    return f" As large as a displacement by {severity:.2g} posterior standard deviations."


def _data_seed(seed: int) -> int:
    # training draws its data with the run's own seed: the same small number must not give the same data
    return 914_000_017 + 104_729 * int(seed)


def held_out_pairs(fitted: FittedModel, problem: Problem, n: int, seed: int) -> HeldOutPairs:
    """Return at most ``n`` pairs that the model has not been trained on.

    They are simulated anew where the problem can be. For a problem that is a table, they are the validation
    rows of the run, found again from the experiment that the model carries; without this experiment any rows,
    marked ``in_sample``.
    """
    origin = _training(fitted) if hasattr(problem, "rows") else None
    if origin is None:
        samples = problem.draw(n, torch.Generator().manual_seed(seed))
        return HeldOutPairs(samples.x.double(), samples.y.double(), hasattr(problem, "rows"))
    training, seed_of_run = origin

    from workbench.training.data import RunData

    data = RunData(
        problem,
        training,
        seed=seed_of_run,
        device=torch.device("cpu"),
        dtype=torch.float64,
    )
    pairs = data.pairs(held_out=True)
    return HeldOutPairs(pairs.x[:n], pairs.y[:n], False)


def _training(fitted: FittedModel) -> tuple[Training, int] | None:
    """Return training settings and seed of the run that a model carries; None for a model without them."""
    from workbench.training import Training

    try:
        experiment = fitted.manifest["experiment"]
        return Training.from_values(experiment["training"]), int(experiment["seed"])
    except (AttributeError, KeyError, TypeError, WorkbenchError):
        return None


def on_cpu(values: Tensor) -> Tensor:
    """Return values detached, as float64 on the CPU: statistics are not computed in float32."""
    return values.detach().to("cpu", torch.float64)


def posterior_draws(
    fitted: FittedModel, observations: Tensor | None, count: int, each: int, seed: int
) -> Tensor:
    """Draw ``each`` samples for each of ``count`` observations: (count, each, D), float64 on the CPU.

    ``observations`` (count, M) is None for a model without an observation.
    """
    device = getattr(getattr(fitted, "model", None), "device", "cpu")
    generator = torch.Generator(device=device).manual_seed(seed + 1)
    rows = None if observations is None else observations.repeat_interleave(each, 0)
    if hasattr(fitted, "unchecked_sample"):  # a check counts what a user's draws would have redrawn
        draws, _ = fitted.unchecked_sample(count * each, rows, generator, repeat=False)
    else:
        draws = fitted.sample(count * each, rows, generator)
    return on_cpu(draws).reshape(count, each, -1)


def log_density_of_draws(fitted: FittedModel, samples: Tensor, y: Tensor | None) -> Tensor:
    """Return the model's log density (n, L) of draws (n, L, D), given observations y (n, M).

    Non-finite components of draws are set to zero before the density is evaluated.
    """
    count, each = samples.shape[:2]
    rows = None if y is None else y.repeat_interleave(each, 0)
    return on_cpu(fitted.log_prob(finite(samples).reshape(count * each, -1), rows)).reshape(count, each)


def finite(values: Tensor) -> Tensor:
    """Return values with zeros in the place of non-finite ones."""
    return values.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def non_finite_share(values: Tensor) -> float:
    """Return the fraction of draws (…, D) that are not finite."""
    return float((~values.isfinite().all(-1)).double().mean())


def verdict_of(p: float, level: float, *, small: bool, non_finite: float = 0.0) -> str:
    """Return the verdict of a test with p value ``p``.

    Red if ``non_finite``, the fraction of non-finite draws, is too large; otherwise green if ``p`` is at
    least ``level``, else amber if ``small`` (the deviation is below the check's threshold), else red.
    """
    if non_finite > NON_FINITE_SHARE:
        return "red"
    if p >= level:
        return "green"
    return "amber" if small else "red"


def dataset(
    variables: dict[str, Any],
    *,
    verdict: str,
    sentence: str,
    data: HeldOutPairs,
    p_value: float = math.nan,
    severity: float = math.nan,
    **coords: Any,
) -> xr.Dataset:
    """Return the Dataset of a check, with verdict, sentence and ``in_sample`` as attributes.

    The sentence warns where ``data`` may be training data. ``p_value`` and ``severity`` are as in
    `Diagnostic.measure`; the p value becomes 0 where too many draws are not finite.
    """
    import xarray as xr

    if data.in_sample:
        sentence += " The data are those of the training: the verdict flatters."
    result = xr.Dataset(variables, coords=coords)
    if verdict == "red" and "non_finite_share" in result and result["non_finite_share"] > NON_FINITE_SHARE:
        p_value = 0.0
    return result.assign_attrs(
        verdict=verdict,
        sentence=sentence,
        in_sample=int(data.in_sample),
        p_value=float(p_value),
        severity=float(severity),
    )


def variable_names(variables: tuple[Variable, ...]) -> np.ndarray:
    """Return the names of variables as an array, for a coordinate."""
    return np.asarray([v.name for v in variables])
