"""The comparison: studies, stored results and runs side by side. Serve it with `make compare`; the studio has
it as `/compare`."""

from workbench.ui.compare import compare

compare().servable()
