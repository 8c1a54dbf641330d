"""What one look at a run shows: a snapshot goes in, a labelled Dataset with fixed eyes comes out.

Every view is ``view(snapshot, *, pair=(0, 1)) -> xarray.Dataset``. A view always has the same variables;
what the snapshot does not hold is there with length zero, so that a plot built before the first step can be
fed later. Nothing in here imports torch: a snapshot is numbers already.
"""

from __future__ import annotations

from typing import Any

import xarray as xr

from workbench.core.errors import SpecError, did_you_mean
from workbench.diagnostics.views.ambiguity_surface import ambiguity_surface
from workbench.diagnostics.views.arm import arm
from workbench.diagnostics.views.bound import bound
from workbench.diagnostics.views.calibration import calibration
from workbench.diagnostics.views.common import blank
from workbench.diagnostics.views.critic import critic
from workbench.diagnostics.views.density import density
from workbench.diagnostics.views.divergences import divergences
from workbench.diagnostics.views.grid import grid
from workbench.diagnostics.views.invertibility import invertibility
from workbench.diagnostics.views.latent import latent
from workbench.diagnostics.views.losses import losses
from workbench.diagnostics.views.phase_folded import phase_folded
from workbench.diagnostics.views.posterior import posterior
from workbench.diagnostics.views.precision_recall import precision_recall
from workbench.diagnostics.views.radial_velocity import radial_velocity
from workbench.diagnostics.views.resimulation import resimulation
from workbench.diagnostics.views.samples import samples
from workbench.diagnostics.views.search import search
from workbench.diagnostics.views.sound_speed_profile import sound_speed_profile
from workbench.diagnostics.views.transmission_loss import transmission_loss

#: Every view by its name; a plot of the same name draws it.
VIEWS = {
    view.__name__: view
    for view in (
        samples,
        latent,
        density,
        grid,
        losses,
        posterior,
        resimulation,
        arm,
        radial_velocity,
        phase_folded,
        sound_speed_profile,
        ambiguity_surface,
        transmission_loss,
        invertibility,
        calibration,
        bound,
        critic,
        precision_recall,
        divergences,
    )
}


def empty(view: str, problem: Any = None, **settings: Any) -> xr.Dataset:
    """The Dataset of ``view`` before anything has happened, with the axes of ``problem`` where one is given.

    Parameters ---------- view : a key of `VIEWS`; anything else raises `SpecError`. problem : anything with
    ``x``, ``y``, ``window`` and ``observation_window`` (a Problem or a Snapshot), or None. settings :
    passed to the view (``pair``, or ``steps`` for the losses).
    """
    if view not in VIEWS:
        raise SpecError(
            f"There is no view '{view}'",
            expected=", ".join(VIEWS),
            found=str(view),
            suggestion=did_you_mean(view, VIEWS),
        )
    return VIEWS[view](blank(problem), **settings)


__all__ = [
    "VIEWS",
    "ambiguity_surface",
    "arm",
    "bound",
    "calibration",
    "critic",
    "density",
    "divergences",
    "empty",
    "grid",
    "invertibility",
    "latent",
    "losses",
    "phase_folded",
    "posterior",
    "precision_recall",
    "radial_velocity",
    "resimulation",
    "samples",
    "search",
    "sound_speed_profile",
    "transmission_loss",
]
