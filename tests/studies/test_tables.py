"""The benchmark of tables: its scores against closed forms, the format of its folders, and its promises."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from workbench.cli import main
from workbench.core.errors import DataError, SpecError
from workbench.studies import STUDIES, load, predictive_scores, rows, run, text
from workbench.studies.table_folder import SHIPPED, tables
from workbench.studies.table_methods import ENDS, METHODS, Split

RESULT = SHIPPED.parent / "results" / "tables.nc"


def linear_table(rows, columns, seed=0, noise=0.5):
    numbers = np.random.default_rng(seed)
    y = numbers.normal(size=(rows, columns))
    x = y @ np.linspace(1, -1, columns) + noise * numbers.normal(size=rows)
    return pd.DataFrame(np.c_[y, x], columns=[*(f"a{i}" for i in range(columns)), "b"])


# ---- scores
def test_the_crps_of_a_normal_distribution_is_the_integral():
    from scipy.integrate import quad
    from scipy.stats import norm

    for x, mean, sigma in ((0.3, 0.0, 1.0), (4.0, 1.5, 0.2), (-7.0, 2.0, 3.0)):
        exact = quad(lambda t: norm.cdf(t, mean, sigma) ** 2, -60, x)[0]  # noqa: B023
        exact += quad(lambda t: norm.sf(t, mean, sigma) ** 2, x, 60)[0]  # noqa: B023
        value = predictive_scores.normal_crps(np.array([x]), np.array([mean]), np.array([sigma]))
        assert value[0] == pytest.approx(exact, rel=1e-5)
        loss = predictive_scores.normal_negative_log_density(x, mean, sigma)
        assert loss == pytest.approx(-norm.logpdf(x, mean, sigma), rel=1e-12)


def test_the_crps_of_draws_and_of_quantiles_approach_the_closed_form():
    from scipy.special import ndtri

    numbers = np.random.default_rng(1)
    x, mean, sigma = numbers.normal(size=400), np.zeros(400), np.full(400, 1.3)
    exact = predictive_scores.normal_crps(x, mean, sigma)
    few = predictive_scores.draws_crps(x, 1.3 * numbers.normal(size=(400, 3)))
    assert few.mean() == pytest.approx(exact.mean(), abs=4 * few.std() / 20)  # unbiased, however few
    many = predictive_scores.draws_crps(x, 1.3 * numbers.normal(size=(400, 4000)))
    np.testing.assert_allclose(many, exact, atol=0.06)
    levels = (np.arange(400) + 0.5) / 400
    grid = np.broadcast_to(1.3 * ndtri(levels), (400, 400))
    np.testing.assert_allclose(predictive_scores.quantile_crps(x, grid, levels), exact, atol=0.01)
    # a forecast that is the law of x
    right = predictive_scores.normal_crps(x, mean, np.ones(400)).mean()
    assert right == pytest.approx(1 / np.sqrt(np.pi), abs=0.08)


def test_exact_quantiles_cover_what_they_claim():
    x = np.random.default_rng(2).exponential(size=20_000)
    low, high = -np.log(1 - np.array(ENDS))
    assert predictive_scores.covered(x, low, high).mean() == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("key", ["linear", pytest.param("quantiles", marks=pytest.mark.slow)])
def test_a_baseline_is_calibrated_on_linear_data(key):
    frame = linear_table(1500, 2)
    prediction = METHODS[key](Split(frame[:250], frame[250:], "b"), 0, 100, "cpu")
    x = frame["b"].to_numpy()[250:]
    inside = predictive_scores.covered(x, prediction.low, prediction.high).mean()
    assert inside == pytest.approx(0.9, abs=0.04 if key == "linear" else 0.15)
    exact = 0.5 / np.sqrt(np.pi)  # CRPS of the true law, N(·, 0.5²)
    assert prediction.crps.mean() == pytest.approx(exact, rel=0.05 if key == "linear" else 0.8)
    assert prediction.crps.mean() > 0.95 * exact
    if key == "linear":
        entropy = np.log(0.5) + 0.5 * np.log(2 * np.pi * np.e)
        assert prediction.negative_log_density.mean() == pytest.approx(entropy, abs=0.05)
    else:
        assert np.isnan(prediction.negative_log_density).all()


@pytest.mark.slow
def test_ngboost_is_near_the_truth_on_linear_data():
    pytest.importorskip("ngboost", reason="the bench extra brings it")
    frame = linear_table(300, 1)
    prediction = METHODS["ngboost"](Split(frame[:120], frame[120:], "b"), 0, 100, "cpu")
    width = (prediction.high - prediction.low).mean()
    assert 0.2 * 2 * 1.645 < width < 0.8 * 2 * 1.645 and prediction.crps.mean() < 0.5


# ---- folders
def test_a_folder_holds_tables_targets_and_splits(tmp_path):
    frame = linear_table(40, 3)
    frame.to_csv(tmp_path / "named.csv", index=False)
    frame.rename(columns={"a1": "a1 [m]"}).to_csv(tmp_path / "other.csv.gz", index=False)
    frame.to_csv(tmp_path / "bare.csv.gz", index=False, header=False)
    (tmp_path / "targets.json").write_text(json.dumps({"other": "a1"}))
    mask = np.zeros((40, 2), int)
    mask[:5, 0], mask[30:, 1] = 1, 1
    lines = "\n".join(",".join(map(str, row)) for row in mask)
    (tmp_path / "bare.mask.gz").write_bytes(gzip.compress(lines.encode()))
    by_name = {table.name: table for table in tables(str(tmp_path))}
    assert list(by_name) == ["bare", "named", "other"]
    assert [by_name[name].target for name in by_name] == ["column_4", "b", "a1 [m]"]
    split = by_name["bare"].split(1)
    np.testing.assert_array_equal(split.test.to_numpy(), frame.to_numpy()[30:])
    np.testing.assert_array_equal(split.train.to_numpy(), frame.to_numpy()[:30])
    with pytest.raises(DataError, match="no split 2"):
        by_name["bare"].split(2)
    # without stored splits every row is a test row once in ten splits, and the splits are the same each time
    parts = [by_name["named"].split(i).test.index for i in range(10)]
    assert sorted(np.concatenate(parts)) == list(range(40))
    again, other = (list(by_name["named"].split(i).test.index) for i in (3, 13))
    assert again == list(parts[3]) != other


@pytest.mark.parametrize(
    ("content", "message"),
    [("a,b\n1,2\n3,x\n", "'x' in column 'b', row 2"), ("a\n1\n2\n", "one column"), ("a,b\n1,\n", "'nan'")],
)
def test_a_table_that_cannot_be_measured_is_refused(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        _ = tables(str(tmp_path))[0].frame


def test_an_empty_folder_and_an_unknown_target_are_refused(tmp_path):
    with pytest.raises(DataError, match="no table"):
        tables(str(tmp_path))
    linear_table(20, 1).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "targets.json").write_text('{"t": "c"}')
    with pytest.raises(SpecError, match="'c'"):
        _ = tables(str(tmp_path))[0].target


# ---- the study
def test_the_study_measures_a_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("workbench.training.recommended._FEW_STEPS", 100)
    monkeypatch.setattr("workbench.training.recommended._FEW_PASSES", 1)
    (tmp_path / "in").mkdir()
    linear_table(90, 2).to_csv(tmp_path / "in" / "line.csv", index=False)
    words = ["bench", "tables", "--folder", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--json"]
    words += ["--set", "methods=recommended,linear", "--set", "seeds=2", "--set", "draws=100"]
    assert main([*words, "--device", "cpu"]) == 0
    answer = json.loads(capsys.readouterr().out)
    ours, linear = answer["rows"]
    assert (ours["table"], ours["method"], linear["method"]) == ("line", "recommended", "linear")
    assert abs(ours["loss"] - linear["loss"]) < 0.3  # the truth is linear
    assert 0.8 < ours["crps"] / linear["crps"] < 1.25 and ours["worst"] < 20
    assert len(answer["conclusions"]) == 2 and "linear Gaussian" in answer["conclusions"][0]


def test_methods_that_are_unknown_or_not_installed_are_refused_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.studies.tables.find_spec", lambda name: None)
    study = STUDIES.make("tables", methods=["forest", "ngboost"], seeds=1)
    first, second = rows(run(study, out=tmp_path, device="cpu"))
    assert first["status"] == second["status"] == "refused"
    assert "no method 'forest'" in first["note"] and "bench extra" in second["note"]


def test_only_a_study_that_reads_a_folder_takes_one(capsys):
    assert main(["bench", "posteriors", "--folder", "."]) == 2
    assert "reads no folder" in capsys.readouterr().err


# ---- promises
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_promises_hold_on_concrete(tmp_path):
    study = STUDIES.make("tables", methods=["recommended", "linear"], draws=400)
    data = run(study, out=tmp_path, device="cpu")
    sentences = study.conclusions(data)
    assert len(sentences) == 2 and all("is kept" in sentence for sentence in sentences), sentences
    ours = rows(data)[0]
    assert ours["loss"] < 2.8 and ours["crps"] < 2.4 and 82 < ours["coverage"] < 96
    # NGBoost, 500 trees, on the same splits: CRPS 2.7


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("columns", [6, 13])
def test_few_rows_and_many_columns_do_not_make_it_overconfident(columns):
    """Two columns matter, and one row in thirty has an error four times as large."""
    losses = []
    for seed in range(5):
        numbers = np.random.default_rng(seed)
        frame = linear_table(1200, columns, seed, noise=0.0)
        frame["b"] = frame["a0"] + frame["a1"].abs() + numbers.normal(size=1200)
        frame["b"] += 4 * numbers.normal(size=1200) * (numbers.random(1200) < 1 / 30)
        split = Split(frame[:250], frame[250:], "b")
        ours, linear = (
            METHODS[key](split, seed, 100, "cpu").negative_log_density for key in ("recommended", "linear")
        )
        losses.append((ours.mean() - linear.mean(), ours.max() - ours.mean()))
    gain, worst = np.array(losses).T
    assert gain.mean() < gain.std(ddof=1) / len(gain) ** 0.5 and worst.max() < 20


@pytest.mark.skipif(not RESULT.exists(), reason="no stored result")
def test_the_stored_result_agrees_with_its_card():
    data, card = load(RESULT), RESULT.with_suffix(".md").read_text(encoding="utf-8")
    assert text(data) in card
    sentences = STUDIES.make("tables").conclusions(data)
    assert len(sentences) == 3 and all("is kept" in sentence for sentence in sentences)
