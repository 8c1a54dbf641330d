"""Address, port and names of a server of these pages, and who may reach it.

A server that others can reach runs computations for whoever opens it. Beyond this machine it is only started
with a login, or when told that it needs none.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from workbench.core.errors import SpecError
from workbench.ui.login import Login

LAST_PORT = 65535
#: A name with a port or without; a star stands for any part of it.
_NAME = re.compile(r"(?P<host>[a-z0-9._*-]+)(?::(?P<port>\d{1,5}|\*))?", re.IGNORECASE)


def check_port(port: int) -> None:
    """Raise `SpecError` unless this is the number of a port, or 0 for any free one."""
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= LAST_PORT:
        raise SpecError(
            "This is no port",
            expected=f"a whole number from 0 (any free one) to {LAST_PORT}",
            found=repr(port),
        )


def is_this_machine(address: str) -> bool:
    """Return True if a server at this address is reached from this machine only. Raises `SpecError` for an
    address that does not exist."""
    try:
        interfaces = socket.getaddrinfo(address or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise SpecError(
            "The server cannot listen at this address",
            expected="the name or address of a network interface, such as localhost or 0.0.0.0 (all)",
            found=repr(address)[:80],
        ) from error
    return all(ipaddress.ip_address(str(a[4][0]).partition("%")[0]).is_loopback for a in interfaces)


def checked_names(origins: Sequence[str]) -> list[str]:
    """Return the names of a server, ``host`` or ``host:port``, from names or addresses of pages.

    Raises `SpecError` for anything else.
    """
    names = []
    for text in origins:
        name = text.strip()
        if "://" in name:
            try:
                name = urlsplit(name).netloc
            except ValueError:
                name = ""
        parts = _NAME.fullmatch(name)
        if parts is None or (parts["port"] not in (None, "*") and int(parts["port"]) > LAST_PORT):
            raise SpecError(
                "This is no name of a server",
                expected="studio.example.org or studio.example.org:8443",
                found=repr(text)[:80],
            )
        host, port = parts["host"].lower(), parts["port"]
        names.append(host if port in (None, "80", "443") else f"{host}:{port}")
    return names


def check_exposure(address: str, names: list[str], login: Login, *, insecure: bool) -> str:
    """Return a note about who can reach a server, empty for this machine only.

    Raises `SpecError` where others could reach it, or any name leads to it, without a login and without
    ``insecure``.
    """
    local = is_this_machine(address)
    remedy = (
        "ask for a password (--basic-auth PASSWORD, or a JSON file), for a login elsewhere (--oauth-provider "
        "NAME), or say --insecure where everyone on the network may use this machine"
    )
    if not local and not login.required and not insecure:
        raise SpecError(
            f"At {address or 'all addresses'} others could use this machine and read its runs",
            expected="a login",
            found="none",
            suggestion=remedy,
        )
    if any("*" in name.partition(":")[0] for name in names) and not login.required and not insecure:
        raise SpecError(
            "With a star in --origin, pages of other sites could use this server",
            expected="full names, or a login",
            found=", ".join(names)[:80],
            suggestion=remedy,
        )
    if not local and not login.required:
        return "Everyone who can reach this machine can use the workbench and read its runs (--insecure)."
    if local and names and not login.required:
        return f"There is no login: let {', '.join(names)} ask for one, or use --basic-auth."
    if login.provider:
        return f"Everyone with an account at {login.provider} that its registration admits can log in."
    return "" if local else "Passwords are sent as they are: let a proxy with HTTPS stand before this server."


def bind_error(error: OSError, address: str, port: int) -> SpecError:
    """Return the error of a server that cannot listen, as a sentence."""
    refusal = f"The server cannot listen at {address or 'all addresses'}, port {port}"
    if error.errno == errno.EADDRINUSE:
        return SpecError(
            refusal,
            expected="a free port",
            found="one that another program uses, perhaps a workbench that is open already",
            suggestion="choose another with --port, or --port 0 for any free one",
        )
    if error.errno == errno.EACCES:
        return SpecError(
            refusal, expected="a port from 1024 on", found="one that only administrators may use"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return SpecError(refusal, expected="an address of this machine", found=repr(address))
    return SpecError(refusal, found=str(error))
