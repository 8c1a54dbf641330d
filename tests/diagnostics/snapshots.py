"""Snapshots with hand-made arrays for every view, without any training."""

from __future__ import annotations

import math

import numpy as np

from workbench.core.variable import Variable
from workbench.snapshots.snapshot import Snapshot
from workbench.training.history import Record


def records(count: int, parts: tuple[str, ...] = ("fit", "mmd")) -> tuple[Record, ...]:
    """Falling losses, validated every tenth step."""
    history = []
    for i in range(1, count + 1):
        values = {
            name: (k + 1) * math.exp(-i / 50) + 0.1 * math.sin(7 * i + k) for k, name in enumerate(parts)
        }
        values["loss"] = sum(values.values())
        history.append(Record(i, 0.01 * i, 1e-3, values, dict(values) if i % 10 == 0 else {}))
    return tuple(history)


def flow_arrays(n: int = 200, side: int = 40) -> dict[str, np.ndarray]:
    """A two-dimensional density model: two unit-free blobs against one."""
    generator = np.random.default_rng(0)
    places = np.linspace(-2.95, 2.95, side)
    first, second = np.meshgrid(places, places)
    target = np.exp(-0.5 * (first**2 + second**2)) / (2 * np.pi)
    model = np.exp(-0.5 * ((first - 1) ** 2 + (second / 0.5) ** 2)) / np.pi
    lattice = np.stack(np.meshgrid(np.linspace(-3, 3, 9), np.linspace(-3, 3, 9)), -1)
    return {
        "data_x": generator.normal(size=(n, 2)),
        "data_y": np.zeros((n, 0)),
        "samples_x": generator.normal(size=(n, 2)) + 0.3,
        "latent_z": generator.normal(size=(n, 2)),
        "latent_reference": generator.normal(size=(n, 2)),
        "density_x0": places,
        "density_x1": places,
        "density": model,
        "density_target": target,
        "grid": np.stack([lattice, lattice * 0.5, lattice * [0.5, 0.25]]),
        "invertibility_xzx": np.abs(generator.normal(size=n)) * 1e-6,
        "invertibility_zxz": np.abs(generator.normal(size=n)) * 1e-5,
        **bound_arrays(),
        **critic_arrays(places),
    }


def critic_arrays(places: np.ndarray) -> dict[str, np.ndarray]:
    """A critic that has half of the log-ratio, with a value that can be trusted, and its trade-offs."""
    slope = np.add.outer(places, places)
    slope[np.hypot.outer(places, places) > 3] = np.nan
    angle = np.linspace(0, np.pi / 2, 50)[1:-1]
    curve = np.stack([np.minimum(1 / np.tan(angle), 1), np.minimum(np.tan(angle), 1)], -1)
    return {
        "critic_x0": places,
        "critic_x1": places,
        "critic_learned": 0.5 * slope,
        "critic_optimal": slope,
        "critic_figures": np.array([0.31, 0.3, 0.32, 0.01, 0.01, 0.0]),
        "precision_recall_known": curve,
        "precision_recall_critic": 0.9 * curve,
        "precision_recall_figures": np.array([100, 1, 2.0]),
    }


def bound_arrays() -> dict[str, np.ndarray]:
    """A bound that holds, with every term but the gap and the one that nobody can know."""
    value = [0.4, 0.3, 2.9, 0.07, 2.8, 1.7, 0.0014, 0.019, np.nan, 0.038, 0.14, 2.7, np.nan]
    return {
        "bound_value": np.array(value),
        "bound_status": np.array([2, 2, 2, 2, 2, 1, 2, 2, 3, 2, 2, 2, 3]),
        "bound_figures": np.array([100, 2, 1, 2.9]),
    }


def arm_arrays(n: int = 200) -> dict[str, np.ndarray]:
    """An inverse problem with four unknowns, two observed numbers and arms to draw."""
    generator = np.random.default_rng(1)
    joints = generator.normal(size=(20, 4, 2)).cumsum(1)
    return {
        "data_x": generator.normal(size=(n, 4)),
        "data_y": generator.normal(size=(n, 2)),
        "samples_x": generator.normal(size=(n, 4)),
        "latent_z": generator.normal(size=(n, 4)),
        "latent_reference": generator.normal(size=(n, 4)),
        "grid": np.zeros((3, 5, 5, 2)) + np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), -1),
        "observation": np.array([1.5, 0.0]),
        "posterior_x": generator.normal(size=(n, 4)),
        "reference_x": generator.normal(size=(n, 4)),
        "resimulated_y": generator.normal(size=(n, 2)) * 0.1 + [1.5, 0.0],
        "arm": joints,
        "arm_reference": joints + 0.1,
        **curve_arrays(),
        "calibration_rank": generator.uniform(size=(n, 4)),
        "calibration_figures": np.array([100.0, 40.0]),
        **ocean_arrays(),
        "invertibility_xzx": np.full(n, 1e-6),
        "invertibility_zxz": np.full(n, 1e-6),
        **bound_arrays(),
    }


def ocean_arrays() -> dict[str, np.ndarray]:
    """Seabeds over two of the arm's unknowns: profiles, a match, a loss."""
    generator = np.random.default_rng(3)
    speeds = 1500.0 + np.cumsum(generator.uniform(0, 8, size=(30, 40)), 1)
    return {
        "ocean_depths": np.linspace(0, 290, 40),
        "ocean_speeds": speeds,
        "ocean_speeds_reference": speeds + 3.0,
        "ocean_array": np.linspace(94, 212, 5),
        "ocean_place": np.array([3000.0, 60.0, 216.5, 1.0]),
        "ocean_ranges": np.linspace(300, 3375, 124),
        "ocean_levels": np.linspace(2, 210, 53),
        "ocean_loss": generator.uniform(50, 80, size=(53, 124)),
        "ambiguity_pair": np.array([1.0, 2.0]),
        "ambiguity_0": np.linspace(-1, 1, 33),
        "ambiguity_1": np.linspace(-1, 1, 33),
        "ambiguity": generator.uniform(size=(33, 33)),
        "ambiguity_posterior": generator.normal(size=(60, 2)) * 0.2,
        "ambiguity_reference": generator.normal(size=(60, 2)) * 0.2,
    }


def curve_arrays() -> dict[str, np.ndarray]:
    """A curve that two measurements belong to, over time and folded."""
    generator = np.random.default_rng(2)
    waves = np.sin(np.linspace(0, 9, 50)) + 0.1 * generator.normal(size=(30, 1))
    return {
        "curve_at": np.linspace(-0.4, 10.4, 50),
        "curve_times": np.array([0.0, 10.0]),
        "curve_errors": np.array([0.2, 0.3]),
        "curve": waves,
        "curve_reference": waves + 0.1,
        "fold_at": np.linspace(-0.5, 0.5, 50),
        "fold_phases": np.array([-0.2, 0.4]),
        "fold_observed": np.array([1.4, -0.1]),
        "fold_period": np.array(4.0),
        "fold": waves,
        "fold_share": np.array(0.8),
        "fold_reference": waves + 0.1,
        "fold_reference_share": np.array(0.7),
    }


def snapshot(kind: str = "flow", **changes) -> Snapshot:
    """``kind`` "flow" (no observation) or "arm"; ``changes`` replace fields."""
    flow = kind == "flow"
    x = tuple(Variable(f"x{i}", f"x{i}", "" if flow else "rad") for i in range(2 if flow else 4))
    fields = {
        "iteration": 120,
        "seconds": 1.2,
        "steps": 400,
        "steps_per_second": 100.0,
        "device": "cpu",
        "parameters": 1000,
        "finished": False,
        "x": x,
        "y": () if flow else (Variable("h", "h", "m"), Variable("v", "v", "m")),
        "window": ((-3.0, 3.0),) * len(x),
        "observation_window": () if flow else ((-0.35, 2.25), (-2.6, 2.6)),
        "records": records(120),
        "arrays": flow_arrays() if flow else arm_arrays(),
    }
    return Snapshot(**(fields | changes))


def without(original: Snapshot, *names: str) -> Snapshot:
    """The snapshot without these arrays."""
    arrays = {key: value for key, value in original.arrays.items() if key not in names}
    return Snapshot(**{**{k: getattr(original, k) for k in original.__dataclass_fields__}, "arrays": arrays})
