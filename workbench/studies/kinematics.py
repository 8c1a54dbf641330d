"""Posterior comparison on inverse kinematics (Kruse et al. 2021): infer an arm's rail height and joint
angles from the position of its hand."""

from __future__ import annotations

from typing import ClassVar

from workbench.studies.base import STUDIES, Published
from workbench.studies.comparison import PosteriorComparison

_KRUSE = "Kruse et al. 2021, arXiv 2101.10763, table 1"
_REPLICATION = "invertible-architectures-benchmark, 2026: a replication at 3 million parameters"


def figures(source: str, tag: str, table: dict[str, tuple[float, float]]) -> tuple[Published, ...]:
    """Return published values of Err_post and Err_resim, given as ``table``: method -> both values."""
    return tuple(
        Published({"method": method}, column, value, tag, source)
        for method, pair in table.items()
        for column, value in zip(("err_post", "err_resim"), pair, strict=True)
    )


@STUDIES.register
class Kinematics(PosteriorComparison):
    """Every method of `PosteriorComparison` on inverse kinematics, with the joint angles as in the
    authors' program."""

    key = "kinematics"
    title = "Inverse kinematics, compared"
    summary = (
        "Every method on the arm of the published comparison: posterior, resimulation, calibration, time."
    )
    reference = "Kruse et al. 2021, arXiv 2101.10763, section 4.1; Ren et al. 2020, arXiv 2009.12919"
    problem_key = "inverse_kinematics"
    # an INN that may miss y by more is wrong where the arm is stretched out and posteriors are narrow
    between: ClassVar[dict] = PosteriorComparison.between | {"sigma_y": 0.03}
    published = figures(_REPLICATION, "replicated", {
        "prior": (0.242, 2.73), "mixture_density_network": (0.0031, 6.7e-4), "autoencoder": (0.0053, 4.1e-4),
        "conditional_vae": (0.0169, 9.7e-4), "invertible_autoencoder": (0.0212, 3.0e-3),
        "flow_matching": (0.0016, 2.7e-6),
    }) + figures(_KRUSE, "reported", {
        "inn_likelihood": (0.025, 0.015), "inn": (0.017, 0.086), "conditional_inn": (0.015, 0.008),
        "residual_flow": (0.713, 0.311), "invertible_autoencoder": (0.062, 0.022),
        "autoencoder": (0.037, 0.016), "conditional_vae": (0.042, 0.019),
        "mixture_density_network": (0.007, 0.012), "maf_decoder": (0.074, 0.034),
        "iaf_decoder": (0.419, 0.222),
    })  # fmt: skip
