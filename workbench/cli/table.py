"""``workbench table``: the columns of a table, what each suggests, and the command that trains on them."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict
from typing import Any

from workbench.cli.text import print_json, print_warnings
from workbench.core.names import quoted_names
from workbench.problems.user.kinds import Column, described, proposed_settings


def table_command(args: argparse.Namespace) -> None:
    """Print name, unit and proposed kind of every column of a table."""
    columns, notes = described(args.file, group_path=args.group_path)
    print_warnings(notes)
    if args.json:
        return print_json([asdict(column) for column in columns])
    print(f"{columns[0].rows if columns else 0} rows, {len(columns)} columns")
    for column in columns:
        name = f"{column.name} [{column.unit}]" if column.unit else column.name
        text = column.refusal or column.reason
        missing = f"; {column.missing} missing" if column.missing else ""
        print(f"{name:<28} {_NOUNS[column.kind]:<14} {text}{missing}")
    if usable := [column for column in columns if column.usable]:
        print(f"\n{_command(args, usable)}")


#: What the command line calls the kinds.
_NOUNS = {
    "number": "number",
    "log": "logarithm",
    "whole": "whole numbers",
    "period": "cyclic",
    "categories": "categories",
    "constant": "leave out",
    "none": "unusable",
}


def _command(args: argparse.Namespace, columns: list[Column]) -> str:
    """Return the command that infers the last usable column from the others, with the proposed kinds."""
    names = [column.name for column in columns]
    words = ["workbench", "train", "--data", args.file, "--x", quoted_names(names[-1:])]
    words += ["--y", quoted_names(names[:-1])] if names[:-1] else []
    settings = proposed_settings(columns)
    if args.group_path:
        settings["group_path"] = args.group_path
    if any(column.missing for column in columns):
        settings["missing"] = "drop"
    if architecture := _architecture(args.file, names, settings):
        words += ["--architecture", architecture]
    for name, value in settings.items():
        if isinstance(value, dict):
            value = quoted_names(f"{column}:{number:g}" for column, number in value.items())
        elif isinstance(value, list):
            value = quoted_names(value)
        words += ["--set", f"problem.{name}={value}"]
    return shlex.join(words)


def _architecture(path: str, names: list[str], settings: dict[str, Any]) -> str:
    """Return the first architecture that learns the last of the columns; "" where the default one does."""
    from workbench.architectures import ARCHITECTURES
    from workbench.problems import PROBLEMS
    from workbench.training import Experiment

    problem = PROBLEMS.make("table", path=path, x_columns=names[-1:], y_columns=names[:-1], **settings)
    if problem.refusals() or not Experiment(problem).refusals():
        return ""
    fits = (key for key in ARCHITECTURES.keys() if not Experiment(problem, key).refusals())
    return next(fits, "")
