"""Choice of the device that computes."""

from __future__ import annotations

from workbench.core.errors import RunError, unknown
from workbench.core.lazy import torch


def pick_device(name: str = "auto") -> torch.device:
    """Return the torch device for a name; "auto" prefers cuda to mps to cpu.

    Raises `RunError` for an unknown name and for a device that this machine lacks.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")
    kind, _, index = str(name).partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise unknown("device", name, ("auto", "cpu", "cuda", "cuda:N", "mps"), RunError)
    if kind == "cuda" and torch.cuda.device_count() <= int(index or 0):
        raise RunError(
            f"Device '{name}' is not there",
            expected=f"an index below {torch.cuda.device_count()}"
            if torch.cuda.is_available()
            else "a machine with a CUDA device",
            found="none such",
            suggestion="use --device auto or cpu",
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise RunError(
            "Device 'mps' is not there", expected="a Mac with Metal", suggestion="use --device auto or cpu"
        )
    return torch.device(name)
