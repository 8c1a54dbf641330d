"""Ensembles whose members leave out rows, and the broad normal distributions beside them."""

from __future__ import annotations

import math

import pytest
import torch

import workbench as wb
from workbench.architectures import ARCHITECTURES
from workbench.core.shapes import Shapes
from workbench.nn.broad_normals import BroadNormals
from workbench.problems.base import Samples

INFINITE = torch.tensor([[-math.inf], [math.inf]], dtype=torch.float64)


def data(rows=120, observed=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(rows, observed, generator=generator, dtype=torch.float64)
    noise = torch.randn(rows, 1, generator=generator, dtype=torch.float64)
    return 0.8 * y[:, :1] + 0.6 * noise, y


def model(x, y, bounds=INFINITE, **settings):
    torch.manual_seed(0)
    settings = {"members": 4, "folds": 2, "width": 16, "depth": 2} | settings
    network = ARCHITECTURES.make("regressed_mixtures", **settings).build(Shapes(x.shape[1], y.shape[1]))
    network = network.double()
    network.prepare(x, y, bounds)
    return network.eval()


def test_a_member_learns_nothing_from_the_rows_that_it_leaves_out():
    x, y = data()
    network, rows = model(x, y), torch.tensor([0, 2, 4, 6, 8])  # all in fold 0
    network.log_prob_to_train(x[rows], y[rows], rows).mean().backward()
    learns = torch.stack([p.grad.abs().amax((1, 2)) for p in network.network.weights]).amax(0)
    assert (learns > 0).tolist() == [False, True, False, True]
    each = network.log_probs(x[rows], y[rows], rows=rows)[1::2]
    loss = network.log_prob_to_train(x[rows], y[rows], rows)
    torch.testing.assert_close(loss.mean(), each.mean())
    # and what is said of a row is said by the members that leave it out
    value, _ = network.unseen_log_probs(x, y)
    every = torch.arange(len(x))
    other = torch.logsumexp(network.log_probs(x, y, rows=every)[0::2], 0) - math.log(2)
    torch.testing.assert_close(value[0::2], other[0::2])


@pytest.mark.parametrize("low, high", [(-math.inf, math.inf), (-2.0, 2.5), (-3.0, math.inf)])
def test_with_broad_normals_the_density_is_normalised_and_that_of_the_draws(low, high):
    x, y = data(400)
    x = x.clamp(low + 0.01, high - 0.01)
    network = model(x, y, torch.tensor([[low], [high]], dtype=torch.float64))
    network.broad.shares.copy_(torch.tensor([0.5, 0.3, 0.2]))
    grid = torch.linspace(max(low, -25.0), min(high, 25.0), 40_001, dtype=torch.float64)[1:-1]
    at = torch.tensor([[0.5, -1.0, 0.3]], dtype=torch.float64)
    with torch.no_grad():
        density = network.log_prob(grid[:, None], at.expand(len(grid), -1)).exp()
    step = float(grid[1] - grid[0])
    assert float(density.sum()) * step == pytest.approx(1.0, abs=2e-3)
    z = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    draws = network.draw(z, at)[:, 0]
    levels = torch.tensor([0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98], dtype=torch.float64)
    exact = grid[torch.searchsorted(density.cumsum(0) * step, levels)]
    share = (draws[:, None] < exact).double().mean(0)
    assert (share - levels).abs().max() < 0.015


def test_the_weights_of_the_broad_normals_are_found_and_never_vanish():
    generator = torch.Generator().manual_seed(3)
    broad, count = BroadNormals().double(), 4000
    u = torch.randn(count, generator=generator, dtype=torch.float64)
    u = torch.where(torch.rand(count, generator=generator) < 0.2, 6 * u, 0.3 * u)

    def normal(scale):
        return -0.5 * (u / scale) ** 2 - math.log(scale) - 0.5 * math.log(2 * math.pi)

    others = torch.stack([normal(scale) for scale in (2.5, 6.0)])
    broad.start()
    broad.fit(normal(0.3), others)
    assert broad.shares.sum() == pytest.approx(1.0) and (broad.shares > 0).all()
    assert float(broad.shares[0]) == pytest.approx(0.8, abs=0.05)
    assert float(broad.shares[2]) == pytest.approx(0.2, abs=0.05)
    broad.fit(normal(0.3), others - 1e6)  # impossible ones keep a pseudo-count
    assert 0 < broad.shares[1:].sum() < 1e-3


def test_a_row_far_away_costs_little():
    """Forty standard deviations from the regression: without broad normals the loss would be 800 nats."""
    x, y = data()
    network = model(x, y)
    far = torch.full((1, 1), 25.0, dtype=torch.float64)
    with torch.no_grad():
        loss = -float(network.log_prob(far, y[:1]))
        members = -float(network.log_probs(far, y[:1]).max())
    assert loss < 40 < 500 < members


def test_a_run_is_calibrated_by_the_rows_that_members_have_not_seen_and_resumes(tmp_path):
    import pandas as pd

    x, y = data(90)
    frame = pd.DataFrame(torch.cat([y, x], 1).numpy(), columns=["a", "b", "c", "x"])
    problem = wb.TableProblem(frame, x=["x"], y=["a", "b", "c"])
    experiment = wb.Experiment.recommended(problem, 90).replace(steps=40)
    assert experiment.architecture.folds > 1
    experiment.training.set("validate_every", 10)
    whole = wb.Run(experiment, device="cpu")
    start = whole.model.broad.shares.clone()
    for _ in whole:
        pass
    assert not torch.equal(whole.model.broad.shares, start)
    half = wb.Run(experiment, device="cpu", folder=tmp_path / "run")
    for _ in range(15):
        half.step()
    half.save()
    again = wb.Run.resume(tmp_path / "run", device="cpu")
    for _ in again:
        pass
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    again.save()
    reader = wb.Run.resume(tmp_path / "run", device="cpu")
    pair = Samples(x[:5], y[:5])
    torch.testing.assert_close(reader.fitted.log_prob(pair.x, pair.y), whole.fitted.log_prob(pair.x, pair.y))
    file = wb.save(whole, tmp_path / "model.zip")
    torch.testing.assert_close(
        wb.load(file).log_prob(pair.x, pair.y), whole.fitted.log_prob(pair.x, pair.y), rtol=1e-5, atol=1e-5
    )


def test_folds_need_as_many_members():
    reasons = ARCHITECTURES.make("regressed_mixtures", members=3, folds=5).refusals(Shapes(1, 2))
    assert len(reasons) == 1 and "5 folds" in reasons[0]


def test_many_simulations_are_not_cross_fitted():
    few, many = (wb.Experiment.recommended("two_moons_posterior", n) for n in (1000, 10_000))
    assert few.architecture.folds == 10 and many.architecture.folds == 0


@pytest.mark.slow
@pytest.mark.parametrize("function", ["inverse", "log_prob"])
@pytest.mark.parametrize("format", ["graph", "onnx"])
def test_exported_programs_have_the_broad_normals(tmp_path, format, function):
    import pandas as pd

    from workbench.export import export

    x, y = data(90)
    frame = pd.DataFrame(torch.cat([y, x], 1).numpy(), columns=["a", "b", "c", "x"])
    problem = wb.TableProblem(frame, x=["x"], y=["a", "b", "c"])
    network = wb.Run(wb.Experiment.recommended(problem, 90), device="cpu").fitted
    network.model.broad.shares.copy_(torch.tensor([0.5, 0.3, 0.2]))
    path = tmp_path / "program"
    values = torch.randn(200, 2 if function == "inverse" else 1, generator=torch.Generator().manual_seed(4))
    values, y = values.double(), y[:1].expand(200, -1).contiguous()
    export(network, format, path, function=function)
    reference = getattr(network, function)(values, y)
    reference = (reference[0] if function == "inverse" else reference).detach()
    if format == "graph":
        output = torch.export.load(path).module()(values, y)
    else:
        runtime = pytest.importorskip("onnxruntime")
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        feed = {i.name: v.numpy() for i, v in zip(session.get_inputs(), (values, y), strict=True)}
        output = torch.from_numpy(session.run(None, feed)[0])
    torch.testing.assert_close(output, reference, rtol=1e-3, atol=1e-3)
