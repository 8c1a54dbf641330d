"""A run's own simulator without its functions: the training pairs in the run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.core.capability import Capability
from workbench.core.errors import DataError, IncompatibleError
from workbench.problems.user.pairs import RowsOfPairs
from workbench.problems.user.simulator import SimulatorProblem

if TYPE_CHECKING:
    from workbench.core.capability import Needs

_BRING = "open the run with Run.resume(folder, problem=SimulatorProblem(…)), made of the functions it had"

#: Capabilities that a simulator's functions give, beyond those of its pairs.
_OF_FUNCTIONS = frozenset({Capability.SIMULATE, Capability.LOG_PRIOR})


class StoredSimulator(RowsOfPairs, SimulatorProblem):
    """A simulator whose functions are elsewhere: the training pairs that a run keeps in its folder."""

    @classmethod
    def unavailable(cls) -> str:
        """Return "": a run's folder holds all that this problem is."""
        return ""

    def record_draw(self, n: int, seed: int) -> None:
        """Raise `DataError` where a run asks for more pairs than were simulated: that needs the functions."""
        if n > max(len(self._pairs), self._pairs.count):
            raise DataError(
                "There are not so many simulations in the run's folder",
                expected=f"at most {len(self._pairs)}",
                found=f"{n} samples",
                suggestion=_BRING,
            )

    def load_data(self, folder: Path) -> None:
        """Do nothing: the pairs are there."""

    def unmet(self, needs: Needs) -> list[str]:
        """List what is lacking; of what the functions would give, with the way to bring them back."""
        reasons = super().unmet(needs)
        if needs.needs_problem & _OF_FUNCTIONS:
            return [
                f"{reason} The simulator's Python function is not in the run's folder: {_BRING}."
                for reason in reasons
            ]
        return reasons

    def _require(self, need: Capability) -> None:
        self._ready()
        if need not in self.capabilities:
            raise IncompatibleError(
                "The simulator's functions are not in the run's folder",
                expected="the problem with its functions, for new simulations and for the prior's density",
                found="the training pairs alone",
                suggestion=_BRING,
            )
