"""Inverting a trained network: pick one, say what it should give, and watch inputs being searched for. Serve
it with `panel serve apps/inversion.py`; `workbench serve` has it under /inversion."""

from workbench.ui.inversion_page import inverter

inverter().servable()
