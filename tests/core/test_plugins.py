"""Plug-ins: a package that is really installed, a broken one, and files that need what is not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.core import plugins
from workbench.core.catalogue import Catalogue
from workbench.core.errors import SpecError
from workbench.core.spec import Spec

ROOT = Path(__file__).resolve().parent.parent.parent
MODULE = '''
import torch
from torch import nn

import workbench as wb
from workbench.core.variable import Variable
from workbench.objectives import OBJECTIVES, MaximumLikelihood
from workbench.problems import PROBLEMS, Problem


class Shift(nn.Module):
    def __init__(self, features, context, width):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(features))
        self.net = nn.Sequential(nn.Linear(context, width), nn.Tanh(), nn.Linear(width, features))

    def forward(self, x, y):
        return (x - self.net(y)) * self.scale.exp(), self.scale.sum().expand(x.shape[0])

    def inverse(self, z, y):
        return z * (-self.scale).exp() + self.net(y)


@wb.wrap.bijection(title="Tiny <b>flow</b>")
def tiny_flow(features, context, width=8):
    """A shift and a scale."""
    return Shift(features, context, width)


@wb.wrap.divergence
def tiny_distance(p, q, power=2.0):
    return (p.mean(0) - q.mean(0)).abs().pow(power).sum() + (p.std(0) - q.std(0)).abs().pow(power).sum()


class TinyObjective(MaximumLikelihood):
    key, title = "tiny_objective", "Tiny likelihood"


@PROBLEMS.register
class TinyProblem(Problem):
    key, title = "tiny_problem", "Tiny problem"
    summary = "A number and its noisy copy."
    reference = "None."
    x = (Variable("a", unit="m"),)
    y = (Variable("b"),)
    window = ((-4.0, 4.0),)
    observation_window = ((-5.0, 5.0),)
    default_observation = (0.5,)
    capabilities = frozenset({"observation"})

    def _draw(self, n, generator):
        x = torch.randn(n, 1, generator=generator, dtype=torch.float64)
        return x, x + 0.5 * torch.randn(n, 1, generator=generator, dtype=torch.float64)
'''
ENTRY_POINTS = """[workbench.architectures]
tiny_flow = tiny_flows:tiny_flow
broken_flow = tiny_flows_broken:Flow
not_a_flow = tiny_flows:Shift

[workbench.divergences]
tiny_distance = tiny_flows:tiny_distance

[workbench.objectives]
tiny_objective = tiny_flows:TinyObjective

[workbench.problems]
tiny_problem = tiny_flows
"""
#: A process in which the package is installed: trains each kind of member, and writes files.
WRITE = """
import json, sys, warnings
import workbench as wb
folder = sys.argv[1]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    keys = wb.architectures.ARCHITECTURES.keys()
assert "torch" in sys.modules  # the plug-in imports it
training = {"samples": 256, "batch_size": 64}
run = wb.Run(wb.Experiment("tiny_problem", "tiny_flow", "tiny_objective", training, steps=5), device="cpu")
run.train(progress=False)
run.save(folder + "/run")
wb.save(run, folder + "/model.zip")
objective = {"key": "variational", "settings": {"divergence": "tiny_distance", "tiny_distance_power": 3.0}}
other = wb.Experiment("linear_gaussian", "tiny_flow", objective, training, steps=3)
open(folder + "/other.json", "w").write(other.to_json())
print(json.dumps({
    "keys": keys,
    "warnings": [str(w.message) for w in caught],
    "origin": wb.architectures.ARCHITECTURES.origin("tiny_flow"),
    "plugins": other.plugins(),
    "loss": wb.Run(other, device="cpu").train(progress=False).history[-1].loss,
    "draws": run.fitted.sample(4, [0.5]).tolist(),
}))
"""
#: A new process in which the package is installed, and none of its modules is imported by hand.
READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import workbench as wb
from workbench.training import RunFolder
folder = sys.argv[1]
fitted = wb.load(folder + "/model.zip")
run = RunFolder(folder + "/run").load_run(device="cpu") if hasattr(RunFolder, "load_run") else None
other = wb.Experiment.from_json(open(folder + "/other.json").read())
print(json.dumps({
    "draws": fitted.sample(4, [0.5]).tolist(),
    "power": other.objective.make_divergence().power,
    "settings": "tiny_distance_power" in {s.name for s in other.objective.settings()},
}))
"""
#: A process without the package.
MISS = """
import json, sys
import workbench as wb
folder, texts = sys.argv[1], []
for attempt in (
    lambda: wb.load(folder + "/model.zip"),
    lambda: wb.Experiment.from_json(open(folder + "/other.json").read()),
):
    try:
        attempt()
    except wb.WorkbenchError as error:
        texts.append(str(error))
print(json.dumps({"texts": texts, "check": wb.check(folder + "/model.zip")["error"]}))
"""


def install(site: Path) -> None:
    """Write a package with its metadata into a folder, as an installer does."""
    site.mkdir()
    (site / "tiny_flows.py").write_text(MODULE)
    (site / "tiny_flows_broken.py").write_text("raise ImportError('no module named cuda_magic')\n")
    info = site / "tiny_flows-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-flows\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (info / "top_level.txt").write_text("tiny_flows\ntiny_flows_broken\n")
    (info / "RECORD").write_text("tiny_flows.py,,\ntiny_flows_broken.py,,\n")


def process(code: str, folder: Path, *paths: Path) -> dict:
    """Return the JSON that code prints last, in a process of its own with further folders to import from."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [*paths, ROOT]))}
    result = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plugins")
    install(folder / "site")
    return folder


@pytest.fixture(scope="module")
def answers(folder) -> dict:
    return process(WRITE, folder, folder / "site")


def test_members_of_another_package_are_listed_and_train(answers):
    assert answers["keys"][-1] == "tiny_flow" and answers["keys"][0] == "nice"
    assert answers["origin"] == {"package": "tiny-flows", "version": "0.3"}
    assert set(answers["plugins"]) == {"architecture", "objective.divergence"}
    assert abs(answers["loss"]) < 1e3


def test_a_broken_plug_in_is_named_and_breaks_nothing(answers):
    import_failure, wrong_class = answers["warnings"]
    assert (
        "architecture 'broken_flow'" in import_failure
        and "tiny-flows 0.3" in import_failure
        and "cuda_magic" in import_failure
    )
    assert "'tiny_flows:Shift' is no architecture" in wrong_class and "Architecture" in wrong_class


def test_a_saved_model_opens_in_a_new_process_with_the_package(folder, answers):
    again = process(READ, folder, folder / "site")
    assert again["draws"] == answers["draws"]
    assert again["power"] == 3.0 and again["settings"]


def test_without_the_package_a_file_says_what_to_install(folder, answers):
    result = process(MISS, folder)
    assert len(result["texts"]) == 2
    for text in (*result["texts"], result["check"]):
        assert "'tiny-flows 0.3', which is not installed here: install it" in text, text


def test_what_a_file_names_is_never_imported(folder, answers, tmp_path, monkeypatch):
    from workbench.training import Experiment

    (tmp_path / "malicious.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    values = json.loads((folder / "other.json").read_text())
    values["plugins"] = {"architecture": {"module": "malicious"}}
    with pytest.raises(SpecError, match="registered in 'malicious': run or import that first"):
        Experiment.from_dict(values)
    assert "malicious" not in sys.modules
    values["plugins"] = {"architecture": {"package": "; rm -rf <b>"}, "problem": ["odd"]}
    with pytest.raises(SpecError) as refusal:
        Experiment.from_dict(values)
    assert "rm -rf" not in str(refusal.value)


# ---- a catalogue by itself


class Kettle(Spec):
    key, title, summary = "kettle", "Kettle", "Boils water."


def test_a_class_that_is_defined_anew_takes_its_former_place():
    catalogue = Catalogue("kettles", "kettle")
    catalogue.register(Kettle)
    catalogue.register(type("Pot", (Spec,), {"key": "pot", "title": "Pot", "summary": "Boils soup."}))
    again = type("Kettle", (Spec,), {"key": "kettle", "title": "Kettle", "summary": "Boils more."})
    again.__module__, again.__qualname__ = Kettle.__module__, "Kettle"
    catalogue.register(again)
    assert catalogue.keys() == ["kettle", "pot"] and catalogue["kettle"] is again
    with pytest.raises(SpecError, match="taken twice.*Kettle and"):
        catalogue.register(type("Other", (Spec,), {"key": "kettle", "title": "K", "summary": "S."}))


def test_a_catalogue_shows_itself_without_markup_of_others():
    catalogue = Catalogue("kettles", "kettle")
    catalogue.register(
        type("Odd", (Spec,), {"key": "odd", "title": "<script>", "summary": "Boils & whistles."})
    )
    assert "&lt;script&gt;" in catalogue._repr_html_() and "<script>" not in catalogue._repr_html_()
    assert repr(catalogue) == "<catalogue of kettles: odd>"


def test_built_in_members_need_no_plug_in():
    assert plugins.origin(Catalogue) == {}
    assert plugins.advice(None) == plugins.advice({"architecture": {"package": "numpy"}}) == ""
