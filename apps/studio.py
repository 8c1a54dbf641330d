"""App of the studio: choose an experiment, train it, watch, inspect and export it. Serve it with `panel
serve apps/studio.py` or `workbench serve`."""

from workbench.ui import guards
from workbench.ui.studio import studio

guards.install()
if guards.admits():
    studio().servable()
