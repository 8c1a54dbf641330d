"""Lipschitz constants: declared ones are never exceeded, estimated ones agree with exact ones."""

import pytest
import torch
from torch import nn

from workbench import theory
from workbench.architectures import ARCHITECTURES
from workbench.core.capability import Capability
from workbench.core.errors import DataError, IncompatibleError, SpecError
from workbench.core.model import Model
from workbench.core.shapes import Shapes
from workbench.theory.lipschitz import jacobians, power_iteration, steepest


class BoundedResidual(Model):
    """The class of VINA's Definition 3.1, with matrices of norm exactly s."""

    def __init__(self, features, blocks, norm, width, bias, seed):
        super().__init__(features, 0, features, frozenset())
        torch.manual_seed(seed)
        self.layers = nn.ParameterList()
        for _ in range(blocks):
            for rows, columns in ((width, features), (features, width)):
                matrix = torch.randn(rows, columns, dtype=torch.float64)
                shift = torch.randn(rows, dtype=torch.float64)
                self.layers.append(nn.Parameter(norm * matrix / torch.linalg.matrix_norm(matrix, ord=2)))
                self.layers.append(nn.Parameter(bias * shift / shift.norm()))

    def _residuals(self):
        for i in range(0, len(self.layers), 4):
            inner, a, outer, b = self.layers[i : i + 4]
            yield lambda x, inner=inner, a=a, outer=outer, b=b: (x @ inner.T + a).tanh() @ outer.T + b

    def latent(self, x, y):
        for residual in self._residuals():
            x = x + residual(x)
        return x, x.new_zeros(len(x))

    def inverse(self, z, y):
        for residual in reversed(list(self._residuals())):
            x = z
            for _ in range(200):
                x = z - residual(x)
            z = x
        return z, z.new_zeros(len(z))

    def stages(self, z, y):
        return [z, self.inverse(z, y)[0]]


@pytest.mark.parametrize("norm, width", [(0.5, 8), (0.9, 16)])
def test_the_declared_constants_of_the_bounded_residual_class_hold(norm, width):
    bound = theory.bounded_residual_constants(blocks=3, norm=norm)
    assert bound.forward == pytest.approx((1 + norm**2) ** 3)
    assert bound.inverse == pytest.approx((1 - norm**2) ** -3) == pytest.approx(bound.largest)
    reach = theory.bounded_residual_displacement(blocks=3, norm=norm, width=width, bias=0.7)
    x = 2 * torch.randn(60, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for seed in range(3):
        model = BoundedResidual(2, 3, norm, width, 0.7, seed)
        estimate = theory.estimate_lipschitz(model, x)
        assert estimate.forward <= bound.forward and estimate.inverse <= bound.inverse
        assert estimate.source == "measured" and bound.source == "declared"
        displacement = (model.latent(x, None)[0] - x).norm(dim=1).max()
        assert displacement <= reach


def test_a_network_outside_the_class_breaks_the_declared_constants():
    model = BoundedResidual(2, 3, 0.5, 8, 0.7, 0)
    with torch.no_grad():
        for weight in model.layers:
            weight *= 3
    x = torch.randn(60, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    slope = steepest(lambda u: model.latent(u, None)[0], x)
    assert slope > theory.bounded_residual_constants(blocks=3, norm=0.5).forward


def test_a_linear_map_has_its_singular_values():
    matrix = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    largest = float(torch.linalg.matrix_norm(matrix, ord=2))
    assert torch.allclose(jacobians(lambda u: u @ matrix.T, x), matrix.expand(4, 5, 5))
    assert steepest(lambda u: u @ matrix.T, x) == pytest.approx(largest)
    assert power_iteration(lambda u: u @ matrix.T, x, steps=300) == pytest.approx(largest, rel=1e-6)


def test_power_iteration_agrees_with_the_singular_values_of_a_nonlinear_map():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 4)).double()
    x = torch.randn(30, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = steepest(network, x)
    estimate = power_iteration(network, x, steps=300)
    assert estimate <= exact * (1 + 1e-9) and estimate == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("key", ARCHITECTURES.keys())
def test_every_architecture_can_be_measured(key):
    torch.manual_seed(0)
    spec = ARCHITECTURES.make(key)
    for shapes in (Shapes(x=2, y=0), Shapes(x=3, y=1)):
        if spec.refusals(shapes):
            continue
        model = spec.build(shapes).double().eval()
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(10, shapes.x, generator=generator, dtype=torch.float64)
        y = torch.randn(10, shapes.y, generator=generator, dtype=torch.float64) if model.context else None
        if Capability.LATENT not in model.capabilities:
            with pytest.raises(IncompatibleError, match="latent code"):
                theory.estimate_lipschitz(model, x, y)
            continue
        constants = theory.estimate_lipschitz(model, x, y)
        assert 0 < constants.forward < float("inf") and 0 < constants.inverse < float("inf")


def test_bad_points_and_numbers_are_refused():
    model = BoundedResidual(2, 1, 0.5, 4, 0.1, 0)
    for x in (torch.zeros(3, 3).double(), torch.full((3, 2), float("nan")).double()):
        with pytest.raises(DataError, match="dimension"):
            theory.estimate_lipschitz(model, x)
    for norm in (1.0, -0.1, float("nan")):
        with pytest.raises(SpecError, match="norm"):
            theory.bounded_residual_constants(blocks=2, norm=norm)
    with pytest.raises(SpecError, match="blocks"):
        theory.residual_constants(blocks=0, contraction=0.5)
