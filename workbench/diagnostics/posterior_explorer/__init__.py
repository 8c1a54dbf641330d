"""Exploring posteriors: laws as counts and regions, physical views, resimulated bands, and who is asked
for them."""

from __future__ import annotations

from workbench.diagnostics.posterior_explorer.explorer import About, Answer, Ask, Explorer
from workbench.diagnostics.posterior_explorer.histogram import Tally, law
from workbench.diagnostics.posterior_explorer.physical import PHYSICAL, Physical

__all__ = ["About", "Answer", "Ask", "Explorer", "PHYSICAL", "Physical", "Tally", "law"]
