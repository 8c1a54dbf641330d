"""A studio of its own for the browser tests: a real server on a free port, with runs that are thrown away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 300


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Where the studio keeps its runs and finds its studies."""
    return tmp_path_factory.mktemp("studio") / "home"


@pytest.fixture(scope="module")
def studio(home: Path) -> Iterator[str]:
    """The address of a studio served as `workbench serve` does. What it logged is shown when a test fails."""
    folder = home.parent
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "WORKBENCH_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "workbench", "serve", "--port", str(port)]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    address, end = f"http://localhost:{port}/", time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(address, timeout=30).close()
            break
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > end:
                server.kill()
                pytest.fail("The studio did not start:\n" + (folder / "log").read_text()[-4000:])
            time.sleep(0.5)
    yield address
    server.terminate()
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    print((folder / "log").read_text()[-8000:])
