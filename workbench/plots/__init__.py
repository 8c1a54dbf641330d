"""Datasets as HoloViews elements: ``hv.DynamicMap(plots.samples, streams=[hv.streams.Pipe(data=dataset)])``.

Every plot is a pure function of a Dataset from `workbench.snapshots.views` (fresh, or read from a file),
returns the same structure whatever the data, and keeps its axes where the attributes put them.
"""

from __future__ import annotations

from workbench.plots.ambiguity_surface import ambiguity_surface
from workbench.plots.arm import arm
from workbench.plots.band import band
from workbench.plots.bound import bound
from workbench.plots.calibration import calibration
from workbench.plots.checks import (
    JUDGED,
    contraction,
    expected_coverage,
    held_out_density,
    latent_normality,
    lipschitz,
    local_c2st,
    out_of_distribution,
    posterior_c2st,
    posterior_mmd,
    posterior_predictive,
    posterior_wasserstein,
    resimulation_error,
    tarp,
)
from workbench.plots.corner import corner
from workbench.plots.critic import critic
from workbench.plots.density import density
from workbench.plots.divergences import divergences
from workbench.plots.grid import grid
from workbench.plots.intervals import intervals
from workbench.plots.inversion import inversion
from workbench.plots.invertibility import invertibility
from workbench.plots.latent import latent
from workbench.plots.losses import losses
from workbench.plots.marginals import marginals
from workbench.plots.phase_folded import phase_folded
from workbench.plots.physical import physical
from workbench.plots.plane import plane
from workbench.plots.posterior import posterior
from workbench.plots.posteriors import posteriors
from workbench.plots.precision_recall import precision_recall
from workbench.plots.radial_velocity import radial_velocity
from workbench.plots.resimulation import resimulation
from workbench.plots.samples import samples
from workbench.plots.search import search
from workbench.plots.sound_speed_profile import sound_speed_profile
from workbench.plots.spread import spread
from workbench.plots.transmission_loss import transmission_loss
from workbench.plots.trends import figure, save_figure, trends

#: Every plot of a run by its name. Each draws the view of the same name; ``marginals`` draws the posterior's
#: Dataset. (``inversion`` and ``search`` draw what `workbench.invert` returns, ``spread``, ``posteriors``
#: and ``trends`` lay several methods side by side, the explorer's plots draw several laws: they stand
#: beside.)
PLOTS = {
    plot.__name__: plot
    for plot in (
        samples,
        latent,
        density,
        grid,
        losses,
        posterior,
        marginals,
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

__all__ = [
    "JUDGED",
    "contraction",
    "expected_coverage",
    "held_out_density",
    "latent_normality",
    "lipschitz",
    "local_c2st",
    "out_of_distribution",
    "posterior_c2st",
    "posterior_mmd",
    "posterior_predictive",
    "posterior_wasserstein",
    "resimulation_error",
    "tarp",
    "PLOTS",
    "plane",
    "physical",
    "intervals",
    "corner",
    "band",
    "ambiguity_surface",
    "arm",
    "bound",
    "calibration",
    "critic",
    "density",
    "divergences",
    "figure",
    "grid",
    "inversion",
    "invertibility",
    "latent",
    "losses",
    "marginals",
    "phase_folded",
    "posterior",
    "posteriors",
    "precision_recall",
    "radial_velocity",
    "resimulation",
    "samples",
    "save_figure",
    "search",
    "sound_speed_profile",
    "transmission_loss",
    "spread",
    "trends",
]
