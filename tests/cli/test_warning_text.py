"""Warnings on the command line are sentences, without the place in the program that they come from."""

import warnings

from workbench import cli
from workbench.core.errors import DataWarning


def test_a_warning_is_a_sentence_and_the_format_is_restored(monkeypatch):
    before, texts = warnings.formatwarning, []

    def command(argv):
        for category in (DataWarning, DeprecationWarning):
            texts.append(warnings.formatwarning(category("Half is used."), category, "folder.py", 265))
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_main", command)
    try:
        cli.main([])
    except KeyboardInterrupt:
        pass
    assert texts == ["Warning: Half is used.\n", "DeprecationWarning: Half is used.\n"]
    assert warnings.formatwarning is before
