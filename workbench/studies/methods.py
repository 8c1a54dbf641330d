"""Methods of `PosteriorComparison`, each an architecture and an objective of the catalogues, of equal size.

A method whose architecture is not in the catalogue, or whose parts cannot be combined, stays in the table
with the reason. The width of the hidden layers is chosen for equal numbers of weights, except in rows that
say otherwise: at equal size a coupling flow draws faster than flow matching by about the number of network
evaluations that the latter needs for a draw, and a row with a smaller coupling flow shows what less time
gives.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workbench.core.global_numbers import global_numbers
from workbench.core.shapes import Shapes
from workbench.studies import catalogues

if TYPE_CHECKING:
    from workbench.architectures.base import Architecture
    from workbench.problems import Problem


@dataclass(frozen=True)
class Method:
    """A row of the comparison.

    Attributes
    ----------
    key, title : identifier and heading of the row.
    architecture : key in the catalogue; empty for a method that is not one of its networks.
    objective : key; empty for maximum likelihood, or else the first objective that fits.
    settings, objective_settings : values other than the defaults of the architecture and of the objective.
    share : number of weights relative to the other rows; below one for a smaller, faster network.
    """

    key: str
    title: str
    architecture: str = ""
    objective: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    objective_settings: dict[str, Any] = field(default_factory=dict)
    share: float = 1.0


METHODS = (
    Method("exact", "Exact posterior (floor)"),
    Method("prior", "Prior only"),
    Method("abc", "ABC rejection"),
    Method("neural_adjoint", "Neural adjoint"),
    Method("nice", "NICE", "nice"),
    Method("realnvp", "RealNVP", "realnvp"),
    Method("glow", "Glow", "glow"),
    Method("conditional_inn", "Conditional INN", "conditional_inn"),
    Method("conditional_inn_third", "Conditional INN, a third", "conditional_inn", share=1 / 3),
    Method("neural_spline_coupling", "Spline coupling", "neural_spline_coupling"),
    Method("maf", "MAF", "maf"),
    Method("maf_decoder", "MAF + decoder", "maf_decoder"),
    Method("iaf_decoder", "IAF + decoder", "iaf_decoder"),
    Method("neural_spline_autoregressive", "Autoregressive spline", "neural_spline_autoregressive"),
    Method("residual_flow", "Residual flow", "residual_flow"),
    Method("inn", "INN (L2 + MMD)", "inn", "inn"),
    Method("inn_likelihood", "INN (likelihood)", "inn", "maximum_likelihood"),
    Method("mixture_density_network", "Mixture density network", "mixture_density_network"),
    Method("flow_matching", "Flow matching", "flow_matching"),
    Method("conditional_vae", "Conditional VAE", "conditional_vae"),
    Method("autoencoder", "Autoencoder", "autoencoder"),
    Method("invertible_autoencoder", "Invertible autoencoder", "invertible_autoencoder"),
)


def recipe(method: Method, problem: Problem, parameters: int) -> tuple[dict, dict, str]:
    """Return a method's architecture and its objective, as dicts of catalogue key and settings, and an empty
    string; where it cannot be trained on the problem, two empty dicts and the reason."""
    if method.architecture not in catalogues.ARCHITECTURES:
        return {}, {}, f"The architecture '{method.architecture}' is not in this version's catalogue."
    architecture = catalogues.ARCHITECTURES.make(method.architecture, **method.settings)
    objective, reason = _objective(method, problem, architecture)
    if reason:
        return {}, {}, reason
    network = alike(architecture, problem.shapes, round(method.share * parameters))
    return (
        {"key": network.key, "settings": network.changed()},
        {"key": objective, "settings": method.objective_settings},
        "",
    )


def _objective(method: Method, problem: Problem, architecture: Architecture) -> tuple[str, str]:
    """Return the key of the method's objective and an empty string, or an empty string and the reason why
    none fits."""
    from workbench.training import refusals

    objectives = catalogues.OBJECTIVES
    if method.objective and method.objective not in objectives:
        return "", f"The objective '{method.objective}' is not in this version's catalogue."
    candidates = [method.objective] if method.objective else ["maximum_likelihood", *objectives.keys()]
    reasons = []
    for key in candidates:
        reasons = refusals(problem, architecture, objectives.make(key))
        if not reasons:
            return key, ""
    return "", reasons[0] if method.objective else f"No objective fits {architecture.title}."


def alike(architecture: Architecture, shapes: Shapes, parameters: int) -> Architecture:
    """Copy an architecture with the ``width`` within its bounds that brings the number of weights closest to
    ``parameters``.

    Its other widths, such as a decoder's, keep their ratio to it. Without a ``width`` the copy is unchanged.
    """
    setting = next((s for s in architecture.settings() if s.name == "width"), None)
    if setting is None:
        return architecture.copy()
    low, high = setting.bounds

    def size(width: int) -> int:
        return count(widened(architecture, width), shapes)

    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) <= parameters else (low, middle)
    return widened(architecture, min((low, high), key=lambda width: abs(size(width) - parameters)))


def widened(architecture: Architecture, width: int) -> Architecture:
    """Copy an architecture with this ``width``, and its other widths in proportion."""
    copy = architecture.copy()
    for setting in architecture.settings():
        if setting.name == "width" or setting.name.endswith("_width"):
            low, high = setting.bounds
            share = width / architecture.width
            copy.set(setting.name, min(high, max(low, round(share * getattr(architecture, setting.name)))))
    return copy


def count(architecture: Architecture, shapes: Shapes) -> int:
    """Number of trainable weights of an architecture for these shapes of x and y."""
    return _count(architecture.key, json.dumps(architecture.values(), sort_keys=True), shapes)


@lru_cache(maxsize=4096)
def _count(key: str, settings: str, shapes: Shapes) -> int:
    architecture = catalogues.ARCHITECTURES.make(key, **json.loads(settings))
    with global_numbers(0):
        return architecture.build(shapes).parameter_count()
