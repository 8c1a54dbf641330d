"""Snapshots: what a run shows of itself, with eyes that hold still.

The latent points, the data points, the lattice and the grid are drawn once from the seed: what moves on
the screen
is learning. A snapshot is a frozen bundle of NumPy arrays; diagnostics put labels on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from workbench.core import capability
from workbench.core.errors import SpecError, did_you_mean
from workbench.core.variable import Variable
from workbench.training.history import Record

VIEWS = ("samples", "latent", "density", "grid", "posterior", "invertibility")
_POINTS, _PROBED, _LATTICE, _GRID, _ARMS = 1000, 128, 21, 64, 60


@dataclass(frozen=True)
class SnapshotRequest:
    """Which views, for which observation (data units; empty: the problem's own), and the records after
    ``since``."""

    views: tuple[str, ...] = VIEWS
    observation: tuple[float, ...] = ()
    since: int = 0

    def __post_init__(self) -> None:
        for view in self.views:
            if view not in VIEWS:
                raise SpecError(
                    f"There is no view '{view}'",
                    expected=", ".join(VIEWS),
                    found=str(view),
                    suggestion=did_you_mean(view, VIEWS),
                )


@dataclass(frozen=True)
class Snapshot:
    """One look at a run. Arrays in data units unless their name says ``latent``, ``grid`` or
    ``invertibility``.

    samples: data_x (N, D), data_y (N, M), samples_x (N, D) · latent: latent_z, latent_reference (N, K) ·
    density: density_x0, density_x1 (G,), density (G, G) with rows along x1, density_target where known ·
    grid: (L, G, G, 2), latent first, data (data units) last · posterior: observation (M,), posterior_x,
    reference_x,
    resimulated_y, arm (A, 4, 2) where they exist · invertibility: invertibility_xzx, invertibility_zxz (N,)
    """

    iteration: int
    seconds: float
    steps: int
    steps_per_second: float
    device: str
    parameters: int
    finished: bool
    x: tuple[Variable, ...]
    y: tuple[Variable, ...]
    window: tuple[tuple[float, float], ...]
    observation_window: tuple[tuple[float, float], ...]
    records: tuple[Record, ...] = ()
    events: tuple[dict, ...] = ()
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class Eyes:
    """The fixed points with which a run is looked at, drawn once from its seed."""

    def __init__(self, run) -> None:
        generator = torch.Generator().manual_seed(run.experiment.seed + 3)
        data, model, problem = run.data, run.model, run.problem
        held_out = data.held_out(_POINTS, 0.0)
        if len(held_out) < _POINTS:  # small tables: look at training points too
            more = data.train_x[: _POINTS - len(held_out)], data.train_y[: _POINTS - len(held_out)]
            self.x = torch.cat([held_out.x, more[0]])
            self.y = torch.cat([held_out.y, more[1]]) if data.has_y else None
        else:
            self.x, self.y = held_out.x, held_out.y
        n = len(self.x)
        self.z = torch.randn(n, model.latent_features, generator=generator, dtype=torch.float64).to(
            run.device, run.dtype
        )
        self.window = tuple(tuple(float(v) for v in w) for w in problem.window)
        self.observation_window = (
            tuple(tuple(float(v) for v in w) for w in problem.observation_window) if data.has_y else ()
        )
        side = torch.linspace(-3, 3, _LATTICE, dtype=torch.float64)
        lattice = torch.stack(torch.meshgrid(side, side, indexing="xy"), -1).reshape(-1, 2)
        self.lattice = torch.zeros(len(lattice), max(2, model.latent_features), dtype=torch.float64)
        self.lattice[:, :2] = lattice
        self.lattice = self.lattice[:, : model.latent_features].to(run.device, run.dtype)
        self._references: dict[tuple[float, ...], np.ndarray] = {}
        self._target: np.ndarray | None = None

    def reference(self, problem, observation: tuple[float, ...], seed: int) -> np.ndarray:
        """The reference posterior at an observation (data units), computed once and kept."""
        if observation not in self._references:
            if len(self._references) > 50:
                self._references.clear()
            generator = torch.Generator().manual_seed(seed + 4)
            drawn = problem.reference_posterior(
                torch.tensor(observation, dtype=torch.float64), _POINTS, generator
            )
            self._references[observation] = drawn.numpy()
        return self._references[observation]

    def density_axes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Cell centres of the density grid in data units."""
        axes = []
        for low, high in self.window[:2]:
            edges = torch.linspace(low, high, _GRID + 1, dtype=torch.float64)
            axes.append(0.5 * (edges[1:] + edges[:-1]))
        return axes[0], axes[1]

    def target_density(self, problem, points: torch.Tensor) -> np.ndarray:
        if self._target is None:
            self._target = problem.log_density(points).exp().reshape(_GRID, _GRID).numpy()
        return self._target


def take_snapshot(run, request: SnapshotRequest) -> Snapshot:
    """Compute the requested views that apply to this run's model and problem."""
    arrays: dict[str, np.ndarray] = {}
    observation = _observation(run, request)
    with run.looking(), torch.no_grad():
        for view in request.views:
            arrays |= _MAKERS[view](run, observation)
    return Snapshot(
        iteration=run.iteration,
        seconds=run.seconds,
        steps=run.experiment.steps,
        steps_per_second=run.steps_per_second,
        device=str(run.device),
        parameters=run.parameters,
        finished=run.finished,
        x=tuple(run.problem.x),
        y=tuple(run.problem.y),
        window=run.eyes.window,
        observation_window=run.eyes.observation_window,
        records=run.history.since(request.since),
        events=tuple(run.events),
        arrays=arrays,
    )


def _observation(run, request: SnapshotRequest) -> tuple[float, ...]:
    if not run.data.has_y:
        return ()
    values = tuple(float(v) for v in (request.observation or run.problem.default_observation))
    if len(values) != len(run.problem.y) or not np.isfinite(values).all():
        names = ", ".join(v.name for v in run.problem.y)
        raise SpecError(
            "The observation does not fit this problem",
            expected=f"{len(run.problem.y)} numbers ({names})",
            found=str(values),
        )
    return values


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()


def _conditions(run, observation, n: int) -> torch.Tensor | None:
    """The observation as n standardised rows on the device."""
    if not run.data.has_y:
        return None
    row = run.data.standardisation.y_in(torch.tensor([observation], dtype=torch.float64))
    return row.to(run.device, run.dtype).expand(n, -1)


def _out(run, x: torch.Tensor) -> np.ndarray:
    return run.data.standardisation.x_out(x.detach().cpu().double()).numpy()


def _samples(run, observation) -> dict[str, np.ndarray]:
    eyes = run.eyes
    made, _ = run.model.inverse(eyes.z, eyes.y)
    y = (
        np.zeros((len(eyes.x), 0))
        if eyes.y is None
        else run.data.standardisation.y_out(eyes.y.cpu().double()).numpy()
    )
    return {"data_x": _out(run, eyes.x), "data_y": y, "samples_x": _out(run, made)}


def _latent(run, observation) -> dict[str, np.ndarray]:
    z, _ = run.model.latent(run.eyes.x, run.eyes.y)
    return {"latent_z": _numpy(z), "latent_reference": _numpy(run.eyes.z)}


def _density(run, observation) -> dict[str, np.ndarray]:
    if run.model.features != 2 or capability.DENSITY not in run.model.capabilities:
        return {}
    axis0, axis1 = run.eyes.density_axes()
    points = torch.stack(torch.meshgrid(axis0, axis1, indexing="xy"), -1).reshape(-1, 2)
    s = run.data.standardisation
    x = s.x_in(points).to(run.device, run.dtype)
    log_density = _numpy(run.model.log_prob(x, _conditions(run, observation, len(x)))) - float(
        s.scale_x.log().sum()
    )
    found = {
        "density_x0": axis0.numpy(),
        "density_x1": axis1.numpy(),
        "density": np.exp(log_density).reshape(_GRID, _GRID),
    }
    if not run.data.has_y and capability.LOG_DENSITY in run.problem.capabilities:
        found["density_target"] = run.eyes.target_density(run.problem, points)
    return found


def _grid(run, observation) -> dict[str, np.ndarray]:
    if run.model.features < 2 or run.model.latent_features < 2:
        return {}
    lattice = run.eyes.lattice
    stages = run.model.stages(lattice, _conditions(run, observation, len(lattice)))
    layers = [_numpy(stage[:, :2]) for stage in stages[:-1]] + [_out(run, stages[-1])[:, :2]]
    return {"grid": np.stack(layers).reshape(len(layers), _LATTICE, _LATTICE, 2)}


def _posterior(run, observation) -> dict[str, np.ndarray]:
    if not run.data.has_y:
        return {}
    problem, seed = run.problem, run.experiment.seed
    z = run.eyes.z
    made, _ = run.model.inverse(z, _conditions(run, observation, len(z)))
    x = _out(run, made)
    found = {"observation": np.asarray(observation), "posterior_x": x}
    if capability.REFERENCE_POSTERIOR in problem.capabilities:
        found["reference_x"] = run.eyes.reference(problem, observation, seed)
    if capability.SIMULATE in problem.capabilities:
        generator = torch.Generator().manual_seed(seed + 5)
        inside = np.clip(x, [v.low for v in problem.x], [v.high for v in problem.x])
        found["resimulated_y"] = _numpy(problem.simulate(torch.as_tensor(inside), generator))
    if hasattr(problem, "arm"):
        found["arm"] = _numpy(problem.arm(torch.as_tensor(x[:_ARMS])))
        if "reference_x" in found:
            found["arm_reference"] = _numpy(problem.arm(torch.as_tensor(found["reference_x"][:_ARMS])))
    return found


def _invertibility(run, observation) -> dict[str, np.ndarray]:
    x, z = run.eyes.x[:_PROBED], run.eyes.z[:_PROBED]
    y = None if run.eyes.y is None else run.eyes.y[:_PROBED]
    forward, _ = run.model.latent(x, y)
    back, _ = run.model.inverse(forward, _own_y(run, x, y))
    generated, _ = run.model.inverse(z, y)
    again, _ = run.model.latent(generated, y)
    return {
        "invertibility_xzx": _numpy((back - x).abs().amax(-1)),
        "invertibility_zxz": _numpy((again - z).abs().amax(-1)),
    }


def _own_y(run, x, y):
    """A network with [y, z] comes back to x from its own y, not from the observed one."""
    return run.model.predict(x) if capability.FORWARD in run.model.capabilities else y


_MAKERS = {
    "samples": _samples,
    "latent": _latent,
    "density": _density,
    "grid": _grid,
    "posterior": _posterior,
    "invertibility": _invertibility,
}
