"""Theory of VINA, variational invertible neural architectures (arXiv:2602.20480).

Its Theorem 3.1 bounds the Wasserstein-1 distance between the true posterior and that of a trained network.
Here: the bound with explicit constants (`bounds`, `constants`), its ingredients measured on a network
(`lipschitz`, `moments`, `gap`, `transport`, `measured`), the status of its assumptions (`assumptions`),
sufficient conditions for them (`propositions`), and a case with exact values (`linear_gaussian`).
"""

from workbench.theory.assumptions import Assumption, assumptions
from workbench.theory.bounds import (
    Bound,
    averaged_posterior_bound,
    conditional_bound,
    flow_bound,
    learned_bound,
    learned_flow_bound,
    rate,
)
from workbench.theory.constants import (
    moment_constant,
    pinsker_constant,
    total_variation_bound,
    wasserstein_from_total_variation,
)
from workbench.theory.gap import VariationalGap, variational_gap
from workbench.theory.linear_gaussian import LinearGaussian, Perturbed, perturbed
from workbench.theory.lipschitz import (
    LipschitzConstants,
    bijection_constants,
    bounded_residual_constants,
    bounded_residual_displacement,
    estimate_lipschitz,
    residual_constants,
)
from workbench.theory.measured import (
    ORDERS,
    TERMS,
    MeasuredBound,
    Term,
    judge,
    measured_bound,
    silence,
    with_truth,
)
from workbench.theory.moments import Moment, moment, pareto_moment, pareto_rate
from workbench.theory.propositions import (
    best_radius,
    conjugate_extremes,
    gap_bound,
    moment_bound,
    uniform_deviation_y,
    uniform_deviation_z,
)
from workbench.theory.transport import sampled_wasserstein

__all__ = [
    "Assumption",
    "Bound",
    "LinearGaussian",
    "LipschitzConstants",
    "MeasuredBound",
    "Moment",
    "ORDERS",
    "Perturbed",
    "TERMS",
    "Term",
    "VariationalGap",
    "assumptions",
    "averaged_posterior_bound",
    "best_radius",
    "bijection_constants",
    "bounded_residual_constants",
    "bounded_residual_displacement",
    "conditional_bound",
    "conjugate_extremes",
    "estimate_lipschitz",
    "flow_bound",
    "gap_bound",
    "judge",
    "learned_bound",
    "learned_flow_bound",
    "measured_bound",
    "moment",
    "moment_bound",
    "moment_constant",
    "pareto_moment",
    "pareto_rate",
    "perturbed",
    "pinsker_constant",
    "rate",
    "residual_constants",
    "sampled_wasserstein",
    "silence",
    "total_variation_bound",
    "uniform_deviation_y",
    "uniform_deviation_z",
    "variational_gap",
    "wasserstein_from_total_variation",
    "with_truth",
]
