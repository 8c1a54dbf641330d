"""Explorer: a trained model with its problem, asked again and again for the posterior at an observation.

It lives where the network lives. What it answers is plain numbers with labels, so that it may be asked from
another process. The noise that is drawn from is the same for every observation: what moves when the
observation moves is the posterior.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr

from workbench.core.capability import Capability
from workbench.core.errors import SpecError, WorkbenchError
from workbench.core.variable import Variable
from workbench.diagnostics.posterior_explorer import physical, refinement_summary, resimulation
from workbench.diagnostics.posterior_explorer.histogram import Tally, law
from workbench.diagnostics.posterior_explorer.training_summary import Seen
from workbench.inference.fitted_model import Posterior

#: Draws of a quick look, and of one part of a long one.
QUICK, PART = 2000, 20_000
#: A look at a moving observation leaves out what took longer than this the last time, in seconds.
DEAR = 0.02
#: Draws of which a physical view is made.
_PICTURED = 200
_SEED = 7


@dataclass(frozen=True)
class Ask:
    """What is wanted: the posterior at ``observation``, or, where ``truth`` (D,) is given, at an observation
    that is simulated from it. ``chosen``: variables that are drawn against each other; ``windows``: (low,
    high) of every variable (none: the problem's); ``picture``: key of a physical view. ``at_rest`` asks for
    what is dear as well; ``more`` adds draws to those of the last answer, up to ``draws``. ``within``:
    (variable, low, high) of a brush; pictures and resimulation are then those of the draws inside."""

    observation: tuple[float, ...] = ()
    truth: tuple[float, ...] = ()
    draws: int = QUICK
    chosen: tuple[int, ...] = ()
    windows: tuple[tuple[float, float], ...] = ()
    picture: str = ""
    at_rest: bool = False
    more: bool = False
    within: tuple[tuple[int, float, float], ...] = ()

    def place(self) -> tuple:
        """What must be the same for draws to be added to."""
        return self.observation, self.truth, self.chosen, self.windows


@dataclass(frozen=True)
class About:
    """What the page needs to know of a model before it asks."""

    title: str
    x: tuple[Variable, ...]
    y: tuple[Variable, ...]
    window: tuple[tuple[float, float], ...]
    observation_window: tuple[tuple[float, float], ...]
    default_observation: tuple[float, ...]
    capabilities: frozenset[str]
    given: frozenset[str]
    pictures: tuple[str, ...]
    rows: np.ndarray
    truths: np.ndarray
    note: str = ""
    refinements: tuple[refinement_summary.Offer, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What was found: Datasets of the law, the physical view and the resimulation (None: not asked for, or
    not to be had), warnings as sentences, and the seconds that it took."""

    ask: Ask
    observation: tuple[float, ...]
    law: xr.Dataset
    picture: xr.Dataset | None
    resimulated: xr.Dataset | None
    warnings: tuple[str, ...]
    seconds: float


class Explorer:
    """Asks a FittedModel. ``problem`` may be None for an imported model whose problem is not here.

    Raises `SpecError` for a model that takes no observation.
    """

    def __init__(self, fitted: Any, problem: Any = None, *, title: str = "") -> None:
        if not fitted.y:
            raise SpecError(
                "This model has no posterior to explore",
                expected="a model that was trained with an observation y",
                found="one of x alone",
                suggestion="look at its samples in the studio",
            )
        self.fitted, self.problem, self.title = fitted, problem, title
        self.seen = Seen(fitted, problem)
        self.given = frozenset() if problem is None else problem.capabilities
        self._tally: Tally | None = None
        self._place: tuple = ()
        self._cost: dict[str, float] = {}
        self._references: dict[tuple, np.ndarray] = {}
        self._windows: dict[str, dict[str, Any]] = {}

    def about(self) -> About:
        """Variables, windows, and rows to choose from."""
        seen = self.seen
        return About(
            title=self.title,
            x=self.fitted.x,
            y=self.fitted.y,
            window=seen.window,
            observation_window=seen.observation_window,
            default_observation=seen.default_observation,
            capabilities=self.fitted.capabilities,
            given=self.given,
            pictures=physical.views(self.problem),
            rows=seen.y[: seen.ROWS],
            truths=seen.x[: seen.ROWS],
            note=seen.note,
            refinements=refinement_summary.offers(self.fitted, self.problem),
        )

    def prior(self, ask: Ask) -> xr.Dataset | None:
        """The prior in the windows of an ask; None where it is not known."""
        draws = self.seen.x
        return (
            law(draws, self.fitted.x, self._chosen(ask), ask.windows or self.seen.window)
            if len(draws)
            else None
        )

    def observation(self, ask: Ask) -> tuple[float, ...]:
        """The observation that is meant (M,). Raises `SpecError` for one that does not fit."""
        if ask.truth:
            return self._simulated(ask.truth)
        return Posterior(self.fitted, ask.observation).observation

    def answer(self, ask: Ask) -> Answer:
        """The posterior at an observation, see `Ask`. Raises `SpecError` for an observation that does not
        fit."""
        begun = time.perf_counter()
        observation = self.observation(ask)
        if not (ask.more and self._tally is not None and self._place == ask.place()):
            self._tally = Tally(self.fitted.x, self._chosen(ask), ask.windows or self.seen.window)
            self._place = ask.place()
            wanted = min(ask.draws, QUICK)
        else:
            wanted = min(PART, ask.draws - self._tally.total)
        if wanted > 0:
            self._tally.add(self._draws(observation, wanted, self._tally.total))
        found = self._tally.dataset(observation=list(observation))
        draws = brushed(found["draw"].values, ask.within)
        picture = self._timed(f"picture {ask.picture}", ask, lambda: self._picture(ask, draws, observation))
        again = self._timed("resimulated", ask, lambda: self._resimulated(draws, observation, ask.at_rest))
        seconds = time.perf_counter() - begun
        return Answer(ask, observation, found, picture, again, self._warnings(found, observation), seconds)

    def reference(self, ask: Ask, n: int = 2000) -> xr.Dataset:
        """The problem's reference posterior as a law. Raises the `WorkbenchError` of a problem that has none
        there."""
        observation = self.observation(ask)
        if Capability.REFERENCE_POSTERIOR not in self.given:
            raise WorkbenchError(
                "There is no reference posterior", found="a problem whose exact posterior is not known"
            )
        if observation not in self._references:
            if len(self._references) > 50:
                self._references.clear()
            generator = torch.Generator().manual_seed(_SEED + 1)
            at = torch.tensor(observation, dtype=torch.float64)
            self._references[observation] = self.problem.reference_posterior(at, n, generator).numpy()
        draws = self._references[observation]
        made = law(draws, self.fitted.x, self._chosen(ask), ask.windows or self.seen.window)
        view = physical.PHYSICAL.get(ask.picture)
        separate = view is not None and not view.beside
        picture = self._picture(ask, draws, observation) if separate else None
        lines = None if picture is None else picture.get("line")
        return made if lines is None else made.assign(reference_line=lines)

    def refined(
        self, observation: tuple[float, ...], method: str, alive: Callable[[], None] = lambda: None
    ) -> refinement_summary.Refined:
        """The posterior at an observation, refined by a method of the catalogue. What ``alive`` raises ends
        it. Raises as `workbench.refine` does."""
        observation = Posterior(self.fitted, observation).observation
        if self.problem is None:
            raise WorkbenchError("This posterior cannot be refined", found="a model without its problem")
        before = self._draws(observation, QUICK, 0)
        return refinement_summary.refined(self.fitted, self.problem, observation, method, before, alive)

    def beside(self, ask: Ask) -> xr.Dataset | None:
        """The physical view with the reference in the same picture; None for a view that has its own way to
        show it, or none. Raises as `reference` does."""
        view = physical.PHYSICAL.get(ask.picture)
        if view is None or not view.beside:
            return None
        observation = self.observation(ask)
        self.reference(ask)
        draws = brushed(self._draws(observation, QUICK, 0), ask.within)
        return self._picture(ask, draws, observation, self._references[observation])

    # ---- inside
    def _chosen(self, ask: Ask) -> tuple[int, ...]:
        return ask.chosen or tuple(range(min(4, len(self.fitted.x))))

    def _draws(self, observation: tuple[float, ...], n: int, already: int) -> np.ndarray:
        device = self.fitted.model.device
        generator = torch.Generator(device=device).manual_seed(_SEED + already)
        return self.fitted.sample(n, [observation], generator).double().cpu().numpy()

    def _simulated(self, truth: tuple[float, ...]) -> tuple[float, ...]:
        if Capability.SIMULATE not in self.given:
            raise SpecError("An observation was to be simulated", found="a problem that cannot simulate")
        at = torch.as_tensor(truth, dtype=torch.float64).reshape(1, -1)
        if at.shape[1] != len(self.fitted.x) or not at.isfinite().all():
            raise SpecError(
                "The parameters to simulate from do not fit",
                expected=f"{len(self.fitted.x)} numbers",
                found=str(list(truth)),
            )
        made = self.problem.simulate(at, torch.Generator().manual_seed(_SEED + 2))[0]
        return Posterior(self.fitted, made).observation

    def _timed(self, name: str, ask: Ask, make: Any) -> Any:
        """What ``make`` gives; None while the observation moves and it was dear the last time."""
        if not ask.at_rest and self._cost.get(name, 0.0) > DEAR:
            return None
        begun = time.perf_counter()
        found = make()
        self._cost[name] = time.perf_counter() - begun
        return found

    def _picture(
        self, ask: Ask, draws: np.ndarray, observation: tuple[float, ...], reference: Any = None
    ) -> Any:
        """The physical view on axes that hold still: where the prior's draws are."""
        key = ask.picture
        if key and key not in self._windows:
            usual = physical.physical(
                self.problem, key, self.seen.x[:_PICTURED], self.seen.default_observation
            )
            sides = ("horizontal_window", "vertical_window")
            own = usual is None or usual.attrs["view"] != "physical"  # the studio's views hold their own axes
            self._windows[key] = {} if own else {side: usual.attrs[side] for side in sides}
        made = physical.physical(self.problem, key, draws[:_PICTURED], observation, reference)
        return made if made is None else made.assign_attrs(self._windows[key])

    def _resimulated(self, draws: np.ndarray, observation: tuple[float, ...], whole: bool) -> Any:
        if Capability.SIMULATE not in self.given:
            return None
        count = resimulation.MOST if whole else resimulation.FEW
        return resimulation.resimulated(self.problem, draws[:count], observation, self.seen)

    def _warnings(self, found: xr.Dataset, observation: tuple[float, ...]) -> tuple[str, ...]:
        said = list(self.seen.warnings(observation))
        if found.attrs["lost"]:
            share = found.attrs["lost"] / found.attrs["total"]
            said.append(f"{100 * share:.2g} % of the draws are not finite: the network fails here.")
        return tuple(said)


def brushed(draws: np.ndarray, within: tuple[tuple[int, float, float], ...]) -> np.ndarray:
    """The draws (n, D) whose variables lie inside all of (variable, low, high)."""
    return draws[inside(draws, within)]


def inside(draws: np.ndarray, within: tuple[tuple[int, float, float], ...]) -> np.ndarray:
    """Which draws (n,) lie inside."""
    kept = np.ones(len(draws), dtype=bool)
    for variable, low, high in within:
        kept &= (draws[:, variable] >= low) & (draws[:, variable] <= high)
    return kept
