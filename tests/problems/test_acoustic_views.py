"""Sound-speed profile, ambiguity surface and transmission loss against the waveguide at the array."""

from __future__ import annotations

import pytest
import torch

from workbench.problems import PROBLEMS
from workbench.problems.ocean import geoacoustic_field as field
from workbench.problems.ocean.swellex96 import NOMINAL, environment
from workbench.problems.ocean.waveguide import Waveguide
from workbench.snapshots import SnapshotRequest
from workbench.training import Run
from workbench.training.experiment import Experiment


def nominal(problem) -> torch.Tensor:
    return torch.tensor([NOMINAL[v.name] for v in problem.x], dtype=torch.float64)


def test_the_profile_is_water_then_sediment_then_mudstone():
    problem = PROBLEMS.make("geoacoustic", tier="swx_9")
    depths = torch.tensor([0.0, 113.0, 200.0, 216.5, 228.25, 239.9, 260.0], dtype=torch.float64)
    speeds = problem.speed_profiles(nominal(problem)[None], depths)[0]
    reference = [1521.95, 1487.72, 1488.90, 1572.368, 1582.692, 1592.93, 1881.0]
    torch.testing.assert_close(speeds, torch.tensor(reference, dtype=torch.float64), atol=0.01, rtol=0)
    paper = PROBLEMS.make("geoacoustic_paper", noise_appended=False)
    deep = paper.speed_profiles(torch.tensor([[216.5, 1572.368]]).double(), torch.tensor([340.0]).double())
    assert float(deep) == pytest.approx(1881.0 + 100.0 * 1364.0 / 800.0)


def test_a_seabed_matches_its_own_field_best():
    problem = PROBLEMS.make("geoacoustic", signal_to_noise=30.0)
    x = problem.prior(20, torch.Generator().manual_seed(0))
    signal = field.as_numbers(problem.signals(x[:1]))[0]
    match = problem.bartlett(x, signal)
    assert float(match[0]) == pytest.approx(1.0, abs=1e-9) and float(match[1:].max()) < 0.99
    assert ((match >= 0) & (match <= 1)).all()


def test_loss_agrees_with_the_waveguide_below_the_source_and_by_reciprocity_above():
    problem = PROBLEMS.make("geoacoustic", tier="swx_9")
    x = nominal(problem)
    ranges, depths = (
        torch.tensor([2000.0, 3000.0]).double(),
        torch.tensor([20.0, 60.0, 116.62, 200.99]).double(),
    )
    loss = problem.transmission_loss(x, ranges, depths)
    assert loss[1].isnan().all() and loss[[0, 2, 3]].isfinite().all()
    members = {name: torch.tensor([value], dtype=torch.float64) for name, value in NOMINAL.items()}
    upright = field.seabed(members | {"tilt": torch.zeros(1).double(), "distance": ranges})
    at_array = Waveguide(environment(), (148.0,), 3400.0).pressure(upright)[:, 0]
    torch.testing.assert_close(loss[2], -20 * at_array[:, 4].abs().log10(), atol=0.02, rtol=0)
    # source at 20 m, hydrophone at 60 m
    reciprocal = Waveguide(
        environment().__class__(
            environment().depths, environment().speeds, (60.0,), environment().below, (20.0, 20.0)
        ),
        (148.0,),
        3400.0,
    )
    shallow = field.seabed(
        members | {"tilt": torch.zeros(1).double(), "distance": ranges, "source_depth": depths[:1]}
    )
    torch.testing.assert_close(
        loss[0], -20 * reciprocal.pressure(shallow)[:, 0, 0].abs().log10(), atol=1e-6, rtol=0
    )


def test_a_snapshot_contains_the_acoustic_views():
    run = Run(Experiment("geoacoustic", "realnvp", training={"samples": 100, "batch_size": 32}, steps=1))
    run.step()
    arrays = run.snapshot(SnapshotRequest(views=("ocean", "posterior"))).arrays
    assert arrays["ocean_speeds"].shape[1] == len(arrays["ocean_depths"])
    assert (
        arrays["ambiguity"].shape == (33, 33)
        and 0 <= arrays["ambiguity"].min() <= arrays["ambiguity"].max() <= 1
    )
    # the reference lies where the match is good
    best = arrays["ambiguity"].argmax()
    place = arrays["ambiguity_0"][best % 33], arrays["ambiguity_1"][best // 33]
    spread = arrays["ambiguity_reference"].std(0)
    assert (abs(arrays["ambiguity_reference"].mean(0) - place) < 3 * spread).all()
    assert "ocean" not in run.snapshot(SnapshotRequest(views=("posterior",))).arrays
