"""The views of every run: samples, latent, density, layers, posterior and round trips."""

from __future__ import annotations

import numpy as np
import torch

from workbench.core.capability import Capability
from workbench.core.errors import WorkbenchError
from workbench.snapshots.arrays.common import conditions, data_units, numeric
from workbench.snapshots.arrays.curves import curves
from workbench.training.evaluation_points import ARMS, GRID, LATTICE, PROBED


def samples(run, look) -> dict[str, np.ndarray]:
    eyes = run.evaluation_points
    made, _ = run.model.inverse(eyes.z, eyes.y)
    y = (
        np.zeros((len(eyes.x), 0))
        if eyes.y is None
        else run.data.standardisation.y_out(eyes.y.cpu().double()).numpy()
    )
    return {"data_x": data_units(run, eyes.x), "data_y": y, "samples_x": data_units(run, made)}


def latent(run, look) -> dict[str, np.ndarray]:
    if Capability.LATENT not in run.model.capabilities:
        return {}
    z, _ = run.model.latent(run.evaluation_points.x, run.evaluation_points.y)
    return {"latent_z": numeric(z), "latent_reference": numeric(run.evaluation_points.z)}


def density(run, look) -> dict[str, np.ndarray]:
    if run.model.features != 2 or Capability.DENSITY not in run.model.capabilities:
        return {}
    axis0, axis1 = run.evaluation_points.density_axes()
    points = torch.stack(torch.meshgrid(axis0, axis1, indexing="xy"), -1).reshape(-1, 2)
    s = run.data.standardisation
    x = s.x_in(points).to(run.device, run.dtype)
    log_density = numeric(run.model.log_prob(x, conditions(run, look.observation, len(x)))) - float(
        s.scale_x.log().sum()
    )
    found = {
        "density_x0": axis0.numpy(),
        "density_x1": axis1.numpy(),
        "density": np.exp(log_density).reshape(GRID, GRID),
    }
    if not run.data.has_y and Capability.LOG_DENSITY in run.problem.capabilities:
        found["density_target"] = run.evaluation_points.target_density(run.problem, points)
    return found


def grid(run, look) -> dict[str, np.ndarray]:
    coded = {Capability.LATENT, Capability.EVIDENCE} & run.model.capabilities
    if run.model.features < 2 or run.model.latent_features < 2 or not coded:
        return {}
    lattice = run.evaluation_points.lattice
    stages = run.model.stages(lattice, conditions(run, look.observation, len(lattice)))
    layers = [numeric(stage[:, :2]) for stage in stages[:-1]] + [data_units(run, stages[-1])[:, :2]]
    return {"grid": np.stack(layers).reshape(len(layers), LATTICE, LATTICE, 2)}


def posterior(run, look) -> dict[str, np.ndarray]:
    if not run.data.has_y:
        return {}
    problem, seed = run.problem, run.experiment.seed
    z = run.evaluation_points.z
    made, _ = run.model.inverse(z, conditions(run, look.observation, len(z)))
    x = data_units(run, made)
    found = {"observation": np.asarray(look.observation), "posterior_x": x}
    if look.far:  # a search for exact draws would take a minute and find none
        found["reference_needs"] = np.asarray("an observation like those of the training")
    elif Capability.REFERENCE_POSTERIOR in problem.capabilities:
        try:
            found["reference_x"] = run.evaluation_points.reference(problem, look.observation, seed)
        except WorkbenchError as error:  # an observation that cannot be made is no reason not to look
            found["reference_needs"] = np.asarray(error.expected or error.asked)
    if Capability.SIMULATE in problem.capabilities:
        generator = torch.Generator().manual_seed(seed + 5)
        inside = np.clip(x, [v.low for v in problem.x], [v.high for v in problem.x])
        found["resimulated_y"] = numeric(problem.simulate(torch.as_tensor(inside), generator))
    return found | pictured(problem, found)


def pictured(problem, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a problem draws of the posterior in its own world, from ``observation``, ``posterior_x`` (n, D)
    and, where it is known, ``reference_x``: the arrays of its physical views."""
    made = {}
    if hasattr(problem, "arm"):
        for name, draws in (("arm", "posterior_x"), ("arm_reference", "reference_x")):
            if draws in found:
                made[name] = numeric(problem.arm(torch.as_tensor(found[draws][:ARMS])))
    if hasattr(problem, "curve"):
        made |= curves(problem, found)
    return made


def invertibility(run, look) -> dict[str, np.ndarray]:
    if Capability.LATENT not in run.model.capabilities:
        return {}
    x, z = run.evaluation_points.x[:PROBED], run.evaluation_points.z[:PROBED]
    y = None if run.evaluation_points.y is None else run.evaluation_points.y[:PROBED]
    forward, _ = run.model.latent(x, y)
    back, _ = run.model.inverse(forward, _own_y(run, x, y))
    generated, _ = run.model.inverse(z, y)
    again, _ = run.model.latent(generated, y)
    return {
        "invertibility_xzx": numeric((back - x).abs().amax(-1)),
        "invertibility_zxz": numeric((again - z).abs().amax(-1)),
    }


def _own_y(run, x, y):
    """A network with [y, z] comes back to x from its own y, not from the observed one."""
    return run.model.predict(x) if Capability.FORWARD in run.model.capabilities else y
