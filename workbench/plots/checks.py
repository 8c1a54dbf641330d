"""The plot of every judged diagnostic by its key: the Dataset of `Diagnostic.measure` -> HoloViews."""

from __future__ import annotations

from workbench.plots.beside_exact import (
    lipschitz,
    local_c2st,
    out_of_distribution,
    posterior_c2st,
    posterior_mmd,
    posterior_wasserstein,
    resimulation_error,
)
from workbench.plots.calibration import calibration, posterior_predictive
from workbench.plots.contraction import contraction
from workbench.plots.coverage import expected_coverage, tarp
from workbench.plots.held_out_density import held_out_density
from workbench.plots.invertibility import invertibility
from workbench.plots.latent_normality import latent_normality

#: Every plot of a judged diagnostic by its key.
JUDGED = {
    plot.__name__: plot
    for plot in (
        invertibility,
        latent_normality,
        held_out_density,
        calibration,
        expected_coverage,
        tarp,
        local_c2st,
        contraction,
        posterior_mmd,
        posterior_wasserstein,
        posterior_c2st,
        resimulation_error,
        posterior_predictive,
        lipschitz,
        out_of_distribution,
    )
}
