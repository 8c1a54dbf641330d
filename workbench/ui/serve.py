"""Serve the web pages of the workbench, by default to browsers on this machine only."""

from __future__ import annotations

import atexit
import os
import socket
import webbrowser
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from workbench.core.errors import unknown
from workbench.ui.access import bind_error, check_exposure, check_port, checked_names, is_this_machine
from workbench.ui.login import Login

#: Largest message from a browser in bytes; an uploaded file comes in one message.
MAX_MESSAGE_BYTES = 96 * 2**20
#: Pages by name: title and path.
PAGES = {
    "studio": ("studio", ""),
    "inversion": ("inversion of trained networks", "/inversion"),
    "compare": ("comparison of studies and runs", "/compare"),
    "posterior": ("posterior explorer", "/posterior"),
}


def serve(
    port: int = 5006,
    address: str = "localhost",
    show: bool = False,
    *,
    origins: Sequence[str] = (),
    explore: str | None = None,
    page: str = "studio",
    login: Login | None = None,
    insecure: bool = False,
) -> None:
    """Serve all pages until interrupted, and print the address of one.

    Parameters
    ----------
    port : the port to listen at; 0 takes any free one.
    address : the interface to listen on; the default is reached from this machine only.
    show : open a browser.
    origins : further names, ``host`` or ``host:port``, under which browsers open the pages, such as that of
        a proxy.
    explore : announce and open the posterior explorer with this trained model (a run's folder or an exported
        file; empty: the first in the menu).
    page : the page that is announced and opened, see `PAGES`.
    login : how users log in; required for an address that others can reach.
    insecure : serve without a login there too.

    Raises `SpecError` for an address or a port that cannot be used, and where a login is missing or cannot
    work.
    """
    if page not in PAGES:
        raise unknown("page", page, PAGES)
    check_port(port)
    names = checked_names(origins)
    login = Login.of_environment(login or Login())
    login.check()
    note = check_exposure(address, names, login, insecure=insecure)
    port = _free_port(address, port)
    title, path = PAGES["posterior" if explore is not None else page]
    server = _server(address, port, names, login, explore)
    url = f"http://{_shown(address)}:{port}{path}"
    print(f"The {title} is on {url}  (Ctrl+C stops it)", flush=True)
    if note:
        print(note, flush=True)
    if show:
        server.io_loop.add_callback(webbrowser.open, url)
    server.start()
    server.io_loop.start()


def _server(address: str, port: int, names: list[str], login: Login, explore: str | None) -> Any:
    """Return the server of all pages, which listens already. Raises `SpecError` where it cannot."""
    os.environ.setdefault("BOKEH_RESOURCES", "server")  # no request leaves this machine
    import panel as pn

    from workbench.ui import guards, links
    from workbench.ui.compare import compare
    from workbench.ui.explorer_page import explorer
    from workbench.ui.inversion_page import inverter
    from workbench.ui.jobs import jobs
    from workbench.ui.models import offer
    from workbench.ui.studio import studio

    guards.install()
    login.configure()
    pages = {"/": studio, "/inversion": inverter, "/compare": compare, links.EXPLORER: explorer}
    if explore:
        offer(explore)
    try:
        server = pn.io.server.get_server(
            pages,
            port=port,
            address=address,
            title="VINA workbench",
            websocket_origin=[f"localhost:{port}", f"127.0.0.1:{port}", *_own_names(address, port), *names],
            verbose=False,
            websocket_max_message_size=MAX_MESSAGE_BYTES,
            **login.options(),
        )
    except OSError as error:
        raise bind_error(error, address, port) from error
    registry = jobs()
    registry.warm_up()
    atexit.register(registry.close)
    links.SERVED_PAGES.update(pages)
    return server


def _own_names(address: str, port: int) -> list[str]:
    """Return the name of this machine where others can reach the server; addresses need no entry."""
    return [] if is_this_machine(address) else [f"{socket.gethostname().lower()}:{port}"]


def _shown(address: str) -> str:
    """Return the address that a browser on this machine opens."""
    return "localhost" if address in ("", "0.0.0.0") or ":" in address else address


def _free_port(address: str, port: int) -> int:
    """Return the number of a port that is free, any one for 0.

    Raises `SpecError` where another program listens there, or the address is not that of this machine.
    """
    try:
        family, _, _, _, where = socket.getaddrinfo(
            address or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
            if os.name != "nt":  # as Tornado does: a port that was closed a moment ago is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            return probe.getsockname()[1]
    except OSError as error:
        raise bind_error(error, address, port) from error
