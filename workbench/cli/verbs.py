"""The commands list, sample, diagnose, invert, export, check, explore and serve of ``workbench``."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli.observations import given, observation, observed
from workbench.cli.text import names, parse_settings, print_json, print_summary, print_warnings
from workbench.core.errors import SpecError
from workbench.core.kinds_of_values import value_text

if TYPE_CHECKING:
    from workbench.inference import FittedModel
    from workbench.training import Run


# ---- list
def list_command(args: argparse.Namespace) -> None:
    """Print key, title and summary of every entry of a catalogue, or a line for every stored run."""
    if args.what == "runs":
        return _list_runs(args.json)
    cards = _cards(args.what)
    if args.json:
        return print_json(cards)
    columns = max(60, min(110, shutil.get_terminal_size().columns))
    for card in cards:
        text = f"{card['title']}. {card['summary']}"
        print(card["key"])
        print(textwrap.fill(text, columns, initial_indent="    ", subsequent_indent="    "))
    if not cards:
        print(f"There are no {args.what} yet.", file=sys.stderr)


def _list_runs(as_json: bool) -> None:
    """Print the stored runs, newest first: id, state, steps and parts, and the reason for a damaged one."""
    from workbench.training import Runs

    runs = Runs()
    infos = runs.list()
    if as_json:
        return print_json([{**asdict(info), "path": str(info.path)} for info in infos])
    for info in infos:
        progress = f"{info.iteration}/{info.steps}" if info.steps else ""
        print(f"{info.id:30}  {info.state:9}  {progress:>15}  {info.title}")
        if info.message and info.state in ("damaged", "failed", "killed"):
            print(textwrap.indent(info.message, "    "))
    if not infos:
        print(
            f"There are no runs in {runs.root} yet. A run of `train --out DIR` is in its own folder DIR.",
            file=sys.stderr,
        )


def _cards(what: str) -> list[dict[str, Any]]:
    package = "snapshots" if what == "views" else what
    catalogue = getattr(import_module(f"workbench.{package}"), what.upper())
    cards = catalogue.cards()
    if what == "architectures":
        for card, member in zip(cards, catalogue, strict=True):
            card["capabilities"] = sorted(member.capabilities)
            card["cost"], card["formats"] = asdict(member.cost), dict(member.formats)
    return cards


# ---- trained models
def _check_exists(where: str) -> None:
    if not Path(where).exists():
        kinds = "a run's folder or an exported model"
        raise SpecError("There is no trained model", expected=kinds, found=f"nothing at {where}")


def open_model(where: str) -> Run | FittedModel:
    """Open the run in a folder at its latest checkpoint, or the model in an exported file. Raises
    `SpecError` where there is neither."""
    _check_exists(where)
    if not Path(where).is_dir():
        from workbench.export import load

        return load(where)
    from workbench.training import RunFolder

    return RunFolder(where).open()


def sample_command(args: argparse.Namespace) -> None:
    """Draw samples from a trained model and print statistics of each variable: from the posterior at
    ``--observation``, or from the density of a model without observations."""
    from workbench.export.posterior import check_path, summary, write_datatree, write_samples
    from workbench.inference.datatree import CHAINS
    from workbench.inference.posterior import Posterior

    if args.out:
        check_path(args.out, arviz=args.arviz)
    model = open_model(args.model)
    model = getattr(model, "fitted", model)
    y = observation(args, model.y, many=True)
    if model.y and y is None:
        columns = ", ".join(v.name for v in model.y)
        raise SpecError(
            "This model needs an observation", expected=f"--observation with {columns}", found="none"
        )
    if y is None:
        draws = model.sample_dataset(args.draws, seed=args.seed)
        posterior, concerns = None, []
    else:
        posterior = Posterior(model, y)
        draws = posterior.sample(args.draws, seed=args.seed)
        concerns = print_warnings(posterior.concerns)
    out = None
    if args.out and args.arviz and posterior is not None:
        chains = next(k for k in (CHAINS, 2, 1) if args.draws % k == 0)
        out = str(write_datatree(posterior.to_datatree(args.draws, chains=chains, seed=args.seed), args.out))
    elif args.out:
        out = str(write_samples(draws, args.out, arviz=args.arviz))
    about = {"out": out, "draws": args.draws, "observation": y, "warnings": concerns}
    if posterior is not None and posterior.many:
        parts = [summary(draws.isel(observation=i)) for i in range(len(posterior))]
        if args.json:
            return print_json(about | {"observations": [{"variables": part} for part in parts]})
        for row, part in zip(posterior.observation, parts, strict=True):
            pairs = zip(model.y, row, strict=True)
            print("at " + ", ".join(f"{v.name} = {value_text(v, value, 6)}" for v, value in pairs))
            print_summary(part, None)
        if out:
            print(out)
        return None
    variables = summary(draws)
    if args.json:
        return print_json(about | {"variables": variables})
    print_summary(variables, out)


def diagnose_command(args: argparse.Namespace) -> None:
    """Diagnose a trained model and print the verdicts."""
    from workbench.diagnostics import diagnose

    model = open_model(args.model)
    report = diagnose(
        model,
        only=names(args.only),
        seed=args.seed,
        budget=args.budget,
        observation=observation(args, observed(model)) or (),
    )
    print_json(report.summary()) if args.json else print(report.plain() if args.plain else report)


def invert_command(args: argparse.Namespace) -> None:
    """Search for inputs that a trained network maps to an observation."""
    from workbench.diagnostics import invert
    from workbench.inversion import INVERSION

    method = INVERSION[args.method]
    settings = parse_settings(method, args.settings)
    if args.out and Path(args.out).suffix != ".nc":
        raise SpecError("The search is written as NetCDF", expected="a name that ends in .nc", found=args.out)
    model = open_model(args.model)
    search = invert(
        model,
        observation(args, observed(model)),
        method=method.from_values(settings),
        seed=args.seed,
    )
    if args.out:
        search.to_netcdf(args.out, engine="netcdf4")
    end = search.isel(moment=-1)
    if args.json:
        about = {name: search.attrs[name] for name in ("verdict", "sentence", "method", "evaluations")}
        points = {name: end[name].values for name in ("x", "y", "misfit", "reached")}
        return print_json(about | {"out": args.out, "inputs": list(search["input"].values)} | points)
    print(search.attrs["sentence"])
    for i in end["misfit"].argsort().values[:5]:
        values = zip(search["input_label"].values, end["x"].values[i], strict=True)
        print(f"misfit {float(end['misfit'][i]):.2g}:  " + ", ".join(f"{n} = {v:.4g}" for n, v in values))
    if args.out:
        print(args.out)


def export_command(args: argparse.Namespace) -> None:
    """Write a trained model, or a run, to a file in an export format."""
    from workbench.export import FORMATS, export
    from workbench.training import Posterior

    subject: Any = args.model if FORMATS[args.format].of_run else open_model(args.model)
    y = None
    if given(args):
        y = observation(args, observed(open_model(args.model)), many=FORMATS[args.format].at_observation)
    if y is not None and FORMATS[args.format].at_observation:
        subject = getattr(subject, "fitted", subject)
        print_warnings(Posterior(subject, y).concerns)
    if y is None and FORMATS[args.format].at_observation and observed(subject):
        from workbench.export.posterior import default_observation, default_sentence

        subject = getattr(subject, "fitted", subject)
        print(default_sentence(subject), file=sys.stderr)
        y = default_observation(subject)
    y = () if y is None else y
    if sys.stderr.isatty() and not args.json:  # translating a network takes seconds
        print(f"Writing {args.out} and checking it against the model …", file=sys.stderr)
    path = export(subject, args.format, args.out, function=args.function, observation=y)
    size = path.stat().st_size
    if args.json:
        about = {"observation": y} if FORMATS[args.format].at_observation else {}
        return print_json({"out": str(path), "format": args.format, "bytes": size, **about})
    print(f"{path}: {size} bytes, checked against the model")


def check_command(args: argparse.Namespace) -> int:
    """Describe an exported model; exit code 2 where it is refused."""
    from workbench.export import check

    report = check(args.file)
    if args.json:
        print_json(report)
    elif report["ok"]:
        shapes = report["shapes"]
        print(
            f"{report['file']}: {report['architecture']}, trained on {report['problem']} for "
            f"{report['iteration']} steps; {shapes['x']} x, {shapes['y']} y, {report['parameters']} weights."
            f" The {report['test_vectors']} test vectors agree."
        )
    if not report["ok"]:
        print(f"workbench: {report['error']}", file=sys.stderr)
    return 0 if report["ok"] else 2


def explore_command(args: argparse.Namespace) -> None:
    """Serve the posterior explorer with a trained model, until it is interrupted."""
    if args.model:
        _check_exists(args.model)
    from workbench.ui.serve import serve

    serve(**_serving(args), explore=args.model)


def serve_command(args: argparse.Namespace) -> None:
    """Serve the studio, until it is interrupted."""
    from workbench.ui.serve import serve

    serve(**_serving(args), page=args.page)


def _serving(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `workbench.ui.serve.serve` that both commands share."""
    from workbench.cli.arguments import OAUTH
    from workbench.ui.login import Login

    names = [*(name.replace("-", "_") for name in OAUTH), "expiry_days", "refresh_tokens"]
    oauth = {name: getattr(args, f"oauth_{name}") for name in names}
    login = Login(args.basic_auth, args.oauth_provider, oauth, args.cookie_secret)
    return {
        "port": args.port,
        "address": args.address,
        "show": args.show,
        "origins": tuple(args.origins),
        "login": login,
        "insecure": args.insecure,
    }
