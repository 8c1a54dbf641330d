"""App that inverts a trained network: choose a model and a target, and watch the search for inputs. Serve
it with `panel serve apps/inversion.py`; `workbench serve` serves it at `/inversion`."""

from workbench.ui import guards
from workbench.ui.inversion_page import inverter

guards.install()
if guards.admits():
    inverter().servable()
