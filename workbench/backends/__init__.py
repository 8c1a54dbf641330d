"""Backends, which execute training runs behind one interface: in the caller's thread or a worker process."""

from workbench.backends.base import LIVE, OVER, Backend, Handle, Status
from workbench.backends.inline import InlineBackend, InlineHandle
from workbench.backends.process import Limits, ProcessBackend, ProcessHandle

__all__ = [
    "LIVE",
    "OVER",
    "Backend",
    "Handle",
    "InlineBackend",
    "InlineHandle",
    "Limits",
    "ProcessBackend",
    "ProcessHandle",
    "Status",
]
