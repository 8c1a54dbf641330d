"""The catalogues: every member is described, and a new one costs one file and one import line."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import param
import pytest

from workbench.core.catalogue import Catalogue
from workbench.core.spec import Spec
from workbench.snapshots import VIEWS

ROOT = Path(__file__).resolve().parent.parent
#: Package of each catalogue, below ``workbench``, with its name there.
CATALOGUES = {
    "problems": ("problems", "PROBLEMS"),
    "architectures": ("architectures", "ARCHITECTURES"),
    "objectives": ("objectives", "OBJECTIVES"),
    "divergences": ("divergences", "DIVERGENCES"),
    "critics": ("critics", "CRITICS"),
    "diagnostics": ("diagnostics.checks", "DIAGNOSTICS"),
    "inversion": ("inversion", "INVERSION"),
    "refinement": ("refinement", "REFINEMENT"),
    "studies": ("studies", "STUDIES"),
}
#: Largest share of a catalogue's keys that a test may list.
LARGEST_SHARE = 0.9


def catalogue(name: str) -> Catalogue:
    package, attribute = CATALOGUES[name]
    return getattr(import_module(f"workbench.{package}"), attribute)


def catalogues() -> list[Catalogue]:
    return [catalogue(name) for name in CATALOGUES]


# ---- descriptions


def missing_texts(member: type[Spec]) -> list[str]:
    """Texts of a member that menus, tooltips and tables need and that are not there."""
    missing = [] if re.fullmatch(r"[a-z][a-z0-9_]*", member.key) else [f"'{member.key}' is not snake_case"]
    if not (member.title and member.summary.endswith(".") and member.reference):
        missing.append(f"{member.key}: title, summary (a sentence) or reference is missing")
    return missing + [f"{member.key}.{s.name} has no doc" for s in member.settings() if not s.doc]


def test_every_member_and_every_setting_is_described():
    assert not [text for members in catalogues() for member in members for text in missing_texts(member)]


def test_the_guard_sees_a_missing_text():
    class Mute(Spec):
        key, title, summary = "NotSnake", "Mute", "no sentence"
        width = param.Integer(1)

    assert len(missing_texts(Mute)) == 3


def test_every_catalogue_that_can_be_listed_is_here():
    from workbench.cli.arguments import LISTS

    # Views are not specs: they have no settings, and tests of their own in tests/snapshots and tests/plots.
    assert set(LISTS) == {*CATALOGUES, "views", "runs"}


# ---- a new member: one file and one import line

MEMBER = '''"""A member for the tests."""

import param

from {module} import {base}
from workbench.{package} import {catalogue}


@{catalogue}.register
class Synthetic({base}):
    key, title = "synthetic", "Synthetic"
    summary = "A member that a test adds."
    reference = "None."

    flavour = param.Number(0.5, bounds=(0, 1), doc="A setting that a test adds.")
'''
VIEW = '''"""A view for the tests."""

import numpy as np
import xarray as xr

from workbench.snapshots.base import VIEWS, View


@VIEWS.register
class Synthetic(View):
    key, title = "synthetic", "Synthetic"
    summary = "A view that a test adds."
    parts = ("synthetic",)

    def arrays(self, run, context):
        return {"synthetic": np.array([float(run.iteration)])}

    def dataset(self, snapshot, *, pair=(0, 1)):
        values = snapshot.arrays.get("synthetic", np.empty(0))
        return xr.Dataset({"value": ("point", values)})
'''
PLOT = '''"""The plot of a view for the tests."""

import holoviews as hv


def synthetic(data):
    return hv.Scatter(data["value"].values)
'''
#: Run in the copy: whatever finds members, for each catalogue.
FINDERS = """
import contextlib, io, json, sys
from importlib import import_module

catalogues = json.loads(sys.argv[1])
from workbench.cli import main
from workbench.cli.arguments import parser
from workbench.cli.text import parse_settings
from workbench.cli.training import experiment
from tools import readme

result = {}
for name, (package, attribute) in catalogues.items():
    catalogue = getattr(import_module(f"workbench.{package}"), attribute)
    member = catalogue["synthetic"]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        main(["list", name, "--json"])
    card = next(card for card in json.loads(output.getvalue()) if card["key"] == "synthetic")
    settings = parse_settings(member, ["flavour=0.25"])
    spec = catalogue.resolve({"key": "synthetic", "settings": settings})
    result[name] = {
        "list": card["settings"]["flavour"]["doc"],
        "readme": "`synthetic`" in readme.TABLES[name](),
        "round trip": spec == catalogue.make("synthetic", **json.loads(json.dumps(spec.values()))),
        "form": [s.name for s in member.settings()],
    }

import panel as pn
from workbench.ui.form import Form
for name, (package, attribute) in catalogues.items():
    member = getattr(import_module(f"workbench.{package}"), attribute)["synthetic"]
    if not hasattr(member, "unavailable") or not member.unavailable():
        result[name]["form"] = list(Form(member(flavour=0.25)).widgets)

def through_link(*words):
    asked = experiment(parser().parse_args(["train", *words]))
    return asked, type(asked).from_link(asked.to_link())

for name, words in {
    "problems": ["--problem", "synthetic", "--set", "problem.flavour=0.25"],
    "architectures": ["--problem", "two_moons", "--architecture", "synthetic", "--set", "flavour=0.25"],
    "objectives": ["--problem", "two_moons", "--objective", "synthetic", "--set", "flavour=0.25"],
    "divergences": ["--problem", "two_moons", "--objective", "variational", "--set", "divergence=synthetic"],
    "critics": ["--problem", "two_moons", "--objective", "variational", "--set", "critic=synthetic"],
}.items():
    before, after = through_link(*words)
    result[name]["link"] = before == after and "synthetic" in after.to_json()
print(json.dumps(result))
"""


def copy_of_the_project(folder: Path) -> Path:
    """The package and the tools, without caches."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("workbench", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / "README.md", folder)
    return folder


def add_line(path: Path, line: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


def in_copy(folder: Path, code: str, *arguments: str) -> dict:
    """The JSON that code prints last, run with the copy in place of the project."""
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, timeout=240
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return json.loads(process.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[str, dict]:
    """Answers of lists, tables, forms and links after one file and one line for each catalogue."""
    folder = copy_of_the_project(tmp_path_factory.mktemp("copy"))
    for name, (package, attribute) in CATALOGUES.items():
        base = next(member for member in catalogue(name) if not getattr(member, "reads_files", False))
        home = base.__module__.rpartition(".")[0]
        text = MEMBER.format(module=base.__module__, base=base.__name__, package=package, catalogue=attribute)
        (folder / home.replace(".", "/") / "synthetic.py").write_text(text, encoding="utf-8")
        init = folder / "workbench" / package.replace(".", "/") / "__init__.py"
        add_line(init, f"from {home} import synthetic  # noqa: E402, F401")
    return in_copy(folder, FINDERS, json.dumps(CATALOGUES))


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_new_member_is_found_everywhere(answers, name):
    answer = answers[name]
    assert answer["list"] == "A setting that a test adds." and answer["readme"] and answer["round trip"]
    assert "flavour" in answer["form"]
    assert answer.get("link", True)


SHOW_VIEW = """
import json
import holoviews as hv
import workbench as wb
from workbench import diagnostics, plots
from workbench.snapshots import VIEWS, applicable

hv.extension("bokeh")
run = wb.Run(wb.Experiment("two_moons", "nice", training={"samples": 256}, steps=2), device="cpu")
for record in run:
    pass
data = diagnostics.synthetic(run.snapshot(wb.SnapshotRequest(views=("synthetic",))))
print(json.dumps({
    "applies": "synthetic" in applicable(run.experiment),
    "value": data["value"].values.tolist(),
    "empty": diagnostics.empty("synthetic").sizes["point"],
    "plot": type(plots.synthetic(data)).__name__,
    "listed": VIEWS["synthetic"].title,
}))
"""


def test_a_new_view_costs_one_file_with_one_line_and_a_plot(tmp_path):
    folder = copy_of_the_project(tmp_path)
    (folder / "workbench/snapshots/synthetic.py").write_text(VIEW, encoding="utf-8")
    add_line(folder / "workbench/snapshots/__init__.py", "from workbench.snapshots import synthetic  # noqa")
    (folder / "workbench/plots/synthetic.py").write_text(PLOT, encoding="utf-8")
    assert in_copy(folder, SHOW_VIEW) == {
        "applies": True,
        "value": [2.0],
        "empty": 0,
        "plot": "Scatter",
        "listed": "Synthetic",
    }


# ---- no test lists a catalogue


def literal_texts(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """Line and texts of every literal collection; of a table, its keys."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            parts = node.elts
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        else:
            continue
        # ``pytest.param("key", …)`` and ``("key", …)`` count as their first part
        heads = [
            part.args[0]
            if isinstance(part, ast.Call) and part.args
            else part.elts[0]
            if isinstance(part, ast.Tuple) and part.elts
            else part
            for part in parts
        ]
        yield (
            node.lineno,
            {p.value for p in heads if isinstance(p, ast.Constant) and isinstance(p.value, str)},
        )


def enumerations(files: Iterable[Path], keys: dict[str, set[str]]) -> list[str]:
    """Literal collections that hold nearly all keys of a catalogue."""
    return [
        f"{path.name}:{line} lists the catalogue of {name}"
        for path in files
        for line, texts in literal_texts(ast.parse(path.read_text(encoding="utf-8")))
        for name, members in keys.items()
        if len(members & texts) >= LARGEST_SHARE * len(members)
    ]


def test_no_test_lists_the_keys_of_a_catalogue():
    keys = {name: set(catalogue(name).keys()) for name in CATALOGUES} | {"views": set(VIEWS.shown())}
    files = [path for path in sorted((ROOT / "tests").rglob("*.py")) if "compatibility" not in path.parts]
    assert not enumerations(files, keys)


def test_the_guard_sees_a_list_of_keys(tmp_path):
    keys = {"letters": {"a", "b", "c"}}
    for number, text in enumerate(
        ("x = ['a', 'b', 'c']", "x = {'a': 1, 'b': 2, 'c': 3, 'd': 4}", "x = [('a', 1), p('b'), 'c']")
    ):
        (path := tmp_path / f"{number}.py").write_text(text)
        assert len(enumerations([path], keys)) == 1, text
    (path := tmp_path / "few.py").write_text("x = ['a', 'b']")
    assert not enumerations([path], keys)


# ---- without torch


def test_lists_and_the_screen_load_no_torch():
    modules = ["workbench.cli", *(f"workbench.{package}" for package, _ in CATALOGUES.values())]
    code = (
        "import sys\nfrom importlib import import_module\n"
        f"for name in {[*modules, 'workbench.export', 'workbench.ui.studio']!r}:\n"
        "    import_module(name)\n"
        "    assert not {'torch', 'zuko'} & set(sys.modules), name\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-2000:]
