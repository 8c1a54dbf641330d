"""Store a study's result in the repository: the file, and a card that describes it.

python tools/keep_result.py FOLDER NAME      writes datasets/results/NAME.nc and NAME.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from workbench import studies  # noqa: E402
from workbench.studies.folder import write  # noqa: E402

SETTINGS = {
    "fast": "the **fast** setting: small networks, short training",
    "middle": "the **middle** setting: larger networks and longer training than the fast one has, "
    "and far less of both than the full one",
    "full": "the **full** setting",
}
PLACE = ROOT / "datasets" / "results"


def command(study: studies.Study) -> str:
    """Return the shell command that repeats the study with its settings."""
    switches = {name: True for name in ("fast", "middle") if study.values().get(name)}
    defaults = type(study)(**switches).values()
    changes = {k: v for k, v in study.values().items() if v != defaults[k]}
    words = ["workbench study", study.key, *(["--fast"] if study.fast else [])]
    if "middle" in switches:
        words.append("--set middle=true")
    return " ".join([*words, *(f"--set {name}={_as_text(value)}" for name, value in changes.items())])


def _as_text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def card(folder: studies.StudyFolder) -> str:
    """Describe a stored result in Markdown; every number is read from the result."""
    data, study = studies.load(folder.path), folder.study()
    settings = ", ".join(f"{k} {v}" for k, v in study.values().items() if k != "methods")
    there = data.isel(cell=data["status"].values != "waiting")
    runs = len(set(there["seed"].values.tolist())) if "seed" in there.coords else study.seeds
    seeds = f"{runs} runs" if runs > 1 else "one run"
    waiting = data.sizes["cell"] - there.sizes["cell"]
    versions = ", ".join(f"{k} {v}" for k, v in json.loads(data.attrs["versions"]).items())
    which = SETTINGS[studies.setting(data)]
    lines = [
        f"# {data.attrs['study_title']}",
        "",
        f"{study.summary} This is {which}, {seeds} for each row."
        + (f" Not complete: {waiting} of {data.sizes['cell']} cells were not measured." if waiting else ""),
        "",
        f"- **Made by** `{command(study)}`",
        f"- **Date** {data.attrs['created'][:10]}",
        f"- **Machine** {data.attrs['device']}, shared with other work; {data.attrs['seconds']:.0f} s in "
        "all on the wall. Times in the table are processor time.",
        f"- **Settings** {settings}",
        f"- **Versions** {versions}",
        f"- **Reference** {data.attrs['reference']}",
        "",
        "```",
        studies.text(there),
        "```",
        "",
        *([study.remark, ""] if study.remark else []),
    ]
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, name = studies.StudyFolder(sys.argv[1]), sys.argv[2]
    PLACE.mkdir(parents=True, exist_ok=True)
    write(studies.load(folder.path), PLACE / f"{name}.nc")
    (PLACE / f"{name}.md").write_text(card(folder), encoding="utf-8")
    print(PLACE / f"{name}.md")


if __name__ == "__main__":
    main()
