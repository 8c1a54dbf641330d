"""The user's own simulator: a prior of the unknowns and a function that simulates their observations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from workbench.core.capability import Capability
from workbench.core.entries import public
from workbench.core.errors import DataError, RunError, SpecError, unknown
from workbench.core.lazy import torch
from workbench.core.markup import html_lines, html_table, variables_text
from workbench.core.numbers import whole_number
from workbench.core.variable import Variable, named
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.user.calls import Simulator
from workbench.problems.user.failures import Failures, SimulationWarning
from workbench.problems.user.outputs import (
    checked,
    column_names,
    described,
    distinct,
    refuse_infinite,
    select,
)
from workbench.problems.user.pairs import (
    FILE,
    Pairs,
    check_pairs,
    check_same_variables,
    draw_seed,
)
from workbench.problems.user.priors import make_prior, unknowns
from workbench.problems.user.trials import HALF, behaviour, constant_sentence, first_call, kind_notes
from workbench.problems.windows import quantile_window, typical_row

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

#: Draws for plot limits: of a function that takes many parameter sets at once (True), or a single one.
_PROBE = {True: 2000, False: 200}
#: Simulations in all, for each pair that was asked for, where some of them fail.
_MOST_SIMULATIONS = 10


@PROBLEMS.register
class SimulatorProblem(Problem):
    """A prior and a simulator that the user defines in Python.

    Parameters
    ----------
    prior : the distribution of the unknowns x before anything is observed: a distribution of torch or SciPy,
        a list of them, one a component, a dictionary of them by name, or a function
        ``prior(n, generator) -> x`` (n, D) that takes its random numbers from the ``torch.Generator``. Bounds
        of x follow from a distribution; with a function, give them with the variables.
    simulate : a function ``simulate(x) -> y`` of x (n, D), a float64 tensor with one parameter set a row, to
        one result a row: an array, tensor or list (n, …) of any fixed shape, a table, or a dictionary of
        those by name. It gets a copy of its own. Random numbers of torch, NumPy and ``random`` that it draws
        without a generator of its own are reproducible.
    x, y : D and M variables or names. x may be left out where the prior has names, and y where the simulator
        returns names (a result ``profile`` of several numbers is ``profile_0``, ``profile_1``, …) or where
        ``y_0``, ``y_1``, … will do. Bounds of variables are checked on every draw.
    vectorised : False for a function ``simulate(x) -> y`` of one parameter set x (D,), which may return a
        number. It is called in several processes where that is worth their start.
    failed : what to do where the simulator raises, or returns numbers that are not finite: "refuse", or
        "drop", which leaves out such simulations, draws others, and says how many and where.
    processes : number of processes where ``vectorised`` is False; None for all processors, 1 for this one.

    Raises `SpecError` for a missing argument and `DataError` when a first trial fails.

    Examples
    --------
    A ball that is thrown; its range is measured with an error of 10 cm:

    >>> import torch, workbench as wb
    >>> def prior(n, generator):
    ...     low, high = torch.tensor([5.0, 0.2]), torch.tensor([15.0, 1.3])
    ...     return low + (high - low) * torch.rand(n, 2, generator=generator)
    >>> def simulate(x):
    ...     speed, angle = x[:, 0], x[:, 1]
    ...     distance = speed**2 * torch.sin(2 * angle) / 9.81
    ...     return distance[:, None] + 0.1 * torch.randn(len(x), 1)
    >>> speed = wb.Variable("speed", unit="m/s", low=5, high=15)
    >>> angle = wb.Variable("angle", low=0.2, high=1.3)
    >>> problem = wb.SimulatorProblem(prior, simulate, x=[speed, angle], y=[wb.Variable("range", unit="m")])

    The same with distributions by name, and a function of one parameter set at a time:

    >>> from scipy import stats
    >>> import math, random
    >>> def throw(x):
    ...     speed, angle = x.tolist()
    ...     return {"range": speed**2 * math.sin(2 * angle) / 9.81 + random.gauss(0, 0.1)}
    >>> problem = wb.SimulatorProblem(
    ...     {"speed": stats.uniform(5, 10), "angle": stats.uniform(0.2, 1.1)}, throw, vectorised=False
    ... )
    """

    key = "simulator"
    title = "Your own simulator"
    summary = "A prior and a Python function, from a notebook or a script: what went in, given what came out."
    reference = "Cranmer, Brehmer & Louppe 2020, PNAS 117 (simulation-based inference)"

    @public
    def __init__(
        self,
        prior: Any = None,
        simulate: Callable[[Tensor], Any] | None = None,
        x: Sequence[Variable | str] = (),
        y: Sequence[Variable | str] = (),
        *,
        vectorised: bool = True,
        failed: str = "refuse",
        processes: int | None = None,
    ) -> None:
        if prior is None or simulate is None:
            raise SpecError(self.unavailable())
        if not callable(simulate):
            raise SpecError(
                "The simulator cannot be called", expected="a function x -> y", found=type(simulate).__name__
            )
        if failed not in ("refuse", "drop"):
            raise unknown("treatment of failures", str(failed), ("refuse", "drop"))
        if processes is not None:
            processes = whole_number(processes, "number of processes")
        super().__init__()
        self._source, self._failed = prior, failed
        self._simulator = Simulator(simulate, bool(vectorised), failed == "drop", processes)
        self._distribution = make_prior(prior)
        self._x_variables = unknowns(self._distribution, x)
        self._y_variables: tuple[Variable, ...] = ()
        #: What copies share: draws for plot limits, and whether failures have been told.
        self._shared: dict[str, Any] = {}
        #: The pairs that a run trains on.
        self._recorded: Pairs | None = None
        self._try(y)

    def _try(self, y: Any) -> None:
        """Simulate a few parameter sets, and set the variables of y; raises `DataError` where that fails."""
        names = column_names(self._distribution.layout, "x")
        if self._distribution.layout and self._distribution.layout[0][0] and len(names) != len(self.x):
            raise SpecError(
                "The prior and x name different unknowns",
                expected=", ".join(names),
                found=", ".join(v.name for v in self.x),
            )
        x, outcome = first_call(self._simulator, self._parameters, len(self.x))
        self._y_variables = described(y, "y", outcome.rows.layout)
        distinct((*self._x_variables, *self._y_variables))
        results = self._outcome(x, outcome.rows, outcome.reasons)[0].numpy()
        findings = behaviour(self._simulator, x, outcome.rows, self._parameters(HALF, 1), self.y)
        constant = constant_sentence(results, self.y)
        self._shared["notes"] = (*findings.warnings, *constant, *findings.notes, *kind_notes(results, self.y))
        for sentence in (*findings.warnings, *constant):
            warnings.warn(sentence, SimulationWarning, stacklevel=4)  # beyond the check of arguments

    @classmethod
    def from_values(cls, values: dict[str, Any], folder: Path | str | None = None) -> Self:
        """Return the problem with the training pairs of the run in ``folder``, without its functions.

        Raises `SpecError` where there are none: functions cannot be stored in files and links.
        """
        pairs = Pairs.load(Path(folder)) if folder is not None else None
        if pairs is None or values:
            raise SpecError(cls.unavailable())
        from workbench.problems.user.stored import StoredSimulator

        return StoredSimulator._of(pairs)

    @classmethod
    def unavailable(cls) -> str:
        """Return the reason why a form cannot offer this problem: it needs functions written in Python."""
        return (
            "A simulator can only be made in a notebook or a script, with "
            "SimulatorProblem(prior, simulate, x, y), because functions do not travel in links and files."
        )

    def copy(self) -> SimulatorProblem:
        """Return a problem with the same functions, variables and training pairs; nothing is simulated."""
        other = type(self).__new__(type(self))
        Problem.__init__(other)
        for name in (
            "_source",
            "_failed",
            "_simulator",
            "_distribution",
            "_x_variables",
            "_y_variables",
            "_shared",
            "_recorded",
        ):
            setattr(other, name, getattr(self, name))
        return other

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._identity() == other._identity()  # type: ignore[attr-defined]

    __hash__ = Problem.__hash__

    def _identity(self) -> tuple:
        return id(self._source), self._simulator, self._failed, self._x_variables, self._y_variables

    # ---- descriptions
    @property
    def x(self) -> tuple[Variable, ...]:
        return self._x_variables

    @property
    def y(self) -> tuple[Variable, ...]:
        return self._y_variables

    @property
    def capabilities(self) -> frozenset[Capability]:
        capabilities = {Capability.OBSERVATION, Capability.SIMULATE}
        # of a prior that goes beyond a period the density of the wrapped variable is another one
        if self._distribution.has_density and all(
            self._within_period(v) for v in self._x_variables if v.period
        ):
            capabilities.add(Capability.LOG_PRIOR)
        return frozenset(capabilities)

    def _within_period(self, variable: Variable) -> bool:
        names, own = self._prior_names(), self._distribution.components
        if not own:  # a joint distribution, whose bounds are not those of one component
            return False
        part = own[names.index(variable.name)]
        return variable.low <= part.low and part.high <= variable.low + variable.period

    def _prior_names(self) -> list[str]:
        """Return the names of the prior's components, in its own order."""
        layout = self._distribution.layout
        return column_names(layout, "x") if layout[0][0] else [v.name for v in self._x_variables]

    @property
    def window(self) -> Window:
        return quantile_window(self._probe().x.numpy())

    @property
    def observation_window(self) -> Window:
        return quantile_window(self._probe().y.numpy())

    @property
    def default_observation(self) -> tuple[float, ...]:
        return typical_row(self._probe().y.numpy())

    def _probe(self) -> Pairs:
        """Return pairs for plot limits: those that a run trains on, else some that are simulated once."""
        if self._recorded is not None:
            return self._recorded
        if "probe" not in self._shared:
            self._shared["probe"], _ = self._simulated(_PROBE[self._simulator.vectorised], 0)
        return self._shared["probe"]

    def warnings(self, samples: int | None = None) -> list[str]:
        pairs = self._recorded or self._shared.get("probe")
        own = [*self._shared.get("notes", ()), *(pairs.warnings if pairs is not None else ())]
        return list(dict.fromkeys(own))

    def __repr__(self) -> str:
        names = (f"{role}=[{named(variables)}]" for role, variables in (("x", self.x), ("y", self.y)))
        return f"{type(self).__name__}({', '.join(names)})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        rows = (("x", variables_text(self.x)), ("y", variables_text(self.y)))
        return html_table(rows, title=self.title) + html_lines(self.warnings())

    # ---- the pairs of a run
    def record_draw(self, n: int, seed: int) -> None:
        """Simulate the ``n`` pairs that a run with this ``seed`` trains on, unless they are there already.

        Raises `DataError` where an output or unknown is constant, and for values far from all others.
        """
        own = draw_seed(torch.Generator().manual_seed(seed))
        if self._recorded is not None and self._recorded.is_draw(n, own):
            return
        pairs, failures = self._simulated(n, own)
        if len(pairs) > 2:
            check_pairs(pairs.x, pairs.y, (self.x, self.y))
        self._recorded = pairs
        self._tell(failures)

    def save_data(self, folder: Path) -> None:
        """Write the pairs of the last `record_draw`, if any, to ``folder/data``."""
        if self._recorded is not None:
            self._recorded.save(folder)

    def load_data(self, folder: Path) -> None:
        """Use the pairs of the run in ``folder`` instead of simulating them again."""
        pairs = Pairs.load(folder)
        if pairs is None:
            raise RunError(
                f"Run '{Path(folder).name}' does not hold the pairs that it was trained on",
                expected=f"the file {FILE}",
                found="none: workbench 0.1 did not store them",
                suggestion="train anew, or load what was exported from the run",
            )
        check_same_variables(pairs, self)
        self._recorded = pairs

    # ---- draws
    def _parameters(self, n: int, seed: int) -> Tensor:
        rows = self._distribution.rows(n, seed)
        values = select(rows, self._x_variables, "x", "prior")
        refuse_infinite(values, self._x_variables, "prior")
        return checked(values, self._x_variables, "prior")

    def _outcome(self, x: Tensor, rows: Any, reasons: dict[int, str]) -> tuple[Tensor, Failures]:
        """Return y (n, M), NaN where the simulation failed, and the failures; raises `DataError` for these
        where they are to be refused."""
        if rows.layout:
            values = select(rows, self._y_variables, "y", "simulator")
        else:  # all of them failed
            values = np.full((len(x), len(self._y_variables)), np.nan)
        wrong = ~np.isfinite(values)
        mask = wrong.any(axis=1)
        texts = []
        for i in np.flatnonzero(mask):
            first = self._y_variables[int(wrong[i].argmax())].name
            texts.append(reasons.get(int(i), f"not finite in '{first}'"))
        failures = Failures(x.numpy(), mask, texts)
        if mask.any() and self._failed == "refuse":
            place = failures.place(self._x_variables)
            refuse_infinite(values, self._y_variables, "simulator", place)
        values = np.where(mask[:, None], np.nan, values)
        return checked(values, self._y_variables, "simulator"), failures

    def _simulated(self, n: int, seed: int) -> tuple[Pairs, Failures]:
        """Simulate until there are ``n`` pairs. Raises `DataError` where nearly all simulations fail."""
        generator = torch.Generator().manual_seed(seed)
        x_parts, y_parts, masks, reasons, count, total = [], [], [], [], 0, 0
        while count < n:
            share = max(count / total, 0.1) if total else 1.0
            size = n if not total else max(int((n - count) / share * 1.1), min(n, 8))
            if total + size > _MOST_SIMULATIONS * n + 100:
                raise DataError(
                    "Nearly all simulations fail",
                    expected=f"{n} that succeed",
                    found=f"{count} of {total}; {Failures(np.zeros((0, 0)), np.zeros(0), reasons).cause}",
                    suggestion="mend the simulator, or narrow the prior to where it works",
                )
            x = self._parameters(size, draw_seed(generator))
            outcome = self._simulator(x, draw_seed(generator))
            y, failures = self._outcome(x, outcome.rows, outcome.reasons)
            x_parts.append(x)
            y_parts.append(y)
            masks.append(failures.mask)
            reasons += failures.reasons
            total, count = total + size, count + int((~failures.mask).sum())
        x, y, mask = torch.cat(x_parts), torch.cat(y_parts), np.concatenate(masks)
        failures, sound = Failures(x.numpy(), mask, reasons), torch.from_numpy(~mask)
        notes = tuple(failures.sentences(self._x_variables))
        x, y = x[sound][:n], y[sound][:n]
        return Pairs(x, y, self._x_variables, self._y_variables, n, seed, notes), failures

    def _tell(self, failures: Failures) -> None:
        """Warn of failures, once for a problem and its copies."""
        if failures.mask.any() and not self._shared.get("told"):
            self._shared["told"] = True
            for sentence in failures.sentences(self._x_variables):
                warnings.warn(sentence, SimulationWarning, stacklevel=4)

    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return self._parameters(n, draw_seed(generator))

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor | None, ...]:
        seed = draw_seed(generator)
        if self._recorded is not None and self._recorded.is_draw(n, seed):
            return self._recorded.x.clone(), self._recorded.y.clone()
        pairs, failures = self._simulated(n, seed)
        self._tell(failures)
        return pairs.x, pairs.y

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        points = x.detach().to("cpu", torch.float64)
        outcome = self._simulator(points, draw_seed(generator))
        return self._outcome(points, outcome.rows, outcome.reasons)[0].to(x)

    def _log_prior(self, x: Tensor) -> Tensor:
        own = [v.name for v in self._x_variables]
        order = [own.index(name) for name in self._prior_names()]
        return self._distribution.log_density(x[:, order].cpu()).to(x.device)
