"""Runs in one call, and what runs, experiments, posteriors, models and reports print as."""

from __future__ import annotations

import subprocess
import sys

import pytest

import workbench as wb
from workbench.core.variable import Variable
from workbench.diagnostics import Report

TRAINING = {"samples": 512, "batch_size": 64, "validate_every": 5}


def experiment(**changes) -> wb.Experiment:
    return wb.Experiment("linear_gaussian", "maf", training=TRAINING, **({"steps": 12} | changes))


@pytest.fixture(scope="module")
def run() -> wb.Run:
    return wb.Run(experiment(), device="cpu").train(progress=False)


def test_train_does_the_same_as_a_loop(run):
    other = wb.Run(experiment(), device="cpu")
    for _ in other:
        pass
    assert run.finished and [r.parts for r in run.history] == [r.parts for r in other.history]
    assert run.train(progress=False) is run and run.iteration == 12


def test_the_bar_counts_steps_and_shows_both_losses(capsys):
    run = wb.Run(experiment(), device="cpu")
    for _ in range(4):
        run.step()
    assert run.train() is run
    text = capsys.readouterr().err
    assert "12/12" in text and "Masked autoregressive flow" in text
    assert f"loss={run.history[-1].loss:.4g}" in text and "validation=" in text
    assert "4/12" in text  # it goes on where the run stood
    run.train()
    assert capsys.readouterr().err == ""
    wb.Run(experiment(steps=2), device="cpu").train(progress=False)
    assert capsys.readouterr().err == ""


def test_a_run_says_where_it_stands(run):
    assert repr(run).startswith("Run(problem=linear_gaussian, architecture=maf, objective=maximum_likelihood")
    assert "iteration=12 of 12, finished" in repr(run) and f"loss={run.history[-1].loss:.4g}" in repr(run)
    html = run._repr_html_()
    assert "<table>" in html and "The planned steps are done" in html


def test_a_posterior_says_its_variables_and_its_observation(run):
    posterior = run.posterior([0.25])
    assert "observation=y1=0.25" in repr(posterior) and "x" in repr(posterior)
    assert "<table>" in posterior._repr_html_()
    model = run.fitted
    assert repr(model).startswith("FittedModel(problem=linear_gaussian") and "iteration=12" in repr(model)


def test_texts_of_users_are_escaped(run):
    model = run.fitted
    model.x = (Variable("<script>alert(1)</script>"), *model.x[1:])
    model.y = (Variable("y", unit="<b>m</b>"),)
    for each in (model, model.posterior([0.1])):
        assert "<script>" not in each._repr_html_() and "<b>" not in each._repr_html_()
        assert "&lt;script&gt;" in each._repr_html_()


def test_an_experiment_shows_its_settings_and_what_does_not_fit():
    html = experiment()._repr_html_()
    assert "Masked autoregressive flow" in html and "batch_size = 64" in html
    assert (
        "cannot" in wb.Experiment("two_moons", "conditional_vae")._repr_html_()
        or wb.Experiment("two_moons", "conditional_vae").refusals()
    )
    assert "transforms" in experiment().architecture._repr_html_()
    assert str(experiment(steps=3).architecture) == "MAF()"


def test_a_report_is_a_table(run):
    report = wb.diagnose(run, only=["latent_normality"])
    assert isinstance(report, Report) and repr(report) == str(report)
    assert "verdict" in report._repr_html_() and "<table>" in report._repr_html_()


def test_packages_are_attributes_and_cost_nothing():
    code = (
        "import sys, workbench as wb\n"
        "assert not {'torch', 'pandas', 'xarray', 'holoviews', 'param'} & set(sys.modules)\n"
        "assert {'plots', 'problems', 'architectures', 'diagnostics', 'wrap'} <= set(dir(wb))\n"
        "names = ['problems', 'architectures', 'objectives', 'divergences', 'diagnostics', 'plots']\n"
        "assert [getattr(wb, n).__name__ for n in names] == ['workbench.' + n for n in names]\n"
        "assert 'maf' in wb.architectures.ARCHITECTURES and 'torch' not in sys.modules\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
