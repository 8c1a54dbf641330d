"""What a judged diagnostic is: a Spec with ``refusals`` and ``measure``, whose Dataset carries a verdict.

Verdicts: green (nothing found, at the stated error rate), amber (found, but small in the stated sense),
red. A member writes ``_measure`` (and ``_refusals`` where its needs are not capabilities); nothing public
is overridden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import param
import torch
import xarray as xr
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.catalogue import Catalogue
from workbench.core.errors import IncompatibleError, SpecError, WorkbenchError, did_you_mean
from workbench.core.spec import Spec
from workbench.training import Experiment
from workbench.training.data import RunData

DIAGNOSTICS = Catalogue("diagnostics", "diagnostic")
#: From harmless to alarming; what could not be measured is neither.
VERDICTS = ("green", "amber", "red")
BUDGETS = ("fast", "thorough")
#: Draws that are not finite are counted; more than this share of them is alarming whatever the rest says.
NON_FINITE_SHARE = 1e-3


@dataclass(frozen=True)
class Fresh:
    """Pairs that the model has not been trained on: ``x`` (n, D), ``y`` (n, M), float64 on the CPU.

    ``in_sample`` says that they could not be kept apart from the training data.
    """

    x: Tensor
    y: Tensor
    in_sample: bool

    def observation(self) -> Tensor | None:
        return self.y if self.y.shape[1] else None


class Diagnostic(Spec):
    """Base of every judged diagnostic."""

    needs_model: ClassVar[frozenset[str]] = frozenset()
    needs_problem: ClassVar[frozenset[str]] = frozenset()
    #: In plain words: what is checked, and what to do where it fails. A sentence each.
    checked: ClassVar[str] = ""
    remedy: ClassVar[str] = ""
    #: Settings of the larger budget; the defaults are the fast one.
    thorough: ClassVar[dict[str, Any]] = {}

    level = param.Number(
        0.01,
        bounds=(1e-4, 0.5),
        doc="How often a model that is exactly right may fail to be green by chance.",
    )

    @classmethod
    def within(cls, budget: str) -> Diagnostic:
        """The member with the settings of a budget: "fast" or "thorough"."""
        if budget not in BUDGETS:
            raise SpecError(
                f"There is no budget '{budget}'",
                expected=", ".join(BUDGETS),
                found=str(budget),
                suggestion=did_you_mean(budget, BUDGETS),
            )
        return cls(**(cls.thorough if budget == "thorough" else {}))

    def asked_at(self, observation: list[float]) -> Diagnostic:
        """This diagnostic at an observation in data units; itself where it looks at many at once."""
        if "observation" not in self.values():
            return self
        return type(self).from_values(self.values() | {"observation": observation})

    def refusals(self, fitted: Any, problem: Any) -> list[str]:
        """Why this cannot be measured, one sentence each; empty when it can."""
        fitted = getattr(fitted, "fitted", fitted)
        found = [
            f"{self.title} needs a model that {Capability(c).sentence}."
            for c in sorted(self.needs_model - fitted.capabilities)
        ]
        if problem is None:
            return [*found, f"{self.title} needs the problem that the model was trained on."]
        # a problem that is not ready may not even know its capabilities
        reasons = list(problem.refusals())
        missing = [] if reasons else sorted(self.needs_problem - problem.capabilities)
        return [
            *found,
            *reasons,
            *(f"{self.title} needs a problem that {Capability(c).sentence}." for c in missing),
        ]

    def measure(self, fitted: Any, problem: Any, *, seed: int = 0) -> xr.Dataset:
        """Numbers and a verdict: attributes ``verdict``, ``sentence``, ``level``, ``in_sample``.

        Parameters
        ----------
        fitted : a FittedModel or a Run.
        problem : what it was trained on.
        seed : same seed, same verdict. Fresh data are drawn from it, never the training data.

        Raises `IncompatibleError` with the first of `refusals`.
        """
        reasons = self.refusals(fitted, problem)
        if reasons:
            raise IncompatibleError(reasons[0])
        fitted = getattr(fitted, "fitted", fitted)
        with torch.no_grad():
            found = self._measure(fitted, problem, _spread(seed))
        return found.assign_attrs(
            diagnostic=self.key,
            title=self.title,
            seed=int(seed),
            level=float(self.level),
            settings=str(self.values()),
            checked=self.checked,
            remedy=self.remedy,
        )

    def _measure(self, fitted: Any, problem: Any, seed: int) -> xr.Dataset:
        """The Dataset with the attributes ``verdict`` and ``sentence``."""
        raise NotImplementedError


def _spread(seed: int) -> int:
    # training draws its data with the run's own seed: the same small number must not give the same data
    return 914_000_017 + 104_729 * int(seed)


def fresh(fitted: Any, problem: Any, n: int, seed: int) -> Fresh:
    """At most ``n`` pairs that the model has not seen.

    A problem that draws anew is drawn anew. Of one made of rows the validation part of the run is taken,
    rebuilt from the experiment that the model carries; without it all rows, marked ``in_sample``.
    """
    if not hasattr(problem, "rows"):
        drawn = problem.draw(n, torch.Generator().manual_seed(seed))
        return Fresh(drawn.x.double(), drawn.y.double(), False)
    experiment = _experiment(fitted)
    if experiment is None:
        drawn = problem.draw(n, torch.Generator().manual_seed(seed))
        return Fresh(drawn.x.double(), drawn.y.double(), True)
    data = RunData(
        problem,
        experiment.training,
        seed=experiment.seed,
        device=torch.device("cpu"),
        dtype=torch.float64,
    )
    units = data.standardisation
    return Fresh(units.x_out(data.held_out_x[:n]), units.y_out(data.held_out_y[:n]), False)


def _experiment(fitted: Any) -> Experiment | None:
    try:
        return Experiment.from_dict(fitted.manifest["experiment"])
    except (AttributeError, KeyError, WorkbenchError):
        return None


def on_cpu(values: Tensor) -> Tensor:
    """Detached, float64, on the CPU: statistics are not done in float32."""
    return values.detach().to("cpu", torch.float64)


def draws(fitted: Any, observations: Tensor | None, count: int, each: int, seed: int) -> Tensor:
    """``each`` draws for each of ``count`` observations (None: without one): (count, each, D), float64."""
    device = getattr(getattr(fitted, "model", None), "device", "cpu")
    generator = torch.Generator(device=device).manual_seed(seed + 1)
    rows = None if observations is None else observations.repeat_interleave(each, 0)
    return on_cpu(fitted.sample(count * each, rows, generator)).reshape(count, each, -1)


def lost_share(values: Tensor) -> float:
    """Share of draws that are not finite."""
    return float((~values.isfinite().all(-1)).double().mean())


def dataset(
    variables: dict[str, Any], *, verdict: str, sentence: str, data: Fresh, **more: Any
) -> xr.Dataset:
    """The common shape of a result; ``more`` are coordinates."""
    made = xr.Dataset(variables, coords=more)
    if data.in_sample:
        sentence += " The data are those of the training: the verdict flatters."
    return made.assign_attrs(verdict=verdict, sentence=sentence, in_sample=int(data.in_sample))


def names(variables: tuple) -> np.ndarray:
    """Names of variables as a coordinate."""
    return np.asarray([v.name for v in variables])
