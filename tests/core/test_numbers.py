"""Numbers of NumPy and torch pass wherever Python's do, and are stored as Python's."""

import json

import numpy as np
import pytest
import torch
import xarray as xr

import workbench as wb
from workbench.architectures import ARCHITECTURES
from workbench.core.errors import DataError, SpecError
from workbench.core.numbers import checked_seed, plain, whole_number
from workbench.training import Training

EIGHTS = (8, np.int64(8), np.uint8(8), np.array(8), torch.tensor(8), xr.DataArray(8))


@pytest.mark.parametrize("eight", EIGHTS, ids=lambda value: type(value).__name__)
def test_whole_numbers_of_every_kind_become_ints(eight):
    assert whole_number(eight, "number") == 8 and type(whole_number(eight, "number")) is int
    assert type(checked_seed(eight)) is int
    assert plain({"a": [eight, (eight,)]}) == {"a": [8, (8,)]}
    spec = ARCHITECTURES.make("realnvp", width=eight)
    spec.set("transforms", eight)
    spec.depth = np.int16(3)
    assert json.loads(json.dumps(spec.values()))["width"] == 8 and type(spec.transforms) is int
    assert type(spec.depth) is int
    experiment = wb.Experiment("two_moons", spec, steps=eight, seed=eight)
    assert wb.Experiment.from_json(experiment.to_json()) == experiment
    assert "np." not in experiment.to_python()


WRONG = (0, -3, 8.5, np.float64(8.0), True, np.bool_(True), "8", None, [8], np.ones(1))


@pytest.mark.parametrize("wrong", WRONG)
def test_other_values_are_no_whole_numbers(wrong):
    with pytest.raises(DataError, match="The number of rows must be a positive whole number"):
        whole_number(wrong, "number of rows", error=DataError)


def test_settings_of_every_kind_are_stored_as_python_numbers():
    training = Training(
        learning_rate=np.float32(0.5),
        early_stopping=np.bool_(False),
        measured=np.array([], dtype=object),
        schedule=np.str_("constant"),
    )
    values = json.loads(json.dumps(training.values()))
    assert (values["learning_rate"], values["early_stopping"], values["schedule"]) == (0.5, False, "constant")
    assert values["measured"] == [] and all(
        type(v).__module__ == "builtins" for v in training.values().values()
    )
    with pytest.raises(SpecError, match="'width' of 'realnvp' cannot be"):
        ARCHITECTURES.make("realnvp", width=np.float64(8.5))


def test_counts_and_seeds_of_the_api_take_numbers_of_numpy(tmp_path):
    problem = wb.Experiment("inverse_kinematics").problem
    generator = torch.Generator().manual_seed(0)
    assert len(problem.draw(np.int64(5), generator)) == len(problem.draw(torch.tensor(5), generator)) == 5
    sizes = {"samples": np.int64(64), "steps": np.int64(2), "width": np.int64(4)}
    network = wb.train_forward(problem, **sizes, seed=np.int64(1))
    wb.invert(network, np.array([1.0, 0.0]), seed=np.int64(2), starts=np.int64(4), steps=np.int64(3))
    variable = wb.Variable("a", low=np.float32(0.5), high=np.int64(2))
    assert json.loads(json.dumps(variable.to_dict()))["high"] == 2
    path = tmp_path / "pairs.zarr"
    wb.simulate("inverse_kinematics", draws=np.int64(20), path=path, chunk=np.int64(10), seed=np.int64(1))
    assert xr.open_zarr(path).sizes["draw"] == 20


def test_a_wrong_choice_and_a_wrong_argument_say_what_was_meant():
    objective = {"key": "variational", "settings": {"divergence": "wasserstein_critc"}}
    with pytest.raises(SpecError, match="cannot be 'wasserstein_critc'.*Did you mean 'wasserstein_critic'?"):
        wb.Experiment("two_moons", "realnvp", objective)
    with pytest.raises(SpecError, match="An experiment has no part 'step'.*Did you mean 'steps'?"):
        wb.Experiment(step=3)
    with pytest.raises(SpecError, match="Write training={'learning_rate': …}"):
        wb.Experiment("two_moons", learning_rate=1e-3)
    with pytest.raises(SpecError, match="An experiment needs a problem"):
        wb.Experiment()


def test_no_message_ends_with_two_stops():
    cause = SpecError("There is no file", found="data.cv", suggestion="did you mean 'data.csv'?")
    assert str(DataError(str(cause))) == str(cause)
    assert str(DataError("No table", found=str(cause))).endswith("'data.csv'?")
    assert str(DataError("No table.", expected="one.", suggestion="try.")) == "No table. Expected: one. Try."
