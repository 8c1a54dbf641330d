"""What an export format is, and the register of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from workbench.architectures import ARCHITECTURES
from workbench.core import capability
from workbench.core.errors import ExportError
from workbench.training import FittedModel

#: What a program may compute, in data units: x from z, z from x, the log-density.
FUNCTIONS = ("inverse", "latent", "log_prob")


class ExportFormat(ABC):
    """One way for a model to leave the workbench."""

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    suffix: ClassVar[str]
    #: packages that must be installed, and the extra that brings them
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    #: True where a file holds one function of the model and the caller says which
    one_function: ClassVar[bool] = False

    def refusal(self, architecture: str, capabilities: frozenset[str], function: str = "inverse") -> str:
        """Why a model of this architecture cannot be exported so, as a sentence; empty when it can."""
        missing = [name for name in self.packages if find_spec(name) is None]
        if missing:
            return (
                f"{self.title} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed; "
                f"install the extra '{self.extra}': pip install 'vina-workbench[{self.extra}]'."
            )
        if self.one_function and function == "log_prob" and capability.DENSITY not in capabilities:
            return f"{ARCHITECTURES[architecture].title} has no tractable density, so there is no log_prob to export."
        return getattr(ARCHITECTURES[architecture], "formats", {}).get(self.key, "")

    @abstractmethod
    def write(self, fitted: FittedModel, path: Path) -> dict[str, Any]:
        """Write the file, check it against the model, and say what was found."""


def fitted_of(run_or_fitted) -> FittedModel:
    """The fitted model of a run, or the fitted model itself."""
    fitted = getattr(run_or_fitted, "fitted", run_or_fitted)
    if not isinstance(fitted, FittedModel):
        raise ExportError("Only a run or a fitted model can be exported", found=type(run_or_fitted).__name__)
    return fitted
