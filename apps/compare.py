"""Comparison of studies, stored results and runs. Serve it with `make compare`; the studio has it as
`/compare`."""

from workbench.ui.compare import compare

compare().servable()
