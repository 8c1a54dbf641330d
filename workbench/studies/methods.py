"""The methods of the published comparison, each a recipe for this catalogue's members, of like size.

A method whose architecture is not in the catalogue, or that the catalogue refuses, stays in the table with
the reason. Sizes are made alike by the width of the networks inside, but for a row that says so: with equal
weights a coupling draws about as many times faster than flow matching as that has evaluations, and what a
smaller coupling gives for less is a question of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch

from workbench.architectures import ARCHITECTURES
from workbench.architectures.base import Architecture
from workbench.core.shapes import Shapes
from workbench.objectives import OBJECTIVES
from workbench.problems import Problem
from workbench.training import refusals


@dataclass(frozen=True)
class Method:
    """A row of the comparison.

    Attributes
    ----------
    key, title : of the row.
    architecture : key in the catalogue; empty for a method that is not one of its networks.
    objective : key; empty for maximum likelihood, or else the first objective that fits.
    settings, objective_settings : what differs from the members' defaults.
    share : of the weights that each of the others has; less than one for a row that shows what a smaller
        network does in less time.
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
    """Architecture and objective of a method as tables with key and settings, and why it is refused, if it
    is."""
    if method.architecture not in ARCHITECTURES:
        return {}, {}, f"The architecture '{method.architecture}' is not in this version's catalogue."
    architecture = ARCHITECTURES.make(method.architecture, **method.settings)
    objective, reason = _objective(method, problem, architecture)
    if reason:
        return {}, {}, reason
    sized = alike(architecture, problem.shapes, round(method.share * parameters))
    return (
        {"key": sized.key, "settings": sized.changed()},
        {"key": objective, "settings": method.objective_settings},
        "",
    )


def _objective(method: Method, problem: Problem, architecture: Architecture) -> tuple[str, str]:
    """Key of the objective, and why there is none."""
    if method.objective and method.objective not in OBJECTIVES:
        return "", f"The objective '{method.objective}' is not in this version's catalogue."
    wanted = [method.objective] if method.objective else ["maximum_likelihood", *OBJECTIVES.keys()]
    reasons = []
    for key in wanted:
        reasons = refusals(problem, architecture, OBJECTIVES.make(key))
        if not reasons:
            return key, ""
    return "", reasons[0] if method.objective else f"No objective fits {architecture.title}."


def alike(architecture: Architecture, shapes: Shapes, parameters: int) -> Architecture:
    """A copy whose ``width`` brings the number of parameters closest to ``parameters``, within its bounds.

    Other widths of the member (that of a decoder, say) keep their ratio to it.
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
    """A copy of this width, its other widths in proportion."""
    made = architecture.copy()
    for setting in architecture.settings():
        if setting.name == "width" or setting.name.endswith("_width"):
            low, high = setting.bounds
            share = width / architecture.width
            made.set(setting.name, min(high, max(low, round(share * getattr(architecture, setting.name)))))
    return made


def count(architecture: Architecture, shapes: Shapes) -> int:
    """Trainable scalars that an architecture has for these shapes."""
    return _count(architecture.key, json.dumps(architecture.values(), sort_keys=True), shapes)


@lru_cache(maxsize=4096)
def _count(key: str, settings: str, shapes: Shapes) -> int:
    made = ARCHITECTURES.make(key, **json.loads(settings))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return made.build(shapes).parameter_count()
