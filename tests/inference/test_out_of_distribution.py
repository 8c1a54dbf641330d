"""Unusual observations: false alarms at the stated rate, power against outliers, warnings at every entry."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import workbench as wb
from tests.export.conftest import small_run
from workbench.core.errors import SpecError, WorkbenchError
from workbench.core.variable import Variable
from workbench.diagnostics import invert
from workbench.inference.out_of_distribution import (
    BEYOND,
    Typicality,
    UnusualObservationWarning,
    concerns,
    unit_doubts,
)
from workbench.snapshots import SnapshotRequest


def ring(n: int, seed: int) -> torch.Tensor:
    """On a circle: nothing in the middle, where the mean is."""
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * torch.pi * torch.rand(n, generator=generator, dtype=torch.float64)
    noise = 0.05 * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return torch.stack([angle.cos(), angle.sin()], 1) + noise


def tails(n: int, seed: int) -> torch.Tensor:
    """Student's t with three degrees of freedom, correlated."""
    samples = torch.from_numpy(np.random.default_rng(seed).standard_t(3, size=(n, 4)))
    return samples @ torch.tensor([[1.0, 0.9, 0, 0], [0, 0.2, 0, 0], [0, 0, 5, 0], [0, 0, 0, 1e-3]]).double()


@pytest.mark.parametrize("draw", [ring, tails])
def test_false_alarms_are_no_more_frequent_than_stated(draw):
    shares = []
    for seed in range(20):
        test = Typicality(draw(400, 3 * seed), draw(400, 3 * seed + 1))
        shares.append(float((test.p_value(draw(400, 3 * seed + 2)) < 0.1).double().mean()))
    assert 0.04 < np.mean(shares) < 0.105


def test_outliers_are_detected_outside_inside_and_across_a_correlation():
    test = Typicality(ring(500, 0), ring(500, 1))
    for place in ([3.0, 0.0], [0.0, 0.0], [0.5, 0.5]):
        row = torch.tensor([place], dtype=torch.float64)
        assert float(test.p_value(row)) == pytest.approx(3 / 501) and float(test.distance(row)) > 1.25
    test = Typicality(tails(500, 0), tails(500, 1))
    # each component is usual by itself, but the second does not follow the first
    assert float(test.p_value(torch.tensor([[3.0, -3.0, 0.0, 0.0]], dtype=torch.float64))) < 0.05


def test_few_rows_make_no_test_and_components_without_spread_do_not_break_it():
    assert Typicality.split(torch.zeros(9, 2), torch.zeros(5, 2)) is None
    assert Typicality.split(torch.zeros(100, 0), torch.zeros(50, 0)) is None
    rows = torch.cat([tails(200, 0), torch.zeros(200, 1).double()], 1)
    test = Typicality.split(rows, rows[:50] + 0.1)
    assert torch.isfinite(test.p_value(rows)).all()
    wide = torch.randn(300, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert float(Typicality(wide[:150], wide[150:]).p_value(9 * wide[:1])) < 0.02


SHIFT, SCALE = torch.tensor([1500.0, 0.0]), torch.tensor([20.0, 1.0])
VARIABLES = (Variable("speed", unit="m/s"), Variable("angle", unit="rad"))


@pytest.mark.parametrize(
    "values, words",
    [
        ((1.5, 0.0), ["speed = 1.5 m/s", "times 1 000 it would lie inside", "is the unit right?"]),
        ((1.5e6, 0.0), ["divided by 1 000 it would"]),
        ((1500.0, 57.3), ["angle = 57.3 rad", "57 standard deviations", "is the unit right?"]),
        ((1490.0, 2.0), []),
        ((1e4, 0.0), ["is the unit right?"]),
    ],
)
def test_another_unit_is_reported(values, words):
    sentence = " ".join(unit_doubts(values, VARIABLES, SHIFT, SCALE))
    assert all(part in sentence for part in words) and bool(sentence) == bool(words)


def test_many_numbers_in_another_unit_are_one_question():
    series = tuple(Variable(f"velocity{i}", unit="m/s") for i in range(8)) + (Variable("time", unit="s"),)
    shift, scale = torch.zeros(9), torch.ones(9)
    # in mm/s: one of the numbers would be inside after a hundredth, but all of them after a thousandth
    metres = torch.tensor([2.0, -1.5, 0.02, 3.0, -2.0, 1.0, 0.5, -0.1])
    (question,) = unit_doubts((*(1000 * metres).tolist(), 0.5), series, shift, scale)
    assert (
        "8 of 8 numbers in m/s" in question
        and "velocity3 = 3000 m/s" in question
        and "3000 standard" in question
    )
    assert "divided by 1 000 all would lie inside" in question and question.endswith("is the unit right?")
    # two wrong numbers among right ones are no matter of the unit alone
    (remark,) = unit_doubts((1000.0, 1200.0, *[10.0] * 6, 10.5), series, shift + 10, scale)
    assert "2 of 8" in remark and "inside" not in remark
    two = unit_doubts((50.0, *[0.0] * 7, 500.0), series, shift, scale)
    assert len(two) == 2 and "velocity0 = 50 m/s" in two[0] and "time = 500 s" in two[1]


def test_units_are_checked_before_the_observation_as_a_whole():
    test = Typicality(ring(500, 0), ring(500, 1))
    zero, one = torch.zeros(2), torch.ones(2)
    (far,) = concerns((900.0, 0.0), VARIABLES, zero, one, test)
    assert "is the unit right?" in far
    (hole,) = concerns((0.0, 0.0), VARIABLES, zero, one, test)
    assert "unlike those of the training" in hole and "of 500" in hole
    assert concerns((1.0, 0.0), VARIABLES, zero, one, test) == ()


# ---- every entry point
RUN = "realnvp"


def test_a_posterior_warns_once_of_each_and_answers_all_the_same():
    run = small_run(RUN)
    with pytest.warns(UnusualObservationWarning, match="is the unit right") as messages:
        posterior = run.posterior([500.0])
    assert len(messages) == 1 and posterior.concerns and posterior.sample(3).sizes["draw"] == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run.posterior([0.5]).concerns == ()
    with pytest.warns(UnusualObservationWarning, match="unlike those of the training"):
        run.posterior([7.0])


@pytest.mark.parametrize("wrong", [[float("nan")], [float("inf")], [1.0, 2.0], [], ["a"]])
def test_an_invalid_observation_is_refused_at_every_entry(wrong):
    run = small_run(RUN)
    with pytest.raises(SpecError, match="observation"):
        run.posterior(wrong)
    with pytest.raises(WorkbenchError, match="observation"):
        run.problem.reference_posterior(wrong, 10, torch.Generator())
    with pytest.raises(WorkbenchError, match="observation"):
        invert(small_run("inn"), wrong)
    flat = [v for part in wrong for v in (part if isinstance(part, list) else [part])]
    if flat:  # an empty one means the problem's own
        with pytest.raises((SpecError, ValueError), match="observation|float"):
            run.snapshot(SnapshotRequest(views=("posterior",), observation=tuple(flat)))


def test_rows_with_gaps_are_named():
    with pytest.raises(SpecError, match="not finite.*a number for y1.*nan in row 1.*Leave such rows out"):
        small_run(RUN).fitted.sample(2, [[0.1], [float("nan")]])


def test_messages_on_long_observations_are_short():
    run = small_run(RUN, "radial_velocity")
    series = [0.0] * 22
    series[14] = float("nan")
    for ask in (run.posterior, run.problem.checked_observation):
        with pytest.raises(WorkbenchError, match="not finite.*a number for velocity15.*nan") as refusal:
            ask(series)
        assert len(str(refusal.value)) < 250
        with pytest.raises(WorkbenchError, match="22.*velocity1, .*…, velocity22") as refusal:
            ask(series[:5])
        assert len(str(refusal.value)) < 250


def test_a_snapshot_carries_the_warnings():
    run = small_run(RUN)
    snapshot = run.snapshot(SnapshotRequest(views=("posterior",), observation=(500.0,)))
    assert "is the unit right?" in snapshot.notes["observation"]
    assert "observation" not in run.snapshot(SnapshotRequest(views=("posterior",))).notes


def test_no_minute_is_spent_on_exact_draws_where_there_are_none(monkeypatch):
    run = small_run(RUN, "inverse_kinematics")
    monkeypatch.setattr(type(run.problem), "_reference_posterior", lambda *_: pytest.fail("exact draws"))
    snapshot = run.snapshot(SnapshotRequest(views=("posterior",), observation=(1500.0, 0.0)))
    assert "posterior_x" in snapshot.arrays and "reference_x" not in snapshot.arrays
    assert "like those of the training" in str(snapshot.arrays["reference_needs"])


def test_a_model_from_a_file_still_asks_about_units(tmp_path):
    file = wb.save(small_run(RUN), tmp_path / "model.zip")
    with pytest.warns(UnusualObservationWarning, match="is the unit right"):
        wb.load(file).posterior([500.0])


def test_rounding_errors_of_labels_are_no_outliers():
    """One-hot labels sum to one: whitening magnifies rounding errors along that direction."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.nn.functional.one_hot(torch.randint(0, 4, (300,), generator=generator), 4).double()
    shift, scale = labels.mean(0), labels.std(0)
    rows = ((labels - shift) / scale).float()
    test = Typicality.split(rows[:200], rows[200:])
    again = ((torch.eye(4, dtype=torch.float64) - shift) / scale).double()
    assert test.distance(again).max() < BEYOND and test.p_value(again).min() > 0.2
    between = ((torch.full((1, 4), 0.25, dtype=torch.float64) - shift) / scale).double()
    assert test.distance(between) > BEYOND


def correlated(n: int, seed: int) -> torch.Tensor:
    """Observations (n, 2) of positive quantities whose logarithms are the same to a tenth."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(n, 1, generator=generator, dtype=torch.float64)
    return torch.exp(common + 0.1 * torch.randn(n, 2, generator=generator, dtype=torch.float64))


def test_a_nonsense_combination_inside_the_ranges_is_told_with_the_nearest_training_point():
    y = correlated(3000, 0)
    shift, scale = y.mean(0), y.std(0)
    test = Typicality.split((y[:2500] - shift) / scale, (y[2500:] - shift) / scale)
    days = tuple(Variable(name, unit="d", low=0.0) for name in ("first", "second"))
    ask = lambda row: concerns(row.tolist(), days, shift, scale, test)  # noqa: E731
    usual = correlated(2000, 1)
    assert sum(bool(ask(row)) for row in usual) <= 20  # at most one per cent
    nonsense = torch.tensor([[0.3, 3.0], [3.0, 0.3], [0.2, 2.0]], dtype=torch.float64)
    for row in nonsense:
        (sentence,) = ask(row)
        assert "unlike those of the training" in sentence
        # the point that it names is one of the training's, and none is nearer in whitened units
        numbers = [
            float(part.split(" d")[0]) for part in sentence.split("trained on has ")[1].split("= ")[1:]
        ]
        place = torch.tensor(numbers, dtype=torch.float64)
        assert float((y - place).abs().amax(1).min()) < 1e-3
    assert min(ask(row) != () for row in nonsense)


def test_the_usual_range_ends_at_the_data_and_at_the_bounds():
    y = correlated(2000, 0)
    shift, scale = y.mean(0), y.std(0)
    test = Typicality.split((y[:1500] - shift) / scale, (y[1500:] - shift) / scale)
    free = tuple(Variable(name, unit="d") for name in ("first", "second"))
    assert float(shift[0] - 4 * scale[0]) < 0
    (sentence,) = concerns((500.0, 1.0), free, shift, scale, test)
    assert "standard deviations" in sentence and "-" not in sentence.split("The nearest")[0]
    positive = tuple(Variable(name, unit="d", low=0.0) for name in ("first", "second"))
    (question,) = unit_doubts((500.0, 1.0), positive, shift, scale)
    assert "about 0 to" in question
