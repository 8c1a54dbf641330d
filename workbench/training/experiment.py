"""Experiment: a problem, an architecture, an objective, training settings, a number of steps and a seed.

It is converted to and from a dict, JSON and a link, and to a Python script.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlparse

from workbench.architectures import ARCHITECTURES
from workbench.core import plugins
from workbench.core.catalogue import MemberChoice
from workbench.core.documents import read_json
from workbench.core.entries import public
from workbench.core.errors import IncompatibleError, SpecError, WorkbenchError, unknown
from workbench.core.markup import html_lines, html_table
from workbench.core.numbers import whole_number
from workbench.core.spec import Spec, parse_setting
from workbench.objectives import OBJECTIVES
from workbench.problems import PROBLEMS
from workbench.training.compatibility import refusals
from workbench.training.recommended import recommended
from workbench.training.settings import Training

if TYPE_CHECKING:
    from workbench.architectures.base import Architecture
    from workbench.objectives.base import Objective
    from workbench.problems.base import Problem

VERSION = 1
_PARTS = ("problem", "architecture", "objective")
_LONGEST_LINK, _LONGEST_TEXT = 20_000, 400_000


@public
class Experiment:
    """The specification of a run: everything that its results depend on.

    Parameters
    ----------
    problem, architecture, objective : each a key of its catalogue, a Spec or
        ``{"key": …, "settings": {…}}``.
    training : a `Training`, or a dict of its settings.
    steps : planned number of optimiser steps (the schedule's length).
    seed : source of all random numbers of the run.
    """

    def __init__(
        self,
        problem: str | Spec | dict[str, Any] = "",
        architecture: str | Spec | dict[str, Any] = "neural_spline_coupling",
        objective: str | Spec | dict[str, Any] = "maximum_likelihood",
        training: Training | dict[str, Any] | None = None,
        *,
        steps: int = 2000,
        seed: int = 0,
        **others: Any,
    ) -> None:
        for name in others:
            raise _unknown_part(name)
        if isinstance(problem, str) and not problem:
            raise SpecError("An experiment needs a problem", expected="such as 'two_moons'", found="none")
        self.problem: Problem = PROBLEMS.resolve(problem)
        self.architecture: Architecture = ARCHITECTURES.resolve(architecture)
        self.objective: Objective = OBJECTIVES.resolve(objective)
        self.training = training if isinstance(training, Training) else Training.from_values(training or {})
        self.steps = _whole("steps", steps, 1, 100_000_000)
        self.seed = _whole("seed", seed, 0, 2**31 - 1)

    @classmethod
    def recommended(
        cls, problem: str | Spec | dict[str, Any], simulations: int = 10_000, *, seed: int = 0
    ) -> Experiment:
        """Return the recommended experiment for an inverse problem and a number of simulations.

        All settings follow from the problem and that number, which a table with fewer rows reduces; each can
        be changed afterwards.
        """
        member = PROBLEMS.resolve(problem)
        low, high = (int(edge) for edge in Training.param["samples"].bounds)
        return cls(member, **recommended(member, _whole("simulations", simulations, low, high)), seed=seed)

    # ---- compatibility
    def refusals(self) -> list[str]:
        """List the reasons why this combination cannot run, as sentences; empty when it can."""
        return refusals(self.problem, self.architecture, self.objective)

    def warnings(self) -> list[str]:
        """List what to know of the problem's data and the objective's limitations on it, as sentences."""
        data = self.problem.warnings(self.training.samples)
        return [*data, *self.objective.warnings(self.problem, self.architecture)]

    def check(self) -> None:
        """Raise `IncompatibleError` when problem, architecture and objective do not fit together."""
        reasons = self.refusals()
        if reasons and self.problem.refusals():
            raise IncompatibleError(f"'{self.problem.title}' cannot be used as set", found="; ".join(reasons))
        if reasons:
            raise IncompatibleError(
                f"{self.architecture.title} with {self.objective.title} cannot be run on "
                f"{self.problem.title}",
                found="; ".join(reasons),
                suggestion="choose another architecture, objective or problem",
            )

    # ---- changes
    def replace(self, **changes: Any) -> Experiment:
        """Return a copy with another problem, architecture, objective, training, number of steps or seed.

        Raises `SpecError` for other names.
        """
        values: dict[str, Any] = {
            "problem": self.problem,
            "architecture": self.architecture,
            "objective": self.objective,
            "training": self.training,
            "steps": self.steps,
            "seed": self.seed,
        }
        for name in changes:
            if name not in values:
                raise _unknown_part(name)
        return Experiment(**(values | changes))

    def with_setting(self, name: str, value: Any) -> Experiment:
        """Return a copy with one setting changed, such as ``"architecture.transforms"``.

        The prefix may be left out where only one part of the experiment has the setting. A string is
        converted to the setting's type, as on a command line. Raises `SpecError` for an unknown or ambiguous
        name and for an invalid value.
        """
        part, setting = self._locate(name)
        if part == "":
            return self.replace(**{setting: _whole_of_text(value)})
        spec = getattr(self, part)
        if isinstance(value, str):
            value = parse_setting(type(spec), setting, value)
        copy = spec.copy()
        copy.set(setting, value)
        return self.replace(**{part: copy})

    def _locate(self, name: str) -> tuple[str, str]:
        """Split a setting's name into part of the experiment ("" for steps and seed) and name in that part.

        Raises `SpecError` for an unknown name and for one that several parts have.
        """
        if name in ("steps", "seed"):
            return "", name
        parts = ("problem", "architecture", "objective", "training")
        part, dot, setting = name.partition(".")
        if dot:
            if part not in parts:
                raise unknown("part", part, parts)
            return part, setting
        owners = [p for p in parts if name in {s.name for s in getattr(self, p).settings()}]
        if len(owners) == 1:
            return owners[0], name
        everything = [f"{p}.{s.name}" for p in parts for s in getattr(self, p).settings()]
        if owners:
            raise SpecError(
                f"Setting '{name}' stands in several parts",
                found=name,
                expected=" or ".join(f"{p}.{name}" for p in owners),
            )
        settings = [entry.partition(".")[2] for entry in everything]
        raise unknown("setting", name, settings, owner="The experiment", expected=", ".join(everything))

    # ---- texts
    def to_dict(self) -> dict[str, Any]:
        """Return all values and the format version as a JSON-ready dict, the content of experiment.json."""
        origins = self.plugins()
        return {
            "version": VERSION,
            **{p: {"key": getattr(self, p).key, "settings": getattr(self, p).values()} for p in _PARTS},
            "training": self.training.values(),
            "steps": self.steps,
            "seed": self.seed,
            **({"plugins": origins} if origins else {}),
        }

    def plugins(self) -> dict[str, dict[str, str]]:
        """Return the packages, or modules, of members that are not built in, by part of the experiment."""
        origins = {part: plugins.origin(type(getattr(self, part))) for part in _PARTS}
        for name, choice in type(self.objective).param.objects().items():
            if isinstance(choice, MemberChoice):
                origins[f"objective.{name}"] = choice.catalogue.origin(getattr(self.objective, name))
        return {part: origin for part, origin in origins.items() if origin}

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, folder: Path | None = None) -> Experiment:
        """Build from a dict as `to_dict` returns it. ``folder`` is a run folder with the problem's data.

        Raises `SpecError` for an unknown key, version or value.
        """
        if not isinstance(values, dict):
            raise SpecError("An experiment is a table of names and values", found=type(values).__name__)
        keys = ("version", *_PARTS, "training", "steps", "seed", "plugins")
        for name in values:
            if name not in keys:
                raise unknown("key", name, keys, owner="An experiment")
        version = values.get("version", VERSION)
        if type(version) is not int or not 1 <= version <= VERSION:
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
        arguments = {k: v for k, v in values.items() if k not in ("version", "plugins")}
        try:
            if folder is not None:
                arguments["problem"] = PROBLEMS.resolve(values["problem"], folder=folder)
            return cls(**arguments)
        except SpecError as error:
            remedy = plugins.advice(values.get("plugins"))
            if not remedy:
                raise
            raise SpecError(error.asked, found=error.found, suggestion=remedy) from error

    def to_json(self) -> str:
        """Return the dict of `to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Experiment:
        """Build from the string that `to_json` returns. Raises `SpecError` for any other string."""
        return cls.from_dict(read_json(text, "The experiment's text"))

    def to_link(self) -> str:
        """Encode as a short string for a URL, with only the settings that differ from their defaults.

        Raises `SpecError` for a problem made of the user's own data or functions.
        """
        _refuse_travel(self.problem)
        values: dict[str, Any] = {"version": VERSION}
        for part in _PARTS:
            spec = getattr(self, part)
            values[part] = {"key": spec.key, "settings": spec.changed()} if spec.changed() else spec.key
        if self.training.changed():
            values["training"] = self.training.changed()
        values |= {"steps": self.steps, "seed": self.seed}
        data = zlib.compress(json.dumps(values, separators=(",", ":"), sort_keys=True).encode(), 9)
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    @classmethod
    def from_link(cls, link: str) -> Experiment:
        """Build from the string of `to_link`, or from a URL with it as ``e=``.

        The link is not trusted: raises `SpecError` for a damaged one and for problems that read files.
        """
        text = _link_text(link.strip())
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
            values = read_json(raw, "The link's experiment")
        except (ValueError, zlib.error, binascii.Error) as error:
            raise SpecError(
                "The link's experiment cannot be read",
                found=str(error),
                suggestion="copy the whole link again",
            ) from error
        problem = values.get("problem") if isinstance(values, dict) else None
        key = problem.get("key") if isinstance(problem, dict) else problem
        if isinstance(key, str) and key in PROBLEMS:
            _refuse_travel(
                PROBLEMS[key]
            )  # before anything is built: a link must not make a server read files
        return cls.from_dict(values)

    def to_python(self) -> str:
        """Return a Python script that repeats this experiment."""
        lines = ["import workbench as wb", "", "experiment = wb.Experiment("]
        for part in _PARTS:
            spec = getattr(self, part)
            settings = spec.changed()
            lines.append(
                f"    {part}={spec.key!r},"
                if not settings
                else f"    {part}={{'key': {spec.key!r}, 'settings': {settings!r}}},"
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
        """Titles of problem, architecture and objective, for lists of runs."""
        return f"{self.problem.title} · {self.architecture.title} · {self.objective.title}"

    def copy(self) -> Experiment:
        """Return an experiment of independent Specs with the same values."""
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

    def _repr_html_(self) -> str:
        members = [getattr(self, part) for part in _PARTS]
        settings = [*zip(_PARTS, (m.title for m in members), members, strict=True)]
        rows = [(part, title, _changed_text(spec)) for part, title, spec in settings]
        rows += [("training", "", _changed_text(self.training))]
        rows += [("steps", self.steps, ""), ("seed", self.seed, "")]
        return html_table(rows, head=("", "", "settings"), title="Experiment") + html_lines(self.refusals())

    def __repr__(self) -> str:
        return (
            f"Experiment({self.problem!r}, {self.architecture!r}, {self.objective!r}, {self.training!r}, "
            f"steps={self.steps}, seed={self.seed})"
        )


def _link_text(link: str) -> str:
    """Return what stands after ``e=`` in a URL, or the text itself where it is no URL.

    Raises `SpecError` for a malformed URL.
    """
    if "=" not in link and "://" not in link:
        return link
    try:
        return (parse_qs(urlparse(link).query).get("e") or [""])[0]
    except ValueError as error:
        raise SpecError(
            "The link is not a valid address",
            expected="https://HOST/?e=…",
            found=f"{link[:80]} ({error})",
            suggestion="copy the whole link again",
        ) from error


def _refuse_travel(problem: Problem | type[Problem]) -> None:
    """Raise `SpecError` for a problem made of data files or functions, which a link must not refer to."""
    if getattr(problem, "reads_files", False) or problem.key in ("simulator", "simulations"):
        raise SpecError(
            f"A link cannot carry the problem '{problem.key}'",
            found="data or functions of your own",
            expected="a problem that is made from its settings alone",
            suggestion="send the run's export, or the data file and the experiment's JSON",
        )


def _changed_text(spec: Spec) -> str:
    """Return the settings that differ from their defaults, in one line."""
    return ", ".join(f"{name} = {value}" for name, value in spec.changed().items()) or "as by default"


def _unknown_part(name: str) -> WorkbenchError:
    """Return the error for an argument that an experiment lacks; it says where a setting of training goes."""
    parts = (*_PARTS, "training", "steps", "seed")
    settings = [s.name for s in Training.settings()]
    if name in settings:
        return unknown(
            "part", name, parts, owner="An experiment", suggestion=f"write training={{{name!r}: …}}"
        )
    return unknown("part", name, parts, owner="An experiment")


def _whole_of_text(value: Any) -> Any:
    """Return the whole number that a text is; anything else as it is, to be refused with its name."""
    try:
        return int(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _whole(name: str, value: Any, low: int, high: int) -> int:
    return whole_number(value, name, low=low, high=high, subject=f"'{name}'")
