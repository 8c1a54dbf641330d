"""Metrics of the case studies, each against a case with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workbench.problems import PROBLEMS
from workbench.studies.cell_means import falls, grouped
from workbench.studies.posterior_quality import (
    evaluate_posterior,
    fresh_pairs,
    neighbour_c2st,
    slopes,
    spread,
)
from workbench.training import Experiment, Run


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_classifier_is_at_one_half_for_equal_distributions_and_at_one_for_separate_ones():
    assert abs(neighbour_c2st(normal(300, 2), normal(300, 2, seed=1)) - 0.5) < 0.1
    assert neighbour_c2st(normal(200, 2) + 6, normal(200, 2, seed=1)) > 0.98
    assert np.isnan(neighbour_c2st(torch.full((100, 2), torch.nan), normal(100, 2)))


def test_spread_is_the_ratio_of_widths_and_skips_what_is_fixed():
    exact = normal(5, 2000, 3)
    exact[..., 2] = 1.0
    draws = exact * torch.tensor([0.5, 0.5, 7.0], dtype=torch.float64)
    assert spread(draws, exact) == pytest.approx(0.5)


def run_of(architecture, steps=2):
    return Run(
        Experiment(
            "linear_gaussian", architecture, "variational", {"samples": 300, "batch_size": 64}, steps=steps
        ),
        device="cpu",
    )


def test_measured_slopes_stay_below_the_declared_ones():
    model = run_of({"key": "residual_inn", "settings": {"transforms": 2, "width": 8}}).fitted
    pairs = model.x and PROBLEMS.make("linear_gaussian").draw(50, torch.Generator().manual_seed(0))
    numbers = slopes(model, pairs.x, pairs.y, pairs.x)
    assert 1 - 1e-3 < numbers.forward * numbers.inverse
    assert numbers.forward <= model.model.lipschitz and numbers.inverse <= model.model.lipschitz_inverse


def test_the_exact_posterior_gets_perfect_scores():
    """The affine map with the exact posterior, put in the place of the trained network."""
    problem = PROBLEMS.make("linear_gaussian")
    model = run_of("inn").fitted
    matrix = problem.realising_map()
    units = model.standardisation.double()

    class Exact(torch.nn.Module):
        features, context, latent_features = 3, 1, 2
        capabilities, device, dtype = model.model.capabilities, torch.device("cpu"), torch.float64
        keeps_bounds = False

        def inverse(self, z, y):
            joint = torch.cat([units.y_out(y.double()), z.double()], 1)
            return units.x_in(torch.linalg.solve(matrix, joint.T).T), z.sum(1)

        def draw(self, z, y):
            return self.inverse(z, y.expand(len(z), -1))[0]

        def pad_x(self, x):
            return x

        def forward_full(self, x):
            return units.x_out(x) @ matrix.T, x.sum(1)

        def parameter_count(self):
            return 0

    model.model = Exact()
    numbers = evaluate_posterior(model, problem, fresh_pairs(problem, 60, 400, seed=1), seed=2)
    number = {name: float(value[1]) for name, value in numbers.items() if value[0] == ()}
    assert number["resimulation_distance"] < 1e-5 and abs(number["mmd"]) < 3e-3
    assert abs(number["c2st"] - 0.5) < 0.08 and number["spread"] == pytest.approx(1, abs=0.03)
    assert number["calibration_error"] < 0.06 and number["non_finite_share"] == 0
    assert number["lipschitz"] >= 1 / number["lipschitz_inverse"] > 0


def test_reading_groups_and_counts():
    import xarray as xr

    data = xr.Dataset(
        {"error": ("cell", [4.0, 2.0, 1.0, np.nan])},
        coords={"size": ("cell", [1, 1, 2, 3]), "kind": ("cell", list("aabb"))},
    )
    assert grouped(data, "error", "size") == {1: 3.0, 2: 1.0}
    assert grouped(data, "error", "size", kind="b") == {2: 1.0} and grouped(data, "absent", "size") == {}
    assert falls({1: 3.0, 2: 1.0, 3: 2.0}) == 1
