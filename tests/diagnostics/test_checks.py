"""Checks: exact models pass at the stated rate, known faults are caught, misfits are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import xarray as xr

from tests.diagnostics.stand_ins import GaussianStandIn, TwoSided, TwoSidedStandIn, linear
from workbench.core.capability import Capability
from workbench.core.errors import IncompatibleError, SpecError
from workbench.diagnostics import DIAGNOSTICS, diagnose
from workbench.diagnostics.checks import local_c2st
from workbench.diagnostics.checks.base import MISSING_MODE, WRONG_PLACE, WRONG_WIDTH, held_out_pairs
from workbench.problems import TableProblem, TwoMoons
from workbench.training import Experiment, Run
from workbench.training.data import RunData

LINEAR, SIDES = linear(), TwoSided()
EXACT, BOTH = GaussianStandIn(LINEAR), TwoSidedStandIn(SIDES)
#: The false alarms that a 10 % test may give in 30 tries: more than 8 happens once in a hundred times.
TRIES, LEVEL, MOST_ALARMS = 30, 0.1, 8
#: Checks of the posterior's distribution, with a test at a stated level.
TESTED = tuple(check.key for check in DIAGNOSTICS if check.notices)
#: Smaller settings where the default ones would take long in thirty tries.
SMALL = {
    "posterior_mmd": {"draws": 40},
    "latent_normality": {"points": 400},
    "local_c2st": {"pairs": 150, "swaps": 199, "draws": 50},
    "posterior_wasserstein": {"draws": 40},
    "posterior_c2st": {"observations": 1, "draws": 60, "folds": 2, "iterations": 20},
}
#: A classifier is expensive: by default one seed of one fault is enough, all faults are among the slow tests.
EXPENSIVE = ("posterior_c2st",)


@pytest.fixture
def small(monkeypatch):
    """The smaller settings as defaults, for a report of everything."""
    for key, settings in SMALL.items():
        for name, value in settings.items():
            monkeypatch.setattr(DIAGNOSTICS[key].param[name], "default", value)


def verdict(key: str, model, problem, seed: int = 0, **settings) -> str:
    return DIAGNOSTICS.make(key, **settings).measure(model, problem, seed=seed).attrs["verdict"]


@pytest.mark.parametrize("key", TESTED)
def test_an_exact_posterior_fails_no_more_often_than_stated(key):
    member = DIAGNOSTICS.make(key, level=LEVEL, **SMALL.get(key, {}))
    alarms = [member.measure(EXACT, LINEAR, seed=s).attrs["verdict"] != "green" for s in range(TRIES)]
    assert sum(alarms) <= MOST_ALARMS


def applicable(key: str) -> bool:
    """True for a check that can be measured on the stand-in with two modes."""
    return not DIAGNOSTICS[key]().refusals(BOTH, SIDES)


@pytest.mark.parametrize("key", [k for k in TESTED if applicable(k) and k not in EXPENSIVE])
def test_an_exact_posterior_with_two_modes_passes(key):
    assert [verdict(key, BOTH, SIDES, seed) for seed in range(3)] == ["green"] * 3


FAULTS = (
    (WRONG_WIDTH, {"width": 0.7}),
    (WRONG_PLACE, {"shift": 0.5}),
    (WRONG_WIDTH, {"width": 1.4}),
)
CAUGHT = [
    pytest.param(key, fault, seed, marks=pytest.mark.slow if key in EXPENSIVE and number else ())
    for key in TESTED
    for number, (kind, fault) in enumerate(FAULTS)
    if kind in DIAGNOSTICS[key].notices
    for seed in range(1 if key in EXPENSIVE else 3)
]


@pytest.mark.parametrize(("key", "fault", "seed"), CAUGHT)
def test_a_posterior_of_wrong_width_or_place_is_caught(key, fault, seed):
    wrong = GaussianStandIn(LINEAR, **fault)
    assert verdict(key, wrong, LINEAR, seed) in (("amber", "red") if key == "held_out_density" else ("red",))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(k, marks=pytest.mark.slow if k in EXPENSIVE else ())
        for k in TESTED
        if MISSING_MODE in DIAGNOSTICS[k].notices
    ],
)
def test_a_missing_mode_is_caught(key):
    assert verdict(key, TwoSidedStandIn(SIDES, right=1.0), SIDES) == "red"


def test_the_code_of_a_posterior_without_a_mode_is_not_normal():
    class OneSided(TwoSidedStandIn):
        """x₁ = r alone; the code of data on the other side lies far out."""

        def __init__(self):
            super().__init__(SIDES, right=1.0)
            self.capabilities |= {Capability.LATENT}

        def latent(self, x, y):
            mean, scale = self.moments(y)
            return torch.stack([(x[:, 0] - mean) / scale, x[:, 1]], 1), None

    assert verdict("latent_normality", OneSided(), SIDES) == "red"


def test_resimulation_sees_a_shift_and_is_blind_to_a_missing_mode():
    assert verdict("resimulation_error", GaussianStandIn(LINEAR, shift=0.5), LINEAR) == "red"
    narrow = DIAGNOSTICS.make("resimulation_error", observations=2000).measure(
        GaussianStandIn(LINEAR, width=0.7), LINEAR
    )
    assert (
        narrow.attrs["verdict"] != "green" and narrow["share"] < 0
    )  # narrower than the posterior lands closer than the truth would
    assert verdict("resimulation_error", TwoSidedStandIn(SIDES, right=1.0), SIDES) == "green"


def test_the_predictive_distribution_sees_a_shift_a_width_with_enough_pairs_and_no_missing_mode():
    assert verdict("posterior_predictive", GaussianStandIn(LINEAR, shift=0.5), LINEAR) == "red"
    narrow = GaussianStandIn(LINEAR, width=0.7)
    assert verdict("posterior_predictive", narrow, LINEAR, observations=3000) != "green"
    assert verdict("posterior_predictive", TwoSidedStandIn(SIDES, right=1.0), SIDES) == "green"


def test_calibration_is_blind_to_the_prior_and_names_what_is_wrong():
    narrow = DIAGNOSTICS.make("calibration").measure(GaussianStandIn(LINEAR, width=0.7), LINEAR)
    assert "overconfident" in narrow.attrs["sentence"] and float(narrow["calibration_error"].max()) > 0.1
    assert (narrow["coverage_error"].sel(quantity="x1").sel(q=0.68, method="nearest") < 0).all()

    class Prior(GaussianStandIn):
        capabilities = frozenset({Capability.CONDITIONAL})

        def __init__(self):
            super().__init__(LINEAR)
            self.capabilities = Prior.capabilities

        def sample(self, n, observation=None, generator=None):
            return LINEAR.draw(n, generator).x

    assert verdict("calibration", Prior(), LINEAR) == "green"
    assert verdict("posterior_mmd", Prior(), LINEAR) == verdict("tarp", Prior(), LINEAR) == "red"
    assert verdict("resimulation_error", Prior(), LINEAR) == "red"


def test_the_held_out_gap_is_the_divergence_in_nats():
    result = DIAGNOSTICS.make("held_out_density", points=3000).measure(
        GaussianStandIn(LINEAR, shift=0.5), LINEAR
    )
    factor = EXACT.factor
    shift = torch.linalg.solve_triangular(
        factor, GaussianStandIn(LINEAR, shift=0.5).offset[:, None], upper=False
    )
    exact = 0.5 * float(shift.square().sum())
    assert abs(float(result["gap"]) - exact) < 0.1 * exact
    assert abs(float(DIAGNOSTICS.make("held_out_density").measure(EXACT, LINEAR)["gap"])) < 1e-9


def test_a_plain_density_is_compared_with_its_own():
    problem = TwoMoons()

    class Truth:
        x, y, manifest = problem.x, (), {}
        capabilities = frozenset({Capability.DENSITY})

        def sample(self, n, observation=None, generator=None):
            return problem.draw(n, generator).x

        def log_prob(self, x, y=None):
            return problem.log_density(x)

    result = DIAGNOSTICS.make("held_out_density").measure(Truth(), problem)
    assert result.attrs["verdict"] == "green" and float(result["gap"]) == 0


def test_numbers_of_the_posterior_distance_agree_with_their_definitions():
    result = DIAGNOSTICS.make("posterior_mmd", draws=100).measure(EXACT, LINEAR)
    # kernel 3 at distance 0: leaving the diagonals out takes about 3 (1/n + 1/m) off
    assert float(result["published_biased_error"] - result["published_error"]) == pytest.approx(0.06, rel=0.2)
    assert abs(float(result["floor"])) < 0.01


def test_resimulation_knows_floor_and_baseline():
    result = DIAGNOSTICS.make("resimulation_error", observations=4000).measure(EXACT, LINEAR)
    evidence = float(LINEAR.parts.evidence[0, 0])
    assert float(result["floor"]) == pytest.approx(2 * 0.5**2 / evidence, rel=0.1)
    assert float(result["published_error"]) == pytest.approx(2 * 0.5**2, rel=0.1)
    assert float(result["baseline"]) == pytest.approx(2, rel=0.1)
    assert abs(float(result["share"])) < 0.02


def test_invertibility_sees_what_the_inverse_misses():
    assert verdict("invertibility", EXACT, LINEAR) == "green"
    result = DIAGNOSTICS.make("invertibility").measure(GaussianStandIn(LINEAR, blur=0.1), LINEAR)
    assert result.attrs["verdict"] == "red" and float(result["lost_share"].max()) == 1


@pytest.mark.parametrize("key", [k for k in TESTED if k not in ("latent_normality", "local_c2st")])
def test_draws_that_are_not_finite_are_red(key):
    class Leaking(GaussianStandIn):
        def sample(self, n, observation=None, generator=None):
            x = super().sample(n, observation, generator)
            x[::50] = torch.nan
            return x

    assert verdict(key, Leaking(LINEAR), LINEAR) == "red"


@pytest.mark.parametrize("beyond", [1.5, -100.0])
def test_a_simulator_without_an_answer_is_reported_in_numbers(beyond):
    class Breaking(type(LINEAR)):
        def _simulate(self, x, generator):
            return super()._simulate(x, generator).where(x[:, :1] < beyond, torch.nan)

    problem = Breaking(**LINEAR.values())
    result = DIAGNOSTICS.make("resimulation_error").measure(EXACT, problem)
    assert result.attrs["verdict"] == "red" and "nan" not in result.attrs["sentence"]
    assert 0 < float(result["non_finite_share"]) <= 1


@pytest.mark.parametrize("key", DIAGNOSTICS.keys())
def test_same_seed_same_numbers_and_a_file_that_reads_back(key, tmp_path):
    member = DIAGNOSTICS.make(key, **SMALL.get(key, {}))
    first, second, other = (member.measure(EXACT, LINEAR, seed=s) for s in (5, 5, 6))
    xr.testing.assert_identical(first, second)
    assert not first.equals(other)
    first.to_netcdf(tmp_path / "result.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "result.nc", engine="netcdf4") as copy:
        xr.testing.assert_equal(copy.load(), first)
        assert copy.attrs["verdict"] == first.attrs["verdict"]


@pytest.mark.parametrize("key", DIAGNOSTICS.keys())
def test_both_budgets_exist_and_the_level_is_a_setting(key):
    assert DIAGNOSTICS[key].within("fast") == DIAGNOSTICS.make(key)
    assert DIAGNOSTICS[key].within("thorough").values() != DIAGNOSTICS.make(key).values()
    with pytest.raises(SpecError, match="[Dd]id you mean 'thorough'"):
        DIAGNOSTICS[key].within("thorugh")
    result = DIAGNOSTICS.make(key, **SMALL.get(key, {})).measure(EXACT, LINEAR)
    assert result.attrs["level"] == 0.01
    # purpose and remedy in plain words
    for name in ("checked", "remedy"):
        assert result.attrs[name].endswith(".") and result.attrs[name][0].isupper()


def test_what_does_not_apply_is_named_with_its_reason(small):
    report = diagnose(BOTH, SIDES)
    assert list(report) == DIAGNOSTICS.keys()
    for key in ("invertibility", "latent_normality"):
        assert report[key].attrs["verdict"] == "not applicable"
        assert "latent code" in report[key].attrs["sentence"]
    assert report.verdict == "green" and "Posterior distance" in str(report)
    with pytest.raises(IncompatibleError, match="latent code"):
        DIAGNOSTICS.make("invertibility").measure(BOTH, SIDES)
    with pytest.raises(SpecError, match="without its problem"):
        diagnose(BOTH)
    with pytest.raises(SpecError, match="[Dd]id you mean 'calibration'"):
        diagnose(BOTH, SIDES, only=["calibratoin"])


def test_a_report_in_words_has_purposes_faults_and_remedies():
    only = ["calibration", "expected_coverage", "invertibility"]
    good = diagnose(EXACT, LINEAR, only=only).plain()
    assert good.startswith("Nothing was found") and "Failed" not in good and "What to do" not in good
    bad = diagnose(GaussianStandIn(LINEAR, width=0.7), LINEAR, only=only).plain()
    assert bad.startswith("Do not rely on this posterior") and bad.count("What to do:") == 2
    assert bad.index("Failed:") < bad.index("Checked, nothing found:") < bad.index("Invertibility")
    assert "Not checked:" in diagnose(BOTH, SIDES, only=only).plain()


@pytest.mark.parametrize("side", [local_c2st._codes, local_c2st._residuals], ids=["codes", "residuals"])
def test_the_members_of_a_pair_change_places_without_a_trace(side, monkeypatch):
    """Then swapped labels are distributed like the real ones, and the p value is exact."""
    model, problem = (EXACT, LINEAR) if side is local_c2st._codes else (BOTH, SIDES)
    data = problem.draw(120, torch.Generator().manual_seed(2))
    places, swap = data.y[:2], torch.arange(120) % 3 == 0
    points, _ = side(model, data.x, data.y, places, 20, 0, torch.Generator().manual_seed(3))
    real, drawn_points = points.real, points.model
    if side is local_c2st._residuals:
        samples = local_c2st.posterior_draws(model, data.y, 120, 1, 0)[:, 0]
        truths = torch.where(swap[:, None], samples, data.x)
        others = torch.where(swap[:, None], data.x, samples)
        answers = iter([others[:, None], local_c2st.posterior_draws(model, places, 2, 20, 1)])
        monkeypatch.setattr(local_c2st, "posterior_draws", lambda *_: next(answers))
        exchange, _ = side(model, truths, data.y, places, 20, 0, None)
        assert torch.allclose(exchange.real, torch.where(swap[:, None], drawn_points, real))
        assert torch.allclose(exchange.model, torch.where(swap[:, None], real, drawn_points))
        assert torch.allclose(exchange.places, points.places)
    there, back = (
        local_c2st._test(pair, data.y, places, 99, np.random.default_rng(0))
        for pair in (points, points._replace(real=drawn_points, model=real))
    )
    assert np.allclose(there["statistic"], back["statistic"]) and there["p"] == back["p"]


def test_local_checks_take_an_observation(small):
    report = diagnose(EXACT, LINEAR, only=["out_of_distribution", "local_c2st", "tarp"], observation=[0.25])
    assert [report[key]["observation"].values.tolist() for key in list(report)[:2]] == [[0.25], [[0.25]]]


def test_a_report_is_ready_for_json():
    summary = json.loads(json.dumps(diagnose(EXACT, LINEAR, only=["calibration"]).summary(), allow_nan=False))
    assert (
        summary["verdict"] == "green"
        and summary["diagnostics"]["calibration"]["numbers"]["non_finite_share"] == 0
    )


def test_a_run_and_its_model_get_the_same_report(small):
    run = Run(
        Experiment("two_moons", "realnvp", training={"samples": 500, "batch_size": 100}, steps=3, seed=0),
        device="cpu",
    )
    run.step()
    first, second = diagnose(run), diagnose(run.fitted)
    assert first.verdict == "red" and first["invertibility"].attrs["verdict"] == "green"
    assert first.summary() == second.summary()


def test_fresh_data_are_not_the_training_data():
    run = Run(
        Experiment("two_moons", "realnvp", training={"samples": 300, "batch_size": 100}, steps=3, seed=0),
        device="cpu",
    )
    training = {tuple(row) for row in run.problem.draw(300, torch.Generator().manual_seed(0)).x.tolist()}
    result = held_out_pairs(run.fitted, run.problem, 300, 914_000_017)
    assert not training & {tuple(row) for row in result.x.tolist()} and not result.in_sample


def test_of_a_table_the_rows_that_training_did_not_see_are_taken(tmp_path):
    generator = np.random.default_rng(0)
    values = generator.normal(size=(300, 2))
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "\n".join(f"{a:.9f},{b:.9f}" for a, b in values))
    problem = TableProblem(str(path), x=["a"], y=["b"])
    experiment = Experiment(problem, "realnvp" if len(problem.x) > 1 else "maf", steps=3, seed=4)

    class Carrier:
        manifest = {"experiment": experiment.to_dict()}

    data = RunData(problem, experiment.training, seed=4, device=torch.device("cpu"), dtype=torch.float64)
    training_rows = data.standardisation.x_out(data.train_x)[:, 0].tolist()
    pairs = held_out_pairs(Carrier, problem, 1000, 0)
    assert not pairs.in_sample and len(pairs.x) == len(data.held_out_x)
    assert min(abs(a - b) for a in pairs.x[:, 0].tolist() for b in training_rows) > 1e-12

    class Stranger:
        manifest = {}

    assert held_out_pairs(Stranger, problem, 1000, 0).in_sample
