"""Checks of the requests to a server of these pages: it answers its own pages, under a name that it has.

A page of another site may send requests to a server on this machine. The header ``Origin`` gives its
websocket away, unless the site's name leads to this machine (DNS rebinding): then the browser takes it for
the server's own page, Origin and Host agree, and Tornado asks no further. Therefore the name in ``Host`` is
checked for every request, before any handler sees it, as in Jupyter and Vite:

- a name on the server's list (``--origin``, ``--allow-websocket-origin``, ``BOKEH_ALLOW_WS_ORIGIN``);
- ``localhost`` and addresses of this machine alone, at any port, since a tunnel may have another one. No
  other site can have these names;
- other IP addresses where the connection came in over the network: an address is no name that could lead
  elsewhere.

``Origin`` has to be that name, or stand on the list, and images, scripts and the like of other sites are not
answered, since each request for a page costs seconds. Pages of other sites cannot frame these pages either.

``panel serve`` runs an app's script, which installs this, for the first request: by then the request has its
handler. Therefore scripts ask `admits`, and no session is made for a request that is refused.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from bokeh.protocol.exceptions import ProtocolError
from bokeh.server.session import ServerSession
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import match_host
from bokeh.settings import settings
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import HTTPError, OutputTransform, RequestHandler

log = logging.getLogger("workbench.server")
#: A host as browsers write it: a name or an address, and a port.
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>\d{1,5}))?")
#: Default ports of HTTP and HTTPS, which browsers leave out.
_DEFAULT_PORTS = ("", "80", "443")
#: Longest name in an answer or in the log, and the largest number of refusals that are logged.
_LONGEST, _MOST_LOGGED = 80, 200
_LOGGED: set[str] = set()
#: Pages that may show these in a frame, such as a notebook on the same machine, and a host as the header's
#: syntax allows it.
_FRAMED_BY = "'self' http://localhost:* http://127.0.0.1:*"
_SOURCE = re.compile(r"(\*\.)?[a-z0-9.-]+(:(\d+|\*))?", re.IGNORECASE)


def install() -> None:
    """Check the requests of every Panel and Bokeh server in this process, running ones included.

    May be called again. The list of names is each server's own.
    """
    if getattr(BokehTornado.find_handler, "guarded", False):
        return
    original = BokehTornado.find_handler

    def find_handler(self: BokehTornado, request: HTTPServerRequest, **options: Any) -> Any:
        names = allowed_names(self)
        if not any(getattr(transform, "is_guard", False) for transform in self.transforms):
            self.transforms.append(_safe_headers(names))
        sentence = refusal(request, names)
        if not sentence:
            return original(self, request, **options)
        return self.get_handler_delegate(request, Refusal, {"sentence": sentence})

    find_handler.guarded = True  # type: ignore[attr-defined]
    BokehTornado.find_handler = find_handler  # type: ignore[method-assign]
    build = ServerSession.__init__

    def __init__(self: ServerSession, *arguments: Any, **options: Any) -> None:
        sentence = _refusal_of_current_request()
        if sentence:
            raise RefusedSession(sentence)
        build(self, *arguments, **options)

    ServerSession.__init__ = __init__  # type: ignore[method-assign]


def admits() -> bool:
    """Return False while a script runs for a request that is refused; it has no page to build then."""
    return not _refusal_of_current_request()


def _refusal_of_current_request() -> str:
    """Return why the request for which this code runs is not answered; empty where it is, or there is none.

    The handler of the request waits for its session up the stack. Bokeh gives a session the headers that a
    websocket claims in its token, which prove nothing.
    """
    frame = sys._getframe(1)
    while frame is not None:
        handler = frame.f_locals.get("self")
        if isinstance(handler, RequestHandler) and isinstance(handler.application, BokehTornado):
            return refusal(handler.request, allowed_names(handler.application))
        frame = frame.f_back  # type: ignore[assignment]
    return ""


class RefusedSession(ProtocolError, HTTPError):
    """A session for a request that is refused: an answer of status 403, or the end of a websocket."""

    def __init__(self, sentence: str) -> None:
        HTTPError.__init__(self, 403, "%s", sentence)


def allowed_names(server: BokehTornado) -> frozenset[str]:
    """Return the names, with ports and perhaps wildcards, under which a server may be opened."""
    return frozenset(settings.allowed_ws_origin() or server.websocket_origins)


def refusal(request: HTTPServerRequest, names: Iterable[str]) -> str:
    """Return why a request is not answered, as a sentence; empty where it is."""
    names, headers = frozenset(names), request.headers
    host, origin = headers.get("Host", ""), headers.get("Origin")
    if not is_own(host, names, over_network=came_over_network(request)):
        return _sentence("the name", host, "a name of this server, such as localhost")
    if host.startswith("["):  # Panel cannot read the port of such an address
        return f"This server does not answer to {host[:_LONGEST]!r}. Expected: a name, such as localhost."
    if origin is not None and _netloc(origin) != host.lower() and not is_listed(_netloc(origin), names):
        return _sentence("pages of", origin, "a page of this server")
    if _is_part_of_foreign_page(headers) and not is_listed(_netloc(headers.get("Referer", "")), names):
        return _sentence("parts of pages of", headers.get("Referer", "another site"), "a page of this server")
    return ""


def is_own(host: str, names: Iterable[str], *, over_network: bool = False) -> bool:
    """Return True if a server with these names answers to a Host header; see the rules of this module."""
    parts = _AUTHORITY.fullmatch(host.lower())
    if parts is None:
        return False
    name = parts["host"].strip("[]")
    if name == "localhost" or is_listed(host, names):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or (over_network and not address.is_unspecified)


def is_listed(host: str, names: Iterable[str]) -> bool:
    """Return True if a host stands on the list ``names``, whose entries may have wildcards."""
    parts = _AUTHORITY.fullmatch(host.lower())
    if parts is None:
        return False
    port = "80" if (parts["port"] or "") in _DEFAULT_PORTS else parts["port"]
    full = f"{parts['host']}:{port}"
    return any(full == name or ("[" not in full and match_host(full, name)) for name in names)


def came_over_network(request: HTTPServerRequest) -> bool:
    """Return True if a request reached the server at another address than that of this machine alone."""
    try:
        local = request.connection.stream.socket.getsockname()[0]  # type: ignore[union-attr]
        return not ipaddress.ip_address(local.partition("%")[0]).is_loopback
    except (AttributeError, IndexError, TypeError, ValueError, OSError):
        return False  # a Unix socket, or a connection that has gone


def _is_part_of_foreign_page(headers: HTTPHeaders) -> bool:
    """Return True for an image, script, style or the like that a page of another site asks for.

    What is opened as a page, by a link or in a frame, is none: links are welcome, and `_safe_headers` leaves
    it to the browser in which frames a page may be.
    """
    return (
        headers.get("Sec-Fetch-Site", "none") in ("cross-site", "same-site")
        and headers.get("Sec-Fetch-Mode", "navigate") not in ("navigate", "websocket")
        and "Origin" not in headers  # checked above
    )


def _netloc(url: str) -> str:
    """Return host and port of the address of a page; empty for anything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.netloc.lower() if parts.scheme.lower() in ("http", "https") else ""


def _sentence(asked: str, found: str, expected: str) -> str:
    text = found[:_LONGEST]
    host = _netloc(text) if "://" in text else text
    sentence = f"This server does not answer to {asked} {text!r}. Expected: {expected}."
    if host == "null" or _AUTHORITY.fullmatch(host.lower()) is None:
        return sentence
    return (
        f"{sentence} If this is your own server behind a proxy, start it with --origin {host} (workbench "
        f"serve) or --allow-websocket-origin {host} (panel serve)."
    )


class Refusal(RequestHandler):
    """Answer of status 403 with a sentence, for any method."""

    def initialize(self, sentence: str) -> None:
        self.sentence = sentence

    def prepare(self) -> None:
        if self.sentence not in _LOGGED and len(_LOGGED) < _MOST_LOGGED:
            _LOGGED.add(self.sentence)
            log.warning("Refused a request from %s. %s", self.request.remote_ip, self.sentence)
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(self.sentence + "\n")


def _safe_headers(names: frozenset[str]) -> type[OutputTransform]:
    """Return what adds to every answer of a server which other pages may show it in a frame."""
    hosts = [name.removesuffix(":80") for name in sorted(names)]
    sources = [
        f"{scheme}://{host}" for host in hosts if _SOURCE.fullmatch(host) for scheme in ("http", "https")
    ]
    framed_by = "" if "*" in names else " ".join([_FRAMED_BY, *sources])

    class SafeHeaders(OutputTransform):
        is_guard = True

        def transform_first_chunk(
            self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
        ) -> tuple[int, HTTPHeaders, bytes]:
            if framed_by and "Content-Security-Policy" not in headers:
                headers["Content-Security-Policy"] = f"frame-ancestors {framed_by}"
            return status_code, headers, chunk

    return SafeHeaders
