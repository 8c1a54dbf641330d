"""Path and arguments of the Chromium that browser tests and the screenshots drive. As a script: print the
path."""

from __future__ import annotations

import os
import shutil
import sys
from urllib.parse import urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# No sandbox, because builds often run as root; no requests of the browser's own; no host but this machine.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
]


def find_chromium() -> str | None:
    """Path of the browser: that of WORKBENCH_CHROMIUM where it is set, or else the first on PATH; or None."""
    override = os.environ.get("WORKBENCH_CHROMIUM")
    if override:
        return shutil.which(override)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def leaves(url: str) -> bool:
    """True for a URL that is not served by this machine (data:, blob: and about: never leave the page)."""
    parts = urlsplit(url)
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return parts.scheme in ("http", "https", "ws", "wss") and not here


if __name__ == "__main__":
    path = find_chromium()
    if not path:
        sys.exit(1)
    print(path)
