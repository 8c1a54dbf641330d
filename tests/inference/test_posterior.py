"""Posterior: numbers against closed forms, many observations against one by one, values by name."""

from __future__ import annotations

import math
import warnings

import arviz_stats
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy.stats import norm

from workbench.core.capability import Capability
from workbench.core.errors import RunError, SpecError
from workbench.core.model import Model, standard_normal_log_density
from workbench.core.shapes import Shapes
from workbench.core.variable import Variable
from workbench.inference import FittedModel, Posterior, Standardisation

#: In network units: x = B y + L z, with z standard normal.
B = torch.tensor([[0.5, 0.2], [-0.3, 0.6]], dtype=torch.float64)
L = torch.tensor([[0.4, 0.0], [0.3, 0.5]], dtype=torch.float64)
X = (Variable("u", unit="m"), Variable("t", unit="d"))
Y = (Variable("b", unit="T"), Variable("c", unit="d"))
DAY, TESLA = 2_459_000.0, 1e-9


class Gaussian(Model):
    """A normal distribution whose mean is linear in y."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(2, shapes.y, 2, frozenset({Capability.DENSITY, Capability.LATENT}))
        self.weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def inverse(self, z, y):
        return y @ B.T + z @ L.T, L.logdet().expand(len(z))

    def latent(self, x, y):
        return torch.linalg.solve(L, (x - y @ B.T).T).T, -L.logdet().expand(len(x))

    def log_prob(self, x, y):
        z, log_det = self.latent(x, y)
        return standard_normal_log_density(z) + log_det


class TwoModes(Gaussian):
    """An equal mixture of a wide normal distribution at 2 and a narrow one at -3, in network units."""

    centres = torch.tensor([[2.0, 2.0], [-3.0, -3.0]], dtype=torch.float64)
    widths = torch.tensor([0.5, 0.25], dtype=torch.float64)

    def inverse(self, z, y):
        first = (torch.arange(len(z)) % 2 == 0)[:, None]
        parts = self.centres[:, None] + self.widths[:, None, None] * z
        return torch.where(first, parts[0], parts[1]), None

    def log_prob(self, x, y):
        z = (x - self.centres[:, None]) / self.widths[:, None, None]
        parts = standard_normal_log_density(z) - 2 * self.widths.log()[:, None] + math.log(0.5)
        return torch.logsumexp(parts, 0)


def fitted(x=X, kind=Gaussian) -> FittedModel:
    """A model whose posterior is known, in units far from those of its network."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(500, 4, generator=generator, dtype=torch.float64)
    data = rows[:, :2] * torch.tensor([3.0, 0.1]) + torch.tensor([10.0, DAY])
    for i, v in enumerate(x):
        if v.scale == "log":
            data[:, i] = rows[:, i].mul(0.5).exp() * 1e-12
        elif math.isfinite(v.low):
            data[:, i] = torch.rand(500, generator=generator, dtype=torch.float64) * v.high
    observations = rows[:, 2:] * torch.tensor([TESLA, 2.0]) + torch.tensor([0.0, DAY])
    units = Standardisation.learn(data, observations, x, Y)
    return FittedModel(kind(units.network_shapes), units, x, Y)


MODEL = fitted()
ONE = (2e-9, DAY + 1.5)
MANY = np.array([ONE, (-1e-9, DAY - 2.0), (0.5e-9, DAY)])


def moments(model: FittedModel, observation) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of x in data units, for linear variables."""
    units = model.standardisation
    y = units.y_in(torch.tensor([list(observation)], dtype=torch.float64))
    centre = units.shift_x + units.scale_x * (y @ B.T)[0]
    return centre.numpy(), (units.scale_x * (L @ L.T).diagonal().sqrt()).numpy()


def table(data: xr.Dataset) -> np.ndarray:
    return np.stack([data[name].values for name in ("u", "t")], -1)


def test_mean_spread_quantiles_and_summary_are_those_of_the_closed_form():
    posterior, (centre, spread) = MODEL.posterior(ONE), moments(MODEL, ONE)
    n = 40_000
    error = 4 / math.sqrt(n)
    assert (np.abs(table(posterior.mean(n)) - centre) < error * spread).all()
    np.testing.assert_allclose(table(posterior.std(n)), spread, rtol=error)
    levels = [0.05, 0.5, 0.95]
    reference = centre + spread * norm.ppf(levels)[:, None]
    quantiles = posterior.quantile(levels, n)
    assert quantiles["u"].dims == ("quantile",) and quantiles["u"].attrs["units"] == "m"
    assert (np.abs(table(quantiles) - reference) < 2.2 * error * spread).all()
    assert table(posterior.quantile(0.5, n)).shape == (2,)
    summary = posterior.summary(n, ci_prob=0.9)
    assert list(summary.index) == ["u", "t"] and summary.attrs["units"] == {"u": "m", "t": "d"}
    assert (np.abs(summary["mean"].to_numpy() - centre) < error * spread).all()
    np.testing.assert_allclose(summary["sd"], spread, rtol=error)
    assert (np.abs(summary["eti90_lb"].to_numpy() - reference[0]) < 2.2 * error * spread).all()


def test_the_density_and_its_maximum_are_those_of_the_closed_form():
    posterior, (centre, spread) = MODEL.posterior(ONE), moments(MODEL, ONE)
    covariance = (L @ L.T).numpy() * np.outer(*2 * [MODEL.standardisation.scale_x.numpy()])
    peak = -0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1]
    point = posterior.map()
    assert (np.abs(table(point) - centre) < 1e-4 * spread).all()
    assert point.attrs["log_prob"] == pytest.approx(peak, abs=1e-6) and point.attrs["starts_agreeing"] == 8
    assert float(posterior.log_prob(point)) == pytest.approx(peak, abs=1e-6)
    aside = {"t": centre[1], "u": centre[0] + spread[0]}
    rho = (L @ L.T)[0, 1] / (L @ L.T).diagonal().sqrt().prod()
    reference = peak - 0.5 / (1 - float(rho) ** 2)
    assert float(posterior.log_prob(aside)) == pytest.approx(reference, abs=1e-6)


def test_the_maximum_is_that_of_the_higher_of_two_modes():
    model = fitted(kind=TwoModes)
    point = model.posterior(ONE).map()
    centre = model.standardisation.x_out(torch.tensor([[-3.0, -3.0]], dtype=torch.float64))[0].numpy()
    assert np.abs(table(point) - centre).max() < 1e-3
    assert 1 <= point.attrs["starts_agreeing"] < 8


def test_the_maximum_of_a_logarithmic_variable_is_that_of_its_own_density():
    """A log-normal variable has the mode exp(m - s²), the median exp(m) and the mean exp(m + s²/2)."""
    model = fitted((Variable("u", scale="log"), Variable("t")))
    posterior = model.posterior(ONE)
    units = model.standardisation
    y = units.y_in(torch.tensor([list(ONE)], dtype=torch.float64))
    centre, scale = (y @ B.T)[0].numpy(), units.scale_x.numpy()
    covariance = (L @ L.T).numpy() * np.outer(scale, scale)
    m, s2 = units.shift_x[0].item() + scale[0] * centre[0], covariance[0, 0]
    point = posterior.map()
    assert float(point["u"]) == pytest.approx(math.exp(m - s2), rel=1e-4)
    # the other variable follows, since it is correlated with log u
    maximum = units.shift_x[1].item() + scale[1] * centre[1] - covariance[0, 1]
    assert float(point["t"]) == pytest.approx(maximum, rel=1e-4 * scale[1] / abs(maximum))
    n = 40_000
    assert float(posterior.quantile(0.5, n)["u"]) == pytest.approx(math.exp(m), rel=0.02 * math.sqrt(s2))
    assert float(posterior.mean(n)["u"]) == pytest.approx(math.exp(m + s2 / 2), rel=0.03 * math.sqrt(s2))


def test_the_maximum_stays_within_the_bounds_and_the_density_ends_there():
    model = fitted((Variable("u", low=0.0, high=5.0), Variable("t")))
    posterior = model.posterior(ONE)
    draws, point = posterior.sample(2000), posterior.map()
    assert 0 <= float(draws["u"].min()) and float(draws["u"].max()) <= 5
    assert 0 <= float(point["u"]) <= 5
    values = posterior.log_prob(draws)
    assert point.attrs["log_prob"] >= float(values.max())
    assert posterior.log_prob({"u": [-0.1, 5.1], "t": [DAY, DAY]}).tolist() == [-math.inf, -math.inf]


def test_many_observations_are_those_of_one_by_one():
    many = MODEL.posterior(MANY)
    assert len(many) == 3 and many.observation == tuple(map(tuple, MANY.tolist()))
    n = 20_000
    draws = many.sample(n)
    assert draws["u"].dims == ("observation", "draw") and draws["u"].shape == (3, n)
    np.testing.assert_array_equal(draws["b"], MANY[:, 0])
    tensor = many.sample(n, as_="tensor")
    assert tensor.shape == (3, n, 2) and tensor.dtype == torch.float64
    np.testing.assert_array_equal(tensor[..., 0], draws["u"])
    # the same normal numbers at each observation alone give the same draws
    generator = torch.Generator().manual_seed(0)
    z = torch.cat(
        [
            torch.randn(min(16_384, 3 * n - start), 2, generator=generator, dtype=torch.float64)
            for start in range(0, 3 * n, 16_384)
        ]
    ).reshape(3, n, 2)
    for i, row in enumerate(MANY):
        y = torch.tensor(row)[None].expand(n, -1)
        torch.testing.assert_close(MODEL.inverse(z[i], y)[0], tensor[i], rtol=1e-13, atol=0)
        centre, spread = moments(MODEL, row)
        assert (np.abs(table(many.mean(n))[i] - centre) < 4 * spread / math.sqrt(n)).all()
        one, own = many[i], MODEL.posterior(row)
        assert not one.many and one.observation == own.observation
        np.testing.assert_allclose(table(many.map())[i], table(own.map()), atol=1e-4 * spread.max())
        torch.testing.assert_close(many.log_prob(tensor)[i], own.log_prob(tensor[i]))
        torch.testing.assert_close(many.log_prob(tensor[0])[i], own.log_prob(tensor[0]))
        np.testing.assert_array_equal(many.log_prob(draws)[i], own.log_prob(tensor[i]))
    assert [p.observation for p in many] == [tuple(row) for row in MANY.tolist()]
    assert many[1:].many and len(many[1:]) == 2
    assert table(many.quantile([0.1, 0.9])).shape == (3, 2, 2)
    summary = many.summary()
    assert summary.loc[1].index.tolist() == ["u", "t"]
    np.testing.assert_allclose(summary.loc[(1, "u"), "mean"], float(many.mean()["u"][1]))


def test_log_densities_keep_the_dimensions_of_the_draws():
    one, many = MODEL.posterior(ONE), MODEL.posterior(MANY)
    draws = one.sample(12)
    values = one.log_prob(draws)
    assert values.dims == ("draw",) and values.attrs["units"] == "nat"
    grid = draws.assign_coords(chain=("draw", np.arange(12) % 3), step=("draw", np.arange(12) // 3))
    grid = grid.set_index(draw=("chain", "step")).unstack("draw")
    np.testing.assert_allclose(one.log_prob(grid).values, values.values.reshape(4, 3).T)
    assert many.log_prob(draws).dims == ("observation", "draw")
    assert many.log_prob(many.sample(5).transpose("draw", "observation")).dims == ("observation", "draw")
    assert many.log_prob(many.map()).dims == ("observation",)
    frame = draws.to_dataframe()[["t", "u"]]
    for form in (frame, frame.to_numpy()[:, ::-1], {"u": frame["u"], "t": frame["t"]}):
        np.testing.assert_array_equal(one.log_prob(form), values)
    with pytest.raises(SpecError, match="x has no value for 't'"):
        one.log_prob({"u": 1.0})
    with pytest.raises(SpecError, match="Expected: 3 observations. Found: 2"):
        many.log_prob(np.ones((2, 4, 2)))
    with pytest.raises(SpecError, match="wrong shape"):
        one.log_prob(np.ones((2, 4, 2)))


@pytest.mark.parametrize(
    "form",
    [
        {"c": ONE[1], "b": ONE[0]},
        pd.Series({"c": ONE[1], "b": ONE[0]}),
        pd.DataFrame({"c": [ONE[1]], "u": [0.0], "b": [ONE[0]]}),
        xr.Dataset({"c": ONE[1], "b": ONE[0]}),
        xr.DataArray([ONE[1], ONE[0]], dims="name", coords={"name": ["c", "b"]}),
    ],
    ids=lambda form: type(form).__name__,
)
def test_an_observation_by_name_is_that_in_order(form):
    assert MODEL.posterior(form).observation == ONE
    xr.testing.assert_identical(MODEL.posterior(form).sample(7), MODEL.posterior(ONE).sample(7))


def test_coverage_is_that_of_exact_posteriors():
    generator = torch.Generator().manual_seed(3)
    observations = torch.randn(400, 2, generator=generator, dtype=torch.float64)
    observations = observations * torch.tensor([TESLA, 2.0]) + torch.tensor([0.0, DAY])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        posterior = MODEL.posterior(observations)
    truth = posterior.sample(1, seed=1, as_="tensor")[:, 0]
    coverage = posterior.coverage(truth, levels=(0.5, 0.9), n=200)
    for name in ("u", "t"):
        assert (np.abs(coverage[name] - coverage["level"]) < 4 * np.sqrt(0.25 / 400)).all()
    wide = posterior.coverage({"t": truth[:, 1], "u": truth[:, 0] + 100}, n=200)
    assert (wide["u"] == 0).all() and (wide["t"] > 0.4).all()
    with pytest.raises(SpecError, match="Expected: 400 rows. Found: 2"):
        posterior.coverage(np.ones((2, 2)))


def test_a_cyclic_variable_is_summarised_around_its_mean():
    variables = (Variable("hour", unit="h", period=24.0), Variable("t"))
    model = fitted()
    model.x = variables
    posterior = Posterior(model, ONE)
    hours = torch.remainder(torch.linspace(-2, 2, 401, dtype=torch.float64) + 23.5, 24)
    posterior._draws = ((401, 0), torch.stack([hours, hours * 0 + DAY], -1)[None])
    assert float(posterior.mean(401)["hour"]) == pytest.approx(23.5)
    assert float(posterior.std(401)["hour"]) == pytest.approx(4 / math.sqrt(12), rel=0.01)
    low, high = posterior.quantile([0.05, 0.95], 401)["hour"].values
    assert low == pytest.approx(21.7) and high == pytest.approx(1.3)
    row = posterior.summary(401, ci_prob=0.9).loc["hour"]
    assert row["mean"] == pytest.approx(23.5) and row["eti90_ub"] == pytest.approx(1.3)


def test_numbers_of_numpy_and_torch_are_counts_and_seeds():
    posterior = MODEL.posterior(ONE)
    reference = posterior.sample(12, seed=3)
    for kind in (np.int64, np.array, torch.tensor, np.uint8):
        xr.testing.assert_identical(posterior.sample(kind(12), seed=kind(3)), reference)
        assert posterior.to_datatree(kind(12), chains=kind(4), seed=kind(3))["posterior"].sizes["draw"] == 3
    for wrong in (0, -1, 2.5, True, "12", np.float64(12.5), None):
        with pytest.raises(SpecError, match="number of draws must be a positive whole number"):
            posterior.sample(wrong)
    with pytest.raises(SpecError, match="seed must be a whole number"):
        posterior.sample(3, seed=1.5)
    with pytest.raises(SpecError, match="no kind of draws 'datset'.*Did you mean 'dataset'?"):
        posterior.sample(3, as_="datset")
    with pytest.raises(SpecError, match="numbers from 0 to 1"):
        posterior.quantile(95)


def test_a_tree_of_many_observations_goes_to_arviz():
    tree = MODEL.posterior(MANY).to_datatree(400)
    assert dict(tree["posterior"].sizes) == {"chain": 4, "draw": 100, "observation": 3}
    np.testing.assert_array_equal(tree["observed_data"]["b"], MANY[:, 0])
    draws = MODEL.posterior(MANY).sample(400)
    np.testing.assert_array_equal(
        tree["posterior"]["u"].transpose("observation", "chain", "draw").values.reshape(3, 400), draws["u"]
    )
    lp = tree["sample_stats"]["lp"].transpose("observation", "chain", "draw").values.reshape(3, 400)
    np.testing.assert_allclose(lp, MODEL.posterior(MANY).log_prob(draws))
    assert list(arviz_stats.summary(tree).index) == ["u[0]", "u[1]", "u[2]", "t[0]", "t[1]", "t[2]"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its coming refactoring
        import arviz
    inference = arviz.InferenceData.from_datatree(tree)
    assert inference.posterior["u"].dims == ("chain", "draw", "observation")


def test_many_observations_are_warned_of_together():
    far = np.array([ONE, (1.0, DAY), (0.0, DAY), (5.0, DAY)])
    with pytest.warns(UserWarning, match="2 of 4 observations.*number 1: .*is the unit right"):
        MODEL.posterior(far)


def test_a_posterior_moves_to_a_device_and_is_the_same_there():
    posterior = MODEL.posterior(ONE)
    copy = posterior.to("cpu")
    assert copy.fitted is not posterior.fitted and copy.fitted.model is not posterior.fitted.model
    xr.testing.assert_identical(copy.sample(9), posterior.sample(9))
    assert MODEL.posterior(MANY).to("auto").many
    with pytest.raises(RunError, match="no device 'gpu'"):
        posterior.to("gpu")


def test_a_density_of_x_alone_has_no_posterior():
    units = Standardisation(Shapes(2, 0))
    with pytest.raises(SpecError, match="no posterior. Expected: run.sample.n."):
        FittedModel(Gaussian(Shapes(2, 0)), units, X, ()).posterior([])


def test_the_summary_names_variables_as_the_user_does():

    import workbench as wb

    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.normal(size=(100, 3)), columns=["[Fe/H]", "chain", "y"])
    problem = wb.TableProblem(table, x=["[Fe/H]", "chain"], y=["y"])
    run = wb.Run(wb.Experiment(problem, "realnvp", "maximum_likelihood", steps=2), device="cpu")
    list(run)
    assert list(run.posterior([0.0]).summary().index) == ["[Fe/H]", "chain"]
    many = run.posterior([[0.0], [1.0]]).summary()
    assert [name for _, name in many.index] == ["[Fe/H]", "chain"] * 2
