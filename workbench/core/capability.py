"""Capabilities: properties that models and problems declare and that objectives, views and checks require."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import ClassVar


class Capability(StrEnum):
    """A property that a model or a problem declares.

    The value is its identifier in files; ``sentence`` completes "needs a model that …" in messages.
    """

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Capability:
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    # given by architectures
    DENSITY = "density", "has a tractable density"
    LATENT = "latent", "has a latent code of its data"
    BIJECTION = "bijection", "maps data and latent onto each other and knows by how much it changes volumes"
    JOINT_LIKELIHOOD = "joint_likelihood", "has a likelihood of y and the latent together"
    VELOCITY = "velocity", "moves points along a velocity field"
    EVIDENCE = "evidence", "bounds its likelihood by an encoder"
    DECODER = "decoder", "comes back from its code by a decoder"
    TIED = "tied", "decodes with its encoder's transposed weights"
    EXACT_INVERSE = "exact_inverse", "inverts exactly"
    REPARAMETERISED = "reparameterised", "passes gradients through its samples"
    CONDITIONAL = "conditional", "can be conditioned on an observation y"
    UNCONDITIONAL = "unconditional", "works without an observation y"
    FORWARD = "forward", "predicts y from x"
    FORMULA = "formula", "can be read as formulas"

    # given by problems
    OBSERVATION = "observation", "has an observation y"
    LOG_DENSITY = "log_density", "has a known density"
    FULL_SUPPORT = "full_support", "has a density that is positive everywhere"
    LOG_JOINT = "log_joint", "has a known joint density of x and y"
    LOG_PRIOR = "log_prior", "has a known density of x before anything is observed"
    SIMULATE = "simulate", "can simulate y from x"
    REFERENCE_POSTERIOR = "reference_posterior", "has a reference posterior"
    SIGNAL = "signal", "separates signal and noise, and knows the distribution of the noise"


class Needs:
    """Mixin for catalogue entries (objectives, views, checks) that work only with certain capabilities.

    ``needs_model`` and ``needs_problem`` are those that the model and the problem must have.
    """

    title: ClassVar[str]
    needs_model: ClassVar[frozenset[Capability]] = frozenset()
    needs_problem: ClassVar[frozenset[Capability]] = frozenset()

    def unmet_by_model(self, capabilities: Collection[str], name: str = "") -> list[str]:
        """List the required capabilities that a model called ``name``, with these capabilities, lacks.

        One sentence each, without a full stop.
        """
        return [unmet_need(self.title, need, name) for need in sorted(self.needs_model - set(capabilities))]

    def unmet_by_problem(self, capabilities: Collection[str], name: str = "") -> list[str]:
        """List the required capabilities that a problem called ``name``, with these capabilities, lacks.

        One sentence each, without a full stop.
        """
        unmet = sorted(self.needs_problem - set(capabilities))
        return [unmet_need(self.title, need, name, of="problem") for need in unmet]


def unmet_need(title: str, need: Capability, name: str = "", *, of: str = "model") -> str:
    """Return the sentence ``TITLE needs a model that …; NAME does not``, without a full stop.

    ``of`` is "model" or "problem".
    """
    return f"{title} needs a {of} that {need.sentence}" + (f"; {name} does not" if name else "")
