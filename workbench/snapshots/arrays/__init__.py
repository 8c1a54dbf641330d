"""What a run shows of itself: one function a view, ``view(run, look) -> arrays``; empty where it does not
apply."""

from workbench.snapshots.arrays.bound import bound
from workbench.snapshots.arrays.calibration import calibration
from workbench.snapshots.arrays.common import Look
from workbench.snapshots.arrays.critic import critic
from workbench.snapshots.arrays.ocean import ocean
from workbench.snapshots.arrays.precision_recall import precision_recall
from workbench.snapshots.arrays.standard import density, grid, invertibility, latent, posterior, samples

#: Every view by its name.
MAKERS = {
    view.__name__: view
    for view in (
        samples,
        latent,
        density,
        grid,
        posterior,
        invertibility,
        calibration,
        bound,
        critic,
        precision_recall,
        ocean,
    )
}

__all__ = ["MAKERS", "Look"]
