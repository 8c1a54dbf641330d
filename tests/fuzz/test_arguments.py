"""Public functions with arguments of the wrong type, and with numbers that no call could use."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import workbench as wb
from workbench.core.entries import public
from workbench.core.errors import FileError, MemoryShortage, SpecError, WorkbenchError

#: A value that is no number, text, path, list, table, function or object of any class of the workbench.
MISFIT = 1 + 2j
ODD = {
    "None": None,
    "object": object(),
    "NUL": "a\0b",
    "nan": math.nan,
    "texts": np.array(["a", "b"]),
    "tensor": torch.zeros(3, 2),
}
MORE = {
    "text": "text",
    "empty": "",
    "3": 3,
    "-1": -1,
    "0": 0,
    "many": 10**12,
    "too many": 2**70,
    "fraction": 2.5,
    "float": 1e9,
    "True": True,
    "bytes": b"x",
    "list": [],
    "nested": [[1, "a"], {}],
    "dict": {},
    "table": {"key": [1]},
    "function": lambda *_: None,
    "numpy": np.int64(3),
    "nan array": np.full((2, 2), np.nan),
    "path": Path("/nonexistent/x"),
    "set": {1, 2},
    "class": int,
    "complex": 1j,
    "whole tensor": torch.zeros(3, 2, dtype=torch.int64),
    "surrogate": "\udcff",
    "dataset": xr.Dataset(),
}


@pytest.fixture(scope="module")
def entries(surface, material):
    return surface.entries(material)


def allows_anything(annotation: str) -> bool:
    return any(word in annotation for word in ("Any", "object", "_empty")) and "dict" not in annotation


def call(entry, **changes) -> str:
    """Call an entry with other arguments; return the message of its refusal, or "" where it works."""
    quiet = contextlib.redirect_stderr(io.StringIO())
    try:
        with quiet, warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            entry.function(**(entry.arguments | changes))
    except WorkbenchError as error:
        return str(error)
    return ""


def refused_or_works(entries, values) -> Iterator[str]:
    """Iterate over the calls that end otherwise, as texts."""
    for entry in entries:
        for parameter, _ in entry.parameters():
            for name, value in values.items():
                try:
                    call(entry, **{parameter: value})
                except Exception as error:
                    yield f"{entry.name}({parameter}={name}): {type(error).__name__}: {str(error)[:80]}"


def test_an_argument_of_the_wrong_type_is_named(entries):
    silent, count = [], 0
    for entry in entries:
        # where the other arguments are refused too, these may be named first
        certain = not entry.expensive and not call(entry)
        for parameter, annotation in entry.parameters():
            if allows_anything(annotation):
                continue
            count += 1
            try:
                message = call(entry, **{parameter: MISFIT})
            except Exception as error:
                silent.append(f"{entry.name}({parameter}: {annotation}): {type(error).__name__}: {error}")
                continue
            names_it = f"'{parameter}'" in message or "1+2j" in message or "complex" in message
            if not message or (certain and not names_it):
                silent.append(f"{entry.name}({parameter}: {annotation}): {message[:120] or 'no error'}")
    assert not silent, "\n".join(silent)
    assert count > 250


def test_odd_arguments_are_refused_or_work(entries):
    cheap = [entry for entry in entries if not entry.expensive]
    faults = list(refused_or_works(cheap, ODD))
    assert not faults, "\n".join(faults)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_odd_arguments_are_refused_or_work(entries):
    faults = list(refused_or_works(entries, ODD | MORE))
    assert not faults, "\n".join(faults)


def test_every_public_function_is_tried(entries):
    names = {entry.name for entry in entries}
    functions = [
        name
        for name in wb.__all__
        if name not in ("__version__", "WorkbenchError", "FittedModel", "Snapshot", "Training")
    ]
    missing = [name for name in functions if name not in names]
    assert not missing


# ---- numbers


def test_numbers_of_numpy_and_torch_are_settings_that_can_be_saved(tmp_path):
    architecture = wb.architectures.RealNVP(transforms=np.int64(2), width=np.int32(8), depth=torch.tensor(1))
    training = wb.Training(
        samples=np.int64(100), batch_size=np.uint8(32), learning_rate=np.float32(1e-3), measured=[]
    )
    experiment = wb.Experiment(
        "two_moons", architecture, training=training, steps=np.int64(2), seed=torch.tensor(3)
    )
    run = wb.Run(experiment, device="cpu")
    run.train(progress=np.bool_(False))
    run.set("learning_rate", np.float64(5e-4))
    run.save(tmp_path / "run")
    again = wb.Run.resume(tmp_path / "run", device="cpu")
    assert again.experiment == run.experiment and again.settings.learning_rate == 5e-4
    assert torch.equal(again.fitted.sample(np.int64(5)), run.fitted.sample(5))
    run.sample(n=np.int16(4), seed=np.int64(1))


@pytest.mark.parametrize("n", [0, -1, 1e9, math.nan, math.inf, True, "3", None, 2.0, Fraction(3), 2**70, [3]])
def test_a_number_of_draws_that_is_none_is_refused(material, n):
    generator = torch.Generator()
    planar, posterior = material.planar, material.inverse.posterior([0.1] * len(material.inverse.problem.y))
    for draw in (
        lambda: planar.sample(n),
        lambda: planar.fitted.sample(n),
        lambda: posterior.sample(n),
        lambda: posterior.mean(n),
        lambda: planar.problem.draw(n, generator),
        lambda: planar.problem.prior(n, generator),
        lambda: wb.simulate("sine_wave", n, "draws.zarr"),
        lambda: wb.train_forward(material.inverse.problem, samples=n),
    ):
        with pytest.raises(WorkbenchError):
            draw()


def test_more_draws_than_fit_into_memory_are_refused_before_they_are_drawn(material):
    generator = torch.Generator()
    posterior = material.inverse.posterior([0.1] * len(material.inverse.problem.y))
    for draw in (
        lambda: material.planar.sample(10**12),
        lambda: posterior.sample(10**12),
        lambda: material.planar.problem.draw(10**12, generator),
    ):
        with pytest.raises(MemoryShortage, match="do not fit into memory.*at most"):
            draw()


@pytest.mark.parametrize("seed", [2**70, -(2**63), 1.5, math.nan, "0", None, True])
def test_a_seed_that_no_generator_takes_is_refused(material, seed):
    with pytest.raises(SpecError, match="seed"):
        material.planar.sample(2, seed=seed)


# ---- the decorator


@public
def example(
    path: str | Path, count: int = 1, *, data: xr.Dataset | None = None, wide: bool = False
) -> object:
    """Use every argument as it is annotated."""
    if data is not None:
        data.sizes["x"]
    return (path, count, wide)


def test_arguments_keep_their_value_and_numbers_become_pythons():
    path, count, wide = example("a", np.int64(3), wide=np.bool_(True))
    assert (path, count, wide) == ("a", 3, True) and type(count) is int and type(wide) is bool
    assert example(Path("a"))[0] == Path("a")
    example("a", data=xr.Dataset({"x": ("x", [1.0])}))


@pytest.mark.parametrize(
    "arguments, name",
    [
        ({"path": None}, "path"),
        ({"path": "a\0b"}, "path"),
        ({"path": "a", "count": True}, "count"),
        ({"path": "a", "count": 2.0}, "count"),
        ({"path": "a", "count": 2**63}, "count"),
        ({"path": "a", "wide": "no"}, "wide"),
        ({"path": "a", "data": {"x": 1}}, "data"),
        ({"path": "a", "data": object()}, "data"),
    ],
)
def test_an_unusable_argument_is_named(arguments, name):
    with pytest.raises(
        SpecError, match=f"The argument '{name}' of example cannot be used. Expected: .* Found: "
    ):
        example(**arguments)


def test_an_object_that_does_what_is_asked_passes_and_errors_of_the_function_stay():
    class StandIn:
        sizes = {"x": 1}

    example("a", data=StandIn())
    with pytest.raises(KeyError):
        example("a", data=xr.Dataset())


def test_errors_of_the_system_keep_their_number_and_lack_of_memory_has_its_own():
    @public
    def read(path: str) -> bytes:
        if path == "memory":
            raise MemoryError
        if path == "torch":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
        return Path(path).read_bytes()

    with pytest.raises(FileError, match="'/nothing/here' cannot be read or written") as refusal:
        read("/nothing/here")
    assert refusal.value.errno == 2
    for kind in ("memory", "torch"):
        with pytest.raises(MemoryShortage, match="not enough memory"):
            read(kind)
