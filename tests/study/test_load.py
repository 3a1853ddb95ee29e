"""Every way in gives the same table; every bad input gives one clear line."""

from __future__ import annotations

import datetime as dt
import gzip
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from rectifier.errors import InputError, UnknownName
from rectifier.study.load import BUILT_IN, MINIMUM_ROWS, check_splittable, load
from rectifier.study.load.read import EXTENSIONS


def frame(rows: int = 40) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "a": rng.normal(size=rows).round(3),
            "b": rng.integers(0, 9, rows),
            "c": rng.choice(["x", "y", "z"], rows),
            "label": rng.choice(["no", "yes"], rows),
        }
    )


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def numbered(rows: int = 12, header: str = "a,b,y", cell: str = "1.5") -> str:
    return header + "\n" + "".join(f"{cell},{k},{k % 2}\n" for k in range(rows))


# --- ways in -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rows", "columns", "task", "classes"),
    [
        ("breast_cancer", 569, 30, "classification", 2),
        ("diabetes", 442, 10, "regression", 0),
        ("digits", 1797, 64, "classification", 10),
        ("iris", 150, 4, "classification", 3),
        ("wine", 178, 13, "classification", 3),
    ],
)
def test_built_in_tables(name, rows, columns, task, classes):
    table = load(name)
    assert name in BUILT_IN
    assert (table.rows, len(table.columns), table.task) == (rows, columns, task)
    assert len(table.classes) == classes
    assert table.target == "target"
    assert table.name == table.source == name
    assert table.y.dtype == (np.int64 if classes else np.float64)


def test_every_file_format_gives_the_same_table(tmp_path):
    table = frame()
    table.write_csv(tmp_path / "t.csv")
    table.write_csv(tmp_path / "t.tsv", separator="\t")
    table.write_parquet(tmp_path / "t.parquet")
    table.write_ipc(tmp_path / "t.arrow")
    table.write_ipc(tmp_path / "t.feather")
    table.write_ipc_stream(tmp_path / "t.ipc")
    table.write_ndjson(tmp_path / "t.jsonl")
    table.write_ndjson(tmp_path / "t.ndjson")
    paths = [tmp_path / f"t{extension}" for extension in EXTENSIONS if extension != ".npz"]
    loaded = [load(path, "label") for path in paths]
    loaded += [load(str(paths[0]), "label"), load(table, "label"), load(table.lazy(), "label")]
    loaded += [load(table.to_pandas(), "label"), load(pl.concat([table[:7], table[7:]]), "label")]
    assert {one.fingerprint for one in loaded} == {loaded[0].fingerprint}
    assert {one.classes for one in loaded} == {("no", "yes")}
    assert loaded[0].name == "t"


def test_arrays_and_npz_agree(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 3)), rng.integers(0, 2, 30)
    np.savez(tmp_path / "t.npz", X=x, y=y)
    pair, file = load((x, y)), load(tmp_path / "t.npz")
    assert pair.columns == ["x0", "x1", "x2"]
    assert pair.fingerprint == file.fingerprint
    np.testing.assert_array_equal(file.y, y)
    named = load((pd.DataFrame(x, columns=["p", "q", "r"]), pd.Series(y)))
    assert named.columns == ["p", "q", "r"]
    assert load((x.tolist(), y.tolist())).fingerprint == pair.fingerprint


@pytest.mark.parametrize("shape", [(20, 4, 5), (20, 4, 5, 3)])
def test_pictures_keep_their_shape(shape, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "t.npz", X=rng.integers(0, 255, shape).astype(np.uint8), y=np.arange(20) % 4
    )
    table = load(tmp_path / "t.npz")
    assert table.images is not None
    assert table.images.shape == (20, 4, 5, shape[3] if len(shape) == 4 else 1)
    assert table.images.dtype == np.float32
    assert table.columns == []
    assert table.classes == ("0", "1", "2", "3")


def test_fingerprint_sees_every_kind_of_change():
    table = frame()
    base = load(table, "label").fingerprint
    changed = [
        table.with_columns(a=pl.when(pl.int_range(40) == 3).then(9.0).otherwise("a")),
        table.with_columns(a=pl.when(pl.int_range(40) == 3).then(None).otherwise("a")),
        table.with_columns(c=pl.when(pl.int_range(40) == 3).then(pl.lit("xy")).otherwise("c")),
        table.with_columns(b=pl.col("b").cast(pl.Float64)),
        table.rename({"a": "A"}),
        table.reverse(),
        table.drop("b"),
    ]
    prints = {load(one, "label").fingerprint for one in changed}
    assert len(prints | {base}) == len(changed) + 1
    gaps = [pl.Series("c", values * 5) for values in ([0.0, 1.0, 2.0], [None, 1.0, 2.0])]
    pair = [load(pl.DataFrame({"c": gap, "y": [0, 1, 2] * 5}), "y").fingerprint for gap in gaps]
    assert pair[0] != pair[1]
    # "ab" + "c" and "a" + "bc" are other cells with the same letters
    texts = [pl.Series("c", values * 5) for values in (["ab", "c", "d"], ["a", "bc", "d"])]
    pair = [load(pl.DataFrame({"c": t, "y": [0, 1, 2] * 5}), "y").fingerprint for t in texts]
    assert pair[0] != pair[1]


# --- the dialects of CSV -------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_delimiter_and_encoding_are_found(tmp_path, delimiter, encoding):
    lines = [["größe", "text", "y"]] + [[f"{k}.5", f'"a, {k}; é"', str(k % 2)] for k in range(12)]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    table = load(write(tmp_path / "t.csv", text, encoding), "y")
    assert table.columns == ["größe", "text"]
    assert table.frame["größe"].dtype == pl.Float64
    assert table.frame["text"][3] == "a, 3; é"
    assert table.rows == 12


def test_names_and_cells_are_stripped_and_missing_markers_are_missing(tmp_path):
    markers = ["", "NA", "N/A", "nan", "NaN", "null", "?", " ?", " NA "]
    lines = ["  a , b,y", *(f"{marker},x{k}, {k % 2}" for k, marker in enumerate(markers))]
    lines += [f"{k}, w, {k % 2}" for k in range(9)]
    table = load(write(tmp_path / "t.csv", "\n".join(lines) + "\n\n"), "y")
    assert table.columns == ["a", "b"]
    assert table.frame["a"].to_list() == [None] * 9 + list(range(9))
    assert table.frame["b"][-1] == "w"
    assert table.classes == ("0", "1")


def test_a_type_that_changes_late_is_read_right(tmp_path):
    text = "a,b,y\n" + "".join(f"{k},2020-01-01,{k % 2}\n" for k in range(10_050))
    text += "1.5,soon,0\n"
    table = load(write(tmp_path / "t.csv", text), "y")
    assert table.frame["a"].dtype == pl.Float64
    assert table.frame["b"].dtype == pl.String


def test_dates_booleans_and_spelled_numbers(tmp_path):
    text = "day,at,flag,n,y\n" + "".join(
        f'2020-01-{k + 1:02d},2020-01-01 10:00:{k:02d},{bool(k % 3)}," {k} ",{k % 2}\n'
        for k in range(12)
    )
    schema = load(write(tmp_path / "t.csv", text), "y").frame.schema
    assert schema["day"] == pl.Date
    assert schema["at"].base_type() == pl.Datetime
    assert schema["flag"] == pl.Boolean
    assert schema["n"] == pl.Int64
    pandas = pd.DataFrame(
        {
            "spelled": [f"{k}.50" for k in range(12)],
            "day": [f"2020-01-{k + 1:02d}" for k in range(12)],
            "mixed": [1, "a", None] * 4,
            "category": pd.Categorical(["p", "q", "r"] * 4),
            "y": [0, 1] * 6,
        }
    )
    schema = load(pandas, "y").frame.schema
    assert schema["spelled"] == pl.Float64
    assert schema["day"] == pl.Date
    assert schema["mixed"] == schema["category"] == pl.String


def test_a_nameless_index_column_gets_a_name(tmp_path):
    assert load(write(tmp_path / "t.csv", numbered(header=",b,y")), "y").columns == [
        "column 1",
        "b",
    ]


def test_hostile_names_pass_through_as_one_printable_line():
    names = ["</script>", "a\nb", 'say "hi"', "\x1b[31mred", "ünï", "a,b"]
    table = load(pl.DataFrame({name: range(12) for name in names} | {"y": [0, 1] * 6}), "y")
    assert table.columns == ["</script>", "a b", 'say "hi"', "�[31mred", "ünï", "a,b"]
    assert load(pl.DataFrame({"a\nb": range(12), "x": range(12), "y": [0, 1] * 6}), "a\nb").target


# --- classification or regression ----------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a"] * 10, "classification", ("a", "b")),
        ([True, False] * 10, "classification", ("False", "True")),
        ([0, 1, -1, 0] * 5, "classification", ("-1", "0", "1")),
        ([1.0, 2.0] * 10, "classification", ("1", "2")),
        ([10, 9, 100, 9] * 5, "classification", ("9", "10", "100")),
        (["10", "9", "100", "9"] * 5, "classification", ("9", "10", "100")),
        ([0.25, 0.5] * 10, "classification", ("0.25", "0.5")),
        ([0.5, 1.0, 2.0, 3.0] * 5, "regression", ()),
        (list(range(20)), "regression", ()),
        ([k // 2 for k in range(20)], "regression", ()),
        (["2.5", "3", "1", "7"] * 5, "regression", ()),
    ],
)
def test_the_task_is_told_by_the_data(values, task, classes):
    table = load(pl.DataFrame({"a": np.arange(20.0), "y": values}), "y")
    assert table.task == task
    assert table.classes == classes
    assert "'y'" in table.reason
    if classes:
        assert table.y.dtype == np.int64
        texts = ["True" if v is True else "False" if v is False else str(v) for v in values]
        texts = [text.removesuffix(".0") for text in texts]
        assert [classes[code] for code in table.y] == texts
    else:
        np.testing.assert_array_equal(table.y, np.array(values, dtype=float))


def test_categories_that_spell_numbers_stay_classes_in_numeric_order():
    y = pd.Categorical([str(k) for k in range(1, 13)] * 2)
    table = load(pd.DataFrame({"a": np.arange(24.0), "y": y}), "y")
    assert table.task == "classification"
    assert table.classes == tuple(str(k) for k in range(1, 13))


def test_the_task_can_be_overruled():
    data = pl.DataFrame({"a": np.arange(20.0), "y": [3, 4, 5, 6] * 5})
    assert load(data, "y").task == "classification"
    assert load(data, "y", task="regression").y.dtype == np.float64
    assert load(data, "y", task="regression").reason == "you asked for regression"
    many = pl.DataFrame({"a": np.arange(20.0), "y": np.arange(20)})
    assert len(load(many, "y", task="classification").classes) == 20
    assert load(data, "y").fingerprint != load(data, "y", task="regression").fingerprint
    with pytest.raises(UnknownName, match="regression"):
        load(data, "y", task="regresion")
    with pytest.raises(InputError, match="labels, not numbers"):
        load(frame(), "label", task="regression")


def test_rows_without_a_target_are_left_out_and_counted():
    data = frame().with_columns(
        label=pl.when(pl.int_range(40) % 10 == 0).then(None).otherwise("label")
    )
    table = load(data, "label")
    assert (table.rows, table.removed_rows, len(table.labels)) == (36, 4, 36)
    assert table.frame["a"].to_list() == data.filter(pl.col("label").is_not_null())["a"].to_list()
    pictures = load((np.zeros((20, 2, 2)), np.array([None, "a", "b", "a"] * 5, dtype=object)))
    assert pictures.images is not None
    assert len(pictures.images) == 15


def test_dropped_columns_are_gone_whatever_they_hold():
    data = frame().with_columns(lists=pl.Series([[1, 2]] * 40), endless=pl.lit(float("inf")))
    table = load(data, "label", drop=["lists", "endless"])
    assert table.columns == ["a", "b", "c"]
    assert table.dropped == ("lists", "endless")


def test_take_keeps_rows_together():
    table = load("iris")
    part = table.take(np.array([149, 0, 75]))
    assert part.rows == 3
    assert [part.classes[code] for code in part.y] == part.labels.to_list()
    assert part.frame.row(1) == table.frame.row(0)


# --- bad input -----------------------------------------------------------------------------


def bad_frames() -> dict:
    base = {"a": np.arange(12.0), "y": [0, 1] * 6}
    return {
        "target not in the table": (
            base,
            {"target": "yy"},
            "unknown target column 'yy'; nearest: y",
        ),
        "target not said": (base, {"target": None}, "--target"),
        "all-missing target": (base | {"y": pl.Series([None] * 12)}, {}, "'y' has no value"),
        "one class only": (base | {"y": ["x"] * 12}, {}, "one value only, 'x'"),
        "two rows": ({"a": [1.0, 2.0], "y": [0, 1]}, {}, "has 2 rows"),
        "no rows": ({"a": [], "y": []}, {}, "has 0 rows"),
        "infinities": (base | {"a": [np.inf, -np.inf] + [0.0] * 10}, {}, "'a' holds 2 infinite"),
        "infinite target": (base | {"y": [0.5, np.inf, 2.5] * 4}, {}, "'y' holds 4 infinite"),
        "beyond float32": (base | {"a": [1e200] + [0.0] * 11}, {}, "'a' holds 1e\\+200"),
        "huge target": (base | {"y": np.arange(12) * 1e300}, {}, "divide it by a constant"),
        "lists": (base | {"b": [[1]] * 12}, {}, "'b' holds lists"),
        "structs": (base | {"b": [{"p": 1}] * 12}, {}, "'b' holds values of type Struct"),
        "dates to predict": (
            base | {"y": [dt.date(2020, 1, k + 1) for k in range(12)]},
            {},
            "dates",
        ),
        "nothing beside": ({"y": [0, 1] * 6}, {}, "no column beside"),
        "all dropped": (base, {"drop": ["a"]}, "no column is left"),
        "drop unknown": (base, {"drop": ["aa"]}, "unknown column to drop 'aa'; nearest: a"),
        "drop target": (base, {"drop": ["y"]}, "'y' is the target"),
    }


@pytest.mark.parametrize("case", bad_frames())
def test_a_bad_frame_gets_one_clear_line(case):
    columns, options, message = bad_frames()[case]
    with pytest.raises(InputError, match=message) as caught:
        load(pl.DataFrame(columns), **({"target": "y"} | options))
    assert "\n" not in str(caught.value)


def bad_files() -> dict:
    return {
        "empty.csv": (b"", "is empty"),
        "blank.csv": (b" \n\n", "is empty"),
        "header.csv": (b"a,b,y\n", "has 0 rows"),
        "twice.csv": (numbered(header="a, a,y").encode(), "'a' occurs 2 times"),
        "ragged.csv": ((numbered() + "1,2,0,9\n").encode(), "line 14: 4 fields.*3 columns"),
        "headerless.csv": (numbered(header="5.1,3.5,0").encode(), "lack its line of column names"),
        "picture.csv": (b"\x89PNG\r\n\x1a\n\x00\x00", "binary file"),
        "pickle.csv": (pickle.dumps([1, 2, 3]), "binary file"),
        "parquet.csv": (b"PAR1\x15\x04\x15", "name it .parquet"),
        "packed.csv": (gzip.compress(b"a,b\n1,2\n"), "unpack"),
        "text.parquet": (b"a,b\n1,2\n", "cannot be read as Parquet"),
        "text.arrow": (b"a,b\n1,2\n", "cannot be read as Arrow"),
        "magic.arrow": (b"ARROW1\x00\x00rubbish", "cannot be read as Arrow"),
        "text.jsonl": (b"{a: 1}\n", "cannot be read as JSON lines"),
        "text.npz": (b"a,b\n1,2\n", "holds Python objects|is no .npz"),
        "zip.npz": (b"PK\x03\x04rubbish", "is no .npz"),
        "book.xlsx": (b"PK\x03\x04rubbish", "files ending in '.xlsx' are not read"),
        "noextension": (b"a,b\n", "files ending in 'nothing'"),
    }


@pytest.mark.parametrize("name", bad_files())
def test_a_bad_file_gets_one_clear_line(tmp_path, name):
    content, message = bad_files()[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path / name, "y")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_missing_files_and_names_are_answered_with_the_nearest(tmp_path):
    write(tmp_path / "wines.csv", numbered())
    with pytest.raises(InputError, match=r"no such file.*nearest: .*wines\.csv"):
        load(tmp_path / "wine.csv", "y")
    with pytest.raises(InputError, match="no folder"):
        load(tmp_path / "nowhere" / "wine.csv", "y")
    with pytest.raises(InputError, match="is a folder"):
        load(tmp_path, "y")
    with pytest.raises(UnknownName, match="nearest: wine"):
        load("wines")
    with pytest.raises(InputError, match="cannot read a table from int"):
        load(3, "y")


def test_arrays_of_python_objects_are_read_value_by_value():
    days = np.array([dt.date(2020, 1, k + 1) for k in range(12)], dtype=object)
    x = np.stack([days, np.array([1, 2.5, None] * 4, dtype=object)], axis=1)
    table = load((x, np.array(["a", "b"] * 6)))
    assert table.frame["x0"].dtype == pl.Date
    assert table.frame["x1"].to_list()[:3] == [1.0, 2.5, None]
    huge = np.array([10**400] * 12, dtype=object)
    with pytest.raises(InputError, match="'x0'"):
        load((huge, np.arange(12) % 2))


def test_an_archive_is_never_unpickled(tmp_path):
    """A pickle could run anything; this one would leave a trace."""

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "trace",))

    np.savez(tmp_path / "t.npz", X=np.array([Trap()] * 3, dtype=object), y=np.zeros(3))
    (tmp_path / "u.npz").write_bytes(pickle.dumps(Trap()))
    for name in ("t.npz", "u.npz"):
        with pytest.raises(InputError, match="never read"):
            load(tmp_path / name)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((5, 2)), np.zeros(4), "X has 5 rows but y has 4"),
        (np.zeros((12, 2)), np.zeros((12, 3)), "one value a row"),
        (np.zeros((12, 2, 2, 2, 2)), np.arange(12) % 2, "5 axes"),
        (np.full((12, 2, 2), np.nan), np.arange(12) % 2, "48 values that are missing"),
        (np.full((12, 2, 2), 1e300), np.arange(12) % 2, "too large"),
        (np.zeros((12, 0, 2)), np.arange(12) % 2, "pictures are empty"),
        (np.zeros((12, 0)), np.arange(12) % 2, "no column beside"),
        (np.zeros((12, 2), dtype=complex), np.arange(12) % 2, "complex"),
        ([[1], [1, 2]], [0, 1], "not an array"),
    ],
)
def test_bad_arrays_get_one_clear_line(x, y, message):
    with pytest.raises(InputError, match=message):
        load((x, y))


def test_archive_without_the_right_arrays(tmp_path):
    np.savez(tmp_path / "t.npz", x_train=np.zeros(3))
    with pytest.raises(InputError, match=r"no array 'X', only x_train; .*savez"):
        load(tmp_path / "t.npz")


def test_a_class_too_rare_to_split_is_named():
    y = ["a"] * 20 + ["b"] * 20 + ["c"] * 3
    table = load(pl.DataFrame({"x": np.arange(43.0), "y": y}), "y")
    with pytest.raises(InputError, match=r"class 'c' of 'y' has 3 rows, but .* needs 5"):
        check_splittable(table)
    check_splittable(table, folds=3)
    check_splittable(load("diabetes"))
    assert table.rows > MINIMUM_ROWS


def test_loading_imports_neither_skrub_nor_pandas():
    """Both take seconds to import; the check itself is proved able to fail by the second half."""
    code = (
        "import sys, polars as pl; from rectifier.study.load import load\n"
        "load(pl.DataFrame({'a': range(12), 'y': [0, 1] * 6}), 'y')\n"
        "import colorsys\n"
        "sys.exit(any(name in sys.modules for name in ('skrub', 'pandas', 'sklearn')))"
    )
    for imported, outcome in (("colorsys", 0), ("pandas", 1)):
        command = [sys.executable, "-c", code.replace("colorsys", imported)]
        assert subprocess.run(command).returncode == outcome


def test_decimal_commas_in_a_semicolon_file_are_numbers(tmp_path):
    path = tmp_path / "german.csv"
    lines = [f"{i},5;{i * 0.25:.3f};{'ja' if i % 2 else 'nein'}" for i in range(20)]
    rows = [line.replace(".", ",") for line in lines]
    path.write_text("\n".join(["a;b;y", *rows]))
    table = load(path, "y")
    assert table.frame["a"].to_list()[:3] == [0.5, 1.5, 2.5]
    assert table.frame["b"].to_list()[3] == 0.75


def test_features_without_any_value_are_one_line(tmp_path):
    path = tmp_path / "empty.csv"
    path.write_text("\n".join(["a,b,y", *[f",,{i % 2}" for i in range(20)]]))
    with pytest.raises(InputError, match="no column besides 'y' holds a value"):
        load(path, "y")
