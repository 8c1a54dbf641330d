"""The user's own tables: all formats give the same numbers, and errors name what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from workbench.core.errors import DataError, SpecError
from workbench.problems import PROBLEMS, TableProblem, describe
from workbench.problems.user import raw_table, safety

ROWS = 80


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS), "count": rng.integers(0, 9, ROWS)}
    )


def dataset_of(frame: pd.DataFrame) -> xr.Dataset:
    dataset = xr.Dataset({name: ("row", frame[name].to_numpy()) for name in frame})
    dataset["a"].attrs = {"units": "m", "long_name": "Height above ground"}
    return dataset


def write_table(frame: pd.DataFrame, folder, ending: str):
    path = folder / f"table{ending}"
    if ending in (".csv", ".txt"):
        frame.rename(columns={"a": "a [m]"}).to_csv(path, index=False)
    elif ending == ".tsv":
        frame.rename(columns={"a": "a [m]"}).to_csv(path, index=False, sep="\t")
    elif ending == ".parquet":
        frame.rename(columns={"a": "a [m]"}).to_parquet(path)
    elif ending == ".nc":
        dataset_of(frame).to_netcdf(path)
    else:
        dataset_of(frame).to_zarr(path, zarr_format=2 if ending == ".two.zarr" else 3, consolidated=False)
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".parquet", ".nc", ".zarr", ".two.zarr"])
def test_every_format_gives_the_same_numbers_and_units(frame, tmp_path, ending):
    problem = TableProblem(write_table(frame, tmp_path, ending), x=["b", "a"], y=["count"])
    assert [v.name for v in problem.x] == ["b", "a"] and [v.unit for v in problem.x] == ["", "m"]
    assert [v.name for v in problem.y] == ["count"]
    samples = problem.draw(10_000, torch.Generator().manual_seed(0))
    assert problem.rows == len(samples) == ROWS
    order = np.argsort(samples.x[:, 0].numpy())
    reference = frame.sort_values("b")
    np.testing.assert_allclose(samples.x.numpy()[order], reference[["b", "a"]].to_numpy(), rtol=1e-15)
    np.testing.assert_array_equal(samples.y.numpy()[order, 0], reference["count"].to_numpy())


def test_tables_given_in_python(frame):
    from_frame = TableProblem(frame, x=["a"], y=["b"])
    from_dataset = TableProblem(dataset_of(frame), x=["a"], y=["b"])
    first, second = (p.draw(20, torch.Generator().manual_seed(0)) for p in (from_frame, from_dataset))
    assert torch.equal(first.x, second.x) and torch.equal(first.y, second.y)
    assert from_dataset.x[0].unit == "m" and from_dataset.x[0].description == "Height above ground"
    assert from_frame != from_dataset and from_frame == from_frame.copy()


def test_a_grid_is_read_as_rows():
    dataset = xr.Dataset(
        {"t": (("lat", "lon"), np.arange(100.0).reshape(10, 10))},
        {"lat": np.arange(10.0), "lon": np.arange(10.0)},
    )
    samples = TableProblem(dataset, x=["t"], y=["lat", "lon"]).draw(100, torch.Generator().manual_seed(0))
    assert torch.equal(samples.x[:, 0], 10 * samples.y[:, 0] + samples.y[:, 1])
    apart = dataset.drop_vars("t")
    with pytest.raises(DataError, match="share their dimensions"):
        TableProblem(apart, x=["lat"], y=["lon"])


def test_rows_are_drawn_once_each(frame):
    x = TableProblem(frame, x=["a"]).draw(ROWS, torch.Generator().manual_seed(0)).x[:, 0]
    assert len(x.unique()) == ROWS and not torch.equal(x, torch.tensor(frame["a"].to_list()).double())


def test_a_run_folder_is_self_contained(frame, tmp_path):
    source = write_table(frame, tmp_path, ".nc")
    problem = TableProblem(source, x=["a"], y=["count"])
    problem.save_data(tmp_path / "run")
    values = json.loads(json.dumps(problem.values()))
    source.unlink()
    again = TableProblem.from_values(values, folder=tmp_path / "run")
    assert again.refusals() == [] and again.x == problem.x and again.y == problem.y
    first, second = (p.draw(30, torch.Generator().manual_seed(0)) for p in (problem, again))
    assert torch.equal(first.x, second.x) and torch.equal(first.y, second.y)
    assert set(pd.read_parquet(tmp_path / "run" / "data" / "table.parquet").columns) == {"a", "count"}
    assert again.copy().draw(5, torch.Generator().manual_seed(0)).x.shape == (5, 1)


def test_a_table_given_in_python_survives_in_its_run_folder(frame, tmp_path):
    problem = TableProblem(frame.rename(columns={"a": "a / b"}), x=["a / b"], y=["count"])
    problem.save_data(tmp_path)
    again = TableProblem.from_values(problem.values(), folder=tmp_path)
    assert torch.equal(
        again.draw(9, torch.Generator().manual_seed(1)).x, problem.draw(9, torch.Generator().manual_seed(1)).x
    )


def test_settings_can_be_chosen_one_by_one(csv_path):
    problem = PROBLEMS.make("table")
    assert "Upload a table" in problem.refusals()[0]
    problem.set("path", str(csv_path))
    assert "x" in problem.refusals()[0]
    problem.set("x_columns", ["length"])
    assert problem.refusals() == [] and problem.shapes.y == 0
    problem.set("x_columns", ["lenght"])
    assert "Did you mean 'length'?" in problem.refusals()[0]
    assert [v.name for v in problem.x] == ["lenght"]


def test_a_table_that_failed_is_read_again_only_when_it_changed(frame, tmp_path, monkeypatch):
    import workbench.problems.user.table as table

    reads, read_table = [], table.read_table
    monkeypatch.setattr(
        table, "read_table", lambda *given, **options: reads.append(given) or read_table(*given, **options)
    )
    path = tmp_path / "late.csv"
    problem = PROBLEMS.make("table", path=str(path), x_columns=["a"])
    assert all("was not found" in problem.refusals()[0] for _ in range(5)) and len(reads) == 1
    frame.to_csv(path, index=False)
    assert problem.refusals() == [] == problem.refusals() and len(reads) == 2
    assert problem.rows == ROWS and len(reads) == 2


def test_one_column_under_two_names_is_chosen_twice(csv_path):
    with pytest.raises(DataError, match="chosen twice"):
        TableProblem(csv_path, x=["length"], y=["length [m]"])
    by_heading = TableProblem(csv_path, x=["length [m]"], y=["mass"])
    assert by_heading.x[0].name == "length" and by_heading.x[0].unit == "m"


def test_columns_are_described_for_a_form(frame):
    frame["name"], frame["gap"] = list(map(str, range(ROWS))), frame["a"].where(frame["a"] > 0)
    frame["name"] += "!"
    columns = {c.name: c for c in describe(frame)}
    assert columns["a"].refusal == "" and columns["a"].rows == ROWS
    assert columns["name"].kind == "constant" and "leave it out" in columns["name"].reason
    assert columns["gap"].missing == int((frame["a"] <= 0).sum())
    assert describe(dataset_of(frame[["a", "b"]]))[0].unit == "m"


def with_columns(frame: pd.DataFrame, **columns) -> pd.DataFrame:
    return frame.assign(**columns)


WRONG = {
    "unknown column": (lambda f: f, ["aa"], ["b"], "no column 'aa'.*Did you mean 'a'"),
    "both": (lambda f: f, ["a"], ["a"], "both in x and in y"),
    "twice": (lambda f: f, ["a", "a"], ["b"], "chosen twice"),
    "missing": (
        lambda f: with_columns(f, a=f["a"].where(f.index > 2)),
        ["a"],
        ["b"],
        "missing values.*3 in 'a'.*drop",
    ),
    "infinite": (
        lambda f: with_columns(f, a=np.where(f.index == 0, np.inf, 1.0)),
        ["a"],
        ["b"],
        "infinite.*1 in 'a'",
    ),
    "constant": (lambda f: with_columns(f, a=2.0), ["a"], ["b"], "constant.*'a'"),
    "text": (
        lambda f: with_columns(f, a=["x7"] * ROWS),
        ["a"],
        ["b"],
        "does not hold numbers.*'x7' in row 1",
    ),
    "comma": (lambda f: with_columns(f, a=["1,500"] * ROWS), ["a"], ["b"], "two ways"),
    "complex": (lambda f: with_columns(f, a=1j * f["a"]), ["a"], ["b"], "plain numbers"),
    "few rows": (lambda f: f.head(49), ["a"], ["b"], "too few rows.*49"),
    "same name": (lambda f: f.set_axis(["a", "a", "b"], axis=1), ["a"], ["b"], "same name"),
    "no x": (lambda f: f, [], ["b"], "x, the unknowns"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_fault_of_a_table_is_named(frame, tmp_path, case):
    spoil, x, y, message = WRONG[case]
    with pytest.raises(DataError, match=f"(?s){message}"):
        TableProblem(spoil(frame), x=x, y=y)
    if case in ("complex", "infinite"):
        return
    path = tmp_path / "wrong.csv"
    spoil(frame).to_csv(path, index=False)
    with pytest.raises(DataError, match=f"(?s){message}"):
        TableProblem(path, x=x, y=y)


def test_missing_rows_are_dropped_on_request(frame):
    frame["a"] = frame["a"].where(frame.index > 9)
    problem = TableProblem(frame, x=["a"], y=["b"], missing="drop")
    assert problem.rows == ROWS - 10
    frame["a"] = frame["a"].where(frame.index > 40)
    with pytest.raises(DataError, match="39 after rows with missing values were dropped"):
        TableProblem(frame, x=["a"], y=["b"], missing="drop")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "was not found"),
        ("table.docx", b"x", "unknown ending"),
        ("table.xlsx", b"x", "could not be read"),
        ("table", b"x", "unknown ending"),
        ("bad.parquet", b"nonsense", "could not be read"),
        ("bad.nc", b"nonsense", "could not be read"),
        ("empty.csv", b"", "is empty"),
        ("binary.csv", b"a,b\n\xff\xfe\x00,1\n", "could not be read"),
        ("bare.csv", b"1.0,2.0\n3.0,4.0\n", "no names of columns"),
        ("file.zarr", b"x", "was not found"),
        ("ragged.csv", b"a,b\n" + b"1,2\n" * 60 + b"1,2,3,4\n", "Found: 4 values in line 62: '1,2,3,4'"),
        ("short.csv", b"a,b,c\n" + b"1,2,3\n" * 60 + b"1,2\n", "Found: 2 values in line 62: '1,2'"),
        ("short.txt", b"a b c\n" + b"1 2 3\n" * 6 + b"1 2\n" * 60, "Found: 2 values in line 8: '1 2'.*NaN"),
        ("footer.csv", b"a,b,c\n" + b"1,2,3\n" * 60 + b"(60 rows)\n", "in line 62.*no rows"),
        ("names.csv", b"a,b\n", "no rows"),
        ("open.csv", b"a,b\n" + b'1,2\n"1,2\n' + b"1,2\n" * 60, "not closed"),
        ("swallowed.csv", b"a,b\n" + b'1,2\n"x,2\n' + b"1,2\n" * 9 + b'y",2\n' * 2, "whole rows"),
        ("page.csv", b"<!DOCTYPE html><html></html>", "page of the web"),
        ("pointer.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        ("book.csv", b"PK\x03\x04rest", "Excel file or another ZIP"),
        ("text.xls", b"a\tb\n1\t2\n", "ending .csv"),
        ("sky.fits", b"SIMPLE  =", "astropy.table.Table"),
        ("frame.pkl", b"x", "can run code"),
        ("people.sav", b"$FL2", "pandas.read_spss"),
        ("long.csv", b"a,b\n" + b"1,2,3\n" * 60, "do not fit its first line"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        TableProblem(path, x=["a"], y=["b"])


@pytest.mark.parametrize(
    "path", ["http://localhost/table.csv", "s3://bucket/table.parquet", "memory://table.zarr"]
)
def test_addresses_are_not_followed(path):
    with pytest.raises(DataError, match="was not found"):
        TableProblem(path, x=["a"])


@pytest.mark.parametrize("source", [3, {"a": [1]}, xr.DataArray([1.0])])
def test_other_kinds_of_table_are_refused(source):
    with pytest.raises(DataError, match="cannot be read.*" + ("" if source == 3 else "Give ")):
        TableProblem(source, x=["a"])


def test_a_folder_is_told_from_a_table(frame, tmp_path, monkeypatch):
    (tmp_path / "deep" / "down").mkdir(parents=True)
    frame.to_parquet(tmp_path / "deep" / "down" / "part.parquet")
    frame.to_csv(tmp_path / "own.csv", index=False)
    monkeypatch.chdir(tmp_path)
    for folder in (".", str(tmp_path)):
        with pytest.raises(DataError, match=r"is a folder and not a table.*such as .*own\.csv"):
            TableProblem(folder, x=["a"], y=["b"])
    (tmp_path / "own.csv").unlink()
    assert TableProblem(".", x=["a"], y=["b"]).rows == ROWS


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_refused(frame, name):
    for x, y in (([name], ["b"]), (["a"], [name])):
        with pytest.raises(DataError, match="name of a column of [xy] is empty"):
            TableProblem(frame, x=x, y=y)


def test_the_index_of_a_frame_is_no_column(frame):
    for indexed in (frame.set_index("a"), frame.set_index(["a", "count"])):
        with pytest.raises(DataError, match=r"no column 'a'.*index.*reset_index\(\)"):
            TableProblem(indexed, x=["a"], y=["b"])
        assert TableProblem(indexed.reset_index(), x=["a"], y=["b"]).rows == ROWS


def test_names_are_the_same_in_both_spellings_of_unicode(frame, tmp_path):
    composed, apart = "gr\u00f6\u00dfe", "gro\u0308\u00dfe"
    for own, spelling in ((composed, apart), (apart, composed)):
        frame.rename(columns={"a": own}).to_csv(tmp_path / "t.csv", index=False)
        problem = TableProblem(tmp_path / "t.csv", x=[spelling], y=["b"], low={spelling: -9}, robust=["b"])
        assert problem.x[0].name == composed and problem.x[0].low == -9


def test_a_name_instead_of_a_list_is_refused(frame):
    with pytest.raises(SpecError, match="must be a list"):
        TableProblem(frame, x="a")


def test_large_tables_are_refused(frame, tmp_path, monkeypatch):
    path = write_table(frame, tmp_path, ".csv")
    monkeypatch.setattr(raw_table, "MAXIMUM_BYTES", 100)
    with pytest.raises(DataError, match="too large"):
        TableProblem(path, x=["a"])
    monkeypatch.setattr(raw_table, "MAXIMUM_COLUMNS", 2)
    with pytest.raises(DataError, match="too many columns"):
        TableProblem(frame, x=["a"])


# no code of a file is executed ----------------------------------------------------------------------------
class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_in_a_zarr_store_is_refused_and_never_run(tmp_path):
    import pickle

    store, mark = tmp_path / "evil.zarr", tmp_path / "run"
    (store / "a").mkdir(parents=True)
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    (store / ".zattrs").write_text("{}")
    (store / "a" / ".zattrs").write_text('{"_ARRAY_DIMENSIONS": ["row"]}')
    (store / "a" / ".zarray").write_text(
        json.dumps(
            {
                "zarr_format": 2,
                "shape": [1],
                "chunks": [1],
                "dtype": "|O",
                "fill_value": None,
                "order": "C",
                "compressor": None,
                "filters": [{"id": "pickle", "protocol": 5}],
            }
        )
    )
    (store / "a" / "0").write_bytes(pickle.dumps([Bomb(mark), "|O", (1,)]))
    with pytest.raises(DataError, match="codec 'pickle'"):
        TableProblem(store, x=["a"])
    assert not mark.exists()


def test_a_hidden_codec_of_version_three_is_found():
    metadata = {
        "node_type": "array",
        "codecs": [
            {
                "name": "sharding_indexed",
                "configuration": {
                    "codecs": [{"name": "bytes"}, {"name": "numcodecs.pickle"}],
                    "index_codecs": ["crc32c"],
                },
            }
        ],
    }
    assert safety.codecs_of(metadata) - safety.SAFE_CODECS == {"pickle"}


def test_links_out_of_a_zarr_store_are_refused(frame, tmp_path):
    path = write_table(frame, tmp_path, ".zarr")
    (path / "elsewhere").symlink_to("/etc")
    with pytest.raises(DataError, match="a link"):
        TableProblem(path, x=["a"])


def test_objects_in_a_dataset_are_refused():
    dataset = xr.Dataset({"a": ("row", np.array(["x", 1] * 40, dtype=object)), "b": ("row", np.arange(80.0))})
    with pytest.raises(DataError, match="array of objects"):
        TableProblem(dataset, x=["a"], y=["b"])
    assert TableProblem(dataset, x=["b"]).shapes.x == 1
