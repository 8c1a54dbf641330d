"""``workbench study``: a grid of experiments, cell by cell; what is finished is not done again."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

from workbench.cli.text import print_json
from workbench.core.errors import SpecError
from workbench.core.spec import parse_setting

_INTERRUPTED = 130


def study_command(args: argparse.Namespace) -> int:
    """Run a study, or go on with it, and print its table."""
    from workbench import studies

    study = studies.STUDIES.make(args.name, **_settings(studies.STUDIES[args.name], args))
    folder = studies.StudyFolder(args.out) if args.out else studies.StudyFolder.standard(study)
    # a scheduler's request to end is heard like Ctrl+C: runs write their checkpoint on the way out
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        data = studies.run(study, out=folder.path, device=args.device, say=_say)
    except KeyboardInterrupt:
        print(
            f"Interrupted; what is done is kept. The same command goes on in {folder.path}", file=sys.stderr
        )
        return _INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    if args.json:
        found = {name: data.attrs[name] for name in ("study", "device", "seconds", "created")}
        print_json(
            found
            | {
                "out": str(folder.result),
                "complete": bool(data.attrs["complete"]),
                "settings": study.values(),
                "rows": studies.rows(data),
                "conclusions": study.conclusions(data),
            }
        )
    else:
        print(studies.text(data))
        print(f"\n{folder.result}")
        if study.figure is not None:
            from workbench import plots

            print(plots.save_figure(studies.figures(data), folder.path / "figure.html"))
    return 0


#: A benchmark is a study; the word is the one that people look for.
bench_command = study_command


def _settings(study: type, args: argparse.Namespace) -> dict[str, Any]:
    values: dict[str, Any] = {"fast": True} if args.fast else {}
    for text in args.settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise SpecError("A setting cannot be read", expected="--set name=value", found=text)
        values[name.strip()] = parse_setting(study, name.strip(), value.strip())
    return values


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
