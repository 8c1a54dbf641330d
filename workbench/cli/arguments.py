"""Commands and options of the command line. Imports nothing slow, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

from workbench import __version__
from workbench.core.errors import unknown

LISTS = (
    "problems",
    "architectures",
    "objectives",
    "divergences",
    "critics",
    "diagnostics",
    "inversion",
    "refinement",
    "studies",
    "views",
    "runs",
)
FORMATS = ("weights", "graph", "onnx", "notebook", "formula", "posterior", "report")
#: Beginning of a value that argparse takes for an option: -1.5, -.5, -inf.
_NEGATIVE = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)
FUNCTIONS = ("inverse", "latent", "log_prob", "predict")
BUDGETS = ("fast", "thorough")
PAGES = ("studio", "inversion", "compare", "posterior")
#: Options of a login by OAuth that are texts, without ``--oauth-``.
OAUTH = {
    "key": "this server's id at the provider",
    "secret": "its secret at the provider",
    "redirect-uri": "address to which the provider sends users back",
    "extra-params": 'further parameters of the provider: {"tenant": "…"}',
    "jwt-user": "entry of the provider's token that names the user",
    "encryption-key": "key that encrypts what the provider says of a user, from `panel oauth-secret`",
}


#: Settings of the columns of a table, as ``workbench train --help`` and ``workbench table --help`` show them.
TABLE_SETTINGS = """settings of the columns of your own table, each after --set:
  log=A,B               positive columns, learned by their logarithm
  whole=A,B             whole numbers, such as counts; so are the samples
  categories=A,B        labels in no order: texts, or numbers 0, 1, 2, …
  robust=A,B            heavy tails: far values are learned by their logarithm
  period=A:24,B:360     cyclic columns and their periods, such as hours and degrees
  low=A:0  high=A:1     bounds: no sample lies outside
  missing=drop          leave out rows in which a value is missing
  group=A               equal values mark rows that belong together, such as one station
  group_path=NAME       group of a NetCDF, HDF5 or Zarr file, or sheet of an Excel file (or FILE#NAME)
  row_dimension=NAME    dimension of a Dataset that its rows run over
A name with a comma stands between quotation marks: --set 'period="hour, local":24'.
'workbench table FILE' proposes them for each column and prints the whole command."""


#: Characters at the beginning and at the end of a longer message that are printed.
_LONGEST = 300


class Parser(argparse.ArgumentParser):
    """Argument parser with "did you mean", and with errors as JSON on stdout too where ``as_json`` is
    True."""

    as_json = False

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '?([^']*?)'? \(choose from (.*)\)", message)
        if wrong:
            options = [option.strip(" '") for option in wrong[2].split(",")]
            message = str(unknown("choice", wrong[1], options))
        message = message if len(message) < 2 * _LONGEST else f"{message[:_LONGEST]} … {message[-_LONGEST:]}"
        self.print_usage(sys.stderr)
        if self.as_json:
            print(json.dumps({"error": message}))
        self.exit(2, f"{self.prog}: {message}\n")


def parser(*, as_json: bool = False) -> argparse.ArgumentParser:
    """Build the parser of all commands and options; with ``as_json`` it prints errors on stdout as JSON
    too."""
    kind = type("Parser", (Parser,), {"as_json": as_json})
    top = kind(prog="workbench", description="See invertible networks learn.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"vina-workbench {__version__}")
    strict = partial(kind, allow_abbrev=False)
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=strict)

    def verb(name: str, text: str, *, module: str = "verbs") -> argparse.ArgumentParser:
        options = verbs.add_parser(name, help=text, description=text)
        options.set_defaults(command=_later(module, name))
        if name not in ("serve", "explore"):
            options.add_argument("--json", action="store_true", help="JSON on stdout")
        return options

    verb("list", "List the entries of a catalogue, or the stored runs.").add_argument("what", choices=LISTS)
    _table(verb("table", "Describe the columns of a table: what each suggests.", module="table"))
    _train(verb("train", "Train an experiment; the run is a folder.", module="training"))
    _sample(verb("sample", "Draw from a trained model."))
    _diagnose(verb("diagnose", "Diagnose a trained run: calibration, latent, density, inverse."))
    _invert(verb("invert", "Search for inputs that a trained network maps to an observation."))
    text = "Refine the posterior of one observation: weights, Markov chains, further rounds."
    _refine(verb("refine", text, module="refine"))
    _report(
        verb(
            "report",
            "Write the report of a run: one HTML page that opens without a network.",
            module="report",
        )
    )
    _simulate(
        verb(
            "simulate",
            "Draw pairs of a problem into a Zarr dataset, in chunks; resumable.",
            module="simulate",
        )
    )
    _export(verb("export", "Export a trained model to a file, checked against the model."))
    verb("check", "Describe an exported model and check that it can be loaded.").add_argument(
        "file", metavar="FILE"
    )
    _study(verb("study", "Measure a grid of experiments and print its table.", module="study"))
    _study(verb("bench", "Measure a benchmark with its baselines and print its table.", module="study"))
    explore = verb("explore", "Explore a trained model's posterior in the browser.")
    explore.add_argument("model", nargs="?", default="", metavar="MODEL", help="a run's folder, or a file")
    _serve(explore)
    studio = verb("serve", "Serve the studio and its pages, on this machine unless told otherwise.")
    studio.add_argument("--page", choices=PAGES, default="studio", help="page that is opened (studio)")
    _serve(studio)
    return top


def _later(module: str, name: str) -> Callable:
    """Return a function that imports ``workbench.cli.<module>`` only when it is called, and runs its
    ``<name>_command``."""

    def command(args: argparse.Namespace) -> int | None:
        return getattr(import_module(f"workbench.cli.{module}"), f"{name}_command")(args)

    return command


def joined(words: Sequence[str]) -> list[str]:
    """Join an option and a value that begins with a minus and a digit, as in ``--observation -1.5,0``.

    argparse would take the value for an option; none of ours begins with a digit.
    """
    result: list[str] = []
    for word in words:
        option = result[-1] if result else ""
        if option.startswith("--") and len(option) > 2 and "=" not in option and _NEGATIVE.match(word):
            result[-1] = f"{option}={word}"
        else:
            result.append(word)
    return result


def _observation(options: argparse.ArgumentParser, text: str, *, required: bool = False) -> None:
    """Add ``--observation`` and ``--observation-file``, of which one may be given."""
    choice = options.add_mutually_exclusive_group(required=required)
    choice.add_argument(
        "--observation", metavar="1.5,0", help=f"{text}: in the order of y, or by name as in b=1.5,c=0"
    )
    choice.add_argument(
        "--observation-file",
        metavar="FILE",
        help="the same as a table with the columns of y (CSV, Parquet, NetCDF or Zarr)",
    )


def _set(options: argparse.ArgumentParser, text: str) -> None:
    options.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="settings", help=text
    )


def _table(options: argparse.ArgumentParser) -> None:
    options.add_argument(
        "file", metavar="FILE", help="CSV, Excel, Parquet, NetCDF, HDF5, Zarr, NumPy, MATLAB, Stata, JSON, …"
    )
    options.add_argument(
        "--group-path", default="", metavar="NAME", help="group of the file, or sheet of Excel (or FILE#NAME)"
    )
    options.epilog, options.formatter_class = TABLE_SETTINGS, argparse.RawDescriptionHelpFormatter


def _train(options: argparse.ArgumentParser) -> None:
    options.add_argument("experiment", nargs="?", metavar="experiment.json", help="an experiment as a file")
    for part in ("problem", "architecture", "objective"):
        options.add_argument(f"--{part}", metavar="KEY", help=f"see: workbench list {part}s")
    _set(options, "a setting: width=32, or objective.weight_z=2 where the name stands in several parts")
    options.epilog = TABLE_SETTINGS
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    options.add_argument(
        "--data", metavar="FILE", help="a table of your own (CSV, Excel, Parquet, NetCDF, …)"
    )
    options.add_argument(
        "--x", metavar="A,B", help="the table's columns to infer; a name with a comma: '\"a, b\"'"
    )
    options.add_argument("--y", metavar="C,D", help="the table's columns that are observed")
    options.add_argument(
        "--recommended",
        type=int,
        metavar="N",
        nargs="?",
        const=10_000,
        help="the recommended experiment for N simulations (10000) of an inverse problem",
    )
    options.add_argument("--steps", type=int, metavar="N", help="planned optimiser steps (2000)")
    options.add_argument("--seed", type=int, metavar="S", help="seed of all random numbers (0)")
    options.add_argument("--out", metavar="DIR", help="folder of the run (a new one among the studio's runs)")
    options.add_argument("--resume", metavar="DIR", help="resume a run from its latest checkpoint")
    options.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")


def _model(options: argparse.ArgumentParser) -> None:
    options.add_argument("model", metavar="DIR", help="folder of a run, or an exported model")


def _sample(options: argparse.ArgumentParser) -> None:
    _model(options)
    _observation(options, "the observed values; a file may hold many observations, one in each row")
    options.add_argument("--draws", type=int, default=1000, metavar="N", help="number of draws (1000)")
    options.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same draws (0)")
    options.add_argument("--out", metavar="FILE", help="file for the draws: .nc, .csv, or .zarr")
    options.add_argument(
        "--arviz",
        action="store_true",
        help="with prior, predictions and log densities in ArviZ's groups, as .nc or .zarr",
    )


def _diagnose(options: argparse.ArgumentParser) -> None:
    _model(options)
    options.add_argument("--budget", choices=BUDGETS, default="fast", help="seconds, or minutes (thorough)")
    options.add_argument(
        "--only", metavar="A,B", help="only these diagnostics (see: workbench list diagnostics)"
    )
    _observation(options, "observation for local diagnostics")
    options.add_argument(
        "--plain", action="store_true", help="a plain-language summary: checks, failures and remedies"
    )
    options.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same verdict (0)")


def _invert(options: argparse.ArgumentParser) -> None:
    _model(options)
    _observation(options, "target values", required=True)
    options.add_argument("--method", metavar="KEY", default="gradient", help="see: workbench list inversion")
    _set(options, "a setting of the method")
    options.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same search (0)")
    options.add_argument("--out", metavar="FILE", help="file for the whole search: .nc (NetCDF)")


def _refine(options: argparse.ArgumentParser) -> None:
    _model(options)
    _observation(options, "observed values", required=True)
    options.add_argument(
        "--method", metavar="KEY", default="automatic", help="see: workbench list refinement"
    )
    _set(options, "a setting of the method")
    options.add_argument(
        "--draws", type=int, default=1000, metavar="N", help="number of draws to write (1000)"
    )
    options.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same draws (0)")
    options.add_argument("--out", metavar="FILE", help="file for the draws: .nc (NetCDF) or .csv")


def _report(options: argparse.ArgumentParser) -> None:
    options.add_argument("model", metavar="DIR", help="folder of a run")
    options.add_argument("--out", metavar="FILE.html", required=True)
    _observation(options, "observed values of the posterior that is plotted")
    options.add_argument("--budget", choices=BUDGETS, default="fast", help="effort of the diagnostics (fast)")
    options.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same verdict (0)")


def _simulate(options: argparse.ArgumentParser) -> None:
    options.add_argument("problem", metavar="PROBLEM", help="see: workbench list problems")
    options.add_argument("--draws", type=int, default=100_000, metavar="N", help="number of pairs (100000)")
    options.add_argument(
        "--out", metavar="FILE.zarr", required=True, help="the dataset; an unfinished one is resumed"
    )
    options.add_argument(
        "--chunk", type=int, default=10_000, metavar="N", help="pairs simulated at a time (10000)"
    )
    options.add_argument(
        "--seed", type=int, default=0, metavar="S", help="same seed and chunk, same draws (0)"
    )
    _set(options, "a setting of the problem")


def _export(options: argparse.ArgumentParser) -> None:
    _model(options)
    options.add_argument("--format", choices=FORMATS, default="weights")
    options.add_argument("--out", metavar="FILE", required=True)
    options.add_argument(
        "--function",
        choices=FUNCTIONS,
        default="inverse",
        help="what a graph or an ONNX file computes: x from z (sampling), z from x, the density, or y from x",
    )
    _observation(options, "observed values of a posterior (default: the problem's own)")


def _study(options: argparse.ArgumentParser) -> None:
    options.add_argument("name", metavar="NAME", help="see: workbench list studies")
    options.add_argument(
        "--fast",
        action="store_true",
        help="the small setting: most studies end within an hour on a shared machine; the card of a stored "
        "result gives its time",
    )
    _set(options, "a setting")
    options.add_argument(
        "--folder", metavar="DIR", help="folder of the tables NAME.csv to measure (tables), the target last"
    )
    options.add_argument(
        "--out", metavar="DIR", help="the study's folder (its own under the workbench's home)"
    )
    options.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")


def _serve(options: argparse.ArgumentParser) -> None:
    options.add_argument("--port", type=int, default=5006, help="0 takes any free one (5006)")
    options.add_argument("--address", default="localhost", help="interface to listen on (this machine only)")
    options.add_argument("--show", action="store_true", help="open a browser window")
    options.add_argument(
        "--origin",
        action="append",
        default=[],
        dest="origins",
        metavar="NAME[:PORT]",
        help="another name under which browsers open the pages, such as that of a proxy; may be repeated",
    )
    login = options.add_argument_group(
        "login",
        "required for an address that others can reach; secrets may stand in Panel's environment variables "
        "instead, such as PANEL_BASIC_AUTH and PANEL_OAUTH_SECRET",
    )
    login.add_argument(
        "--insecure", action="store_true", help="serve without a login: whoever reaches it may use it"
    )
    login.add_argument(
        "--basic-auth", default="", metavar="PASSWORD", help="a password, or a JSON file {NAME: PASSWORD}"
    )
    login.add_argument("--oauth-provider", default="", metavar="NAME", help="github, google, okta, …")
    for name, text in OAUTH.items():
        login.add_argument(f"--oauth-{name}", metavar=name.rpartition("-")[2].upper(), help=text)
    login.add_argument("--oauth-expiry-days", type=float, metavar="DAYS", help="how long a login holds (1)")
    login.add_argument(
        "--oauth-refresh-tokens", action="store_true", default=None, help="renew access that has expired"
    )
    login.add_argument(
        "--cookie-secret",
        default="",
        metavar="TEXT",
        help="secret that signs the login's cookies (one that is kept in the workbench's home)",
    )
