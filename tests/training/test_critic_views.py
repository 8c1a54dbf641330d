"""The critic beside the optimal one, and precision and recall: oracles are recognised, lazy critics seen."""

import math
from types import SimpleNamespace

import holoviews as hv
import numpy as np
import pytest
import torch
from bokeh.models import BasicTicker, ColorBar, Legend

from tests.diagnostics.snapshots import snapshot
from workbench import diagnostics, plots
from workbench.architectures import ARCHITECTURES
from workbench.divergences import DIVERGENCES, precision_recall_curve
from workbench.problems import PROBLEMS
from workbench.snapshots import SnapshotRequest
from workbench.snapshots import precision_recall as module
from workbench.snapshots.density_ratio import log_densities, log_evidence
from workbench.training import Experiment, Run
from workbench.training.history import Record

LOOK = SnapshotRequest(views=("critic", "precision_recall"))


def make_run(problem="two_moons", architecture="realnvp", objective="maximum_likelihood", **training):
    training = {"samples": 3000, "batch_size": 128, "precision": "float64"} | training
    spec = ARCHITECTURES.make(architecture, transforms=3, width=16)
    return Run(Experiment(problem, spec, objective, training=training))


class Oracle(torch.nn.Module):
    """Says the optimal logit, from the run's own densities; ``share`` of the log-ratio, for a lazy one."""

    def __init__(self, run, divergence, direction, order, share=1.0):
        super().__init__()
        self.held = [run, divergence]
        self.forward_side, self.share = direction.startswith("forward"), share
        self.sign = 1.0 if self.forward_side != (order == "data_first") else -1.0

    def forward(self, points):
        run, divergence = self.held
        width = run.model.context
        if self.forward_side:
            y, z = (points[:, :width], points[:, width:]) if width else (None, points)
            x = run.model.inverse(z, y)[0]
        else:
            n = run.model.features
            x, y = (points[:, :n], points[:, n:]) if width else (points, None)
        data, model = log_densities(run, x, y)
        return divergence.optimal_logits(self.sign * self.share * (data - model))[:, None]


def with_oracle(run, key="kl", direction="backward_joint", order="data_first", share=1.0):
    """The run with an oracle in place of its loss."""
    divergence = DIVERGENCES.make(key)
    run.loss = SimpleNamespace(
        critic=Oracle(run, divergence, direction, order, share),
        divergence=divergence,
        objective=SimpleNamespace(direction=direction, order=order),
    )
    return run


@pytest.mark.parametrize(
    "key, problem",
    [("kl", "eight_gaussians"), ("jensen_shannon", "linear_gaussian"), ("reverse_kl", "eight_gaussians")],
)
@pytest.mark.parametrize("direction", ["backward_joint", "forward_true_y"])
@pytest.mark.parametrize("order", ["data_first", "model_first"])
def test_an_oracle_is_the_optimal_critic_from_every_side(key, direction, order, problem):
    spec = PROBLEMS.make(problem, **({"features": 2, "noise": 0.5} if problem == "linear_gaussian" else {}))
    snap = with_oracle(make_run(spec), key, direction, order).snapshot(LOOK)
    estimate, optimal = (snap.arrays[f"critic_{kind}"] for kind in ("learned", "optimal"))
    np.testing.assert_array_equal(np.isnan(estimate), np.isnan(optimal))
    # a critic tames its largest logits; where it does not, the two are the same number
    mask = np.isfinite(optimal) & (np.abs(optimal) < 20)
    np.testing.assert_allclose(estimate[mask], optimal[mask], atol=1e-6)
    _, held_out, true, *_ = snap.arrays["critic_figures"]
    assert held_out == pytest.approx(true, rel=1e-6)
    exact, critic = (snap.arrays[f"precision_recall_{kind}"] for kind in ("known", "critic"))
    np.testing.assert_allclose(critic, exact, atol=1e-6)


@pytest.mark.parametrize("features, direction", [(3, "backward_joint"), (4, "forward_true_y")])
def test_beyond_the_plane_an_oracle_lies_on_the_line(features, direction):
    spec = PROBLEMS.make("linear_gaussian", features=features, noise=0.5)
    run = with_oracle(make_run(spec), "jensen_shannon", direction)
    snap = run.snapshot(SnapshotRequest(views=("critic",)))
    assert "critic_learned" not in snap.arrays
    for kind in ("data", "model"):
        optimal, estimate = snap.arrays[f"critic_at_{kind}"].T
        mask = np.abs(optimal) < 20
        assert mask.sum() > 100 and optimal[mask].std() > 0.05
        np.testing.assert_allclose(estimate[mask], optimal[mask], atol=1e-6)
    data = diagnostics.VIEWS["critic"](snap)
    assert data.attrs["verdict"] == "green" and not data.attrs["planar"]
    plot = hv.render(plots.critic(data))
    assert plot.x_range.end == -plot.x_range.start and isinstance(plot.xaxis[0].ticker, BasicTicker)
    assert [i.label.value for i in plot.select_one(Legend).items if i.visible] == ["data", "draws"]
    assert not plot.select_one(ColorBar).visible


def test_a_lazy_critic_is_not_to_be_trusted():
    run = make_run("eight_gaussians")
    verdicts = [
        diagnostics.VIEWS["critic"](with_oracle(run, "jensen_shannon", share=share).snapshot(LOOK)).attrs
        for share in (1.0, 0.05)
    ]
    assert verdicts[0]["verdict"] == "green"
    assert verdicts[1]["verdict"] == "red" and "misses part" in verdicts[1]["sentence"]


@pytest.mark.parametrize(
    "figures, verdict, words",
    [
        ([0.31, 0.30, 0.32, 0.01, 0.01, 0.0], "green", "can be trusted"),
        ([0.80, 0.30, 0.32, 0.01, 0.01, 0.0], "red", "by heart"),
        ([0.05, 0.05, 0.50, 0.01, 0.01, 0.0], "red", "misses part"),
        ([0.60, 0.60, 0.30, 0.01, 0.01, 0.0], "red", "finds more"),
        ([0.44, 0.44, 0.50, 0.02, 0.00, 0.0], "green", "trusted"),
        ([0.40, 0.40, 0.50, 0.01, 0.00, 0.0], "amber", "Careful"),
        ([0.40, 0.40, math.nan, 0.01, math.nan, 0.0], "amber", "not finite"),
    ],
)
def test_when_a_number_can_be_trusted(figures, verdict, words):
    snap = snapshot()
    snap.arrays["critic_figures"] = np.array(figures)
    data = diagnostics.VIEWS["critic"](snap)
    assert data.attrs["verdict"] == verdict and words in data.attrs["sentence"]


@pytest.mark.parametrize(
    "problem, architecture, objective",
    [("two_moons", "realnvp", "maximum_likelihood"), ("linear_gaussian", "inn", "variational")],
)
def test_there_is_no_critics_view_without_critic_or_densities(problem, architecture, objective):
    snap = make_run(problem, architecture, objective).snapshot(SnapshotRequest(views=("critic",)))
    assert not [name for name in snap.arrays if name.startswith("critic")]
    assert diagnostics.VIEWS["critic"](snap).attrs["verdict"] == "unknown"


def test_curves_from_samples_are_those_of_the_distributions():
    p, q = (torch.distributions.Normal(m, 1.0) for m in (0.0, 1.0))
    at = torch.randn(2, 40_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sides = at[0], at[1] + 1.0
    points = module.curve(*(p.log_prob(u) - q.log_prob(u) for u in sides))
    cells = torch.linspace(-7, 8, 6000, dtype=torch.float64)
    masses = (d.log_prob(cells).exp() * (cells[1] - cells[0]) for d in (p, q))
    precision, recall = precision_recall_curve(*masses, module.slopes())
    np.testing.assert_allclose(points, torch.stack([recall, precision], -1).clamp(0, 1), atol=0.02)


def test_equal_distributions_are_the_corner():
    zero = torch.zeros(100, dtype=torch.float64)
    tangent = module.slopes().numpy()
    np.testing.assert_allclose(module.curve(zero, zero)[:, 1], np.minimum(tangent, 1), atol=1e-12)


def test_without_critic_and_densities_one_is_trained_for_it(monkeypatch):
    monkeypatch.setattr(module, "_STEPS", 60)
    run = make_run("linear_gaussian", "inn", "inn")
    snap = run.snapshot(SnapshotRequest(views=("precision_recall",)))
    curve = snap.arrays["precision_recall_critic"]
    assert "precision_recall_known" not in snap.arrays and snap.arrays["precision_recall_figures"][1] == 0
    assert (np.diff(curve[:, 1]) >= -1e-9).all() and (np.diff(curve[:, 0]) <= 1e-9).all()
    data = diagnostics.VIEWS["precision_recall"](snap)
    assert "fresh critic" in data.attrs["sentence"] and data.sizes["mark"] == 0


def test_the_objectives_trade_off_is_marked_on_the_curve():
    data = diagnostics.VIEWS["precision_recall"](snapshot())
    recall, precision = float(data["mark_recall"][0]), float(data["mark_precision"][0])
    assert precision / recall == pytest.approx(2.0, rel=0.1)


def test_a_planar_evidence_is_summed():
    spec = PROBLEMS.make("linear_gaussian", features=2, noise=0.6)
    bare = SimpleNamespace(window=spec.window, log_joint=spec.log_joint)
    y = torch.tensor([[-1.0], [0.3], [1.5]], dtype=torch.float64)
    torch.testing.assert_close(log_evidence(bare, y), spec.log_evidence(y), atol=0.01, rtol=0)


def test_measured_divergences_share_one_axis():
    records = [
        Record(i, 0.1 * i, 1e-3, {"loss": 1.0}, {"loss": 1.0, "measured.kl": 1 / i, "measured.sinkhorn": -0.1}
               if i % 10 == 0 else {})
        for i in range(1, 41)
    ]  # fmt: skip
    data = diagnostics.VIEWS["divergences"](snapshot(), records=records, steps=100)
    assert list(data["divergence"].values) == ["kl", "sinkhorn"]
    np.testing.assert_allclose(data["iteration"], [10, 20, 30, 40])
    np.testing.assert_allclose(data["value"].sel(divergence="kl"), [0.1, 0.05, 1 / 30, 0.025])
    assert data.attrs["horizontal_window"] == [0.0, 100.0]
