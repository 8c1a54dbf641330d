"""Names in arrays and files: allowed there, different from each other, and mapped back."""

import pytest

from workbench.core.names import (
    ORIGINAL,
    array_names,
    file_names,
    original_attribute,
    original_names,
    quoted_names,
    split_names,
)

NAMES = [
    "[Fe/H]",
    "B/V",
    "m/s",
    "m\\s",
    "m_s",
    "draw",
    "draw_",
    "chain",
    " lead",
    "lead",
    "a\nb",
    ".",
    "..",
    "x" * 300,
]
NAMES += [
    "x" * 301,
    "α_1",
    "2mass",
    "_hidden",
    "e\u0301tat",
    "\u00e9tat",
    "zarr.json",
    "trail ",
    "%2F",
    "é" * 150,
]


@pytest.mark.parametrize("mapping", [array_names, file_names])
def test_names_stay_apart_and_come_back(mapping):
    names = mapping(NAMES)
    assert list(names) == NAMES and len(set(names.values())) == len(NAMES)
    assert not {"draw", "chain", "observation"} & set(names.values())
    attributes = {key: original_attribute(name, key) for name, key in names.items()}
    assert original_names(attributes) == {key: name for name, key in names.items()}
    assert all((ORIGINAL in attributes[s]) == (s != n) for n, s in names.items())


def test_names_in_files_are_those_that_netcdf_allows():
    for name in file_names(NAMES).values():
        first = name[0]
        assert not first.isascii() or first.isalnum() or first == "_"
        assert not set(name) & set("/\\\n\t") and name == name.strip() and len(name.encode()) <= 255


def test_a_good_name_is_not_changed():
    good = ["a", "log10(M*)", "σ² [km²]", "a.b", "a:b", "with blank", "units"]
    assert file_names(good) == array_names(good) == {name: name for name in good}
    assert file_names(["[Fe/H]"]) == {"[Fe/H]": "_[Fe_H]"} and array_names(["[Fe/H]"]) == {"[Fe/H]": "[Fe/H]"}


@pytest.mark.parametrize("names", [["a", "flux (mJy, 3 GHz)"], ['5" disk', "b"], ["a:b"], []])
def test_names_with_commas_are_quoted_as_in_csv(names):
    assert split_names(quoted_names(names)) == names


def test_blanks_around_names_are_left_out():
    assert split_names(' a,  "b, c" ,,d ') == ["a", "b, c", "d"]
