"""``workbench study`` and ``workbench bench``: a grid of experiments; finished cells are not measured
again."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from workbench.cli.text import parse_settings, print_json

_INTERRUPTED = 130


def study_command(args: argparse.Namespace) -> int:
    """Run or resume a study and print its table."""
    from workbench import studies

    settings = parse_settings(studies.STUDIES[args.name], args.settings)
    settings |= _folder(args)
    study = studies.STUDIES.make(args.name, **(({"fast": True} if args.fast else {}) | settings))
    folder = studies.StudyFolder(args.out) if args.out else studies.StudyFolder.standard(study)
    # SIGTERM of a scheduler acts like Ctrl+C: runs write their checkpoint on the way out
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        data = studies.run(study, out=folder.path, device=args.device, say=_say)
    except KeyboardInterrupt:
        print(
            f"Interrupted; finished cells are stored. The same command continues in {folder.path}",
            file=sys.stderr,
        )
        return _INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    if args.json:
        about = {name: data.attrs[name] for name in ("study", "device", "seconds", "created")}
        print_json(
            about
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


#: A benchmark is a study; ``bench`` is the verb that users expect.
bench_command = study_command


def _folder(args: argparse.Namespace) -> dict[str, str]:
    """Return the setting ``folder`` of ``--folder``; raises `SpecError` for a study that has none."""
    from workbench import studies
    from workbench.core.errors import SpecError

    if args.folder is None:
        return {}
    having = [study.key for study in studies.STUDIES if "folder" in {s.name for s in study.settings()}]
    if args.name not in having:
        raise SpecError(
            f"The study '{args.name}' reads no folder", expected=", ".join(having), found="--folder"
        )
    return {"folder": str(Path(args.folder).expanduser().resolve())}


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
