"""The posterior explorer: any trained model, any observation. Serve it with `make posterior`; `workbench
serve` has it under /posterior."""

from workbench.ui.explorer_page import explorer

explorer().servable()
