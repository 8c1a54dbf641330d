"""The page on the choice of a divergence says what the result files say, and notices when they change."""

from __future__ import annotations

import json
import re

import pytest

from tools import which_divergence
from workbench import studies


def test_the_page_agrees_with_the_files():
    page = which_divergence.PAGE.read_text(encoding="utf-8")
    assert page == which_divergence.page(), "python tools/which_divergence.py writes it anew"
    readme = (which_divergence.ROOT / "README.md").read_text(encoding="utf-8")
    assert "docs/which_divergence.md" in readme


@pytest.mark.parametrize("make", which_divergence.GUIDELINES, ids=lambda make: make.__name__)
def test_every_guideline_has_numbers(make):
    guideline = make()
    verdicts = ("HOLDS", "PARTLY", "NOT", "WITHDRAWN")
    assert guideline.verdict in [getattr(which_divergence, name) for name in verdicts]
    assert re.fullmatch(rf"After [\d, or]+ steps: this {guideline.verdict}\.", guideline.sentence)
    assert "nan" not in guideline.evidence and "–" not in guideline.evidence and len(guideline.evidence) > 80


def test_other_numbers_give_another_verdict(monkeypatch):
    """The two priors exchanged with no prior at all."""
    load = studies.load

    def exchanged(path):
        data = load(path)
        names = {"none": "gaussian", "gaussian": "none"}
        weights = data["weight"].where(data["prior"] == "uniform", 1.0)
        priors = [names.get(str(name), str(name)) for name in data["prior"].values]
        return data.assign_coords(prior=("cell", priors), weight=weights)

    before = which_divergence.prior()
    monkeypatch.setattr(studies, "load", exchanged)
    after = which_divergence.prior()
    assert after.evidence != before.evidence


CASES = sorted(study.key for study in studies.STUDIES if study.figure is not None)


def test_every_stored_case_agrees_with_its_card():
    for path in (which_divergence.RESULTS / f"{key}_fast.nc" for key in CASES):
        data = studies.load(path)
        card = path.with_suffix(".md").read_text(encoding="utf-8")
        assert f"# {data.attrs['study_title']}" in card and path.stat().st_size < 1_000_000
        study = studies.STUDIES.make(data.attrs["study"], **json.loads(data.attrs["settings"]))
        # the table in the card is the file's; what it concludes follows from it
        assert all(sentence in card for sentence in study.conclusions(data)), path.name
