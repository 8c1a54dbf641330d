"""Serving the studio: on this machine only, unless somebody says otherwise."""

from __future__ import annotations

import atexit
import os

#: Bytes of one message from a browser: a table or a model that is uploaded comes in one.
MESSAGE = 96 * 2**20


def serve(
    port: int = 5006, address: str = "localhost", show: bool = False, *, origins: tuple[str, ...] = ()
) -> None:
    """Serve the studio until it is interrupted.

    Parameters
    ----------
    address : the interface to listen on; the default is reached from this machine only.
    origins : further ``host:port`` from which a browser may connect.
    """
    os.environ.setdefault("BOKEH_RESOURCES", "server")  # no request leaves this machine
    import panel as pn

    from workbench.ui.compare import compare
    from workbench.ui.explorer import explorer
    from workbench.ui.inverter import inverter
    from workbench.ui.jobs import jobs
    from workbench.ui.studio import studio

    registry = jobs()
    atexit.register(registry.close)
    allowed = [f"localhost:{port}", f"127.0.0.1:{port}", *origins]
    print(f"The studio is on http://{address}:{port}  (Ctrl+C stops it)", flush=True)
    pn.serve(
        {"/": studio, "/inversion": inverter, "/compare": compare, "/posterior": explorer},
        port=port,
        address=address,
        show=show,
        title="VINA workbench",
        websocket_origin=allowed,
        autoreload=False,
        verbose=False,
        websocket_max_message_size=MESSAGE,
    )
