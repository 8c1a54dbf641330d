"""What the views share: the look that is asked for, and the way from the network's units to the data's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch


@dataclass(frozen=True)
class Look:
    """One request on its way through the views: the observation (M,) in data units, whether dear numbers are
    measured anew, whether the observation is far from any of the training, and the sentences that the views
    leave behind."""

    observation: tuple[float, ...] = ()
    fresh: bool = True
    far: bool = False
    notes: dict[str, str] = field(default_factory=dict)


def numeric(tensor: torch.Tensor) -> np.ndarray:
    """float64 on the CPU."""
    return tensor.detach().cpu().double().numpy()


def conditions(run, observation, n: int) -> torch.Tensor | None:
    """The observation as n standardised rows on the device."""
    if not run.data.has_y:
        return None
    row = run.data.standardisation.y_in(torch.tensor([observation], dtype=torch.float64))
    return row.to(run.device, run.dtype).expand(n, -1)


def data_units(run, x: torch.Tensor) -> np.ndarray:
    """Standardised x (n, D) in data units."""
    return run.data.standardisation.x_out(x.detach().cpu().double()).numpy()
