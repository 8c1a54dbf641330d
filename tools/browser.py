"""The Chromium that tests and the screenshot drive: where it is, how it is started. As a script: its path."""

from __future__ import annotations

import os
import shutil
import sys
from urllib.parse import urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No sandbox, because builds often run as root; and nothing that calls home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def find_chromium() -> str | None:
    """Its path: what WORKBENCH_CHROMIUM names if that is set, and nothing else then; or the first on PATH."""
    named = os.environ.get("WORKBENCH_CHROMIUM")
    if named:
        return shutil.which(named)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def leaves(url: str) -> bool:
    """True for an address that is not on this machine (data:, blob: and about: never leave the page)."""
    parts = urlsplit(url)
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return parts.scheme in ("http", "https", "ws", "wss") and not here


if __name__ == "__main__":
    found = find_chromium()
    if not found:
        sys.exit(1)
    print(found)
