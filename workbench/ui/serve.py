"""Serve the web pages of the workbench, by default to browsers on this machine only."""

from __future__ import annotations

import atexit
import os
import threading
import webbrowser

#: Largest message from a browser in bytes; an uploaded file comes in one message.
MAX_MESSAGE_BYTES = 96 * 2**20


def serve(
    port: int = 5006,
    address: str = "localhost",
    show: bool = False,
    *,
    origins: tuple[str, ...] = (),
    explore: str | None = None,
) -> None:
    """Serve all pages until interrupted, and print the studio's address.

    Parameters
    ----------
    address : the interface to listen on; the default is reached from this machine only.
    show : open a browser.
    origins : further ``host:port`` from which a browser may connect.
    explore : announce and open the posterior explorer instead of the studio, with this trained model (a
        run's folder or an exported file; empty: the first in the menu).
    """
    os.environ.setdefault("BOKEH_RESOURCES", "server")  # no request leaves this machine
    import panel as pn

    from workbench.ui import links
    from workbench.ui.compare import compare
    from workbench.ui.explorer_page import explorer
    from workbench.ui.inversion_page import inverter
    from workbench.ui.jobs import jobs
    from workbench.ui.models import offer
    from workbench.ui.studio import studio

    registry = jobs()
    atexit.register(registry.close)
    hosts = [f"localhost:{port}", f"127.0.0.1:{port}", *origins]
    pages = {"/": studio, "/inversion": inverter, "/compare": compare, links.EXPLORER: explorer}
    links.SERVED_PAGES.update(pages)
    what, page = ("studio", "") if explore is None else ("posterior explorer", links.EXPLORER)
    if explore:
        offer(explore)
    print(f"The {what} is on http://{address}:{port}{page}  (Ctrl+C stops it)", flush=True)
    if show and page:  # later, since the server starts in the last line
        threading.Timer(1.0, webbrowser.open, [f"http://{address}:{port}{page}"]).start()
    pn.serve(
        pages,
        port=port,
        address=address,
        show=show and not page,
        title="VINA workbench",
        websocket_origin=hosts,
        autoreload=False,
        verbose=False,
        websocket_max_message_size=MAX_MESSAGE_BYTES,
    )
