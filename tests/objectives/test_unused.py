"""Settings that an architecture does not use are listed as unused, and have no effect there."""

import pytest
import torch

from tests.architectures.properties import only
from workbench.architectures import ARCHITECTURES
from workbench.core.shapes import Shapes
from workbench.inference.standardisation import Standardisation
from workbench.objectives import OBJECTIVES
from workbench.objectives.base import Batch, Context
from workbench.problems import PROBLEMS
from workbench.training import refusals

PAIRS = [
    (objective, architecture)
    for objective in OBJECTIVES
    for architecture in ARCHITECTURES
    if objective.key != "reverse_kl"
    and not refusals(PROBLEMS.make("inverse_kinematics"), architecture(), objective())
]


@pytest.mark.parametrize("objective, architecture", PAIRS, ids=lambda member: member.key)
def test_unused_settings_change_nothing_and_used_ones_do(objective, architecture):
    """The loss changes with every setting that is used, and with no other."""
    shapes, spec = Shapes(4, 2), architecture(**only(architecture.key, {"transforms": 2, "width": 8}))
    torch.manual_seed(0)
    model = spec.build(shapes)
    batch = Batch(torch.randn(16, 4), torch.randn(16, 2), 1.0)
    units = Context(PROBLEMS.make("inverse_kinematics"), shapes, Standardisation(shapes))

    def total(**values):
        torch.manual_seed(1)
        loss = objective(**values).build(model, units)
        generator = torch.Generator().manual_seed(2)
        return float(loss.total(loss.parts(model, batch, generator), 1.0).detach())

    names = objective().unused(spec)
    assert names <= {s.name for s in objective.settings()}
    for name in ("sigma_y", "weight_y", "weight_likelihood"):
        if name in {s.name for s in objective.settings()}:
            assert (total() == total(**{name: 3.0})) == (name in names), name
