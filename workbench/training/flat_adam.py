"""Adam and AdamW on one flat buffer: all weights in one tensor, all gradients in another.

A step of a small network spends a quarter of its time in calls for single tensors: clearing gradients, their
norm, the update of each tensor. Here each is one call for all. The parameters become views of the flat
buffer under their old names, so that state dicts of the network do not change; the optimiser's own state dict
has the form of torch's, with an entry per parameter.

Only parameters that need a gradient are in the buffer. One that gets none in a step counts as one with a
gradient of zero. Source: Kingma & Ba 2015, arXiv:1412.6980; Loshchilov & Hutter 2019, arXiv:1711.05101.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from workbench.core.errors import SpecError
from workbench.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Kinds of device on which torch has a fused update.
_FUSED = ("cpu", "cuda")
_MOMENTS = ("exp_avg", "exp_avg_sq")


class FlatAdam:
    """Adam, or AdamW where ``decoupled``, of parameters that share one buffer.

    Parameters
    ----------
    parameters : floating-point tensors of one type on one device; each counts once.
    learning_rate, weight_decay, betas : as in `torch.optim.Adam`; ``param_groups[0]`` holds them.

    Raises `SpecError` where no parameter needs a gradient.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        learning_rate: float,
        *,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        decoupled: bool = False,
    ) -> None:
        self.parameters = [p for p in dict.fromkeys(parameters) if p.requires_grad]
        if not self.parameters:
            raise SpecError(
                "There is nothing to train", expected="a network with a parameter that needs a gradient"
            )
        like = self.parameters[0]
        sizes = [p.numel() for p in self.parameters]
        self.flat = torch.nn.Parameter(torch.empty(sum(sizes), dtype=like.dtype, device=like.device))
        self.gradient = torch.zeros_like(self.flat.data)
        self.flat.grad = self.gradient
        self._weights = self._views(self.flat.data)
        self._gradients = self._views(self.gradient)
        self._take_up()
        method = torch.optim.AdamW if decoupled else torch.optim.Adam
        is_fused = like.device.type in _FUSED and like.dtype in (torch.float32, torch.float64)
        self._inner = method(
            [self.flat], lr=learning_rate, weight_decay=weight_decay, betas=betas, fused=is_fused or None
        )

    def _views(self, flat: Tensor) -> list[Tensor]:
        """Return a view of a flat tensor for each parameter, in its shape."""
        pieces = flat.split([p.numel() for p in self.parameters])
        return [piece.view_as(p) for piece, p in zip(pieces, self.parameters, strict=True)]

    def _take_up(self) -> None:
        """Make every parameter and its gradient a view of the buffers, with the parameter's present values.

        Whatever gave a parameter new storage since the last step has the last word.
        """
        for parameter, weight, gradient in zip(self.parameters, self._weights, self._gradients, strict=True):
            if parameter.data_ptr() != weight.data_ptr():
                weight.copy_(parameter.data)
                parameter.data = weight
            if parameter.grad is not gradient:
                parameter.grad = gradient

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Settings of the update in a list of one dict, as torch's optimisers have them."""
        return self._inner.param_groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set all gradients to zero; they stay tensors, whatever ``set_to_none`` says."""
        self._take_up()
        self.gradient.zero_()

    def clip(self, limit: float = math.inf) -> float:
        """Scale the gradient down to the norm ``limit`` where it exceeds it; returns its norm before."""
        norm = float(torch.linalg.vector_norm(self.gradient))
        if math.isfinite(norm) and norm > limit:
            self.gradient.mul_(limit / (norm + 1e-6))
        return norm

    def step(self) -> None:
        """Update all parameters from their gradients."""
        self._inner.step()

    @property
    def is_finite(self) -> bool:
        """True where all weights are finite."""
        return bool(torch.isfinite(self.flat.data).all())

    # ---- state
    def state_dict(self) -> dict[str, Any]:
        """Return moments and settings in the form of torch's optimisers: an entry per parameter.

        The tensors are copies.
        """
        state: dict[int, dict[str, Tensor]] = {}
        inner = self._inner.state.get(self.flat, {})
        if inner:
            moments = {name: self._views(inner[name].clone()) for name in _MOMENTS}
            state = {
                i: {"step": inner["step"].clone(), **{name: moments[name][i] for name in _MOMENTS}}
                for i in range(len(self.parameters))
            }
        groups = [
            {k: v for k, v in group.items() if k != "params"} | {"params": list(range(len(self.parameters)))}
            for group in self.param_groups
        ]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore the moments and settings that `state_dict`, or an optimiser of torch, returned.

        Raises `ValueError` for the state of other parameters.
        """
        groups = saved["param_groups"]
        places = [place for group in groups for place in group["params"]]
        if len(places) != len(self.parameters):
            raise ValueError(
                f"the optimiser's state is of {len(places)} tensors; expected {len(self.parameters)}"
            )
        if len(groups) != 1:
            raise ValueError(f"the optimiser's state has {len(groups)} groups; expected one")
        state = [saved["state"].get(place, {}) for place in places]
        for entry, parameter in zip(state, self.parameters, strict=True):
            if any(name in entry and entry[name].shape != parameter.shape for name in _MOMENTS):
                raise ValueError("the optimiser's state is of tensors of another shape")
        self._inner.state.clear()
        if any(state):
            inner: dict[str, Tensor] = {
                "step": torch.tensor(max(float(entry["step"]) for entry in state if entry))
            }
            if self.flat.device.type == "cuda":
                inner["step"] = inner["step"].to(self.flat.device)
            for name in _MOMENTS:
                inner[name] = torch.zeros_like(self.flat.data)
                for view, entry in zip(self._views(inner[name]), state, strict=True):
                    if entry:
                        view.copy_(entry[name])
            self._inner.state[self.flat] = inner
        keep = ("params", "fused", "foreach", "capturable", "differentiable", "decoupled_weight_decay")
        self.param_groups[0].update({k: v for k, v in groups[0].items() if k not in keep})
