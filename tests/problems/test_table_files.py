"""Tables as people write them: every file gives its numbers, or a sentence that names the fault."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from workbench.core.errors import DataError, DataWarning
from workbench.problems import TableProblem, describe

ROWS = 60
VALUES = np.random.default_rng(0).normal(size=(ROWS, 2)).round(6)
FRAME = pd.DataFrame(VALUES, columns=["a", "b"])


def lines(separator: str, form: str = "{:.6f}", quote: str = "") -> str:
    return "\n".join(separator.join(quote + form.format(v) + quote for v in row) for row in VALUES) + "\n"


def commas(separator: str) -> str:
    return lines(separator).replace(".", ",")


TEXTS = {
    "savetxt.txt": "# a b\n" + lines(" ", "{:.18e}"),
    "savetxt.dat": "# a b\n" + lines(" ", "{:.18e}"),
    "savetxt.csv": "# a,b\n" + lines(","),
    "aligned.txt": "  a      b\n" + lines("    "),
    "tabs.tsv": "a\tb\n" + lines("\t"),
    "comments.csv": "# by a pipeline, version 3\n# units: m, s\n\na,b\n" + lines(","),
    "between.csv": "a,b\n" + lines(",").replace("\n", "\n# restart\n", 1),
    "semicolons.csv": "a;b\n" + commas(";"),
    "decimal_tabs.txt": "a\tb\n" + commas("\t"),
    "decimal_quoted.csv": "a,b\n" + lines(",", quote='"').replace(".", ","),
    "windows.csv": ("a,b\n" + lines(",")).replace("\n", "\r\n"),
    "trailing.csv": "a,b,\n" + lines(",").replace("\n", ",\n"),
    "row_names.txt": '"a" "b"\n'
    + "".join(f'"{i}" {line}\n' for i, line in enumerate(lines(" ").split("\n")[:-1])),
    "units.csv": "a,b\n[m],[s]\n" + lines(","),
    "fortran.dat": "a b\n" + lines("  ", "{:.8E}").replace("E", "D"),
    "minus.csv": "a,b\n" + lines(",").replace("-", "\u2212"),
    "index.csv": FRAME.to_csv(),
    "quoted.csv": '"a";"b"\n' + lines(";"),
    "separator.csv": "sep=;\n" + "a;b\n" + commas(";"),
    "aligned.csv": "a,\tb,\tc\n" + lines(",\t").replace("\n", ",\t1\n"),
    "rule.txt": " a | b\n---+---\n" + lines(" | "),
    "markdown.txt": "| a | b |\n|---|---|\n" + "".join(f"| {r} |\n" for r in lines(" | ").split("\n")[:-1]),
    "end_comments.dat": "# a b\n" + lines(" ").replace("\n", " # a note\n"),
    "two_comments.dat": "# a b\n# the units are m s\n" + lines(" "),
    "plain_names.txt": "a b\n" + "".join(f"r{i} {r}\n" for i, r in enumerate(lines(" ").split("\n")[:-1])),
    "plain_numbers.tsv": "a\tb\n"
    + "".join(f"{i + 1}\t{r}\n" for i, r in enumerate(lines("\t").split("\n")[:-1])),
    "heading_ends.csv": "a,b,\n" + lines(","),
    "units_dash.csv": "a,b\nm,-\n" + lines(","),
    "units_text.csv": "n,a,b\n,m,s\n"
    + "".join(f"x{i},{r}\n" for i, r in enumerate(lines(",").split("\n")[:-1])),
    "marks.csv": "n,a,b\n" + "".join(f"#{i},{r}\n" for i, r in enumerate(lines(",").split("\n")[:-1])),
    "line_end.csv": '"a\n[m]",b\n' + lines(","),
    "dos.csv": "a,b\n" + lines(",") + "\x1a",
    "spaces.csv": "a; b\n" + commas("; "),
    "ecsv.ecsv": "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a}\na b\n" + lines(" "),
}


def numbers(problem: TableProblem) -> np.ndarray:
    samples = problem.draw(10 * ROWS, torch.Generator().manual_seed(0))
    return np.sort(torch.cat([samples.x, samples.y], 1).numpy(), axis=0)


def read(source, **settings) -> np.ndarray:
    return numbers(TableProblem(source, x=["a"], y=["b"], **settings))


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_read_as_it_was_written(tmp_path, name):
    path = tmp_path / name
    path.write_text(TEXTS[name], encoding="utf-8", newline="")
    np.testing.assert_allclose(read(path), np.sort(VALUES, axis=0), atol=1e-9)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
def test_every_encoding_gives_the_same_names(tmp_path, encoding):
    path = tmp_path / "größe.csv"
    path.write_bytes(("größe [µm],b\n" + lines(",")).encode(encoding))
    problem = TableProblem(path, x=["größe"], y=["b"])
    assert problem.x[0].unit == "µm" and problem.rows == ROWS


def test_files_that_are_not_text(tmp_path):
    reference = np.sort(VALUES, axis=0)
    with gzip.open(tmp_path / "t.csv.gz", "wt") as file:
        file.write("a,b\n" + lines(","))
    np.savez(tmp_path / "t.npz", a=VALUES[:, 0], b=VALUES[:, 1])
    (tmp_path / "parts").mkdir()
    for i in (0, 1):
        FRAME.iloc[30 * i : 30 * i + 30].to_parquet(tmp_path / "parts" / f"part-{i}.parquet")
    FRAME.reset_index(drop=True).to_feather(tmp_path / "t.feather")
    for name in ("t.csv.gz", "t.npz", "parts", "t.feather"):
        np.testing.assert_allclose(read(tmp_path / name), reference, atol=1e-9)
    np.save(tmp_path / "t.npy", VALUES)
    np.testing.assert_array_equal(numbers(TableProblem(tmp_path / "t.npy", x=["0"], y=["1"])), reference)
    np.savez(tmp_path / "objects.npz", a=np.array([{}] * ROWS, dtype=object))
    with pytest.raises(DataError, match="could not be read.*allow_pickle"):
        TableProblem(tmp_path / "objects.npz", x=["a"])


def test_hdf5_and_its_groups(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "t.h5", "w") as file:
        group = file.create_group("runs/first")
        group["a"], group["profile"] = VALUES[:, 0], np.arange(4.0 * ROWS).reshape(ROWS, 4)
        file["other"] = np.zeros(3)
    problem = TableProblem(f"{tmp_path / 't.h5'}#runs/first", x=["a"], y=["profile"])
    assert [v.name for v in problem.y] == [f"profile_{i}" for i in range(4)] and problem.shapes.y == 4
    with pytest.raises(DataError, match="groups: .*runs/first.*Did you mean 'runs/first'"):
        TableProblem(tmp_path / "t.h5", x=["a"], group_path="runs/frist")
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["a"] = h5py.ExternalLink("/etc/secret.h5", "a")
    with pytest.raises(DataError, match="refused.*a link to '/etc/secret.h5'"):
        TableProblem(tmp_path / "link.h5", x=["a"])


def test_excel_and_its_sheets(tmp_path):
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        FRAME.to_excel(book, sheet_name="first", index=False)
        FRAME.assign(a=2 * FRAME["a"]).to_excel(book, sheet_name="second", index=False)
    np.testing.assert_allclose(read(tmp_path / "t.xlsx"), np.sort(VALUES, axis=0), atol=1e-9)
    second = read(tmp_path / "t.xlsx", group_path="second")
    np.testing.assert_allclose(second[:, 0], np.sort(2 * VALUES[:, 0]), atol=1e-9)
    with pytest.raises(DataError, match="no sheet 'third'.*'first', 'second'"):
        read(tmp_path / "t.xlsx", group_path="third")
    for place in (f"{tmp_path / 't.xlsx'}#second", f"{tmp_path / 't.xlsx'}#2"):
        np.testing.assert_array_equal(read(place), second)


def test_excel_names_the_sheet_that_has_a_column(tmp_path):
    pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"about": ["x", "y"]}).to_excel(book, sheet_name="Readme", index=False)
        FRAME.to_excel(book, sheet_name="Data", index=False, startrow=3)
        book.sheets["Data"].cell(1, 1, "Results of run 7")
    with pytest.raises(DataError, match=r"first sheet.*'Readme', has no column 'a'.*'Data'.*t\.xlsx#Data"):
        read(path)
    with pytest.warns(DataWarning, match="Rows above the names .* 'Results of run 7'"):
        np.testing.assert_allclose(read(f"{path}#Data"), np.sort(VALUES, axis=0), atol=1e-9)
    with_units = pd.concat([pd.DataFrame({"a": ["m"], "b": ["-"]}), FRAME.astype(object)])
    with_units.to_excel(tmp_path / "units.xlsx", index=False)
    problem = TableProblem(tmp_path / "units.xlsx", x=["a"], y=["b"])
    assert [v.unit for v in (*problem.x, *problem.y)] == ["m", ""]
    np.testing.assert_allclose(numbers(problem), np.sort(VALUES, axis=0), atol=1e-9)


def test_frames_of_other_packages():
    import pyarrow

    np.testing.assert_array_equal(read(pyarrow.table(dict(FRAME))), np.sort(VALUES, axis=0))
    polars = pytest.importorskip("polars")
    np.testing.assert_array_equal(read(polars.DataFrame(dict(FRAME))), np.sort(VALUES, axis=0))


def test_names_that_are_numbers(tmp_path):
    frame = pd.DataFrame(VALUES)
    frame.to_csv(tmp_path / "n.csv", index=False)
    for source in (frame, tmp_path / "n.csv"):
        np.testing.assert_allclose(numbers(TableProblem(source, x=[0], y=["1"])), np.sort(VALUES, axis=0))
    (tmp_path / "bare.csv").write_text(lines(","))
    with pytest.raises(DataError, match="no names of columns"):
        TableProblem(tmp_path / "bare.csv", x=["a"])


def test_the_home_folder_and_capital_endings(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "My Data.CSV").write_text("a,b\n" + lines(","))
    assert TableProblem("~/My Data.CSV", x=["a"], y=["b"]).rows == ROWS


def test_thousands_are_read_where_they_are_certain(tmp_path):
    values = 1_234_567 + 1001 * np.arange(ROWS)
    column = pd.Series([f"{v:,}" for v in values])
    frame = FRAME.assign(a=column)
    assert numbers(TableProblem(frame, x=["a"]))[:, 0].tolist() == values.tolist()
    swiss = FRAME.assign(a=column.str.replace(",", "'"))
    assert numbers(TableProblem(swiss, x=["a"]))[:, 0].tolist() == values.tolist()
    two_ways = FRAME.assign(a=[f"{1234 + i:,}" for i in range(ROWS)])
    with pytest.raises(DataError, match="'1,234' in row 1.*two ways"):
        TableProblem(two_ways, x=["a"])


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("12 %", "percent"),
        ("3.5 m", r"unit belongs into the name, as in 'a \[m\]'"),
        ("****", "no room"),
        ("31.12.2024", "2024-12-31"),
        ("12/31/2024", "2024-12-31"),
        ("5 Jan 2024", "2024-12-31"),
        ("<0.5", "[Aa] limit is no value"),
        ("≥ 100", "[Aa] limit is no value"),
        ("n.d.", "[Aa] limit is no value"),
        ("$58.97", "signs of the currency"),
        ("58,97 €", "signs of the currency"),
        ("10:00", "10.5 for 10:30.*period={'a': 24}"),
        ("10:00:30 PM", "10.5 for 10:30"),
        ("48°0'N", "decimal degrees.*minus for south"),
        ("48 12 30.5 S", "decimal degrees"),
        ("12h30m05s", r"durations.*'a \[s\]'"),
        ("PT5M", "durations"),
        ("1.2±0.3", "uncertainty into columns of their own"),
        ("1.234(5)", "uncertainty into columns of their own"),
        ("[1, 2]", "a_0, a_1"),
        ("(1.5)", "minus in front"),
        ("1/2", "fractions as decimal numbers"),
        ("3-5", "range as its middle"),
        ("1.5x10^3", "powers of ten as 1.5e3"),
        ("0x1F", "hexadecimal"),
        ("1+2j", "real and imaginary part"),
        ("~5", "the sign before the number"),
        ("5 # bad", "comment behind the number"),
        ("5*", "marks behind the numbers"),
        ("#DIV/0!", "error of the spreadsheet"),
        ("Total", "lines of totals"),
        ("red", r"categories=\['a'\]"),
    ],
)
def test_hints_are_true(value, hint):
    texts = FRAME["a"].astype(str)
    texts[7] = value
    with pytest.raises(DataError, match=f"in row 8\\. .*{hint}"):
        TableProblem(FRAME.assign(a=texts), x=["a"])


@pytest.mark.parametrize("mark", ["?", "-", "NA", "n/a", ""])
def test_marks_of_missing_values(tmp_path, mark):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + lines(",") + f"{mark},1.5\n")
    with pytest.raises(DataError, match="1 in 'a'.*missing='drop'"):
        read(path)
    assert len(read(path, missing="drop")) == ROWS


def test_infinite_values_are_dropped_like_missing_ones():
    frame = FRAME.copy()
    frame.loc[3, "a"], frame.loc[4, "b"] = np.inf, -np.inf
    with pytest.raises(DataError, match="infinite.*1 in 'a', 1 in 'b'.*missing='drop'"):
        read(frame)
    assert len(read(frame, missing="drop")) == ROWS - 2


def test_booleans_and_dates_are_numbers():
    days = pd.date_range("2024-03-01", periods=ROWS, freq="6h")
    flags = pd.Series(list(FRAME["a"] > 0), dtype=object)
    for when in (days, days.tz_localize("UTC"), days.strftime("%Y-%m-%dT%H:%M:%S"), pd.Series(days.date)):
        frame = FRAME.assign(when=when, flag=flags)
        problem = TableProblem(frame, x=["a"], y=["when", "flag"])
        values = numbers(problem)
        zone = " UTC" if getattr(when, "tz", None) is not None else ""
        assert problem.y[0].unit == f"days since 1970-01-01{zone}" and values[0, 1] == 19783.0
        assert set(values[:, 2]) == {0.0, 1.0} and values[:, 2].sum() == (FRAME["a"] > 0).sum()
    import pyarrow

    table = pyarrow.table({"a": VALUES[:, 0], "flag": pyarrow.array([None, *flags[1:]])})
    assert numbers(TableProblem(table, x=["a"], y=["flag"], missing="drop")).shape == (ROWS - 1, 2)


def vectors() -> xr.Dataset:
    profile = np.arange(5.0 * ROWS).reshape(ROWS, 5)
    return xr.Dataset(
        {"theta": ("sample", VALUES[:, 0]), "profile": (("z", "sample"), profile.T)},
        {"z": 10.0 * np.arange(5)},
    )


def test_vectors_of_a_dataset_are_columns_and_not_rows(tmp_path):
    problem = TableProblem(vectors(), x=["theta"], y=["profile"])
    assert problem.rows == ROWS and [v.name for v in problem.y] == [f"profile_{i}" for i in range(5)]
    samples = problem.draw(ROWS, torch.Generator().manual_seed(0))
    first = samples.y[:, 0].long() // 5
    assert torch.equal(samples.x[:, 0], torch.from_numpy(VALUES[:, 0])[first])
    assert torch.equal(samples.y, samples.y[:, :1] + torch.arange(5.0, dtype=torch.float64))
    assert [v.name for v in TableProblem(vectors(), x=["theta"], y=["profile_3"]).y] == ["profile_3"]
    assert [c.name for c in describe(vectors())] == ["theta", *(f"profile_{i}" for i in range(5))]
    problem.save_data(tmp_path)
    again = TableProblem.from_values(problem.values(), folder=tmp_path)
    assert again.y == problem.y and again.shapes == problem.shapes


def test_a_grid_without_coordinates_is_said_and_can_be_rows():
    grid = xr.Dataset(
        {n: (("run", "z"), np.random.default_rng(i).normal(size=(ROWS, 3))) for i, n in enumerate("pq")}
    )
    with pytest.warns(DataWarning, match="60 run × 3 z points is a row.*row_dimension"):
        assert TableProblem(grid, x=["p"], y=["q"]).rows == 3 * ROWS
    problem = TableProblem(grid, x=["p"], y=["q"], row_dimension="run")
    assert problem.rows == ROWS and problem.shapes.x == problem.shapes.y == 3


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_groups_of_netcdf_and_zarr(tmp_path, ending):
    path = tmp_path / f"t{ending}"
    tree = xr.DataTree.from_dict({"/posterior": vectors(), "/prior": vectors() * 2})
    tree.to_netcdf(path) if ending == ".nc" else tree.to_zarr(path, zarr_format=2)
    with pytest.raises(DataError, match="groups: posterior, prior.*#posterior"):
        TableProblem(path, x=["theta"])
    one = TableProblem(f"{path}#posterior", x=["theta"], y=["profile_1"])
    two = TableProblem(path, x=["theta"], y=["profile_1"], group_path="/prior")
    np.testing.assert_array_equal(2 * numbers(one), numbers(two))
    assert one.group_path == "" and one.path.endswith("#posterior")


def test_names_survive_a_file_of_draws(tmp_path):
    from workbench.core.variable import Variable
    from workbench.export.posterior import write_samples
    from workbench.inference.datatree import to_dataset

    names = ["[Fe/H]", "draw", "m/s", " lead"]
    draws = to_dataset(
        torch.from_numpy(np.random.default_rng(0).normal(size=(ROWS, 4))), [Variable(n) for n in names]
    )
    for path in (tmp_path / "draws.nc", tmp_path / "draws.csv"):
        write_samples(draws, path)
        columns = [n.strip() for n in names] if path.suffix == ".csv" else names
        problem = TableProblem(path, x=columns)
        assert [v.name for v in problem.x] == columns
        table = {v.name: column for v, column in zip(problem.x, numbers(problem).T, strict=True)}
        np.testing.assert_allclose(table["draw"], np.sort(draws["draw_"].values), rtol=1e-14)


def test_an_index_in_brackets_is_not_a_unit():
    problem = TableProblem(FRAME.set_axis(["theta[0]", "height [m]"], axis=1), x=["theta[0]"], y=["height"])
    assert [(v.name, v.unit) for v in problem.x + problem.y] == [("theta[0]", ""), ("height", "m")]


def test_a_link_among_parts_is_refused(tmp_path: Path):
    (tmp_path / "parts").mkdir()
    FRAME.to_parquet(tmp_path / "parts" / "one.parquet")
    (tmp_path / "parts" / "two.parquet").symlink_to("/etc/hostname")
    with pytest.raises(DataError, match="refused.*a link"):
        read(tmp_path / "parts")
