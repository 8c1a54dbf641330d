"""Adversarial training that is killed goes on from its checkpoint with the same numbers."""

from __future__ import annotations

import shutil

import pytest
import torch

from workbench.divergences import DIVERGENCES
from workbench.studies.adversarial_training import AdversarialSettings, train_adversarially
from workbench.studies.heavy_tails import build
from workbench.studies.loop_checkpoint import LoopCheckpoint
from workbench.studies.realisable_moments import CLASS
from workbench.studies.scalar_maps import AffineStack


class Killed(Exception):
    pass


def train(network, path, divergence="kl", *, kill_at=None, steps=12, seed=0):
    """Train from scratch, with a checkpoint after every step; returns estimates, weights and source draws."""
    torch.manual_seed(seed)
    module = build("residual_flow", CLASS, 1, seed) if network == "residual_flow" else AffineStack(2, 8)
    calls = []

    def source(n, generator):
        calls.append(n)
        if kill_at is not None and len(calls) > kill_at:
            raise Killed
        return 2 + torch.rand(n, 1, generator=generator)

    def image(z):
        return module.latent(z, None)[0] if network == "residual_flow" else module(z)

    estimates = train_adversarially(
        image,
        module,
        source,
        lambda n, g: torch.rand(n, 1, generator=g),
        AdversarialSettings(DIVERGENCES.make(divergence), steps, 16, settles=True),
        seed=seed,
        checkpoint=LoopCheckpoint(path, interval=0.0),
    )
    return estimates, [p.detach().clone() for p in module.parameters()], len(calls)


@pytest.mark.parametrize(
    ("network", "divergence"), [("affine", "kl"), ("affine", "energy_distance"), ("residual_flow", "kl")]
)
def test_a_killed_loop_goes_on_bit_for_bit(network, divergence, tmp_path):
    whole, weights, calls = train(network, tmp_path / "whole", divergence)
    with pytest.raises(Killed):
        train(network, tmp_path / "killed", divergence, kill_at=calls // 2)
    again, resumed_weights, resumed_calls = train(network, tmp_path / "killed", divergence)
    assert again == whole and resumed_calls <= calls // 2 + 2
    assert all(torch.equal(a, b) for a, b in zip(weights, resumed_weights, strict=True))


def test_a_damaged_checkpoint_or_one_of_other_settings_starts_anew(tmp_path):
    path = tmp_path / "loop"
    whole, _, calls = train("affine", tmp_path / "whole")
    for damage in (lambda data: data[:-7], lambda data: data[:40] + b"x" + data[41:], lambda data: b""):
        with pytest.raises(Killed):
            train("affine", path, kill_at=calls // 2)
        states = sorted(path.glob("*.pt"))
        assert len(states) == 2
        states[0].write_bytes(damage(states[0].read_bytes()))  # the latest: the one before is used
        again, _, all_calls = train("affine", path, kill_at=None)
        assert again == whole and all_calls < calls
        for state in path.glob("*.pt"):
            state.write_bytes(damage(state.read_bytes()))
        again, _, all_calls = train("affine", path)
        assert again == whole and all_calls == calls
        shutil.rmtree(path)
    with pytest.raises(Killed):
        train("affine", path, kill_at=calls // 2)
    longer, _, _ = train("affine", path, steps=14)
    assert len(longer) == 14


def test_seconds_are_summed_over_the_parts_of_a_killed_loop(tmp_path):
    now = [0.0]

    def checkpoint():
        return LoopCheckpoint(tmp_path / "loop", clock=lambda: now[0], interval=0.0)

    module = AffineStack(1, 4)
    first = checkpoint()
    assert first.load("a", {"module": module}, []) == []
    now[0] = 3.0
    first.save_when_due("a", {"module": module}, [], [0.5])
    now[0] = 50.0  # killed here
    second = checkpoint()
    assert second.load("a", {"module": module}, []) == [0.5]
    now[0] = 54.0
    second.finish()
    assert second.seconds == 7.0
