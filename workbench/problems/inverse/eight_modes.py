"""Eight Gaussians on an octagon, of which only a label is observed.

Prior:      x ~ 1/8 Σ_k N(c_k, 0.2² I), c_k the corners of a regular octagon of radius 2.61.
Observed:   the label of the mode that x came from, as one-hot y.
Labels:     modes clockwise from the upper left have 0 0 0 0 1 1 2 3 ("some") or 0 … 7 ("all"); "none": no y.
Posterior:  x | label: the Gaussians with that label, with equal weights.
Joint:      p(x, y) = 1/8 Σ_{k with label y} N(x; c_k, 0.2² I), a density in x and a probability in y.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import param

from workbench.core.capability import Capability
from workbench.core.lazy import torch
from workbench.core.variable import Variable
from workbench.problems.base import PROBLEMS, Problem
from workbench.problems.isotropic_mixture import mixture_draw, mixture_log_density
from workbench.problems.numbered_variables import numbered
from workbench.problems.random_numbers import normal
from workbench.problems.windows import square

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.problems.base import Window

_FAR, _NEAR, _SPREAD = 1 + math.sqrt(2), 1.0, 0.2
CENTRES = (
    (-_FAR, _NEAR),
    (-_NEAR, _FAR),
    (_NEAR, _FAR),
    (_FAR, _NEAR),
    (_FAR, -_NEAR),
    (_NEAR, -_FAR),
    (-_NEAR, -_FAR),
    (-_FAR, -_NEAR),
)
LABELS = {"some": (0, 0, 0, 0, 1, 1, 2, 3), "all": tuple(range(8)), "none": (0,) * 8}


@PROBLEMS.register
class EightModes(Problem):
    """Infer a point in the plane from its label: the posterior has one, two or four separate modes."""

    key = "eight_modes"
    title = "Eight labelled modes"
    summary = "Eight Gaussians of which only a colour is observed: the posterior has one, two or four modes."
    reference = "Ardizzone et al. 2019, arXiv 1808.04730, section 4.1"

    labels = param.Selector(
        default="some",
        objects=["some", "all", "none"],
        doc="Which modes share a label: some do (4, 2, 1 and 1), none shares, or nothing is observed.",
    )

    @property
    def x(self) -> tuple[Variable, ...]:
        return numbered("x", "x", 2)

    @property
    def y(self) -> tuple[Variable, ...]:
        return tuple(
            Variable(f"label_{i}", f"label {i}", low=0.0, high=1.0) for i in range(1, self._kinds + 1)
        )

    @property
    def capabilities(self) -> frozenset[Capability]:
        if self.labels == "none":
            return frozenset({Capability.LOG_DENSITY, Capability.FULL_SUPPORT})
        return frozenset(
            {
                Capability.OBSERVATION,
                Capability.LOG_JOINT,
                Capability.FULL_SUPPORT,
                Capability.SIMULATE,
                Capability.REFERENCE_POSTERIOR,
            }
        )

    @property
    def window(self) -> Window:
        return square(_FAR + 4 * _SPREAD)

    @property
    def observation_window(self) -> Window:
        return ((-0.25, 1.25),) * self._kinds

    @property
    def default_observation(self) -> tuple[float, ...]:
        return tuple(float(i == 0) for i in range(self._kinds))

    @property
    def _kinds(self) -> int:
        """Number of distinct labels that are observed."""
        return 0 if self.labels == "none" else len(set(LABELS[self.labels]))

    def _label_of_mode(self) -> Tensor:
        """Return the integer label of each of the eight modes (8,)."""
        return torch.tensor(LABELS[self.labels])

    def _one_hot(self, label: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(label, self._kinds).double()

    def _draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        mode = torch.randint(8, (n,), generator=generator)
        x = torch.tensor(CENTRES, dtype=torch.float64)[mode] + _SPREAD * normal(n, 2, generator)
        return x, self._one_hot(self._label_of_mode()[mode]) if self._kinds else None

    def _mode_logs(self, x: Tensor) -> Tensor:
        """Return log(1/8 N(x; c_k, 0.2² I)) in nats (n, 8), one column per mode k."""
        distance = (x[:, None] - x.new_tensor(CENTRES)).div(_SPREAD).square().sum(-1)
        return -0.5 * distance - math.log(8 * 2 * math.pi * _SPREAD**2)

    def _log_density(self, x: Tensor) -> Tensor:
        return mixture_log_density(x, torch.tensor(CENTRES, dtype=torch.float64), _SPREAD)

    def _log_joint(self, x: Tensor, y: Tensor) -> Tensor:
        # the nearest one-hot vector to y is at its greatest component
        fits = self._label_of_mode().to(x.device) == y.argmax(1)[:, None]
        return torch.logsumexp(self._mode_logs(x).masked_fill(~fits, -math.inf), dim=1)

    def _simulate(self, x: Tensor, generator: torch.Generator) -> Tensor:
        chances = torch.softmax(self._mode_logs(x.detach().double().cpu()), dim=1)
        mode = torch.multinomial(chances, 1, generator=generator)[:, 0]
        return self._one_hot(self._label_of_mode()[mode]).to(x)

    def _reference_posterior(self, observation: Tensor, n: int, generator: torch.Generator) -> Tensor:
        fits = self._label_of_mode() == observation.argmax()
        return mixture_draw(n, torch.tensor(CENTRES, dtype=torch.float64)[fits], _SPREAD, generator)
