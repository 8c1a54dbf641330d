"""What a run shows of itself: one function a view, ``view(run, look) -> arrays``; empty where it does not
apply."""

from workbench.training.views.bound import bound
from workbench.training.views.calibration import calibration
from workbench.training.views.common import Look
from workbench.training.views.critic import critic
from workbench.training.views.ocean import ocean
from workbench.training.views.precision_recall import precision_recall
from workbench.training.views.standard import density, grid, invertibility, latent, posterior, samples

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
