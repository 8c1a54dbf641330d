"""Posterior comparison on inverse ballistics (Kruse et al. 2021): infer a throw from its point of impact."""

from __future__ import annotations

from typing import ClassVar

from workbench.studies.base import STUDIES, Column
from workbench.studies.comparison import PosteriorComparison
from workbench.studies.kinematics import figures

_KRUSE = "Kruse et al. 2021, arXiv 2101.10763, table 2"
_REPLICATION = "invertible-architectures-benchmark, 2026: a replication at 3 million parameters"


@STUDIES.register
class Ballistics(PosteriorComparison):
    """Every method of `PosteriorComparison` on inverse ballistics, where the speed is a whole number.

    Networks learn the speed dequantised (uniform noise from [−½, ½] added), and their draws are rounded. The
    published replication did neither, so that its figures belong to the column "unrounded".
    """

    key = "ballistics"
    title = "Inverse ballistics, compared"
    summary = "Every method on the throw of the published comparison; whole speeds are learned dequantised."
    reference = "Kruse et al. 2021, arXiv 2101.10763, section 4.2; Ren et al. 2020, arXiv 2009.12919"
    problem_key = "inverse_ballistics"
    training_variant = {"dequantised": True, "whole_throws": True}
    whole = (3,)
    between: ClassVar[dict] = PosteriorComparison.between | {"steps": 1500}
    columns = (
        PosteriorComparison.columns[0],
        Column("err_post_unrounded", "unrounded", "", "low"),
        *PosteriorComparison.columns[1:],
    )
    published = tuple(
        figure if figure.column != "err_post" or figure.tag != "replicated"
        else type(figure)(figure.row, "err_post_unrounded", figure.value, figure.tag, figure.source)
        for figure in figures(_REPLICATION, "replicated", {
            "prior": (0.105, 19.5), "mixture_density_network": (0.0071, 1.2e-3),
            "autoencoder": (0.0081, 2.4e-3), "conditional_vae": (0.0088, 1.4e-3),
            "invertible_autoencoder": (0.0086, 3.9e-3), "flow_matching": (0.0071, 4.5e-5),
        }) + figures(_KRUSE, "reported", {
            "inn_likelihood": (0.047, 0.019), "inn": (0.060, 3.668), "conditional_inn": (0.047, 0.437),
            "residual_flow": (0.084, 0.091), "invertible_autoencoder": (0.156, 0.315),
            "autoencoder": (0.049, 0.052), "mixture_density_network": (0.048, 0.184),
            "maf_decoder": (0.213, 1.010), "iaf_decoder": (0.323, 3.457),
        })
    )  # fmt: skip
