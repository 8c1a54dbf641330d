"""Errors on the command line name its options, not Python's notation."""

from __future__ import annotations

import pytest

from workbench.cli import main
from workbench.cli.hints import in_command_words


@pytest.mark.parametrize(
    ("python", "command"),
    [
        ("set missing='drop' to leave", "set --set missing=drop to leave"),
        ("say log=['width', 'flux (mJy, 3 GHz)'].", "say --set 'log=width,\"flux (mJy, 3 GHz)\"'."),
        ("period={'hour': 24, 'angle': 360.0}", "--set period=hour:24,angle:360.0"),
        ("low={'a': 0}; high={'a': 1}", "--set low=a:0; --set high=a:1"),
        ("write training={'batch': …}", "write training={'batch': …}"),
        ("robust=[…]", "robust=[…]"),
        ("allow=3, overlow=4 and low = 3", "allow=3, overlow=4 and low = 3"),
    ],
)
def test_settings_are_written_as_options(python, command):
    assert in_command_words(python) == command


def test_missing_values_name_the_option_that_works(tmp_path, capsys):
    path = tmp_path / "gaps.csv"
    path.write_text("a,b\n" + "\n".join(f"{i % 7 or ''},{i}" for i in range(200)))
    words = ["train", "--data", str(path), "--x", "a", "--y", "b", "--steps", "2"]
    words += ["--architecture", "realnvp", "--out", str(tmp_path / "run")]
    assert main(words) == 2
    message = capsys.readouterr().err
    assert "--set missing=drop" in message and "missing='drop'" not in message
    assert main([*words, "--set", "missing=drop"]) == 0
