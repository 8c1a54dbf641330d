"""The comparison: studies, stored results and runs side by side. Serve it with `make compare`, or with
`BOKEH_RESOURCES=server panel serve apps/compare.py`."""

from pathlib import Path

from workbench.ui.compare import compare

compare([Path(__file__).resolve().parent.parent / "datasets" / "results"]).servable()
