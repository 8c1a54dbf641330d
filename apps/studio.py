"""The studio: choose, train, watch, inspect and export. Serve it with `panel serve apps/studio.py` or
`workbench serve`."""

from workbench.ui.studio import studio

studio().servable()
