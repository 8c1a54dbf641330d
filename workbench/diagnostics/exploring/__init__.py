"""Exploring posteriors: laws as counts and regions, physical views, resimulated bands, and who is asked
for them."""

from __future__ import annotations

from workbench.diagnostics.exploring.explorer import About, Answer, Ask, Explorer
from workbench.diagnostics.exploring.law import Tally, law
from workbench.diagnostics.exploring.physical import PHYSICAL, Physical

__all__ = ["About", "Answer", "Ask", "Explorer", "PHYSICAL", "Physical", "Tally", "law"]
