"""What an export format is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from workbench.architectures import ARCHITECTURES
from workbench.core.errors import ExportError
from workbench.export.program import functions_of
from workbench.training import FittedModel


class ExportFormat(ABC):
    """One way for a model to leave the workbench."""

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    suffix: ClassVar[str]
    #: packages that must be installed, and the extra that brings them
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    #: whether a file holds one function of the model, and the caller says which
    one_function: ClassVar[bool] = False
    #: whether it tells a run, with its history, and not a fitted model alone
    of_run: ClassVar[bool] = False
    #: whether a file answers one observation, and the caller says which
    at_observation: ClassVar[bool] = False

    def refusal(
        self, architecture: str, function: str = "inverse", capabilities: frozenset[str] | None = None
    ) -> str:
        """Why a model of this architecture cannot be exported so, as a sentence; empty when it can.

        ``capabilities`` are those of the model, where they are fewer than the architecture's.
        """
        missing = [name for name in self.packages if find_spec(name) is None]
        if missing:
            return (
                f"{self.title} needs packages that are not installed ({', '.join(missing)}): "
                f"pip install 'vina-workbench[{self.extra}]'."
            )
        member = ARCHITECTURES[architecture]
        known = functions_of(member.capabilities if capabilities is None else capabilities)
        if self.one_function and function not in known:
            return f"{member.title} has no function '{function}'; it has {', '.join(known)}."
        return member.formats.get(self.key, "")

    @abstractmethod
    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        """Write the file once it has been checked against the model, and say what was found."""


def fitted_of(run_or_fitted: Any) -> FittedModel:
    """The fitted model of a run, or the fitted model itself."""
    fitted = getattr(run_or_fitted, "fitted", run_or_fitted)
    if not isinstance(fitted, FittedModel):
        raise ExportError(
            "Only a run or a fitted model can be exported",
            expected="what wb.Run(experiment) or wb.load(file) gives",
            found=type(run_or_fitted).__name__,
        )
    return fitted
