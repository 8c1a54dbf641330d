"""Evaluation of a run's model without side effects on the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.training.run import Run


class EvaluationMode:
    """Context manager that puts the run's model into evaluation mode, with the averaged weights if any.

    On exit the training weights and training mode are restored.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._training_weights: dict[str, Tensor] | None = None

    def __enter__(self) -> None:
        self.run.model.eval()
        self._training_weights = None
        if self.run.average is not None and not self.run.finished:
            state = self.run.model.state_dict()
            self._training_weights = {name: value.detach().clone() for name, value in state.items()}
            self.run.model.load_state_dict(self.run.average.state)

    def __exit__(self, *_: object) -> None:
        if self._training_weights is not None:
            self.run.model.load_state_dict(self._training_weights)
        self.run.model.train()
