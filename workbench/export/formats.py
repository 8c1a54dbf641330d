"""Base class of the export formats, and the functions of a model that a format can write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.errors import ExportError

if TYPE_CHECKING:
    from workbench.inference import FittedModel
    from workbench.training import Run

#: Functions of a model that can be exported: name -> its input (besides y) and its output.
FUNCTIONS = {
    "inverse": ("z", "x"),
    "latent": ("x", "z"),
    "log_prob": ("x", "log_prob"),
    "predict": ("x", "y"),
}


def functions_of(capabilities: frozenset[str]) -> list[str]:
    """Return the exportable functions, by name, of a model with these capabilities."""
    needs = {"log_prob": Capability.DENSITY, "predict": Capability.FORWARD, "latent": Capability.LATENT}
    return [name for name in FUNCTIONS if name not in needs or needs[name] in capabilities]


class ExportFormat(ABC):
    """Base class of the file formats for a trained model or a run."""

    key: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    suffix: ClassVar[str]
    #: Python packages that must be installed, and the extra that installs them
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    #: True for a format whose file holds one function of the model, which the caller chooses
    one_function: ClassVar[bool] = False
    #: True for a format that needs a run with its history, not a fitted model alone
    of_run: ClassVar[bool] = False
    #: True for a format whose file belongs to one observation, which the caller chooses
    at_observation: ClassVar[bool] = False
    #: True for a format that may take minutes to write, and for which quick ones should not wait
    expensive: ClassVar[bool] = False

    def refusal(
        self, architecture: str, function: str = "inverse", capabilities: frozenset[str] | None = None
    ) -> str:
        """Return the reason why a model of this architecture cannot be written in this format, as a sentence;
        empty where it can.

        ``capabilities`` are the model's own, where it lacks some of its architecture's; None: all of them.
        """
        missing = [name for name in self.packages if find_spec(name) is None]
        if missing:
            return (
                f"{self.title} needs packages that are not installed ({', '.join(missing)}): "
                f"pip install 'vina-workbench[{self.extra}]'."
            )
        member = ARCHITECTURES[architecture]
        functions = functions_of(member.capabilities if capabilities is None else capabilities)
        if self.one_function and function not in functions:
            return f"{member.title} has no function '{function}'; it has {', '.join(functions)}."
        return member.formats.get(self.key, "")

    @abstractmethod
    def write(self, fitted: FittedModel, path: Path, function: str = "inverse") -> dict[str, Any]:
        """Write the file after checking it against the model; return a JSON-ready description of it."""


def fitted_of(run_or_fitted: Run | FittedModel) -> FittedModel:
    """Return the fitted model of a run, or the fitted model that is passed. Raises `ExportError` for
    anything else."""
    from workbench.inference import FittedModel

    model = getattr(run_or_fitted, "fitted", run_or_fitted)
    if not isinstance(model, FittedModel):
        raise ExportError(
            "Only a run or a fitted model can be exported",
            expected="what wb.Run(experiment) or wb.load(file) gives",
            found=type(run_or_fitted).__name__,
        )
    return model
