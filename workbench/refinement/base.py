"""Base classes of the refinements of a trained network's posterior at one observation.

A trained network q(x | y) answers every observation at once, each of them with a small error. For one
observation the answer can be corrected: with the exact joint density p(x, y), or with more simulations.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from workbench.core.capability import Capability, Needs
from workbench.core.catalogue import Catalogue
from workbench.core.entries import public
from workbench.core.errors import IncompatibleError, SpecError
from workbench.core.lazy import torch
from workbench.core.numbers import checked_seed, whole_number
from workbench.core.spec import Spec

if TYPE_CHECKING:
    import xarray as xr
    from torch import Tensor

    from workbench.core.variable import Variable
    from workbench.inference.fitted_model import FittedModel
    from workbench.problems import Problem
    from workbench.training import Run

REFINEMENT: Catalogue[Refinement] = Catalogue("refinements", "refinement", group="refinement")

_CHUNK = 20_000
#: Rows per call of the exact density, which may cost milliseconds each: between calls a refinement can stop.
_EXPENSIVE_CHUNK = 2000
#: Above this Pareto k̂, the shape of their tail, importance weights are unreliable (Vehtari et al. 2024).
UNRELIABLE = 0.7
NAN = float("nan")


class AmortisedPosterior:
    """The network's posterior at one observation, float64 on the CPU.

    Parameters
    ----------
    fitted : the trained network.
    problem : the problem that it was trained on.
    observation : (M,) in the units of y.
    run : the run that trained the network, where there is one; it holds the simulations of the training.
    callback : called repeatedly during a refinement; to stop it, raise an exception, which is passed on.
    """

    def __init__(
        self,
        fitted: FittedModel,
        problem: Problem,
        observation: Any,
        run: Run | None = None,
        *,
        callback: Callable[[], None] = lambda: None,
    ) -> None:
        self.fitted, self.problem, self.run, self.callback = fitted, problem, run, callback
        self.observation = problem.checked_observation(observation)
        self.evaluations = 0  # of the exact joint density

    @property
    def features(self) -> int:
        """Number D of parameters."""
        return len(self.fitted.x)

    @property
    def has_density(self) -> bool:
        """True for a network with a tractable density."""
        return Capability.DENSITY in self.fitted.capabilities

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return n draws (n, D) of q(x | y), the network's posterior."""
        self.callback()
        seed = int(torch.randint(2**62, (1,), generator=generator))
        own = torch.Generator(device=self.fitted.model.device).manual_seed(seed)
        return self.fitted.sample(n, [self.observation.tolist()], own, within_bounds=False).double().cpu()

    def log_density(self, x: Tensor) -> Tensor:
        """Return log q(x | y) (n,) in nats for x (n, D)."""
        rows = [self.observation.tolist()]
        return self._in_chunks(lambda chunk: self.fitted.log_prob(chunk, rows), x)

    def log_joint(self, x: Tensor) -> Tensor:
        """Return the problem's exact log p(x, y) (n,) in nats; −∞ where it cannot be computed."""

        def one(chunk: Tensor) -> Tensor:
            return self.problem.log_joint(chunk, self.observation.expand(len(chunk), -1))

        self.evaluations += len(x)
        return self._in_chunks(one, x, _EXPENSIVE_CHUNK)

    def _in_chunks(self, function: Callable[[Tensor], Tensor], x: Tensor, rows: int = _CHUNK) -> Tensor:
        values = []
        with torch.no_grad():
            for chunk in x.split(rows):
                self.callback()
                values.append(function(chunk).double().cpu())
        return torch.cat(values).nan_to_num(nan=-math.inf, posinf=-math.inf)


@dataclass(frozen=True)
class Gain:
    """The effect of a refinement in numbers; NaN where the method does not measure it.

    draws : number of draws of the proposal that were weighted.
    effective_sample_size : number of independent draws of the exact posterior that they are worth.
    pareto_k : shape k̂ of the weights' tail; above 0.7 they are not to be relied on.
    acceptance : share of Markov chain moves that were accepted.
    log_evidence, log_evidence_error : log p(y) in nats and its standard error.
    simulations : number of further simulations.
    prior_share : prior probability of the region from which the last round simulated.
    improvement : mean increase of the log density of fresh simulations, in nats.
    evaluations : number of evaluations of the exact joint density.
    proposal : name of the distribution of the weighted draws.
    """

    method: str
    seconds: float
    draws: int = 0
    effective_sample_size: float = NAN
    pareto_k: float = NAN
    acceptance: float = NAN
    log_evidence: float = NAN
    log_evidence_error: float = NAN
    stages: int = 0
    simulations: int = 0
    prior_share: float = NAN
    improvement: float = NAN
    evaluations: int = 0
    proposal: str = "the network"
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers and warnings by name."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """Summary for the user: the measured numbers in one sentence, then the warnings."""
        parts = []
        if not math.isnan(self.effective_sample_size):
            share = self.effective_sample_size / max(self.draws, 1)
            parts.append(
                f"{self.draws} draws of {self.proposal} are worth {self.effective_sample_size:.0f} of the "
                f"exact posterior ({100 * share:.2g} %), Pareto k̂ = {self.pareto_k:.2f}"
            )
        if self.stages > 1:
            parts.append(f"the exact posterior was approached in {self.stages} stages")
        if not math.isnan(self.acceptance):
            parts.append(f"{100 * self.acceptance:.0f} % of the moves were accepted")
        if not math.isnan(self.log_evidence):
            parts.append(f"log evidence {self.log_evidence:.3f} ± {self.log_evidence_error:.3f} nats")
        if self.evaluations > self.draws:  # more than once for each weighted draw
            parts.append(f"the exact density was computed {self.evaluations} times")
        if self.simulations:
            parts.append(
                f"{self.simulations} further simulations from {100 * self.prior_share:.2g} % of the "
                f"prior made fresh ones more likely by {self.improvement:.2f} nats"
            )
        text = "; ".join(parts) + "."
        return " ".join([text[:1].upper() + text[1:], *self.warnings])


@public
class RefinedPosterior:
    """The refined posterior at one observation: `sample` draws from it, ``gain`` tells how good it is.

    Parameters
    ----------
    draw : function (n, generator) -> x (n, D), float64.
    amortised : the posterior that was refined.
    gain : effect of the refinement.
    weighted : x (N, D) and normalised log weights (N,), for methods that have them.
    fitted : the network of the last round, for methods that train one.
    """

    def __init__(
        self,
        draw: Callable[[int, torch.Generator], Tensor],
        amortised: AmortisedPosterior,
        gain: Gain,
        *,
        weighted: tuple[Tensor, Tensor] | None = None,
        fitted: FittedModel | None = None,
    ) -> None:
        self._draw, self.gain, self._weighted, self.fitted = draw, gain, weighted, fitted
        self.x: tuple[Variable, ...] = amortised.fitted.x
        self.y: tuple[Variable, ...] = amortised.fitted.y
        self.observation = tuple(amortised.observation.tolist())

    def sample(self, n: int = 1000, *, seed: int = 0) -> xr.Dataset:
        """Return n equally weighted draws: one variable per parameter, with the gain in the attributes."""
        n = whole_number(n, "number of draws")
        return self._dataset(self._draw(n, torch.Generator().manual_seed(checked_seed(seed))))

    def weighted(self) -> xr.Dataset:
        """Return the proposal's draws with normalised ``log_weight``; `SpecError` if the method has none."""
        if self._weighted is None:
            raise SpecError(
                "This refinement has no weights", suggestion="use sample, or the importance method"
            )
        x, log_weights = self._weighted
        return self._dataset(x).assign(log_weight=("draw", log_weights.numpy()))

    def _dataset(self, x: Tensor) -> xr.Dataset:
        from workbench.inference.fitted_model import to_dataset

        numbers = {f"refinement_{k}": v for k, v in self.gain.to_dict().items() if k != "warnings"}
        return to_dataset(x, self.x).assign_attrs(
            observation=list(self.observation),
            observation_names=[v.name for v in self.y],
            **numbers,
            refinement_sentence=self.gain.sentence,
        )

    def __repr__(self) -> str:
        return f"RefinedPosterior({self.gain.method}: {self.gain.sentence})"


class Refinement(Needs, Spec):
    """Base class of every refinement; a subclass implements ``_refine`` and no public method."""

    def refusals(self, fitted: FittedModel | Run, problem: Problem) -> list[str]:
        """Return the reasons why this refinement cannot be done, one sentence each; empty when it can."""
        model = cast("FittedModel", getattr(fitted, "fitted", fitted))
        unready = list(problem.refusals())
        if unready:
            return unready
        unmet = [f"{reason}." for reason in self.unmet_by_model(model.capabilities)]
        return [*unmet, *problem.unmet(self), *self._refusals(model, problem)]

    def _refusals(self, fitted: FittedModel, problem: Problem) -> list[str]:
        """Return further reasons, beyond missing capabilities; by default none."""
        return []

    def refine(self, amortised: AmortisedPosterior, *, seed: int = 0) -> RefinedPosterior:
        """Return the refined posterior. Same seed, same draws.

        Raises `IncompatibleError` with the first of `refusals`, if there is one.
        """
        reasons = self.refusals(amortised.fitted, amortised.problem)
        if reasons:
            raise IncompatibleError(reasons[0])
        return self._refine(amortised, torch.Generator().manual_seed(checked_seed(seed)))

    @abstractmethod
    def _refine(self, amortised: AmortisedPosterior, generator: torch.Generator) -> RefinedPosterior:
        """Compute the refined posterior; all random numbers come from ``generator``."""
