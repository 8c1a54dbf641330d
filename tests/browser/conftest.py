"""Servers of their own for the browser tests: real ones on free ports, with runs that are thrown away."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 300
#: What no line of a server's log may say.
COMPLAINT = re.compile(r"warning|error|exception|traceback|critical", re.IGNORECASE)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(folder: Path, port: int, *command: str, **variables: str) -> Iterator[str]:
    """Run a server until the end of the block, with its log in the folder; yields its address."""
    environment = {**os.environ, "WORKBENCH_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), **variables}
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    address, end = f"http://localhost:{port}/", time.monotonic() + START_SECONDS
    try:
        while True:
            try:
                urllib.request.urlopen(address, timeout=30).close()
                break
            except (urllib.error.URLError, OSError):
                if server.poll() is not None or time.monotonic() > end:
                    pytest.fail("The server did not start:\n" + (folder / "log").read_text()[-4000:])
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        print((folder / "log").read_text()[-8000:])


#: A page was closed just when the server had written to it, as Bokeh and Tornado tell.
CLOSED = re.compile(
    r"^WARNING:bokeh\.server\.views\.ws:Failed sending message as connection was closed$"
    r"|^(?:ERROR:asyncio:)?Task exception was never retrieved\nfuture:[^\n]*WebSocketClosedError"
    r".*?^tornado\S*WebSocketClosedError$",
    re.MULTILINE | re.DOTALL,
)
#: A page was closed before its session was attached, which Bokeh takes for granted.
CLOSED_EARLY = re.compile(
    r"^ERROR:tornado\.application:Uncaught exception GET /\S*ws [^\n]*\nHTTPServerRequest.*\nTraceback.*\n"
    r"(?:  .*\n)*  File .*, in on_close\n(?:    .*\n){1,2}  File .*, in session\n(?:    .*\n){1,2}"
    r"AssertionError$",
    re.MULTILINE,
)


def complaints(log: Path, start: int = 0) -> list[str]:
    """Return the warnings and errors in a log from byte ``start`` on, each with the lines that follow."""
    if not log.is_file():
        return []
    written = log.read_bytes()[start:].decode("utf-8", "replace")
    lines = CLOSED_EARLY.sub("", CLOSED.sub("", written)).splitlines()
    return ["\n".join(lines[i : i + 12]) for i, line in enumerate(lines) if COMPLAINT.search(line)]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Where the studio keeps its runs and finds its studies."""
    return tmp_path_factory.mktemp("studio") / "home"


@pytest.fixture(autouse=True)
def quiet_log(home: Path) -> Iterator[None]:
    """Fail a test during which a server has logged a warning or an error."""
    log = home.parent / "log"
    start = log.stat().st_size if log.is_file() else 0
    yield
    warnings = complaints(log, start)
    assert not warnings, "The server's log has complaints:\n" + "\n\n".join(warnings[:5])


@pytest.fixture(scope="module")
def studio(home: Path) -> Iterator[str]:
    """The address of a studio served as `workbench serve` does. What it logged is shown when a test fails."""
    port = free_port()
    with serving(home.parent, port, "-m", "workbench", "serve", "--port", str(port)) as address:
        yield address
