"""What a refinement starts from, what it is, and what comes out of it.

A trained network q(x | y) answers every observation at once and each of them a little wrongly. For one
observation the answer can be mended: with the exact joint density p(x, y), or with more simulations.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
import xarray as xr
from torch import Tensor

from workbench.core.capability import Capability
from workbench.core.catalogue import Catalogue
from workbench.core.errors import IncompatibleError, SpecError
from workbench.core.spec import Spec
from workbench.core.variable import Variable
from workbench.inference.fitted_model import FittedModel, to_dataset

REFINEMENT: Catalogue[Refinement] = Catalogue("refinements", "refinement")

_CHUNK = 20_000
#: The exact density may cost milliseconds a row: parts this small let a refinement be stopped in time.
_DEAR_CHUNK = 2000
#: Above this Pareto k̂ importance weights are not to be relied on (Vehtari et al. 2024).
UNRELIABLE = 0.7
NAN = float("nan")


class Amortised:
    """The network's posterior of one observation, as refinements ask for it: float64, on the CPU.

    Parameters
    ----------
    fitted : the trained network.
    problem : what it was trained on.
    observation : (M,) in the units of y.
    run : the run that the network came out of, where there is one; it brings its simulations along.
    alive : called every now and then while it is worked with; what it raises ends the refinement.
    """

    def __init__(
        self,
        fitted: FittedModel,
        problem: Any,
        observation: Any,
        run: Any = None,
        *,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.fitted, self.problem, self.run, self.alive = fitted, problem, run, alive
        self.observation = problem.checked_observation(observation)
        self.evaluations = 0  # of the exact joint density

    @property
    def features(self) -> int:
        return len(self.fitted.x)

    @property
    def has_density(self) -> bool:
        return Capability.DENSITY in self.fitted.capabilities

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """n draws (n, D) of q(x | y)."""
        self.alive()
        seed = int(torch.randint(2**62, (1,), generator=generator))
        own = torch.Generator(device=self.fitted.model.device).manual_seed(seed)
        return self.fitted.sample(n, [self.observation.tolist()], own, within_bounds=False).double().cpu()

    @torch.no_grad()
    def log_density(self, x: Tensor) -> Tensor:
        """log q(x | y) (n,) in nats for x (n, D)."""
        rows = [self.observation.tolist()]
        return self._chunked(lambda part: self.fitted.log_prob(part, rows), x)

    @torch.no_grad()
    def log_joint(self, x: Tensor) -> Tensor:
        """log p(x, y) (n,) in nats; what cannot be computed counts as impossible."""

        def one(part: Tensor) -> Tensor:
            return self.problem.log_joint(part, self.observation.expand(len(part), -1))

        self.evaluations += len(x)
        return self._chunked(one, x, _DEAR_CHUNK)

    def _chunked(self, function: Callable[[Tensor], Tensor], x: Tensor, rows: int = _CHUNK) -> Tensor:
        found = []
        for part in x.split(rows):
            self.alive()
            found.append(function(part).double().cpu())
        return torch.cat(found).nan_to_num(nan=-math.inf, posinf=-math.inf)


@dataclass(frozen=True)
class Gain:
    """What a refinement did, in numbers. NaN: not measured by this method.

    draws : draws of the network that were looked at.
    effective_sample_size : how many independent draws of the exact posterior they are worth.
    pareto_k : shape k̂ of the weights' tail; above 0.7 they are not to be relied on.
    acceptance : share of moves that were accepted.
    log_evidence, log_evidence_error : log p(y) in nats and its standard error.
    simulations : how often the simulator was called.
    prior_share : share of the prior that the last round simulated from.
    improvement : nats by which fresh simulations became more likely, on average.
    evaluations : how often the exact joint density was computed.
    proposal : what the draws that were weighed are of.
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
        """All numbers and warnings by name."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """What was gained, in words, with the warnings at the end."""
        told = []
        if not math.isnan(self.effective_sample_size):
            share = self.effective_sample_size / max(self.draws, 1)
            told.append(
                f"{self.draws} draws of {self.proposal} are worth {self.effective_sample_size:.0f} of the "
                f"exact posterior ({100 * share:.2g} %), Pareto k̂ = {self.pareto_k:.2f}"
            )
        if self.stages > 1:
            told.append(f"the exact posterior was approached in {self.stages} stages")
        if not math.isnan(self.acceptance):
            told.append(f"{100 * self.acceptance:.0f} % of the moves were accepted")
        if not math.isnan(self.log_evidence):
            told.append(f"log evidence {self.log_evidence:.3f} ± {self.log_evidence_error:.3f} nats")
        if self.evaluations > self.draws:  # not the once for each draw that is weighed
            told.append(f"the exact density was computed {self.evaluations} times")
        if self.simulations:
            told.append(
                f"{self.simulations} further simulations from {100 * self.prior_share:.2g} % of the "
                f"prior made fresh ones more likely by {self.improvement:.2f} nats"
            )
        text = "; ".join(told) + "."
        return " ".join([text[:1].upper() + text[1:], *self.warnings])


class RefinedPosterior:
    """The refined answer to one observation: ``sample`` as a posterior does, ``gain`` says what was gained.

    Parameters
    ----------
    draw : (n, generator) -> x (n, D), float64.
    x, y : the variables.
    observation : (M,).
    gain : what the refinement did.
    weighted : x (N, D) and normalised log weights (N,), for methods that have them.
    fitted : the network that the last round trained, for methods that train one.
    """

    def __init__(
        self,
        draw: Callable[[int, torch.Generator], Tensor],
        amortised: Amortised,
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
        """n draws of equal weight: dimension ``draw``, one variable a parameter, units and gain in attrs."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise SpecError("The number of draws must be a positive whole number", found=repr(n))
        made = self._draw(n, torch.Generator().manual_seed(seed))
        return self._labelled(to_dataset(made, self.x))

    def weighted(self) -> xr.Dataset:
        """The network's own draws with normalised ``log_weight``; `SpecError` for methods without weights."""
        if self._weighted is None:
            raise SpecError(
                "This refinement has no weights", suggestion="use sample, or the importance method"
            )
        x, log_weights = self._weighted
        return self._labelled(to_dataset(x, self.x).assign(log_weight=("draw", log_weights.numpy())))

    def _labelled(self, data: xr.Dataset) -> xr.Dataset:
        numbers = {f"refinement_{k}": v for k, v in self.gain.to_dict().items() if k != "warnings"}
        return data.assign_attrs(
            observation=list(self.observation),
            observation_names=[v.name for v in self.y],
            **numbers,
            refinement_sentence=self.gain.sentence,
        )

    def __repr__(self) -> str:
        return f"RefinedPosterior({self.gain.method}: {self.gain.sentence})"


class Refinement(Spec):
    """Base of every refinement. A member writes ``_refine``; nothing public is overridden."""

    needs_model: ClassVar[frozenset[str]] = frozenset()
    needs_problem: ClassVar[frozenset[str]] = frozenset()

    def refusals(self, fitted: Any, problem: Any) -> list[str]:
        """Why this cannot be done, one sentence each; empty when it can."""
        fitted = getattr(fitted, "fitted", fitted)
        found = list(problem.refusals())
        if found:
            return found
        found = [
            f"{self.title} needs a model that {Capability(c).sentence}."
            for c in sorted(self.needs_model - fitted.capabilities)
        ]
        found += [
            f"{self.title} needs a problem that {Capability(c).sentence}."
            for c in sorted(self.needs_problem - problem.capabilities)
        ]
        return found + self._refusals(fitted, problem)

    def _refusals(self, fitted: Any, problem: Any) -> list[str]:
        return []

    def refine(self, amortised: Amortised, *, seed: int = 0) -> RefinedPosterior:
        """The refined posterior. Same seed, same draws. Raises `IncompatibleError` with the first refusal."""
        reasons = self.refusals(amortised.fitted, amortised.problem)
        if reasons:
            raise IncompatibleError(reasons[0])
        return self._refine(amortised, torch.Generator().manual_seed(seed))

    @abstractmethod
    def _refine(self, amortised: Amortised, generator: torch.Generator) -> RefinedPosterior:
        """The work; all random numbers come from ``generator``."""
