"""The support of x is one thing for a model, its density on a page and its exports."""

from __future__ import annotations

import torch

import workbench as wb
from workbench.core.variable import Variable
from workbench.inference.support import Support
from workbench.snapshots.conversions import log_prob_in_data_units

X = [Variable("rate", scale="log"), Variable("share", low=0.0, high=1.0)]
POINTS = torch.tensor(
    [[0.5, 0.5], [0.0, 0.5], [-1.0, 0.5], [0.5, -0.1], [0.5, 1.0], [1e-300, 0.5]], dtype=torch.float64
)
OUTSIDE = [False, True, True, True, False, False]


def run() -> wb.Run:
    problem = wb.SimulatorProblem(
        lambda n, g: torch.rand(n, 2, generator=g, dtype=torch.float64).clamp(min=1e-6),
        lambda x: x,
        x=X,
        y=["c", "d"],
    )
    experiment = wb.Experiment(problem, "realnvp", "maximum_likelihood", {"samples": 200}, steps=3)
    result = wb.Run(experiment, device="cpu")
    for _ in result:
        pass
    return result


def test_points_outside_have_no_density_and_zero_has_no_logarithm():
    zero = torch.zeros(len(POINTS), dtype=torch.float64)
    assert Support(X).zero_outside(zero, POINTS).isinf().tolist() == OUTSIDE
    assert torch.equal(Support(X, kept=False).zero_outside(zero, POINTS), zero)


def test_a_page_shows_the_density_of_the_model():
    trained = run()
    observation = [0.5, 0.5]
    shown = torch.from_numpy(log_prob_in_data_units(trained, POINTS, observation))
    with torch.no_grad():
        torch.testing.assert_close(shown, trained.fitted.log_prob(POINTS, [observation]))
    assert shown.isinf().tolist() == OUTSIDE


def test_a_run_of_version_0_1_keeps_its_density_beyond_the_bounds():
    problem = wb.SimulatorProblem(
        lambda n, g: torch.rand(n, 1, generator=g), lambda x: x, x=[Variable("a", low=0.0, high=1.0)], y=["c"]
    )
    experiment = wb.Experiment(problem, "realnvp", "maximum_likelihood", {"samples": 200}, steps=3)
    old, new = (wb.Run(experiment, device="cpu", maps=m) for m in ({}, None))
    beyond = torch.tensor([[1.01]], dtype=torch.float64)
    assert old.fitted.log_prob(beyond, [[0.5]]).isfinite().all()
    assert new.fitted.log_prob(beyond, [[0.5]]).isinf().all()
