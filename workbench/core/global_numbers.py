"""Seed the process's global random numbers for code that cannot be given a generator.

Initial weights of layers, torch's distributions and functions of the user draw global random numbers. All
threads of a process share these, so that two runs in two threads would take each other's numbers. Whoever
seeds them does it here: one at a time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.core.lazy import torch

_LOCK = threading.RLock()


@contextmanager
def global_numbers(seed: int, *, everywhere: bool = False) -> Iterator[None]:
    """Seed torch's global random numbers with ``seed`` inside the context, and restore them after it.

    Other threads that ask for the same wait meanwhile. With ``everywhere`` the global random numbers of NumPy
    and of Python's ``random`` are seeded and restored as well, for functions of the user.
    """
    with _LOCK, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if not everywhere:
            yield
            return
        import numpy as np

        before, before_python = np.random.get_state(), random.getstate()
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)
            random.setstate(before_python)
