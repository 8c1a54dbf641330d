"""Tables as programs write them: separators, decimal marks, thousands, totals, files of other programs."""

from __future__ import annotations

import gzip
import json
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest

from workbench.core.errors import DataError, DataWarning
from workbench.problems import TableProblem, describe
from workbench.problems.user.kinds import write_columns

ROWS = 60
RNG = np.random.default_rng(3)
A, B = RNG.normal(size=(2, ROWS)).round(4)
#: Numbers with exactly three decimals, from 1 to 900, and whole numbers from 1 to 2,000,000.
THREE = RNG.uniform(1, 900, ROWS).round(3)
WHOLE = RNG.integers(1, 2_000_000, ROWS)
WHOLE[:2] = 5, 999


def comma(value: float) -> str:
    return f"{value:.4f}".replace(".", ",")


def grouped(value: int) -> str:
    """Write a whole number as in Germany."""
    return f"{value:,}".replace(",", ".")


def table_of(tmp_path, columns: dict, separator: str, ending: str = ".csv"):
    path = tmp_path / f"t{ending}"
    rows = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    path.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def values(source, x, y=(), **settings) -> np.ndarray:
    return TableProblem(source, x=x, y=y, **settings)._rows().values


# separators ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("separator", ["\t", ";", "|", ","])
def test_blanks_within_values_do_not_split_them(tmp_path, separator):
    columns = {"star name": [f"HD {i} A B" for i in range(ROWS)], "a in mJy": A, "b": B}
    path = table_of(tmp_path, columns, separator)
    assert [c.name for c in describe(path)] == list(columns)
    np.testing.assert_array_equal(values(path, ["a in mJy"], ["b"]), np.column_stack([A, B]))


@pytest.mark.parametrize(("separator", "inner"), [("\t", ", "), ("\t", ";"), (";", ","), ("|", ",")])
def test_a_stronger_separator_wins(tmp_path, separator, inner):
    columns = {f"n{inner}m": [f"Smith{inner}J"] * ROWS, "a": A, "b": B}
    path = table_of(tmp_path, columns, separator)
    np.testing.assert_array_equal(values(path, ["a"], ["b"]), np.column_stack([A, B]))


def test_a_time_with_a_blank_is_one_column(tmp_path):
    times = pd.date_range("2024-01-01 10:00", periods=ROWS, freq="min")
    path = table_of(tmp_path, {"date time": times.astype(str), "a": A}, "\t")
    expected = 19723 + 10 / 24 + np.arange(ROWS) / 1440
    np.testing.assert_allclose(values(path, ["a"], ["date time"])[:, 1], expected, rtol=1e-14)


def test_names_with_the_separator_of_decimals(tmp_path):
    path = table_of(tmp_path, {"a, m": map(comma, A), "b, m": map(comma, B)}, ";")
    np.testing.assert_array_equal(values(path, ["a, m"], ["b, m"]), np.column_stack([A, B]))


def test_rows_that_end_early_where_others_end_empty(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{a},{b}" + ("," if i % 2 else "") for i, (a, b) in enumerate(zip(A, B, strict=True))]
    path.write_text("a,b,note\n1,2,x\n" + "\n".join(rows))
    assert values(path, ["a"], ["b"])[1:].tolist() == np.column_stack([A, B]).tolist()


def test_lines_of_a_title_are_left_out_and_told(tmp_path):
    for title in ("Results of run 7\nmade, by hand, on Monday, again\n", "Results of run 7,,\n,,\n"):
        path = tmp_path / "t.csv"
        path.write_text(title + "a,b,c\n" + "".join(f"{a},{b},1\n" for a, b in zip(A, B, strict=True)))
        with pytest.warns(DataWarning, match="Lines above the names .* 'Results of run 7'"):
            np.testing.assert_array_equal(values(path, ["a"], ["b"]), np.column_stack([A, B]))


def test_what_was_assumed_survives_a_copy_of_the_columns(tmp_path):
    (tmp_path / "t.csv").write_text("Run 7\na,b\n" + "".join(f"{a},{b}\n" for a, b in zip(A, B, strict=True)))
    write_columns(tmp_path / "t.csv", describe(tmp_path / "t.csv"), tmp_path / "t.parquet")
    with pytest.warns(DataWarning, match="Lines above the names .* 'Run 7'"):
        np.testing.assert_array_equal(values(tmp_path / "t.parquet", ["a"], ["b"]), np.column_stack([A, B]))


def test_rows_that_look_like_comments_are_told(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{'#' if i == 9 else ''}{a},{b}\n" for i, (a, b) in enumerate(zip(A, B, strict=True))]
    path.write_text("a,b\n# a remark\n" + "".join(rows))
    with pytest.warns(DataWarning, match=rf"1 row begins with a sign of comments.*'#{A[9]},"):
        assert len(values(path, ["a"], ["b"])) == ROWS - 1


# decimal marks ---------------------------------------------------------------------------------------------
POINTS = [f"{v:.3f}" for v in THREE]
COMMAS = [text.replace(".", ",") for text in POINTS]
SMALL = WHOLE % 9999 + 1
HALVES = WHOLE + np.where(np.arange(ROWS) % 2, 0, 0.5)
LATE = np.arange(ROWS) + np.where(np.arange(ROWS) < 55, 0, 0.5)
B_COMMA, COUNT = list(map(comma, B)), list(range(ROWS))
CERTAIN = {
    "1.234.567 beside commas": (";", list(map(grouped, WHOLE + 10**6)), B_COMMA, WHOLE + 10**6),
    "1.234 and 1.234,5": (
        ";",
        [grouped(int(v)) + ("" if v == int(v) else ",5") for v in HALVES],
        B_COMMA,
        HALVES,
    ),
    "0.123 beside commas": (";", [f"{v / 1000:.6f}" for v in THREE], B_COMMA, THREE / 1000),
    "0.12 beside commas": (";", [f"0.{i:03d}" for i in COUNT], B_COMMA, np.arange(ROWS) / 1000),
    "1,234 beside commas": (";", COMMAS, B_COMMA, THREE),
    "1.234 beside points": (";", POINTS, B, THREE),
    "1.234 between commas": (",", POINTS, COUNT, THREE),
    "1.234 between blanks": (" ", POINTS, COUNT, THREE),
    "1,234 between semicolons": (";", COMMAS, COUNT, THREE),
    "Swiss": (";", [f"{w:,}.5".replace(",", "'") for w in WHOLE], B, WHOLE + 0.5),
    "French": (";", [f"{w:_},5".replace("_", "\u202f") for w in WHOLE], B_COMMA, WHOLE + 0.5),
    "Indian": (";", [f"12,34,5{i:02d}" for i in COUNT], B, 1234500 + np.arange(ROWS)),
    "late commas": (";", [f"{v:g}".replace(".", ",") for v in LATE], COUNT, LATE),
}


@pytest.mark.parametrize("name", CERTAIN)
def test_a_decimal_mark_that_is_certain(tmp_path, name):
    separator, a, b, expected = CERTAIN[name]
    path = table_of(tmp_path, {"a": a, "b": b}, separator)
    np.testing.assert_allclose(values(path, ["a"])[:, 0], expected, rtol=1e-12)


OPEN = {
    "1.234 beside commas": (";", POINTS, B_COMMA, "points"),
    "1,234 beside points": (";", COMMAS, list(B), "commas"),
    "1.234 and 5, semicolons": (";", list(map(grouped, SMALL)), COUNT, "points"),
    "1,234 and 5, semicolons": (";", [f"{w:,}" for w in SMALL], COUNT, "commas"),
    "1.234 and 5, tabs": ("\t", list(map(grouped, SMALL)), COUNT, "points"),
    "1.234 alone, semicolons": (";", POINTS, COUNT, "points"),
    "late 1.230": (";", [f"{i}" if i < 55 else "1.230" for i in COUNT], B_COMMA, "points"),
    "1.234 and 1,234": (";", ["1.234", "1,234", *POINTS[2:]], COUNT, "commas"),
}


@pytest.mark.parametrize("name", OPEN)
def test_a_decimal_mark_that_can_be_both_is_refused(tmp_path, name):
    separator, a, b, noun = OPEN[name]
    path = table_of(tmp_path, {"a": a, "b": b}, separator)
    message = f"'a' does not hold numbers.*no separators of thousands: its {noun} can be read in two ways"
    with pytest.raises(DataError, match=message):
        TableProblem(path, x=["a"], y=["b"])
    with pytest.raises(DataError, match=message):
        TableProblem(
            pd.DataFrame({"a": a, "b": b}), x=["a"]
        ) if separator == ";" and "alone" not in name else (TableProblem(path, x=["a"]))
    column = next(c for c in describe(path) if c.name == "a")
    assert "two ways" in column.refusal and not column.usable


def test_decimal_marks_of_texts_in_a_frame():
    with pytest.raises(DataError, match="'a' does not hold numbers.*its points can be read in two ways"):
        TableProblem(pd.DataFrame({"a": POINTS, "b": B_COMMA}), x=["a"], y=["b"])
    large = [1234567.5] * 30 + [2.5] * 30
    for texts, expected in ((POINTS, THREE), (B_COMMA, B), (["1.234.567,5"] * 30 + ["2,5"] * 30, large)):
        table = values(pd.DataFrame({"a": texts, "b": COUNT}), ["b"], ["a"])
        np.testing.assert_array_equal(table[:, 1], expected)


# rows and columns that are told ----------------------------------------------------------------------------
def test_totals_below_the_rows_are_told(tmp_path):
    path = tmp_path / "t.csv"
    rows = "".join(f"{i},{a},{b}\n" for i, (a, b) in enumerate(zip(A, B, strict=True)))
    path.write_text(f"id,a,b\n{rows}mean,0.1,0.2\nTotal,1,2\n")
    with pytest.warns(DataWarning, match="'id' the last 2 rows are no measurement: 'mean', 'Total'"):
        TableProblem(path, x=["a"], y=["b"])
    path.write_text(f"id,a,b\n{rows}")
    TableProblem(path, x=["a"], y=["b"])  # where nothing is to tell, a warning would be an error


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (A > 0, "has only the values 0 and 1.*categories=\\['v'\\]"),
        (np.where(A > 0, 2, 1), "has only the values 1 and 2.*, set categories=\\['v'\\]"),
        (np.where(A > 0, 2.5, -1), "values -1 and 2.5.*number them 0 and 1, and set"),
        (WHOLE % 7, "7 different whole numbers.*whole=\\['v'\\]"),
    ],
)
def test_columns_of_x_with_few_values_are_told(column, message):
    frame = pd.DataFrame({"v": column, "b": B})
    with pytest.warns(DataWarning, match=f"'v' .*{message}"):
        problem = TableProblem(frame, x=["v"], y=["b"])
    assert any("'v'" in sentence for sentence in problem.warnings())
    TableProblem(frame, x=["b"], y=["v"])  # a network reads such a column of y as it is
    if column.min() >= 0:
        TableProblem(frame, x=["v"], y=["b"], categories=["v"])


@pytest.mark.parametrize("code", [-999, -9999.0, 9999, -99])
def test_codes_of_missing_values_are_told(code):
    pressures = 1013 + 10 * A if abs(code) == 9999 else A
    note = f"'v' has the value {code:g} in row 4 and 2 more, which often stands for a missing one"
    for coded in (True, False):
        column = np.where((np.arange(ROWS) % 20 == 3) & coded, code, pressures)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            problem = TableProblem(pd.DataFrame({"v": column, "b": B}), x=["b"], y=["v"])
        assert any(sentence.startswith(note) for sentence in problem.warnings()) == coded


def test_dates_as_whole_numbers_are_told():
    days = pd.date_range("2024-01-01", periods=ROWS).strftime("%Y%m%d").astype(int)
    with pytest.warns(DataWarning, match="'v' looks like dates.*20240101"):
        TableProblem(pd.DataFrame({"v": days, "b": B}), x=["b"], y=["v"])
    TableProblem(pd.DataFrame({"v": days + 87, "b": B}), x=["b"], y=["v"])


def test_durations_are_seconds(tmp_path):
    spans = pd.Series(pd.to_timedelta(np.arange(ROWS) * 1000.5, unit="s"))
    path = table_of(tmp_path, {"v": spans.astype(str), "a": A}, ",")
    objects = pd.DataFrame({"v": pd.Series([span.to_pytimedelta() for span in spans], dtype=object), "a": A})
    for source in (path, objects, pd.DataFrame({"v": spans, "a": A})):
        problem = TableProblem(source, x=["a"], y=["v"])
        np.testing.assert_allclose(problem._rows().values[:, 1], np.arange(ROWS) * 1000.5)
        assert problem.y[0].unit == "s"


# files of other programs -----------------------------------------------------------------------------------
FRAME = pd.DataFrame({"a": A, "b": B})


def matlab_73(path) -> None:
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:  # as MATLAB does: n × 1 is stored as 1 × n
        file["a"], file["b"], file["m"] = A[None], B[None], np.stack([A, B])
        file["#refs#/a"] = 1.0
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(512, b" "))


def matlab(path, content) -> None:
    from scipy.io import savemat

    savemat(path, content)


def zipped(path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/t.csv", FRAME.to_csv(index=False))
        archive.writestr("__MACOSX/folder/._t.csv", "x")


def records(path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["t"] = FRAME.to_records(index=False)


FILES = {
    "row.mat": lambda p: matlab(p, {"a": A, "b": B}),
    "column.mat": lambda p: matlab(p, {"a": A[:, None], "b": B[:, None], "fs": 100.0}),
    "struct.mat": lambda p: matlab(p, {"data": {"a": A, "b": B}}),
    "new.mat": matlab_73,
    "t.dta": lambda p: FRAME.to_stata(p, write_index=False),
    "t.jsonl": lambda p: FRAME.to_json(p, orient="records", lines=True),
    "records.json": lambda p: FRAME.to_json(p, orient="records"),
    "columns.json": lambda p: p.write_text(json.dumps({"a": list(A), "b": list(B)})),
    "t.zip": zipped,
    "t.orc": lambda p: FRAME.to_orc(p),
    "gzip.csv": lambda p: p.write_bytes(gzip.compress(FRAME.to_csv(index=False).encode())),
    "t.tab": lambda p: FRAME.to_csv(p, index=False, sep="\t"),
    "t.data": lambda p: FRAME.to_csv(p, index=False),
    "t.asc": lambda p: FRAME.to_csv(p, index=False, sep=" "),
    "records.h5": records,
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_programs(tmp_path, name):
    if name in ("new.mat", "records.h5"):
        pytest.importorskip("h5py")
    FILES[name](tmp_path / name)
    np.testing.assert_allclose(
        values(tmp_path / name, ["a"], ["b"]), np.column_stack([A, B]), rtol=1e-9, atol=1e-12
    )


def test_files_of_other_programs_that_hold_several_tables(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("one.csv", FRAME.to_csv(index=False))
        archive.writestr("two.csv", (2 * FRAME).to_csv(index=False))
    with pytest.raises(DataError, match=r"is an archive.*'one.csv', 'two.csv'.*t\.zip#one\.csv"):
        values(tmp_path / "t.zip", ["a"])
    np.testing.assert_allclose(values(f"{tmp_path / 't.zip'}#two.csv", ["a"])[:, 0], 2 * A)
    matlab(tmp_path / "t.mat", {"one": {"a": A}, "two": {"a": B}})
    np.testing.assert_allclose(values(f"{tmp_path / 't.mat'}#two", ["a"])[:, 0], B)
    np.testing.assert_allclose(values(tmp_path / "t.mat", ["one.a"])[:, 0], A)
    (tmp_path / "t.json").write_text(json.dumps({"meta": {"x": 1}, "rows": [{"a": 1.0}]}))
    with pytest.raises(DataError, match="'meta', 'rows'.*the list 'rows'"):
        values(tmp_path / "t.json", ["a"])
