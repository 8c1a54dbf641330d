"""The case study of disjoint supports, and its adversarial training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.core.errors import NonFiniteError
from workbench.divergences import DIVERGENCES
from workbench.studies import STUDIES, rows, run, text
from workbench.studies.adversarial_training import AdversarialSettings, train_adversarially
from workbench.studies.scalar_maps import Affine, AffineStack

GRIDS = {
    "disjoint_supports": {
        "steps": 3,
        "own_steps": 3,
        "batch_size": 16,
        "offsets": [0, 3],
        "seeds": 1,
        "points": 100,
    },
}


@pytest.mark.parametrize("key", GRIDS)
def test_the_smallest_grid_is_a_whole_table(key, tmp_path):
    study = STUDIES.make(key, **GRIDS[key])
    data = run(study, out=tmp_path, device="cpu")
    assert set(data["status"].values) == {"done"}, data["note"].values
    for column in study.columns:
        values = data[column.name].values
        if column.name == "crossed":
            values = values[data["offset"].values > 0]
        assert np.isfinite(values).all(), column.name
    tags, table = {figure.tag for figure in study.published}, text(data)
    assert all(f"{tag}: " in table for tag in tags)
    first = study.columns[0].name
    assert any(f"{first}_{tag}" in row for row in rows(data) for tag in tags)
    assert study.conclusions(data) and all(sentence in table for sentence in study.conclusions(data))
    assert data["curve_training"].dims == ("cell", "point")


# ---- adversarial training
def mean_and_width(divergence, **settings):
    """Mean and width of a normal at 3 of half the width, after training towards a standard normal."""
    network = Affine(3.0)
    member = DIVERGENCES.make(divergence)
    train_adversarially(
        network,
        network,
        lambda n, g: 3 + 0.5 * torch.randn(n, 1, generator=g),
        lambda n, g: torch.randn(n, 1, generator=g),
        AdversarialSettings(member, 400, 128, rate=0.03, critic_rate=5e-3, settles=True, **settings),
    )
    with torch.no_grad():
        return float(3 + Affine.UNIT * network.shift), float(0.5 * network.scale.exp())


@pytest.mark.parametrize(
    "divergence, settings",
    [("energy_distance", {}), ("jensen_shannon", {"critic_steps": 2, "gradient_penalty": 0.1})],
)
def test_adversarial_training_ends_at_equal_distributions(divergence, settings):
    mean, width = mean_and_width(divergence, **settings)
    assert abs(mean) < 0.15 and width == pytest.approx(1, abs=0.2)


def test_adversarial_training_is_repeated_by_its_seed_and_stops_at_non_finite_gradients():
    def played(seed, factor=1.0):
        network = Affine(0.0)
        return train_adversarially(
            network,
            network,
            lambda n, g: factor * torch.rand(n, 1, generator=g),
            lambda n, g: torch.rand(n, 1, generator=g),
            AdversarialSettings(DIVERGENCES.make("kl"), 5, 16),
            seed=seed,
        )

    assert played(1) == played(1) != played(2)
    with pytest.raises(NonFiniteError, match="step 1"):
        played(1, factor=float("nan"))


# ---- supports
def test_the_one_dimensional_blocks_are_an_affine_map():
    torch.manual_seed(0)
    stack = AffineStack(3, 8).double()
    z = torch.linspace(-3, 5, 9, dtype=torch.float64)[:, None]
    steps = stack(z).diff(dim=0)
    assert torch.allclose(steps, steps[:1].expand_as(steps)) and steps.min() > 0


def test_the_latent_of_ours_can_cross_in_time():
    for fast in (True, False):
        study = STUDIES.make("disjoint_supports", fast=fast)
        assert Affine.UNIT * study.own_steps * study.rate / 2 > 1.5 * max(study.offsets)
