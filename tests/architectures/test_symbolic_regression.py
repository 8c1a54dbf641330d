"""Invertible symbolic regression: the penalty, the pruning, and formulas that are the network."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import sympy
import torch

import workbench as wb
from tests.architectures.properties import batch, build_model
from workbench.architectures import ARCHITECTURES
from workbench.core.errors import ExportError
from workbench.core.shapes import Shapes
from workbench.core.variable import Variable
from workbench.export import export, formulas
from workbench.inference.standardisation import Standardisation
from workbench.nn.equation_learner import (
    HIGHEST_FREQUENCY,
    ROUNDED_BELOW,
    EquationLearner,
    smoothed_half_norm,
)
from workbench.training import FittedModel

KEY = "symbolic_regression"


def table(folder, formula, noise: float, n: int = 2000):
    """Rows a ~ N(0, 1), b = formula(a) + noise."""
    random = np.random.default_rng(0)
    a = random.normal(size=n)
    b = formula(a) + noise * random.normal(size=n)
    pd.DataFrame({"a": a, "b": b}).to_csv(folder / "rows.csv", index=False)
    return wb.TableProblem(str(folder / "rows.csv"), x=["a", "b"])


def in_data_units(model, shapes: Shapes) -> FittedModel:
    """The model in data units that are not the standardised ones."""
    units = Standardisation(shapes).double()
    units.shift_x.add_(torch.arange(shapes.x) + 0.5)
    units.scale_x.mul_(2.0)
    units.scale_y.mul_(0.5)
    names = [Variable(f"x{i}") for i in range(shapes.x)], [Variable(f"y{i}") for i in range(shapes.y)]
    return FittedModel(model, units, *names)


# ---- the penalty


def test_the_penalty_is_the_root_and_is_rounded_smoothly():
    a = ROUNDED_BELOW
    w = torch.tensor([0.04, -0.25, 1.0], dtype=torch.float64)
    assert torch.allclose(smoothed_half_norm(w), w.abs().sqrt())
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(smoothed_half_norm(zero).sum(), zero)
    assert slope.item() == 0 and smoothed_half_norm(zero).item() == pytest.approx((3 * a / 8) ** 0.5)
    for side in (a * (1 - 1e-9), a * (1 + 1e-9)):  # value and slope agree where the two parts meet
        point = torch.tensor([side], dtype=torch.float64, requires_grad=True)
        value = smoothed_half_norm(point)
        (slope,) = torch.autograd.grad(value.sum(), point)
        assert value.item() == pytest.approx(a**0.5) and slope.item() == pytest.approx(0.5 / a**0.5)


def test_the_penalty_belongs_to_the_middle_of_training():
    model = build_model(KEY, Shapes(2, 0), sparsity=0.5)
    total = sum(smoothed_half_norm(p).sum() for p in model.parameters())
    assert model.penalties(0.1)["sparsity"] == 0 and model.penalties(0.9)["sparsity"] == 0
    assert torch.allclose(model.penalties(0.5)["sparsity"], 0.5 * total)


# ---- pruning


def test_pruned_weights_stay_zero_and_the_map_stays_invertible():
    shapes = Shapes(3, 1)
    model, (x, y) = build_model(KEY, shapes), batch(shapes)
    before = model.latent(x, y)[0]
    model.after_step(0.5)
    assert torch.equal(before, model.latent(x, y)[0])  # not yet
    model.threshold = 0.2
    model.after_step(0.8)
    weights = torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()
    small = [v for v in weights if abs(v) < 0.2]
    assert small and set(small) == {0.0}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)  # as an optimiser with momentum would
    masks = [m for name, m in model.state_dict().items() if "kept_weight" in name]
    assert not all(m.all() for m in masks)
    z, _ = model.latent(x, y)
    assert torch.allclose(model.inverse(z, y)[0], x, atol=1e-10)
    learner = model.layers[0].learner.layers[0]
    weight, _ = learner.coefficients()
    assert all(
        w == 0
        for row, mask in zip(weight, learner.kept_weight, strict=True)
        for w, k in zip(row, mask, strict=True)
        if not k
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("library, function", [("trigonometric", "sin"), ("polynomial", "square")])
def test_equal_units_are_merged_and_different_ones_are_not(library, function, sign):
    """a f(w) + b f(±w) = (a ± b) f(w) for the odd sine, (a + b) f(w) for the even square."""
    torch.manual_seed(0)
    learner = EquationLearner(2, 1, width=6, depth=1, library=library).double()
    (one, row), (two, other) = learner._rows(function)[:2]
    layer = learner.layers[0]
    with torch.no_grad():
        learner.output.weight[0, [one, two]] = torch.tensor([0.7, 0.5]).double()
        layer.weight[row], layer.bias[row] = torch.tensor([1.5, -0.5]).double(), 0.3
        layer.weight[other], layer.bias[other] = sign * layer.weight[row], sign * 0.3
        u = torch.randn(30, 2, dtype=torch.float64)
        before, formulas_before = learner(u), learner.output.weight[0].count_nonzero()
        learner.prune(0.0)
        assert torch.allclose(learner(u), before, atol=1e-12)
        assert learner.output.weight[0].count_nonzero() == formulas_before - 1
        reference = 0.7 + (sign if function == "sin" else 1.0) * 0.5
        assert learner.output.weight[0, one] == pytest.approx(reference)
        if function == "sin":
            layer.weight[other], learner.output.weight[0, two] = 1.3 * layer.weight[row], 0.5
            learner.prune(0.0)
            assert learner.output.weight[0, two] == 0.5  # a third apart: another sine


def test_sines_start_at_spread_frequencies():
    torch.manual_seed(0)
    learner = EquationLearner(3, 1, width=8, depth=1, library="trigonometric")
    lengths = [float(learner.layers[0].weight[row].norm().detach()) for _, row in learner._rows("sin")]
    assert lengths[1:] == pytest.approx([HIGHEST_FREQUENCY / 3, 2 * HIGHEST_FREQUENCY / 3, HIGHEST_FREQUENCY])
    assert lengths[0] < 1


# ---- formulas


@pytest.mark.parametrize("library", ["polynomial", "trigonometric", "all"])
def test_an_equation_learner_is_its_expressions(library):
    torch.manual_seed(0)
    learner = EquationLearner(2, 3, width=6, depth=2, library=library).double()
    u = torch.randn(20, 2, dtype=torch.float64)
    symbols = sympy.symbols("a b")
    values = [sympy.lambdify(symbols, e, "numpy")(*u.numpy().T) for e in learner.expressions(symbols)]
    np.testing.assert_allclose(np.stack(values, 1), learner(u).detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("shapes", [Shapes(2, 0), Shapes(3, 1)], ids=str)
def test_formulas_are_the_model_in_the_datas_units(shapes):
    model = build_model(KEY, shapes, width=4, depth=1, transforms=2)
    model.prune(0.25)
    network = in_data_units(model, shapes)
    x, y = batch(shapes)
    with torch.no_grad():
        z = network.latent(x, y)[0].numpy()
    values = {
        sympy.Symbol(v.name): column
        for v, column in zip(
            (*network.x, *network.y), torch.cat([x] if y is None else [x, y], 1).numpy().T, strict=True
        )
    }
    for layer in formulas(network).layers:
        values |= {
            sympy.Symbol(name): sympy.lambdify(list(values), expression, "numpy")(*values.values())
            for name, expression in layer
        }
    for i in range(shapes.x):
        np.testing.assert_allclose(values[sympy.Symbol(f"z{i + 1}")], z[:, i], atol=1e-9)


def test_a_known_formula_is_printed_as_it_is(tmp_path):
    """z₂ = 4 b − 2 a² + 1 by hand: the log-scale is log 4, the shift −2 a² + 1."""
    model = ARCHITECTURES.make(KEY, width=4, transforms=2, clamp=10.0).build(Shapes(2, 0)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        learner = model.layers[0].learner
        learner.layers[0].weight[1] = 1.0  # the second unit is the square
        learner.output.weight[1, 1] = -2.0
        learner.output.bias[0] = 10 * torch.atanh(torch.tensor(np.log(4.0) / 10))
        learner.output.bias[1] = 1.0
    network = FittedModel(model, Standardisation(Shapes(2, 0)), [Variable("a"), Variable("b")], [])
    result = formulas(network)
    assert result.text() == "z1 = a\nz2 = -2*a**2 + 4*b + 1"
    assert result.latex() == "z_{1} &= a \\\\\nz_{2} &= - 2 a^{2} + 4 b + 1"
    export(network, "formula", tmp_path / "formula.txt")
    assert (tmp_path / "formula.txt").read_text() == f"{result.text()}\n\n{result.latex()}\n"


def test_other_models_have_no_formula():
    other = in_data_units(build_model("realnvp", Shapes(2, 0)), Shapes(2, 0))
    with pytest.raises(ExportError, match="symbolic_regression"):
        formulas(other)


# ---- training


def test_a_run_is_pruned_and_continues_where_it_stopped(tmp_path):
    problem = table(tmp_path, lambda a: a**2, 0.3, n=200)
    architecture = {"key": KEY, "settings": {"width": 4, "threshold": 0.2}}
    run = wb.Run(wb.Experiment(problem, architecture, steps=8, training={"samples": 200}))
    for record in run:
        if record.iteration == 5:
            state = copy.deepcopy(run.state_dict())
            again = wb.Run(run.experiment)
            again.load_state_dict(state)
            assert record.parts["sparsity"] > 0 and not bool(run.model.cut)
    assert bool(run.model.cut)  # also where validation liked an uncut formula better
    assert run.history[-1].parts["sparsity"] == 0
    for _ in again:
        pass
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


@pytest.mark.slow
def test_the_formula_of_the_data_is_found(tmp_path):
    """b = 1 − 0.8 a² + 0.3 ε is ε = (10 b + 8 a² − 10)/3: these terms are found, with these numbers."""
    problem = table(tmp_path, lambda a: 1 - 0.8 * a**2, 0.3)
    experiment = wb.Experiment(problem, KEY, steps=1500, seed=0, training={"learning_rate": 0.01})
    run = wb.Run(experiment)
    for _ in run:
        pass
    a, b = sympy.symbols("a b")
    latents = {name: sympy.expand(value) for name, value in formulas(run).latent}
    assert latents["z1"].free_symbols == {a} and latents["z2"].free_symbols == {a, b}
    terms = sympy.Poly(latents["z2"], a, b).as_dict()  # a polynomial: no sine is left
    sign = np.sign(terms[0, 1])
    for powers, reference in {(0, 1): 10 / 3, (2, 0): 8 / 3, (0, 0): -10 / 3}.items():
        assert float(sign * terms.pop(powers)) == pytest.approx(reference, rel=0.1), powers
    assert all(abs(rest) < 0.2 for rest in terms.values())  # little is left beside them


@pytest.mark.slow
@pytest.mark.parametrize("frequency", [2.0, 4.5])
def test_the_sine_of_the_data_is_found(tmp_path, frequency):
    """b = sin(ω a) + 0.2 ε: one sine with this frequency, and as much of it as of b with the other sign."""
    problem = table(tmp_path, lambda a: np.sin(frequency * a), 0.2)
    run = wb.Run(wb.Experiment(problem, KEY, steps=1500, seed=0, training={"learning_rate": 0.01}))
    for _ in run:
        pass
    a, b = sympy.symbols("a b")
    for _, value in formulas(run).latent:
        if b not in value.free_symbols:
            continue
        (sine,) = sympy.expand(value).atoms(sympy.sin)
        inside = sympy.Poly(sine.args[0], a)
        assert abs(float(inside.coeff_monomial(a))) == pytest.approx(frequency, rel=0.02)
        terms = sympy.expand(value)
        coefficient = np.sign(float(inside.coeff_monomial(a))) * float(terms.coeff(sine))
        assert coefficient == pytest.approx(-float(terms.coeff(b)), rel=0.05)
        assert abs(float(inside.coeff_monomial(1))) < 0.1
        rest = terms - terms.coeff(sine) * sine - terms.coeff(b) * b
        assert not rest.has(sympy.sin) and sympy.degree(rest, a) <= 1
