"""Every format answers for every architecture, and writes what it does not refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

import workbench as wb
from workbench.architectures import ARCHITECTURES
from workbench.export import FORMATS, export

SAMPLES = Path(__file__).resolve().parents[1] / "compatibility" / "samples" / "exports"


@pytest.mark.parametrize("key", [key for key, form in FORMATS.items() if not form.of_run])
def test_a_format_says_for_every_architecture_whether_it_can_be_written(key):
    for architecture in ARCHITECTURES:
        reason = FORMATS[key].refusal(architecture.key, "inverse", architecture.capabilities)
        assert isinstance(reason, str) and (not reason or reason.endswith("."))


def test_a_formula_is_written_for_a_model_that_has_one_and_refused_for_others(tmp_path):
    model = wb.load(SAMPLES / "weights_symbolic.zip")
    path = export(model, "formula", tmp_path / "formula.txt")
    assert path.read_text(encoding="utf-8").startswith(wb.formulas(model).text())
    with pytest.raises(wb.WorkbenchError, match="cannot be read as formulas"):
        export(wb.load(SAMPLES / "weights_flow.zip"), "formula", tmp_path / "other.txt")
    assert not (tmp_path / "other.txt").exists()
