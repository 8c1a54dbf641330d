"""An exoplanet: its orbit from the radial velocity of its star in 22 nights.

Prior:      P ~ log-uniform(8, 24) d · K ~ Rayleigh(12) m/s · e ~ U(0, 0.8) · ω, λ ~ U(0, 2π) rad
            γ ~ N(0, 10²) m/s · s ~ LogNormal(log 2 m/s, 0.5). λ = M + ω at the middle of the nights, the mean
            longitude.
Forward:    v(t) = γ + K (cos(ν + ω) + e cos ω), ν the true anomaly for M = λ - ω + 2π (t - middle)/P.
Observed:   y_i ~ N(v(t_i), σ_i² + s²), known error bars σ_i, nights t_i at uneven gaps.
physical:   x = (P, K, e, ω, λ, γ, s)
components: x = (P, K cos λ, K sin λ, √e cos ω, √e sin ω, γ, s). No angle wraps, and nothing is undefined at
            e = 0. The distribution is the same: N(0, 12²)² for the second and third, uniform on a disc of
            area 0.8 π for the fourth and fifth.
Posterior:  given (P, e, M at the middle, s) the velocity is linear in (K cos ω, K sin ω, γ), which are
            Gaussian: they are integrated out in closed form, log p(y | P, e, M, s) = log N(y; 0, D + Φ Λ Φᵀ),
            and drawn afterwards. The sampler has four dimensions: log P, √e cos M, √e sin M, log s.
Source:     Price-Whelan et al. 2017, The Joker, arXiv 1610.07602 (the linear part); Eastman, Gaudi & Agol
            2013, arXiv 1206.5798 (√e cos ω, √e sin ω).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.errors import DataError
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.ensemble_sampler import ensemble_draws, resampled
from workbench.problems.inverse.kepler import velocity_parts
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import normal

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

#: Nights of the measurements in d and their error bars in m/s.
NIGHTS = (0.0, 1.1, 3.0, 4.9, 5.9, 9.0, 12.1, 13.0, 16.9, 17.9, 21.0) + (
    26.1, 27.0, 31.9, 35.0, 35.9, 40.1, 44.0, 47.9, 52.0, 53.1, 58.9)  # fmt: skip
ERRORS = (2.1, 3.4, 2.6, 2.2, 3.9, 2.8, 2.3, 3.1, 2.5, 2.2, 3.6) + (
    2.4, 2.9, 2.0, 3.3, 2.7, 2.1, 3.8, 2.6, 2.3, 3.0, 2.5)  # fmt: skip
MIDDLE = 29.5
PERIODS, AMPLITUDE, MAX_ECCENTRICITY, SYSTEMIC, JITTER = (8.0, 24.0), 12.0, 0.8, 10.0, (math.log(2.0), 0.5)
# a faint planet with P = 13.2 d, K = 6 m/s, e = 0.3: a period near 8.8 d explains the nights twice as well
DEFAULT = (5.7, 4.9, 5.5, 0.5, -4.1, -1.3, -0.4, -0.4, 6.9, 3.9, 0.1) + (
    10.3, 13.4, -2.8, 3.4, 3.9, 1.6, 2.8, -1.8, 13.4, 5.1, -0.2)  # fmt: skip
_TURN = 2 * math.pi
_PRIOR_DRAWS, _MIN_WALKERS, _MAX_WALKERS = 100_000, 200, 1000
#: log s this many prior standard deviations above its prior mean means that no orbit fits the velocities.
_MAX_DEVIATIONS = 6.0


@PROBLEMS.register
class RadialVelocity(Problem):
    """Infer period, shape and orientation of a planet's orbit from radial velocities of its star."""

    key = "radial_velocity"
    title = "Exoplanet (radial velocity)"
    summary = "The orbit of an unseen planet from its star's velocity at 22 nights, with periods that alias."
    reference = "Murray & Correia 2010, arXiv 1009.1738; Price-Whelan et al. 2017, arXiv 1610.07602"

    coordinates = param.Selector(
        default="components",
        objects=["components", "physical"],
        doc="Amplitude and eccentricity as Cartesian vectors (no angle wraps), or as lengths and angles.",
    )

    @property
    def x(self) -> tuple[Variable, ...]:
        period = Variable("period", "P", "d", *PERIODS, "Of the orbit.")
        rest = (
            Variable("systemic_velocity", "γ", "m/s", description="Of the star and its planet together."),
            Variable("jitter", "s", "m/s", low=0.0, description="Noise of the star beyond the error bars."),
        )
        return (period, *(self._vectors() if self.coordinates == "components" else self._angles()), *rest)

    @staticmethod
    def _vectors() -> tuple[Variable, ...]:
        edge = math.sqrt(MAX_ECCENTRICITY)
        return (
            Variable("amplitude_cosine", "K cos λ", "m/s", description="K: half the swing of the velocity."),
            Variable("amplitude_sine", "K sin λ", "m/s", description="λ: mean longitude at the middle."),
            Variable("eccentricity_cosine", "√e cos ω", "", -edge, edge, "e: eccentricity."),
            Variable("eccentricity_sine", "√e sin ω", "", -edge, edge, "ω: argument of periastron."),
        )

    @staticmethod
    def _angles() -> tuple[Variable, ...]:
        return (
            Variable("semi_amplitude", "K", "m/s", low=0.0, description="Half the swing of the velocity."),
            Variable("eccentricity", "e", "", 0.0, MAX_ECCENTRICITY, "0 is a circle."),
            Variable("periastron", "ω", "rad", 0.0, _TURN, "Argument of periastron of the star's orbit."),
            Variable("mean_longitude", "λ", "rad", 0.0, _TURN, "At the middle of the nights."),
        )

    @property
    def y(self) -> tuple[Variable, ...]:
        return numbered("velocity", "v", len(NIGHTS), unit="m/s")

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset(
            {
                Capability.OBSERVATION,
                Capability.SIMULATE,
                Capability.LOG_JOINT,
                Capability.REFERENCE_POSTERIOR,
            }
        )

    @property
    def window(self) -> Window:
        edge = math.sqrt(MAX_ECCENTRICITY)
        middle = (
            ((-40.0, 40.0),) * 2 + ((-edge, edge),) * 2
            if self.coordinates == "components"
            else ((0.0, 42.0), (0.0, MAX_ECCENTRICITY), (0.0, _TURN), (0.0, _TURN))
        )
        return (PERIODS, *middle, (-30.0, 30.0), (0.0, 8.0))

    @property
    def observation_window(self) -> Window:
        return ((-45.0, 45.0),) * len(NIGHTS)

    @property
    def default_observation(self) -> tuple[float, ...]:
        return DEFAULT

    # the curve ------------------------------------------------------------------------------------------
    @property
    def nights(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Times in d and standard errors in m/s of the velocity measurements."""
        return NIGHTS, ERRORS

    def physical(self, x: Tensor) -> Tensor:
        """Return (P, K, e, ω, λ, γ, s) (n, 7) from ``x`` (n, 7) in either coordinates; angles in [0, 2π)."""
        x = self._points(x, "x", 7)
        if self.coordinates == "physical":
            return x
        period, c, s, h, k, velocity, jitter = x.T
        # at e = 0 the direction is arbitrary; this one has a gradient
        h = torch.where((h == 0) & (k == 0), h + torch.finfo(x.dtype).tiny ** 0.25, h)
        amplitude, longitude = torch.hypot(c, s), torch.atan2(s, c).remainder(_TURN)
        shape = h.square() + k.square(), torch.atan2(k, h).remainder(_TURN)
        return torch.stack([period, amplitude, *shape, longitude, velocity, jitter], 1)

    def curve(self, x: Tensor, times: Tensor) -> Tensor:
        """Return the star's velocity in m/s (n, T) for orbits ``x`` (n, 7) at ``times`` (T,) or (n, T) in d.

        Eccentricities above the prior's largest are clipped to it, so that draws of a network can be plotted.
        """
        period, amplitude, eccentricity, periastron, longitude, velocity, _ = self.physical(x).T[:, :, None]
        anomaly = longitude - periastron + _TURN * (times.to(x) - MIDDLE) / period
        first, second = velocity_parts(anomaly, eccentricity.clamp(0.0, MAX_ECCENTRICITY))
        return velocity + amplitude * (periastron.cos() * first + periastron.sin() * second)

    def _spread(self, x: Tensor) -> Tensor:
        """Return the standard deviations (n, M) of the noise on y, which combine error bars and jitter."""
        return torch.hypot(x[:, 6:], x.new_tensor(ERRORS))

    # hooks ----------------------------------------------------------------------------------------------
    def _prior(self, n: int, generator: torch.Generator) -> Tensor:
        return self._from_physical(*prior_draw(n, generator))

    def _from_physical(
        self,
        period: Tensor,
        amplitude: Tensor,
        eccentricity: Tensor,
        periastron: Tensor,
        longitude: Tensor,
        velocity: Tensor,
        jitter: Tensor,
    ) -> Tensor:
        """Return ``x`` (n, 7) in the problem's coordinates from its seven physical columns (n,)."""
        if self.coordinates == "physical":
            middle = amplitude, eccentricity, periastron.remainder(_TURN), longitude.remainder(_TURN)
        else:
            root = eccentricity.sqrt()
            middle = (
                amplitude * longitude.cos(),
                amplitude * longitude.sin(),
                root * periastron.cos(),
                root * periastron.sin(),
            )
        return torch.stack([period, *middle, velocity, jitter], 1)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        noise = normal(len(x), len(NIGHTS), generator).to(x)
        return self.curve(x, x.new_tensor(NIGHTS)) + self._spread(x) * noise

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        prior = self._log_prior(x)
        inside = prior.isfinite()
        # a point inside in the place of those outside keeps the gradient of the other rows finite
        safe = torch.where(inside[:, None], x, x.new_tensor([[12.0, 1.0, 1.0, 0.5, 0.5, 0.0, 1.0]]))
        spread = self._spread(safe)
        logs = -0.5 * ((y - self.curve(safe, x.new_tensor(NIGHTS))) / spread).square() - spread.log()
        likelihood = logs.sum(1) - 0.5 * len(NIGHTS) * math.log(_TURN)
        return torch.where(inside, prior + likelihood, -math.inf)

    def _log_prior(self, x: Tensor) -> Tensor:
        """Return log p(x) in nats (n,) in the problem's coordinates; -inf off the support."""
        period, first, second, third, fourth, velocity, jitter = x.T
        inside = (period >= PERIODS[0]) & (period <= PERIODS[1]) & (jitter > 0)
        if self.coordinates == "components":
            inside = inside & (third.square() + fourth.square() <= MAX_ECCENTRICITY)
            middle = -0.5 * (first.square() + second.square()) / AMPLITUDE**2
            middle = middle - math.log(_TURN * AMPLITUDE**2) - math.log(math.pi * MAX_ECCENTRICITY)
        else:
            inside = inside & (first > 0) & (second >= 0) & (second <= MAX_ECCENTRICITY)
            inside = inside & ((third >= 0) & (third <= _TURN) & (fourth >= 0) & (fourth <= _TURN))
            safe = torch.where(inside, first, 1.0)
            middle = safe.log() - 0.5 * (safe / AMPLITUDE).square() - 2 * math.log(AMPLITUDE)
            middle = middle - math.log(MAX_ECCENTRICITY) - 2 * math.log(_TURN)
        period, jitter = torch.where(inside, period, 1.0), torch.where(inside, jitter, 1.0)
        swing = -period.log() - math.log(math.log(PERIODS[1] / PERIODS[0]))
        systemic = -0.5 * (velocity / SYSTEMIC).square() - math.log(SYSTEMIC) - 0.5 * math.log(_TURN)
        centre, width = JITTER
        noise = -0.5 * ((jitter.log() - centre) / width).square() - jitter.log() - math.log(width)
        return torch.where(inside, middle + swing + systemic + noise - 0.5 * math.log(_TURN), -math.inf)

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        period, _, eccentricity, periastron, longitude, _, jitter = prior_draw(_PRIOR_DRAWS, generator)
        start = collapsed(period, eccentricity, longitude - periastron, jitter)
        weights = torch.cat([marginal_log_likelihood(rows, observation) for rows in start.split(20_000)])
        walkers = resampled(start, weights, min(max(n, _MIN_WALKERS), _MAX_WALKERS), generator)
        draws = ensemble_draws(lambda u: collapsed_log_density(u, observation), walkers, n, generator)
        _check_fit(draws[:, 3].median().exp())
        return self._from_physical(*complete(draws, observation, generator))


def _check_fit(jitter: Tensor) -> None:
    """Raise `DataError` if the posterior median of the jitter shows that no orbit explains the velocities.

    The prior all but excludes such a jitter; the other parameters then have their prior distribution.
    """
    most = math.exp(JITTER[0] + _MAX_DEVIATIONS * JITTER[1])
    if jitter > most:
        raise DataError(
            "The posterior cannot be drawn",
            expected=f"velocities in m/s that an orbit explains to within a jitter of {most:.0f} m/s",
            found=f"velocities that leave {float(jitter):.3g} m/s unexplained",
            suggestion="check whether the velocities are in another unit",
        )


def prior_draw(n: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Draw columns P, K, e, ω, λ, γ, s (n,) from the prior, float64."""
    level = torch.rand(n, 4, generator=generator, dtype=torch.float64)
    noise = normal(n, 4, generator)
    period = PERIODS[0] * (level[:, 0] * math.log(PERIODS[1] / PERIODS[0])).exp()
    amplitude = AMPLITUDE * torch.hypot(noise[:, 0], noise[:, 1])
    jitter = (JITTER[0] + JITTER[1] * noise[:, 3]).exp()
    angles = _TURN * level[:, 2], _TURN * level[:, 3]
    return period, amplitude, MAX_ECCENTRICITY * level[:, 1], *angles, SYSTEMIC * noise[:, 2], jitter


# the posterior without its linear part -----------------------------------------------------------------
def collapsed(period: Tensor, eccentricity: Tensor, anomaly: Tensor, jitter: Tensor) -> Tensor:
    """Return u = (log P, √e cos M, √e sin M, log s) (n, 4); M: mean anomaly at the middle of the nights."""
    root = eccentricity.sqrt()
    return torch.stack([period.log(), root * anomaly.cos(), root * anomaly.sin(), jitter.log()], 1)


def collapsed_log_density(u: Tensor, observation: Tensor) -> Tensor:
    """Return log p(u, y) in nats (n,) up to a constant, at ``u`` of `collapsed` (n, 4); -inf off support."""
    low, high = (math.log(p) for p in PERIODS)
    inside = (u[:, 0] >= low) & (u[:, 0] <= high) & (u[:, 1:3].square().sum(1) <= MAX_ECCENTRICITY)
    inside = inside & (u[:, 3].abs() < 20)
    value = torch.full_like(u[:, 0], -math.inf)
    rows = u[inside]
    # uniform in log P and on the disc of (√e cos M, √e sin M)
    prior = -0.5 * ((rows[:, 3] - JITTER[0]) / JITTER[1]).square()
    value[inside] = prior + marginal_log_likelihood(rows, observation)
    return value


def _normal_equations(u: Tensor, observation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the Gaussian posterior of (K cos ω, K sin ω, γ) given ``u`` (n, 4), and variances (n, M) of y.

    The Gaussian is given by its precision (n, 3, 3) and by precision · mean (n, 3).
    """
    eccentricity, anomaly = u[:, 1:3].square().sum(1), torch.atan2(u[:, 2], u[:, 1])
    swing = _TURN * (u.new_tensor(NIGHTS) - MIDDLE) / u[:, :1].exp()
    first, second = velocity_parts(anomaly[:, None] + swing, eccentricity[:, None])
    design = torch.stack([first, second, torch.ones_like(first)], -1)
    variance = u.new_tensor(ERRORS).square() + (2 * u[:, 3:]).exp()
    scaled_design = design / variance[..., None]
    precision = scaled_design.mT @ design + torch.diag(u.new_tensor([AMPLITUDE, AMPLITUDE, SYSTEMIC]) ** -2)
    return precision, torch.einsum("nmk,m->nk", scaled_design, observation.to(u)), variance


def marginal_log_likelihood(u: Tensor, observation: Tensor) -> Tensor:
    """Return the normalised log p(y | u) in nats (n,), with K cos ω, K sin ω and γ integrated out."""
    precision, product, variance = _normal_equations(u, observation)
    factor = torch.linalg.cholesky(precision)
    half = torch.linalg.solve_triangular(factor, product[..., None], upper=False)[..., 0]
    log_det = variance.log().sum(1) + 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(1)
    log_det = log_det + 2 * math.log(AMPLITUDE**2 * SYSTEMIC)
    squares = (observation.to(u).square() / variance).sum(1) - half.square().sum(1)
    return -0.5 * (squares + log_det + len(NIGHTS) * math.log(_TURN))


def complete(u: Tensor, observation: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Return columns P, K, e, ω, λ, γ, s (n,): K, ω, γ drawn given ``u`` (n, 4) and y, the rest from u."""
    precision, product, _ = _normal_equations(u, observation)
    factor = torch.linalg.cholesky(precision)
    mean = torch.cholesky_solve(product[..., None], factor)
    noise = normal(len(u), 3, generator)[..., None]
    cosine, sine, velocity = (mean + torch.linalg.solve_triangular(factor.mT, noise, upper=True))[..., 0].T
    periastron, anomaly = torch.atan2(sine, cosine), torch.atan2(u[:, 2], u[:, 1])
    eccentricity = u[:, 1:3].square().sum(1)
    amplitude, jitter = torch.hypot(cosine, sine), u[:, 3].exp()
    return u[:, 0].exp(), amplitude, eccentricity, periastron, periastron + anomaly, velocity, jitter
