"""Requests as an attacker would write them, byte by byte, and a small server to send them to."""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Answer:
    """Status, headers in small letters, and body of an answer."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def token(self) -> str:
        """The token of a page's session, with which its websocket is opened."""
        return re.search(r'"token":"([^"]+)"', self.body)[1]


@dataclass(frozen=True)
class Target:
    """A server on loopback at a port."""

    port: int
    address: str = "127.0.0.1"

    @property
    def own(self) -> str:
        return f"localhost:{self.port}"

    def send(self, text: str, until: Callable[[bytes], bool] = lambda data: False) -> Answer:
        """Send a request, and read its answer to the end or until a condition on it holds."""
        data = b""
        with socket.create_connection((self.address, self.port), PATIENCE) as connection:
            connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))
            while not until(data) and (part := connection.recv(65536)):
                data += part
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(int(first.split()[1]), headers, body.decode("utf-8", "replace"))

    def get(self, path: str = "/", *, host: str | None = None, method: str = "GET", **headers: str) -> Answer:
        """Answer to a request with a header Host and further ones, their dashes as underscores."""
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        host = self.own if host is None else host
        return self.send("\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, CLOSE]))

    def websocket(
        self, token: str, *, path: str = "/ws", host: str | None = None, origin: str | None = None, **headers
    ) -> tuple[int, str]:
        """Status of the handshake, and the first of what the server sends: with "ACK" the session is open."""
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [] if origin is None else [f"Origin: {origin}"]
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        request = [
            f"GET {path} HTTP/1.1",
            f"Host: {self.own if host is None else host}",
            *lines,
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Sec-WebSocket-Protocol: bokeh, {token}",
            "\n",
        ]

        def answered(data: bytes) -> bool:
            head, _, body = data.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101"):
                return b"\r\n\r\n" in data
            return b"ACK" in body or b"\x88" in body[:1]

        answer = self.send("\n".join(request), answered)
        return answer.status, answer.body


CLOSE = "Connection: close\n\n"


@contextmanager
def serving(options: dict[str, Any], **names: Any) -> Iterator[Target]:
    """A Panel server of one small page in a thread, with these options of ``get_server``."""
    import panel as pn
    from tornado.ioloop import IOLoop

    port, servers, ready = free_port(), [], threading.Event()

    def run() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        loop = IOLoop.current()
        page = {"/": lambda: pn.pane.Markdown("a page")}
        server = pn.io.server.get_server(page, port=port, address="127.0.0.1", loop=loop, **options)
        servers.append((loop, server))
        server.start()
        loop.add_callback(ready.set)
        loop.start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    yield Target(port)
    loop, server = servers[0]

    def stop() -> None:
        with suppress(Exception):
            server.stop()
        loop.stop()

    loop.add_callback(stop)
    thread.join(PATIENCE)
