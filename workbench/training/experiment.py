"""Experiment: a problem, an architecture, an objective, training settings and a seed; a short text says it
all."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

from workbench.architectures import ARCHITECTURES
from workbench.core.catalogue import Catalogue
from workbench.core.errors import IncompatibleError, SpecError, did_you_mean
from workbench.core.spec import Spec, parse_setting
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS
from workbench.training.compatibility import refusals
from workbench.training.recommended import recommended
from workbench.training.settings import Training

VERSION = 1
_PARTS: dict[str, Catalogue] = {"problem": PROBLEMS, "architecture": ARCHITECTURES, "objective": OBJECTIVES}
_LONGEST_LINK, _LONGEST_TEXT = 20_000, 400_000


class Experiment:
    """What is run. Parts may be given as keys, as Specs, or as ``{"key": …, "settings": {…}}``.

    Parameters
    ----------
    problem, architecture, objective : members of the catalogues.
    training : a `Training`, or a table of its settings.
    steps : planned number of optimiser steps (the schedule's length).
    seed : everything random of the run follows from it.
    """

    def __init__(
        self,
        problem: str | Spec | dict,
        architecture: str | Spec | dict = "neural_spline_coupling",
        objective: str | Spec | dict = "maximum_likelihood",
        training: Training | dict | None = None,
        *,
        steps: int = 2000,
        seed: int = 0,
    ) -> None:
        self.problem = _PARTS["problem"].resolve(problem)
        self.architecture = _PARTS["architecture"].resolve(architecture)
        self.objective = _PARTS["objective"].resolve(objective)
        self.training = training if isinstance(training, Training) else Training.from_values(training or {})
        self.steps = _whole("steps", steps, 1, 100_000_000)
        self.seed = _whole("seed", seed, 0, 2**31 - 1)

    @classmethod
    def recommended(
        cls, problem: str | Spec | dict, simulations: int = 10_000, *, seed: int = 0
    ) -> Experiment:
        """The experiment to begin with on an inverse problem, for so many simulations: one recipe for all,
        which reads its settings off the problem and the data. Each of them can be changed afterwards."""
        member, count = _PARTS["problem"].resolve(problem), _whole("simulations", simulations, 64, 50_000_000)
        return cls(member, **recommended(member, count), seed=seed)

    # ---- what fits
    def refusals(self) -> list[str]:
        """Sentences that say why this combination cannot run; empty when it can."""
        return refusals(self.problem, self.architecture, self.objective)

    def warnings(self) -> list[str]:
        """Sentences on what the chosen objective does not do; no reason to refuse it."""
        return self.objective.warnings(self.problem, self.architecture)

    def check(self) -> None:
        """Raise `IncompatibleError` when the parts do not fit together."""
        reasons = self.refusals()
        if reasons:
            raise IncompatibleError(
                f"{self.architecture.title} with {self.objective.title} cannot be run on "
                f"{self.problem.title}",
                found="; ".join(reasons),
                suggestion="choose another architecture, objective or problem",
            )

    # ---- changes
    def replace(self, **changes: Any) -> Experiment:
        """A copy with other parts, steps or seed."""
        values = {
            "problem": self.problem,
            "architecture": self.architecture,
            "objective": self.objective,
            "training": self.training,
            "steps": self.steps,
            "seed": self.seed,
        }
        for name in changes:
            if name not in values:
                raise SpecError(
                    f"An experiment has no part '{name}'",
                    expected=", ".join(values),
                    found=name,
                    suggestion=did_you_mean(name, values),
                )
        return Experiment(**(values | changes))

    def with_setting(self, name: str, value: Any) -> Experiment:
        """A copy with one setting changed: ``"architecture.transforms"`` or, where only one part has it,
        ``"transforms"``.

        A text is read as the setting's own type, as on a command line.
        """
        part, setting = self._locate(name)
        if part == "":
            return self.replace(**{setting: int(value) if str(value).lstrip("-").isdigit() else value})
        spec = getattr(self, part)
        if isinstance(value, str):
            value = parse_setting(type(spec), setting, value)
        changed = spec.copy()
        changed.set(setting, value)
        return self.replace(**{part: changed})

    def _locate(self, name: str) -> tuple[str, str]:
        if name in ("steps", "seed"):
            return "", name
        parts = ("problem", "architecture", "objective", "training")
        part, dot, setting = name.partition(".")
        if dot:
            if part not in parts:
                raise SpecError(
                    f"There is no part '{part}' to set",
                    expected=", ".join(parts),
                    found=name,
                    suggestion=did_you_mean(part, parts),
                )
            return part, setting
        found = [p for p in parts if name in {s.name for s in getattr(self, p).settings()}]
        if len(found) == 1:
            return found[0], name
        everything = [f"{p}.{s.name}" for p in parts for s in getattr(self, p).settings()]
        if found:
            raise SpecError(
                f"Setting '{name}' stands in several parts",
                found=name,
                expected=" or ".join(f"{p}.{name}" for p in found),
            )
        short = {e.partition(".")[2]: e for e in everything}
        raise SpecError(
            f"No part of the experiment has a setting '{name}'",
            found=name,
            expected=", ".join(everything),
            suggestion=did_you_mean(name, short),
        )

    # ---- texts
    def to_dict(self) -> dict[str, Any]:
        """All values and the version: what a file keeps."""
        return {
            "version": VERSION,
            **{p: {"key": getattr(self, p).key, "settings": getattr(self, p).values()} for p in _PARTS},
            "training": self.training.values(),
            "steps": self.steps,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, folder: Path | None = None) -> Experiment:
        """From `to_dict`'s table, with every key and value checked. ``folder`` holds data that the problem
        brought."""
        if not isinstance(values, dict):
            raise SpecError("An experiment is a table of names and values", found=type(values).__name__)
        known = ("version", *_PARTS, "training", "steps", "seed")
        for name in values:
            if name not in known:
                raise SpecError(
                    f"An experiment has no key '{name}'",
                    expected=", ".join(known),
                    found=str(name),
                    suggestion=did_you_mean(str(name), known),
                )
        version = values.get("version", VERSION)
        if not isinstance(version, int) or not 1 <= version <= VERSION:
            raise SpecError(
                "This experiment is written in a version that is not known here",
                expected=f"version 1 to {VERSION}",
                found=str(version),
                suggestion="update the workbench",
            )
        if "problem" not in values:
            raise SpecError(
                "An experiment needs a problem", expected=", ".join(PROBLEMS.keys()), found="none"
            )
        arguments = {k: v for k, v in values.items() if k != "version"}
        if folder is not None:
            arguments["problem"] = PROBLEMS.resolve(values["problem"], folder=folder)
        return cls(**arguments)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Experiment:
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpecError("The experiment's text is not JSON", found=str(error)) from error
        return cls.from_dict(values)

    def to_link(self) -> str:
        """A short text for an address: only what differs from the defaults."""
        _refuse_travel(self.problem)
        values: dict[str, Any] = {"version": VERSION}
        for part in _PARTS:
            spec = getattr(self, part)
            values[part] = {"key": spec.key, "settings": spec.changed()} if spec.changed() else spec.key
        if self.training.changed():
            values["training"] = self.training.changed()
        values |= {"steps": self.steps, "seed": self.seed}
        packed = zlib.compress(json.dumps(values, separators=(",", ":"), sort_keys=True).encode(), 9)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def from_link(cls, link: str) -> Experiment:
        """From `to_link`'s text or a whole address that carries it as ``e=``. The text is not trusted."""
        text = link.strip()
        if "=" in text or "://" in text:
            text = (parse_qs(urlparse(text).query).get("e") or [""])[0]
        if not text or len(text) > _LONGEST_LINK:
            raise SpecError(
                "The link carries no experiment",
                expected=f"a text of at most {_LONGEST_LINK} characters after e=",
                found=f"{len(text)} characters",
            )
        try:
            unpack = zlib.decompressobj()
            raw = unpack.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), _LONGEST_TEXT)
            if unpack.unconsumed_tail:
                raise ValueError("too long when unpacked")
            values = json.loads(raw)
        except (ValueError, zlib.error, binascii.Error) as error:
            raise SpecError(
                "The link's experiment cannot be read",
                found=str(error),
                suggestion="copy the whole link again",
            ) from error
        named = values.get("problem") if isinstance(values, dict) else None
        key = named.get("key") if isinstance(named, dict) else named
        if isinstance(key, str) and key in PROBLEMS:
            _refuse_travel(PROBLEMS[key])  # before anything is made: a link must not make a server read files
        return cls.from_dict(values)

    def to_python(self) -> str:
        """A script that repeats this experiment."""
        lines = ["import workbench as wb", "", "experiment = wb.Experiment("]
        for part in _PARTS:
            spec = getattr(self, part)
            changed = spec.changed()
            lines.append(
                f"    {part}={spec.key!r},"
                if not changed
                else f"    {part}={{'key': {spec.key!r}, 'settings': {changed!r}}},"
            )
        if self.training.changed():
            lines.append(f"    training={self.training.changed()!r},")
        lines += [
            f"    steps={self.steps}, seed={self.seed},",
            ")",
            "run = wb.Run(experiment)",
            "for record in run:",
            "    pass",
            "print(run.history[-1])",
            "",
        ]
        return "\n".join(lines)

    @property
    def title(self) -> str:
        """One line for lists."""
        return f"{self.problem.title} · {self.architecture.title} · {self.objective.title}"

    def copy(self) -> Experiment:
        """Independent Specs with the same values: what a Run takes."""
        return Experiment(
            self.problem.copy(),
            self.architecture.copy(),
            self.objective.copy(),
            self.training.copy(),
            steps=self.steps,
            seed=self.seed,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Experiment) and self.to_dict() == other.to_dict()

    __hash__ = None

    def __repr__(self) -> str:
        return (
            f"Experiment({self.problem!r}, {self.architecture!r}, {self.objective!r}, {self.training!r}, "
            f"steps={self.steps}, seed={self.seed})"
        )


def _refuse_travel(problem: Spec | type[Spec]) -> None:
    if getattr(problem, "reads_files", False) or problem.key == "simulator":
        raise SpecError(
            f"A link cannot carry the problem '{problem.key}'",
            found="data or functions of your own",
            expected="a problem that is made from its settings alone",
            suggestion="send the run's export, or the data file and the experiment's JSON",
        )


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SpecError(f"'{name}' must be a whole number", expected=f"{low} to {high}", found=repr(value))
    return value
