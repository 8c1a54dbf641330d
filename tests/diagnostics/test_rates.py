"""The rates of docs/diagnostics.md, measured again: how often each fault is noticed, and false alarms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.diagnostics.stand_ins import GaussianStandIn, TwoSided, TwoSidedStandIn, linear
from workbench.diagnostics import DIAGNOSTICS

LINEAR, SIDES = linear(), TwoSided()
FAULTS = {
    "too narrow": (GaussianStandIn(LINEAR, width=0.7), LINEAR),
    "shifted": (GaussianStandIn(LINEAR, shift=0.5), LINEAR),
    "too wide": (GaussianStandIn(LINEAR, width=1.4), LINEAR),
    "mode missing": (TwoSidedStandIn(SIDES, right=1.0), SIDES),
}
TEXT = (Path(__file__).parents[2] / "docs" / "diagnostics.md").read_text()


def table() -> dict[str, list[str]]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in TEXT.splitlines()
        if line.startswith("| `")
    ]
    return {key: row[2:7] for row in rows for key in re.findall(r"`(\w+)`", row[0])}


def test_the_table_names_every_diagnostic():
    assert set(table()) == set(DIAGNOSTICS.keys())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("key", [key for key, row in table().items() if row[1] != "–"])
def test_the_rates_are_those_of_the_table(key):
    *power, size = table()[key]
    member = DIAGNOSTICS.make(key)
    for (name, (model, problem)), rate in zip(FAULTS.items(), power, strict=True):
        if rate == "–":
            continue
        flags = [member.measure(model, problem, seed=s).attrs["verdict"] != "green" for s in range(20)]
        assert abs(sum(flags) / 20 - float(rate)) < 0.25, name
    member = DIAGNOSTICS.make(key, level=0.1)
    exact = GaussianStandIn(LINEAR)
    alarms = [member.measure(exact, LINEAR, seed=s).attrs["verdict"] != "green" for s in range(40)]
    # of 40 tries at 0.1 more than 10 happen less than once in two hundred times
    assert sum(alarms) <= 10 and abs(sum(alarms) / 40 - float(size.split()[0])) < 0.2
