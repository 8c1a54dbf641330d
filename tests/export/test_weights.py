"""Saved models: the same numbers in a fresh process, nothing private, and an old file that still loads."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import safetensors.torch
import torch

import workbench as wb
from tests.export.conftest import SMALL, small_run
from tests.export.tampering import unpack
from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.errors import ExportError, SpecError
from workbench.export.vectors import answers, exact_copy
from workbench.inference.out_of_distribution import UnusualObservationWarning

DATA = Path(__file__).parent / "data"

FRESH = """
import sys
from pathlib import Path
import safetensors.torch
import workbench as wb
from tests.export.test_weights import outputs_of
for path in map(Path, sys.argv[1:]):
    safetensors.torch.save_file(outputs_of(wb.load(path)), path.with_suffix(".safetensors"))
"""


def outputs_of(model) -> dict[str, torch.Tensor]:
    """Outputs of a model in its own floating-point type."""
    generator = torch.Generator().manual_seed(5)
    dtype = model.model.dtype
    x, z = (
        torch.randn(50, n, generator=generator, dtype=dtype)
        for n in (len(model.x), model.model.latent_features)
    )
    y = torch.randn(50, len(model.y), generator=generator, dtype=dtype)
    outputs = answers(model, {"x": x, "y": y, "z": z})
    outputs["samples"] = model.sample(20, y[:1] if model.y else None)
    return {name: value.contiguous() for name, value in outputs.items()}


def fresh_process(*arguments: str, code: str = FRESH) -> str:
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_same_numbers_in_a_fresh_process(tmp_path):
    before = {}
    for problem in ("linear_gaussian", "two_moons"):
        for architecture in ARCHITECTURES:
            need = Capability.UNCONDITIONAL if problem == "two_moons" else Capability.CONDITIONAL
            if need not in architecture.capabilities:
                continue
            run = small_run(architecture.key, problem)
            before[wb.save(run, tmp_path / f"{architecture.key}_{problem}.zip")] = outputs_of(run.fitted)
    fresh_process(*map(str, before))
    for path, reference in before.items():
        outputs = safetensors.torch.load_file(path.with_suffix(".safetensors"))
        assert set(outputs) == set(reference)
        assert not [name for name in reference if not torch.equal(outputs[name], reference[name])], path.name


def test_a_double_precision_model_stays_one(tmp_path):
    experiment = wb.Experiment(
        "two_moons",
        {"key": "realnvp", "settings": SMALL},
        training={"samples": 256, "precision": "float64"},
        steps=2,
    )
    run = wb.Run(experiment, device="cpu")
    run.step()
    copy = wb.load(wb.save(run, tmp_path / "model.zip"))
    assert copy.model.dtype == torch.float64
    reference, outputs = outputs_of(run.fitted), outputs_of(copy)
    assert not [name for name in reference if not torch.equal(outputs[name], reference[name])]


def test_the_same_model_is_the_same_file(tmp_path):
    first, second = (wb.save(small_run("maf"), tmp_path / name).read_bytes() for name in ("a.zip", "b.zip"))
    assert first == second
    again = wb.save(wb.load(tmp_path / "a.zip"), tmp_path / "c.zip").read_bytes()
    assert first == again


def test_the_report_says_what_a_file_is(model_file):
    report = wb.check(model_file)
    assert report["ok"] and report["error"] == "" and report["architecture"] == "realnvp"
    assert report["problem"] == "linear_gaussian" and report["shapes"] == {"x": 3, "y": 1, "latent": 3}
    assert (
        report["bytes"] == model_file.stat().st_size and report["deviation"] < 1 and report["iteration"] == 3
    )
    json.dumps(report)


def test_loading_leaves_the_random_numbers_alone(model_file):
    torch.manual_seed(7)
    reference = torch.rand(3)
    torch.manual_seed(7)
    wb.load(model_file)
    assert torch.equal(torch.rand(3), reference)


def test_a_members_zip_can_be_read_by_others(model_file):
    members = unpack(model_file)
    manifest = json.loads(members["manifest.json"])
    names = ["manifest.json", "model.safetensors", "vectors.safetensors", "observations.safetensors"]
    assert list(members) == names
    assert manifest["architecture"] == {
        "key": "realnvp",
        "settings": small_run("realnvp").experiment.architecture.values(),
    }
    assert manifest["versions"]["workbench"] == wb.__version__ and manifest["seed"] == 1
    with zipfile.ZipFile(model_file) as archive:
        assert archive.testzip() is None


# ---- what was seen of observations
def test_a_file_warns_of_an_unlike_observation_as_its_run_does(model_file, tmp_path):
    run, model = small_run("realnvp"), wb.load(model_file)
    assert wb.check(model_file)["knows_observations"]
    for observation in ([0.5], [7.0], [500.0]):
        assert model.concerns(observation) == run.fitted.concerns(observation)
    with pytest.warns(UnusualObservationWarning, match="unlike those of the training"):
        model.posterior([7.0])
    ends = zip(model.typicality.reach, run.fitted.typicality.reach, strict=True)
    assert all(torch.equal(one, other) for one, other in ends)


# ---- what is private stays at home
def table_run(tmp_path: Path, source) -> wb.Run:
    problem = wb.TableProblem(source, x=["secret_column_a", "b"], y=["c"])
    experiment = wb.Experiment(
        problem, {"key": "realnvp", "settings": SMALL}, training={"batch_size": 16}, steps=2
    )
    run = wb.Run(experiment, device="cpu")
    run.step()
    return run


def frame() -> pd.DataFrame:
    generator = torch.Generator().manual_seed(0)
    return pd.DataFrame(
        torch.randn(80, 3, generator=generator).numpy(), columns=["secret_column_a", "b", "c"]
    )


def test_a_table_leaves_neither_its_path_nor_its_rows(tmp_path):
    source = tmp_path / "private_folder" / "patients.csv"
    source.parent.mkdir()
    frame().to_csv(source, index=False)
    run = table_run(tmp_path, str(source))
    path = wb.save(run, tmp_path / "model.zip")
    source.unlink()
    assert b"private_folder" not in path.read_bytes() and b"patients" not in path.read_bytes()
    model = wb.load(path)
    assert [v.name for v in model.x + model.y] == ["secret_column_a", "b", "c"]
    assert torch.equal(model.sample(5, [0.1]), run.fitted.sample(5, [0.1]))
    assert wb.check(path)["problem"] == "table"


def test_what_was_seen_of_a_table_has_no_row_in_it(tmp_path):
    run = table_run(tmp_path, frame())
    members = unpack(wb.save(run, tmp_path / "model.zip"))
    tensors = safetensors.torch.load(members["observations.safetensors"])
    rows = run.data.train_y.double()
    away = (rows - tensors["mean"]) * tensors["whiten"]
    assert "reference" not in tensors
    assert not set(away.abs().flatten().tolist()) & set(tensors["calibrated"].flatten().tolist())
    typicality = wb.load(tmp_path / "model.zip").typicality
    assert float(typicality.p_value(rows).mean()) == pytest.approx(0.5, abs=0.15)
    assert float(typicality.distance(30 * rows[:1])) > 1.25 > float(typicality.distance(rows).max())


def test_a_simulators_functions_are_not_needed(tmp_path):
    problem = wb.SimulatorProblem(
        prior=lambda n, generator: torch.randn(n, 2, generator=generator, dtype=torch.float64),
        simulate=lambda x: x[:, :1] + 0.1 * torch.randn_like(x[:, :1]),
        x=[wb.Variable("a", unit="m"), wb.Variable("b")],
        y=[wb.Variable("c")],
    )
    run = wb.Run(
        wb.Experiment(problem, {"key": "realnvp", "settings": SMALL}, training={"samples": 128}, steps=2)
    )
    model = wb.load(wb.save(run, tmp_path / "model.zip"))
    assert model.x[0].unit == "m" and torch.equal(model.sample(5, [0.1]), run.fitted.sample(5, [0.1]))


# ---- what cannot be saved
def test_only_models_are_saved(tmp_path):
    with pytest.raises(
        SpecError, match="'run_or_fitted' of save .* Expected: a Run or a FittedModel. Found: 'a text'"
    ):
        wb.save("a text", tmp_path / "model.zip")


def test_a_broken_model_is_not_saved_and_the_old_file_stays(tmp_path):
    path = wb.save(small_run("realnvp"), tmp_path / "model.zip")
    before = path.read_bytes()
    model = small_run("realnvp").fitted
    with torch.no_grad():
        next(model.model.parameters())[0] = torch.nan
    with pytest.raises(ExportError, match="finite weights"):
        wb.save(model, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


# ---- files of older versions
def test_an_old_file_still_loads_and_says_the_same():
    """Written by version 0.1.0 (see data/README.md); it must load for as long as format version 1 is read."""
    model = wb.load(DATA / "v1_realnvp.zip")
    reference = json.loads((DATA / "v1_realnvp.json").read_text())
    exact = exact_copy(model)
    inputs = {name: torch.tensor(value, dtype=torch.float64) for name, value in reference["inputs"].items()}
    for name, value in answers(exact, inputs).items():
        torch.testing.assert_close(
            value, torch.tensor(reference["answers"][name], dtype=torch.float64), rtol=1e-7, atol=1e-9
        )
    assert [v.label for v in model.x] == reference["labels"]
