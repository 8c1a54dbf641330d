"""What one look at a run shows: a snapshot goes in, a labelled Dataset with fixed eyes comes out.

Every view is ``view(snapshot, *, pair=(0, 1)) -> xarray.Dataset``. A view always has the same variables;
what the snapshot does not hold is there with length zero, so that a plot built before the first step can be
fed later. Nothing in here imports torch: a snapshot is numbers already.
"""

from __future__ import annotations

from typing import Any

import xarray as xr

from workbench.core.errors import SpecError, did_you_mean
from workbench.snapshots.views.ambiguity_surface import ambiguity_surface
from workbench.snapshots.views.arm import arm
from workbench.snapshots.views.bound import bound
from workbench.snapshots.views.calibration import calibration
from workbench.snapshots.views.common import blank
from workbench.snapshots.views.critic import critic
from workbench.snapshots.views.density import density
from workbench.snapshots.views.divergences import divergences
from workbench.snapshots.views.grid import grid
from workbench.snapshots.views.invertibility import invertibility
from workbench.snapshots.views.latent import latent
from workbench.snapshots.views.losses import losses
from workbench.snapshots.views.phase_folded import phase_folded
from workbench.snapshots.views.posterior import posterior
from workbench.snapshots.views.precision_recall import precision_recall
from workbench.snapshots.views.radial_velocity import radial_velocity
from workbench.snapshots.views.resimulation import resimulation
from workbench.snapshots.views.samples import samples
from workbench.snapshots.views.search import search
from workbench.snapshots.views.sound_speed_profile import sound_speed_profile
from workbench.snapshots.views.transmission_loss import transmission_loss

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
