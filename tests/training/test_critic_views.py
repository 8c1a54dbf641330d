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


def made(problem="two_moons", architecture="realnvp", objective="maximum_likelihood", **training):
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


def judged_by(run, key="kl", direction="backward_joint", order="data_first", share=1.0):
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
    taken = judged_by(made(spec), key, direction, order).snapshot(LOOK)
    learned, optimal = (taken.arrays[f"critic_{kind}"] for kind in ("learned", "optimal"))
    np.testing.assert_array_equal(np.isnan(learned), np.isnan(optimal))
    # a critic tames its largest logits; where it does not, the two are the same number
    kept = np.isfinite(optimal) & (np.abs(optimal) < 20)
    np.testing.assert_allclose(learned[kept], optimal[kept], atol=1e-6)
    _, held_out, true, *_ = taken.arrays["critic_figures"]
    assert held_out == pytest.approx(true, rel=1e-6)
    known, critic = (taken.arrays[f"precision_recall_{kind}"] for kind in ("known", "critic"))
    np.testing.assert_allclose(critic, known, atol=1e-6)


@pytest.mark.parametrize("features, direction", [(3, "backward_joint"), (4, "forward_true_y")])
def test_beyond_the_plane_an_oracle_lies_on_the_line(features, direction):
    spec = PROBLEMS.make("linear_gaussian", features=features, noise=0.5)
    run = judged_by(made(spec), "jensen_shannon", direction)
    taken = run.snapshot(SnapshotRequest(views=("critic",)))
    assert "critic_learned" not in taken.arrays
    for law in ("data", "model"):
        optimal, learned = taken.arrays[f"critic_at_{law}"].T
        kept = np.abs(optimal) < 20
        assert kept.sum() > 100 and optimal[kept].std() > 0.05
        np.testing.assert_allclose(learned[kept], optimal[kept], atol=1e-6)
    shown = diagnostics.VIEWS["critic"](taken)
    assert shown.attrs["verdict"] == "green" and not shown.attrs["planar"]
    drawn = hv.render(plots.critic(shown))
    assert drawn.x_range.end == -drawn.x_range.start and isinstance(drawn.xaxis[0].ticker, BasicTicker)
    assert [i.label.value for i in drawn.select_one(Legend).items if i.visible] == ["data", "draws"]
    assert not drawn.select_one(ColorBar).visible


def test_a_lazy_critic_is_not_to_be_trusted():
    run = made("eight_gaussians")
    verdicts = [
        diagnostics.VIEWS["critic"](judged_by(run, "jensen_shannon", share=share).snapshot(LOOK)).attrs
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
    taken = snapshot()
    taken.arrays["critic_figures"] = np.array(figures)
    shown = diagnostics.VIEWS["critic"](taken)
    assert shown.attrs["verdict"] == verdict and words in shown.attrs["sentence"]


@pytest.mark.parametrize(
    "problem, architecture, objective",
    [("two_moons", "realnvp", "maximum_likelihood"), ("linear_gaussian", "inn", "variational")],
)
def test_there_is_no_critics_view_without_critic_or_densities(problem, architecture, objective):
    taken = made(problem, architecture, objective).snapshot(SnapshotRequest(views=("critic",)))
    assert not [name for name in taken.arrays if name.startswith("critic")]
    assert diagnostics.VIEWS["critic"](taken).attrs["verdict"] == "unknown"


def test_curves_from_samples_are_those_of_the_laws():
    p, q = (torch.distributions.Normal(m, 1.0) for m in (0.0, 1.0))
    at = torch.randn(2, 40_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sides = at[0], at[1] + 1.0
    found = module.curve(*(p.log_prob(u) - q.log_prob(u) for u in sides))
    cells = torch.linspace(-7, 8, 6000, dtype=torch.float64)
    masses = (law.log_prob(cells).exp() * (cells[1] - cells[0]) for law in (p, q))
    precision, recall = precision_recall_curve(*masses, module.slopes())
    np.testing.assert_allclose(found, torch.stack([recall, precision], -1).clamp(0, 1), atol=0.02)


def test_equal_laws_are_the_corner():
    zero = torch.zeros(100, dtype=torch.float64)
    tangent = module.slopes().numpy()
    np.testing.assert_allclose(module.curve(zero, zero)[:, 1], np.minimum(tangent, 1), atol=1e-12)


def test_without_critic_and_densities_one_is_trained_for_it(monkeypatch):
    monkeypatch.setattr(module, "_STEPS", 60)
    run = made("linear_gaussian", "inn", "inn")
    taken = run.snapshot(SnapshotRequest(views=("precision_recall",)))
    curve = taken.arrays["precision_recall_critic"]
    assert "precision_recall_known" not in taken.arrays and taken.arrays["precision_recall_figures"][1] == 0
    assert (np.diff(curve[:, 1]) >= -1e-9).all() and (np.diff(curve[:, 0]) <= 1e-9).all()
    shown = diagnostics.VIEWS["precision_recall"](taken)
    assert "fresh critic" in shown.attrs["sentence"] and shown.sizes["mark"] == 0


def test_the_objectives_trade_off_is_marked_on_the_curve():
    shown = diagnostics.VIEWS["precision_recall"](snapshot())
    recall, precision = float(shown["mark_recall"][0]), float(shown["mark_precision"][0])
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
    shown = diagnostics.VIEWS["divergences"](snapshot(), records=records, steps=100)
    assert list(shown["divergence"].values) == ["kl", "sinkhorn"]
    np.testing.assert_allclose(shown["iteration"], [10, 20, 30, 40])
    np.testing.assert_allclose(shown["value"].sel(divergence="kl"), [0.1, 0.05, 1 / 30, 0.025])
    assert shown.attrs["horizontal_window"] == [0.0, 100.0]
