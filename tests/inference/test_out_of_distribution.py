"""Unusual observations: as few false alarms as promised, what must be seen, what is said at each door."""

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
    found = torch.from_numpy(np.random.default_rng(seed).standard_t(3, size=(n, 4)))
    return found @ torch.tensor([[1.0, 0.9, 0, 0], [0, 0.2, 0, 0], [0, 0, 5, 0], [0, 0, 0, 1e-3]]).double()


@pytest.mark.parametrize("law", [ring, tails])
def test_what_is_like_the_training_is_flagged_no_more_often_than_stated(law):
    shares = []
    for seed in range(20):
        seen = Typicality(law(400, 3 * seed), law(400, 3 * seed + 1))
        shares.append(float((seen.p_value(law(400, 3 * seed + 2)) < 0.1).double().mean()))
    assert 0.04 < np.mean(shares) < 0.105


def test_what_is_unlike_it_is_seen_outside_inside_and_across_a_correlation():
    seen = Typicality(ring(500, 0), ring(500, 1))
    for place in ([3.0, 0.0], [0.0, 0.0], [0.5, 0.5]):
        row = torch.tensor([place], dtype=torch.float64)
        assert float(seen.p_value(row)) == pytest.approx(2 / 501) and float(seen.distance(row)) > 1.25
    seen = Typicality(tails(500, 0), tails(500, 1))
    # each component is usual by itself, but the second does not follow the first
    assert float(seen.p_value(torch.tensor([[3.0, -3.0, 0.0, 0.0]], dtype=torch.float64))) < 0.05


def test_few_rows_make_no_test_and_components_without_spread_do_not_break_it():
    assert Typicality.split(torch.zeros(9, 2), torch.zeros(5, 2)) is None
    assert Typicality.split(torch.zeros(100, 0), torch.zeros(50, 0)) is None
    rows = torch.cat([tails(200, 0), torch.zeros(200, 1).double()], 1)
    seen = Typicality.split(rows, rows[:50] + 0.1)
    assert torch.isfinite(seen.p_value(rows)).all()
    wide = torch.randn(300, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert float(Typicality(wide[:150], wide[150:]).p_value(9 * wide[:1])) < 0.02


SHIFT, SCALE = torch.tensor([1500.0, 0.0]), torch.tensor([20.0, 1.0])
VARIABLES = (Variable("speed", unit="m/s"), Variable("angle", unit="rad"))


@pytest.mark.parametrize(
    "values, said",
    [
        ((1.5, 0.0), ["speed = 1.5 m/s", "times 1 000 it would lie inside", "is the unit right?"]),
        ((1.5e6, 0.0), ["divided by 1 000 it would"]),
        ((1500.0, 57.3), ["angle = 57.3 rad", "57 standard deviations", "is the unit right?"]),
        ((1490.0, 2.0), []),
        ((1e4, 0.0), ["is the unit right?"]),
    ],
)
def test_another_unit_is_asked_about(values, said):
    found = " ".join(unit_doubts(values, VARIABLES, SHIFT, SCALE))
    assert all(part in found for part in said) and bool(found) == bool(said)


def test_many_numbers_in_another_unit_are_one_question():
    series = tuple(Variable(f"velocity{i}", unit="m/s") for i in range(8)) + (Variable("time", unit="s"),)
    shift, scale = torch.zeros(9), torch.ones(9)
    # in mm/s: one of the numbers would be inside after a hundredth, but all of them after a thousandth
    metres = torch.tensor([2.0, -1.5, 0.02, 3.0, -2.0, 1.0, 0.5, -0.1])
    (asked,) = unit_doubts((*(1000 * metres).tolist(), 0.5), series, shift, scale)
    assert "8 of 8 numbers in m/s" in asked and "velocity3 = 3000 m/s" in asked and "3000 standard" in asked
    assert "divided by 1 000 all would lie inside" in asked and asked.endswith("is the unit right?")
    # two wrong numbers among right ones are no matter of the unit alone
    (mixed,) = unit_doubts((1000.0, 1200.0, *[10.0] * 6, 10.5), series, shift + 10, scale)
    assert "2 of 8" in mixed and "inside" not in mixed
    two = unit_doubts((50.0, *[0.0] * 7, 500.0), series, shift, scale)
    assert len(two) == 2 and "velocity0 = 50 m/s" in two[0] and "time = 500 s" in two[1]


def test_a_unit_is_asked_about_before_the_whole():
    seen = Typicality(ring(500, 0), ring(500, 1))
    zero, one = torch.zeros(2), torch.ones(2)
    (far,) = concerns((900.0, 0.0), VARIABLES, zero, one, seen)
    assert "is the unit right?" in far
    (hole,) = concerns((0.0, 0.0), VARIABLES, zero, one, seen)
    assert "unlike those of the training" in hole and "of 500" in hole
    assert concerns((1.0, 0.0), VARIABLES, zero, one, seen) == ()


# ---- every door
RUN = "realnvp"


def test_a_posterior_warns_once_of_each_and_answers_all_the_same():
    run = small_run(RUN)
    with pytest.warns(UnusualObservationWarning, match="is the unit right") as caught:
        posterior = run.posterior([500.0])
    assert len(caught) == 1 and posterior.concerns and posterior.sample(3).sizes["draw"] == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run.posterior([0.5]).concerns == ()
    with pytest.warns(UnusualObservationWarning, match="unlike those of the training"):
        run.posterior([7.0])


@pytest.mark.parametrize("wrong", [[float("nan")], [float("inf")], [1.0, 2.0], [], ["a"], [[1.0], [2.0]]])
def test_what_is_no_observation_is_refused_in_a_sentence_at_every_door(wrong):
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


def test_of_a_long_observation_the_gap_is_named_and_not_all_of_it():
    run = small_run(RUN, "radial_velocity")
    series = [0.0] * 22
    series[14] = float("nan")
    for ask in (run.posterior, run.problem.checked_observation):
        with pytest.raises(WorkbenchError, match="not finite.*a number for velocity15.*nan") as refused:
            ask(series)
        assert len(str(refused.value)) < 250
        with pytest.raises(WorkbenchError, match="22.*velocity1, .*…, velocity22") as refused:
            ask(series[:5])
        assert len(str(refused.value)) < 250


def test_a_snapshot_carries_what_there_is_to_say():
    run = small_run(RUN)
    taken = run.snapshot(SnapshotRequest(views=("posterior",), observation=(500.0,)))
    assert "is the unit right?" in taken.notes["observation"]
    assert "observation" not in run.snapshot(SnapshotRequest(views=("posterior",))).notes


def test_no_minute_is_spent_on_exact_draws_where_there_are_none():
    run = small_run(RUN, "inverse_kinematics")
    taken = run.snapshot(SnapshotRequest(views=("posterior",), observation=(1500.0, 0.0)))
    assert "posterior_x" in taken.arrays and "reference_x" not in taken.arrays
    assert (
        "like those of the training" in str(taken.arrays["reference_needs"])
        and not run.evaluation_points._references
    )


def test_a_model_from_a_file_still_asks_about_units(tmp_path):
    saved = wb.save(small_run(RUN), tmp_path / "model.zip")
    with pytest.warns(UnusualObservationWarning, match="is the unit right"):
        wb.load(saved).posterior([500.0])


def test_labels_lie_on_each_other_but_for_rounding():
    """One-hot labels sum to one: that direction never moves, and magnifies what single precision rounds."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.nn.functional.one_hot(torch.randint(0, 4, (300,), generator=generator), 4).double()
    shift, scale = labels.mean(0), labels.std(0)
    rows = ((labels - shift) / scale).float()
    made = Typicality.split(rows[:200], rows[200:])
    again = ((torch.eye(4, dtype=torch.float64) - shift) / scale).double()
    assert made.distance(again).max() < BEYOND and made.p_value(again).min() > 0.2
    between = ((torch.full((1, 4), 0.25, dtype=torch.float64) - shift) / scale).double()
    assert made.distance(between) > BEYOND
