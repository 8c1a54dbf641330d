"""Diagnostic: a check of a trained model, with ``refusals``, ``measure`` and a verdict.

Verdicts: green (no fault found, at the stated error rate), amber (a fault, but small in the stated sense),
red. A member writes ``_measure`` (and ``_refusals`` where its needs are not capabilities); nothing public is
overridden.
"""

from __future__ import annotations

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
    from workbench.training import Experiment, Run

DIAGNOSTICS: Catalogue[Diagnostic] = Catalogue("diagnostics", "diagnostic")
#: From harmless to alarming; "not applicable" is neither.
VERDICTS = ("green", "amber", "red")
BUDGETS = ("fast", "thorough")
#: A larger share of non-finite draws is red, whatever the test says.
NON_FINITE_SHARE = 1e-3
#: Faults of a posterior that a check may be made to notice.
WRONG_WIDTH, WRONG_PLACE, MISSING_MODE = "wrong width", "wrong place", "missing mode"


@dataclass(frozen=True)
class HeldOutPairs:
    """Pairs that the model has not been trained on: ``x`` (n, D), ``y`` (n, M), float64 on the CPU.

    ``in_sample`` is True where they could not be separated from the training data.
    """

    x: Tensor
    y: Tensor
    in_sample: bool

    def observation(self) -> Tensor | None:
        """``y``, or None for a problem without an observation."""
        return self.y if self.y.shape[1] else None


class Diagnostic(Needs, Spec):
    """Base of every check."""

    #: The property that is checked, and the remedy where it fails: a sentence each.
    purpose: ClassVar[str] = ""
    remedy: ClassVar[str] = ""
    #: Settings of the larger budget; the defaults are the fast one.
    thorough: ClassVar[dict[str, Any]] = {}
    #: Faults of a posterior that this check notices; empty for a check of something else.
    notices: ClassVar[frozenset[str]] = frozenset({WRONG_WIDTH, WRONG_PLACE, MISSING_MODE})

    level = param.Number(
        0.01,
        bounds=(1e-4, 0.5),
        doc="How often a model that is exactly right may fail to be green by chance.",
    )

    @classmethod
    def within(cls, budget: str) -> Diagnostic:
        """The member with the settings of a budget: "fast" or "thorough"."""
        if budget not in BUDGETS:
            raise unknown("budget", budget, BUDGETS)
        return cls(**(cls.thorough if budget == "thorough" else {}))

    def at_observation(self, observation: list[float]) -> Diagnostic:
        """This check at one observation, in data units; unchanged for a check of many at once."""
        if "observation" not in self.values():
            return self
        return type(self).from_values(self.values() | {"observation": observation})

    def refusals(self, fitted: FittedModel | Run, problem: Problem | None) -> list[str]:
        """Reasons why this cannot be measured, one sentence each; empty when it can."""
        model = cast("FittedModel", getattr(fitted, "fitted", fitted))
        reasons = [f"{reason}." for reason in self.unmet_by_model(model.capabilities)]
        if problem is None:
            return [*reasons, f"{self.title} needs the problem that the model was trained on."]
        # a problem that is not ready may not even know its capabilities
        unready = list(problem.refusals())
        unmet = [] if unready else self.unmet_by_problem(problem.capabilities)
        return [*reasons, *unready, *(f"{reason}." for reason in unmet)]

    def measure(self, fitted: FittedModel | Run, problem: Problem, *, seed: int = 0) -> xr.Dataset:
        """Numbers and a verdict: attributes ``verdict``, ``sentence``, ``level``, ``in_sample``.

        Parameters
        ----------
        fitted : a FittedModel or a Run.
        problem : the problem that it was trained on.
        seed : same seed, same verdict. Held-out data are drawn from it, never the training data.

        Raises `IncompatibleError` with the first of `refusals`.
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
        )

    def _measure(self, fitted: FittedModel, problem: Problem, seed: int) -> xr.Dataset:
        """The Dataset with the attributes ``verdict`` and ``sentence``."""
        raise NotImplementedError


def _data_seed(seed: int) -> int:
    # training draws its data with the run's own seed: the same small number must not give the same data
    return 914_000_017 + 104_729 * int(seed)


def held_out_pairs(fitted: FittedModel, problem: Problem, n: int, seed: int) -> HeldOutPairs:
    """At most ``n`` pairs that the model has not been trained on.

    Fresh draws where the problem can be drawn from. Of a problem made of rows the validation part of the run,
    rebuilt from the experiment that the model carries; without it all rows, marked ``in_sample``.
    """
    experiment = _experiment(fitted) if hasattr(problem, "rows") else None
    if experiment is None:
        samples = problem.draw(n, torch.Generator().manual_seed(seed))
        return HeldOutPairs(samples.x.double(), samples.y.double(), hasattr(problem, "rows"))

    from workbench.training.data import RunData

    data = RunData(
        problem,
        experiment.training,
        seed=experiment.seed,
        device=torch.device("cpu"),
        dtype=torch.float64,
    )
    units = data.standardisation
    return HeldOutPairs(units.x_out(data.held_out_x[:n]), units.y_out(data.held_out_y[:n]), False)


def _experiment(fitted: FittedModel) -> Experiment | None:
    from workbench.training import Experiment

    try:
        return Experiment.from_dict(fitted.manifest["experiment"])
    except (AttributeError, KeyError, WorkbenchError):
        return None


def on_cpu(values: Tensor) -> Tensor:
    """Detached, float64, on the CPU: statistics are not computed in float32."""
    return values.detach().to("cpu", torch.float64)


def posterior_draws(
    fitted: FittedModel, observations: Tensor | None, count: int, each: int, seed: int
) -> Tensor:
    """``each`` draws for each of ``count`` observations (None: without one): (count, each, D), float64."""
    device = getattr(getattr(fitted, "model", None), "device", "cpu")
    generator = torch.Generator(device=device).manual_seed(seed + 1)
    rows = None if observations is None else observations.repeat_interleave(each, 0)
    return on_cpu(fitted.sample(count * each, rows, generator)).reshape(count, each, -1)


def log_density_of_draws(fitted: FittedModel, samples: Tensor, y: Tensor | None) -> Tensor:
    """log q(x̃ | y) (n, L) of draws (n, L, D) at observations y (n, M); non-finite draws count as zero."""
    count, each = samples.shape[:2]
    rows = None if y is None else y.repeat_interleave(each, 0)
    return on_cpu(fitted.log_prob(finite(samples).reshape(count * each, -1), rows)).reshape(count, each)


def finite(values: Tensor) -> Tensor:
    """Values with zeros in the place of non-finite ones."""
    return values.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def non_finite_share(values: Tensor) -> float:
    """Share of draws (…, D) that are not finite."""
    return float((~values.isfinite().all(-1)).double().mean())


def verdict_of(p: float, level: float, *, small: bool, non_finite: float = 0.0) -> str:
    """Verdict of a test.

    red for too many non-finite draws; otherwise green for ``p`` of at least ``level``, amber for a ``small``
    deviation, and red for any other.
    """
    if non_finite > NON_FINITE_SHARE:
        return "red"
    if p >= level:
        return "green"
    return "amber" if small else "red"


def dataset(
    variables: dict[str, Any], *, verdict: str, sentence: str, data: HeldOutPairs, **coords: Any
) -> xr.Dataset:
    """The Dataset of a check, with its verdict in the attributes."""
    import xarray as xr

    if data.in_sample:
        sentence += " The data are those of the training: the verdict flatters."
    return xr.Dataset(variables, coords=coords).assign_attrs(
        verdict=verdict, sentence=sentence, in_sample=int(data.in_sample)
    )


def variable_names(variables: tuple[Variable, ...]) -> np.ndarray:
    """Names of variables, as a coordinate."""
    return np.asarray([v.name for v in variables])
