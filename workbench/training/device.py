"""Choice of the device that trains a run: `workbench.core.device.pick_device`."""

from __future__ import annotations

from workbench.core.device import pick_device

__all__ = ["pick_device"]
