"""The verbs other than ``train``: list, sample, diagnose, invert, export, check, explore, serve."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from workbench.cli.text import names, numbers, print_json, warned
from workbench.core.errors import SpecError


# ---- list
def list_command(args: argparse.Namespace) -> None:
    """The cards of a catalogue."""
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


def _cards(what: str) -> list[dict[str, Any]]:
    catalogue = getattr(import_module(f"workbench.{what}"), what.upper())
    cards = catalogue.cards()
    if what == "architectures":
        for card, member in zip(cards, catalogue, strict=True):
            card["capabilities"] = sorted(member.capabilities)
            card["cost"], card["formats"] = asdict(member.cost), dict(member.formats)
    return cards


# ---- what is done with a trained model
def _opened(where: str):
    """The run in a folder at its last checkpoint, or the model in an exported file."""
    if not Path(where).exists():
        expected = "a run's folder or an exported model"
        raise SpecError("There is no trained model", expected=expected, found=f"nothing at {where}")
    if not Path(where).is_dir():
        from workbench.export import load

        return load(where)
    from workbench.training import RunFolder

    return RunFolder(where).open()


def sample_command(args: argparse.Namespace) -> None:
    """Draws from a posterior, or from a density where nothing is observed."""
    from workbench.export.posterior import check_path, summary, write_datatree, write_samples
    from workbench.inference.datatree import CHAINS
    from workbench.inference.fitted_model import Posterior

    if args.out:
        check_path(args.out, arviz=args.arviz)
    opened, observation = _opened(args.model), numbers(args.observation)
    fitted = getattr(opened, "fitted", opened)
    if fitted.y and observation is None:
        wanted = ", ".join(v.name for v in fitted.y)
        raise SpecError(
            "This model needs an observation", expected=f"--observation with {wanted}", found="none"
        )
    if observation is None:
        draws = fitted.sample_dataset(args.draws, seed=args.seed)
        posterior, concerns = None, ()
    else:
        posterior = Posterior(fitted, observation)
        draws, concerns = posterior.sample(args.draws, seed=args.seed), warned(posterior.concerns)
    out = None
    if args.out and args.arviz and posterior is not None:
        chains = next(k for k in (CHAINS, 2, 1) if args.draws % k == 0)
        out = str(write_datatree(posterior.to_datatree(args.draws, chains=chains, seed=args.seed), args.out))
    elif args.out:
        out = str(write_samples(draws, args.out, arviz=args.arviz))
    found = summary(draws)
    if args.json:
        told = {"out": out, "draws": args.draws, "observation": observation, "warnings": list(concerns)}
        return print_json(told | {"variables": found})
    for name, row in found.items():
        quantiles = f"5 % {row['q05']:.4g}, median {row['median']:.4g}, 95 % {row['q95']:.4g}"
        print(f"{name:<24} {row['mean']:>10.4g} ± {row['sd']:.3g} {row['unit']}  ({quantiles})")
    if out:
        print(out)


def diagnose_command(args: argparse.Namespace) -> None:
    """Verdicts of the diagnostics on a trained model."""
    from workbench.diagnostics import diagnose

    report = diagnose(
        _opened(args.model),
        only=names(args.only),
        seed=args.seed,
        budget=args.budget,
        observation=numbers(args.observation) or (),
    )
    print_json(report.summary()) if args.json else print(report.plain() if args.plain else report)


def invert_command(args: argparse.Namespace) -> None:
    """Inputs that a trained network maps to an observation, by search."""
    from workbench.core.spec import parse_setting
    from workbench.diagnostics import invert
    from workbench.inversion import INVERSION

    method = INVERSION[args.method]
    pairs = [text.partition("=") for text in args.settings]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise SpecError("A setting cannot be read", expected="--set name=value", found=wrong[0])
    if args.out and Path(args.out).suffix != ".nc":
        raise SpecError("The search is written as NetCDF", expected="a name that ends in .nc", found=args.out)
    settings = {name.strip(): parse_setting(method, name.strip(), value.strip()) for name, _, value in pairs}
    found = invert(
        _opened(args.model),
        numbers(args.observation),
        method=method.from_values(settings),
        seed=args.seed,
    )
    if args.out:
        found.to_netcdf(args.out, engine="netcdf4")
    end = found.isel(moment=-1)
    if args.json:
        kept = {name: found.attrs[name] for name in ("verdict", "sentence", "method", "evaluations")}
        points = {name: end[name].values for name in ("x", "y", "misfit", "reached")}
        return print_json(kept | {"out": args.out, "inputs": list(found["input"].values)} | points)
    print(found.attrs["sentence"])
    for i in end["misfit"].argsort().values[:5]:
        shown = zip(found["input_label"].values, end["x"].values[i], strict=True)
        print(f"misfit {float(end['misfit'][i]):.2g}:  " + ", ".join(f"{n} = {v:.4g}" for n, v in shown))
    if args.out:
        print(args.out)


def export_command(args: argparse.Namespace) -> None:
    """A trained model as a file."""
    from workbench.export import FORMATS, export
    from workbench.training import Posterior

    observation = numbers(args.observation)
    subject = args.model if FORMATS[args.format].of_run else _opened(args.model)
    if observation is not None and FORMATS[args.format].at_observation:
        subject = getattr(subject, "fitted", subject)
        warned(Posterior(subject, observation).concerns)
    path = export(subject, args.format, args.out, function=args.function, observation=observation or ())
    size = path.stat().st_size
    if args.json:
        return print_json({"out": str(path), "format": args.format, "bytes": size})
    print(f"{path}: {size} bytes, checked against the model")


def check_command(args: argparse.Namespace) -> int:
    """What a file is; exit code 2 where it is refused."""
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
    """The posterior explorer with a trained model, until it is interrupted."""
    if args.model and not Path(args.model).exists():
        expected = "a run's folder or an exported model"
        raise SpecError("There is no trained model", expected=expected, found=f"nothing at {args.model}")
    from workbench.ui.serve import serve

    serve(port=args.port, address=args.address, show=args.show, explore=args.model)


def serve_command(args: argparse.Namespace) -> None:
    """The studio, until it is interrupted."""
    from workbench.ui.serve import serve

    serve(port=args.port, address=args.address, show=args.show)
