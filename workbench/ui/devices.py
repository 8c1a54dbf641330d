"""Compute devices of the server's machine, probed once in a process that ends afterwards.

Only torch knows the devices, and the server's process does not load it.
"""

from __future__ import annotations

from concurrent.futures import Future
from functools import cache

from workbench.core.errors import WorkbenchError
from workbench.ui.process_pool import ProcessPool

DEVICES = {"auto": "Automatic", "cpu": "CPU", "cuda": "CUDA GPU", "mps": "Apple GPU"}


@cache
def probe_devices() -> Future[dict[str, str]]:
    """Start `device_reasons` in a process of its own, once per server; return its Future."""
    pool = ProcessPool()
    future = pool.submit(device_reasons)
    future.add_done_callback(lambda _: pool.close())
    return future


def known_devices() -> dict[str, str] | None:
    """Return the result of `probe_devices` where it is there already, else None."""
    if not probe_devices.cache_info().currsize:
        return None
    future = probe_devices()
    return future.result() if future.done() and future.exception() is None else None


def device_reasons() -> dict[str, str]:
    """Return device name -> reason why it is not available here, or "" if it is; loads torch."""
    return {name: _reason(name) for name in DEVICES}


def _reason(name: str) -> str:
    from workbench.training.device import pick_device

    try:
        pick_device(name)
    except WorkbenchError as error:
        return f"not available (needs {error.expected})" if error.expected else "not available"
    return ""
