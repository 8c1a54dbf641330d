"""``workbench train``: train an experiment from options, a table or a file, with a progress bar on stderr."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import threading
import warnings
from typing import TYPE_CHECKING

from tqdm import tqdm

from workbench.backends import Handle, InlineBackend
from workbench.cli.text import names, print_json, setting_pairs
from workbench.core.documents import read_text
from workbench.core.errors import DataWarning, RunError, SpecError
from workbench.problems import PROBLEMS, Problem
from workbench.problems.user.readers import declared_columns, split_path
from workbench.training import Experiment

if TYPE_CHECKING:
    from workbench.training import Run

_INTERRUPTED = 130
_PARTS = ("problem", "architecture", "objective", "training")


def train_command(args: argparse.Namespace) -> int:
    """Train an experiment or resume a run, save it, and print the result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # printed as notes
        return _train(args)


def _train(args: argparse.Namespace) -> int:
    handle = _start(args)
    try:
        run = _intact(handle)
        if args.resume:
            _change(run, args)
        before = run.brief()
        notes = list(dict.fromkeys([*run.experiment.warnings(), *run.data.notes]))
        for sentence in notes:
            print(f"Note: {sentence}", file=sys.stderr)
        if args.resume and run.finished:
            note = _nothing_to_do(run, args.resume)
            print(f"Note: {note}", file=sys.stderr)
            notes.append(note)
        was_interrupted = False if run.finished else _advance(handle)
        _intact(handle)
    finally:
        # whatever happens, the folder must not say that a process still works in it
        if handle.status().state in ("starting", "running", "paused"):
            handle.stop()
    _report(handle, before, notes, as_json=args.json)
    if was_interrupted:
        print(f"Interrupted and saved. Go on with: workbench train --resume {handle.folder}", file=sys.stderr)
    return _INTERRUPTED if was_interrupted else 0


def _nothing_to_do(run: Run, folder: str) -> str:
    """Return why a finished run is not trained on, and the command that trains it on."""
    reason = "stopped early, since its validation loss no longer fell," if run.stopped_early else "finished"
    steps = run.iteration + max(run.iteration, 100)
    return (
        f"The run {reason} at step {run.iteration} of {run.experiment.steps}, so that nothing is trained. To "
        f"train on: workbench train --resume {shlex.quote(str(folder))} --steps {steps}"
    )


# ---- the experiment
def _start(args: argparse.Namespace) -> Handle:
    backend = InlineBackend(eager=False)
    if not args.resume:
        return backend.start(experiment(args), folder=args.out, device=args.device)
    options = (
        "experiment",
        "recommended",
        "problem",
        "architecture",
        "objective",
        "data",
        "x",
        "y",
        "out",
        "seed",
    )
    conflicts = [name for name in options if getattr(args, name) is not None]
    if conflicts:
        raise SpecError(
            "A run that goes on keeps its experiment",
            expected="--resume DIR with --steps, --set or --device",
            found=", ".join(conflicts),
        )
    return backend.start(folder=args.resume, device=args.device, resume=True)


def experiment(args: argparse.Namespace) -> Experiment:
    """Build the experiment that the options describe; where an experiment's file is given, the one in the
    file with the options as changes."""
    parts = {part: getattr(args, part) for part in ("architecture", "objective") if getattr(args, part)}
    problem = _table(args) if args.data or args.x or args.y else args.problem
    if args.experiment:
        base = Experiment.from_json(read_text(args.experiment, "The experiment's file"))
        base = base.replace(**parts, **({"problem": problem} if problem else {}))
    elif problem and args.recommended is not None:
        plain = Experiment(problem)
        for name, value in setting_pairs(args.settings):  # kinds of columns decide what is recommended
            if _of_problem(plain, name):
                plain = plain.with_setting(name, value)
        base = Experiment.recommended(plain.problem, args.recommended).replace(**parts)
    elif problem:
        base = Experiment(problem, **parts)
    else:
        raise SpecError(
            "There is nothing to train",
            expected="--problem KEY, --data FILE, or an experiment's file",
            found="none of them",
            suggestion="try 'workbench train --problem two_moons'; 'workbench list problems' names them all",
        )
    for name, value in setting_pairs(args.settings):
        base = base.with_setting(name, value)
    numbers = {name: getattr(args, name) for name in ("steps", "seed") if getattr(args, name) is not None}
    return base.replace(**numbers)


def _of_problem(experiment: Experiment, name: str) -> bool:
    """Test whether a setting on the command line is one of the experiment's problem alone."""
    part, dot, setting = name.partition(".")
    settings = {s.name for s in experiment.problem.settings()}
    return (part == "problem" and setting in settings) if dot else name in settings


def _table(args: argparse.Namespace) -> Problem:
    """Return the problem ``table`` for the user's own file and columns; its rows are read later, once
    ``--set`` has been applied."""
    if args.problem not in (None, "table"):
        refusal = f"The problem '{args.problem}' takes no table"
        raise SpecError(refusal, expected="--problem table", found="--data, --x or --y")
    roles = declared_columns(args.data) if args.data and not (args.x or args.y) else {}
    if not args.data or not (args.x or roles):
        raise SpecError(
            "A table needs its file and its columns",
            expected="--data FILE --x a,b (and --y c,d where something is observed)",
            found="--data without --x" if args.data else "no --data",
            suggestion=f"'workbench table {args.data}' lists its columns" if args.data else "",
        )
    file, group = split_path(args.data)
    if not file.exists():
        raise SpecError("The table cannot be found", expected="a file", found=f"nothing at {args.data}")
    path = str(file.resolve()) + (f"#{group}" if group else "")
    columns = roles or {"x_columns": names(args.x), "y_columns": names(args.y)}
    return PROBLEMS.make("table", path=path, **columns)


def _change(run: Run, args: argparse.Namespace) -> None:
    """Apply options to a resumed run: its number of steps, and settings that may change while a run goes
    on."""
    if args.steps is not None:
        if args.steps <= run.iteration:
            raise SpecError(
                "The run has as many steps already: there is nothing to train",
                expected=f"--steps above {run.iteration}, the number of steps in all",
                found=f"--steps {args.steps}",
                suggestion=f"for {args.steps} further steps, say --steps {run.iteration + args.steps}",
            )
        run.set("steps", args.steps)
    for name, value in setting_pairs(args.settings):
        target = run.experiment.with_setting(name, value)
        live = target.objective.live
        old, new = run.experiment.objective.values(), target.objective.values()
        if any(old[setting] != new[setting] for setting in new if setting not in live):
            run.change_objective(target.objective)
            continue
        for part in _PARTS:
            old, new = (getattr(e, part).values() for e in (run.experiment, target))
            for setting in new:
                if new[setting] != old[setting]:
                    run.set(f"{part}.{setting}", new[setting])


# ---- training
def _intact(handle: Handle) -> Run:
    """Return the run that a handle controls. Raises `RunError` with the error's message if the run has
    failed."""
    status = handle.status()
    if status.state == "failed" or handle.training_run is None:
        raise RunError(status.message)
    return handle.training_run


def _advance(handle: Handle) -> bool:
    """Train to the end, with a progress bar; return True where the user interrupted it."""
    run = _intact(handle)
    steps = run.experiment.steps
    bar = tqdm(total=steps, initial=min(run.iteration, steps), unit="step", file=sys.stderr, mininterval=0.5)
    with bar, _Interruption() as interruption:
        handle.run()
        while handle.status().state == "running" and not interruption.requested:
            bar.update(handle.advance(1))
            bar.set_postfix(loss=f"{handle.status().loss:.4g}", refresh=False)
    status = handle.status()
    if status.state == "paused" and not interruption.requested:  # such as on a full disk
        raise RunError(status.message)
    return interruption.requested


class _Interruption:
    """Context in which Ctrl+C, SIGTERM or SIGHUP (a closed terminal) ends training after the current step,
    and a second signal at once."""

    def __enter__(self) -> _Interruption:
        self.requested, self.before = False, {}
        if threading.current_thread() is threading.main_thread():
            numbers = [signal.SIGINT, signal.SIGTERM]
            if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
                numbers.append(signal.SIGHUP)
            self.before = {number: signal.signal(number, self._handle) for number in numbers}
        return self

    def _handle(self, *_: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


def _report(handle: Handle, before: dict, notes: list[str], *, as_json: bool) -> None:
    run = handle.training_run
    after, state = run.brief(), handle.status().state
    steps, seconds = after["iteration"] - before["iteration"], after["seconds"] - before["seconds"]
    if as_json:
        return print_json(
            {
                "run": str(handle.folder),
                "state": state,
                "steps": run.iteration,
                "seconds": after["seconds"],
                "steps_per_second": round(steps / seconds, 3) if seconds > 0 else None,
                "loss": after["loss"],
                "validation_loss": run.best_loss,
                "parameters": run.parameters,
                "device": str(run.device),
                "events": run.events,
                "warnings": notes,
            }
        )
    loss = "" if after["loss"] is None else f", loss {after['loss']:.4g}"
    print(f"{run.experiment.title}: {state} at step {run.iteration} after {after['seconds']:.1f} s{loss}")
    print(handle.folder)
