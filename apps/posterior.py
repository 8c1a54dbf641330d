"""App that explores the posterior of any trained model at any observation. Serve it with `make posterior`;
`workbench serve` serves it at `/posterior`."""

from workbench.ui import guards
from workbench.ui.explorer_page import explorer

guards.install()
if guards.admits():
    explorer().servable()
