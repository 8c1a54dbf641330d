"""App that compares studies, stored results and runs. Serve it with `make compare`; the studio serves it
at `/compare`."""

from workbench.ui import guards
from workbench.ui.compare import compare

guards.install()
if guards.admits():
    compare().servable()
