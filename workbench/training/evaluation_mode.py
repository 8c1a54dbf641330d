"""Looking at a run without disturbing it: the weights to look at are put in place and taken away again."""

from __future__ import annotations


class EvaluationMode:
    """Puts the averaged weights in place while something is looked at, and the training weights back
    after."""

    def __init__(self, run) -> None:
        self.run = run

    def __enter__(self) -> None:
        self.run.model.eval()
        self.kept = None
        if self.run.average is not None and not self.run.finished:
            self.kept = {k: v.detach().clone() for k, v in self.run.model.state_dict().items()}
            self.run.model.load_state_dict(self.run.average.state)

    def __exit__(self, *_: object) -> None:
        if self.kept is not None:
            self.run.model.load_state_dict(self.kept)
        self.run.model.train()
