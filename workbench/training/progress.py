"""Training to the end in one call, with a progress bar in a terminal or a notebook."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.training.run import Run

#: Seconds between two updates of the numbers beside a progress bar, and between two checkpoints.
EVERY, SAVE_EVERY = 0.25, 8.0


def train(run: Run, *, progress: bool = True) -> Run:
    """Train a run to its planned number of steps, or until validation stops improving; returns the run.

    A run with a folder is saved every `SAVE_EVERY` seconds and when it ends, also by an interrupt.
    """
    first, due = run.iteration, time.monotonic() + SAVE_EVERY
    with _bar(run, progress) as update:
        try:
            for record in run:
                if update is not None:
                    update(record)
                if run.folder is not None and time.monotonic() > due:
                    run.save(state="running")
                    due = time.monotonic() + SAVE_EVERY
        finally:
            if run.folder is not None and run.iteration > first:
                run.save()
    return run


def _progress_bar() -> Any:
    """Return the class of progress bars: widgets in a notebook that has ipywidgets, else text."""
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # without ipywidgets a bar of text is what is wanted
        from tqdm.auto import tqdm
    return tqdm


@contextmanager
def _bar(run: Run, visible: bool) -> Iterator[Any]:
    """Show a progress bar; yields the function that moves it to a record, or None where it is not shown."""
    if not visible or run.finished:
        yield None
        return
    tqdm = _progress_bar()
    validation, last = float("nan"), 0.0
    with tqdm(
        total=run.experiment.steps,
        initial=run.iteration,
        desc=run.experiment.architecture.title,
        unit="step",
        dynamic_ncols=True,
    ) as bar:

        def update(record: Any) -> None:
            nonlocal validation, last
            validation = record.validation.get("loss", validation)
            if bar.total != run.experiment.steps:  # steps may change in a run
                bar.total = run.experiment.steps
            now = time.monotonic()
            if now - last > EVERY or run.finished:
                last = now
                texts = {"loss": f"{record.loss:.4g}"}
                if validation == validation:
                    texts["validation"] = f"{validation:.4g}"
                bar.set_postfix(texts, refresh=False)
                bar.update(record.iteration - bar.n)
            if run.finished and run.stopped_early:
                bar.total = record.iteration  # a bar that ends early is full
                bar.refresh()

        yield update
