"""Findings are raised where something is wrong, and only there."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import runpy
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rectifier.errors import InputError
from rectifier.study.inspect import Inspection, inspect
from rectifier.study.inspect.findings import drop_option, identifier_reason
from rectifier.study.inspect.leakage import removed_errors
from rectifier.study.inspect.yardstick import sample_rows
from rectifier.study.load import BUILT_IN, load
from rectifier.study.train.features import encode

ROOT = Path(__file__).parents[2]


def kinds(inspection: Inspection, column: str | None = None) -> set[str]:
    return {f.kind for f in inspection.findings if column is None or f.column == column}


def given_away(inspection: Inspection) -> set[str | None]:
    return {f.column for f in inspection.findings if f.kind == "gives the target away"}


def classes_and_noise(
    rows: int = 400, classes: int = 3
) -> tuple[np.random.Generator, pl.DataFrame]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, rows)
    noise = rng.normal(size=(rows, 2)) + 0.5 * y[:, None]
    return rng, pl.DataFrame({"p": noise[:, 0], "q": noise[:, 1], "y": [f"c{k}" for k in y]})


# --- honest tables -------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILT_IN)
def test_honest_tables_raise_no_alarm(name):
    inspection = inspect(load(name))
    assert not kinds(inspection) & {"gives the target away", "identifier", "imbalance"}
    assert all(finding.severity == "note" for finding in inspection.findings)
    assert inspection.yardstick is not None
    floor = {"diabetes": 0.4, "digits": 0.95, "iris": 0.94, "wine": 0.95, "breast_cancer": 0.95}
    assert inspection.yardstick.mean > floor[name]
    assert len(inspection.columns) == len(inspection.negative_share) == len(load(name).columns)


def test_constant_pixels_and_the_twin_among_the_irises_are_seen():
    constant = {f.column for f in inspect(load("digits")).findings if f.kind == "constant column"}
    assert constant == {"pixel_0_0", "pixel_4_0", "pixel_4_7"}
    twin = next(f for f in inspect(load("iris")).findings if f.kind == "duplicates")
    assert twin.message.startswith("1 of 150 rows")


def test_the_summary_counts_what_is_there():
    frame = pl.DataFrame(
        {
            "n": [1.5, None, 3.0, -4.0] * 5,
            "t": ["a", "b", None, None] * 5,
            "d": [dt.date(2020, 1, 1 + k) for k in range(20)],
            "y": ["p"] * 15 + ["q"] * 5,
        }
    )
    inspection = inspect(load(frame, "y"))
    assert (inspection.rows, inspection.classes, inspection.counts) == (20, ("p", "q"), (15, 5))
    assert inspection.majority_rate == 0.75
    assert [(c.name, c.kind, c.missing, c.distinct) for c in inspection.columns] == [
        ("n", "number", 0.25, 3),
        ("t", "text", 0.5, 2),
        ("d", "date", 0.0, 20),
    ]
    share = inspection.negative_share[0]
    assert share.column == "n"
    assert share.raw == pytest.approx(1 / 3)
    assert inspect(load("diabetes")).majority_rate is None


# --- planted leaks -------------------------------------------------------------------------


def test_columns_that_give_a_class_away_are_named():
    rng, frame = classes_and_noise()
    code = frame["y"].str.slice(1).cast(pl.Int64)
    frame = frame.with_columns(
        recoded=code.replace_strict({0: 7, 1: -1, 2: 3}),
        spelled="the " + frame["y"],
        part=(code == 1),
        fine=pl.Series(code * 4 + rng.integers(0, 4, len(code))).cast(pl.String),
        known_late=pl.when(code == 2).then(pl.lit("gone")).otherwise(None),
        mistyped=pl.Series(code).set(pl.Series(np.arange(len(code)) == 5), 2),
    )
    found = inspect(load(frame, "y"))
    planted = {"recoded", "spelled", "part", "fine", "known_late", "mistyped"}
    assert given_away(found) == planted
    finding = next(f for f in found.findings if f.column == "recoded")
    assert finding.remedy == "--drop recoded"
    assert finding.severity == "warning"
    clean = inspect(load(frame, "y", drop=sorted(planted)))
    assert given_away(clean) == set()


def test_a_number_that_separates_the_classes_is_named_once_there_are_rows_enough():
    rng, frame = classes_and_noise()
    code = frame["y"].str.slice(1).cast(pl.Int64).to_numpy()
    leak = (code - 1) ** 2 * 5.0 + (code == 2) * 20 + rng.normal(0, 0.3, len(code))
    frame = frame.with_columns(score=pl.Series(leak))
    finding = next(f for f in inspect(load(frame, "y")).findings if f.kind.startswith("gives"))
    assert (finding.column, finding.severity) == ("score", "warning")
    irises = load("iris").frame[:100].with_columns(y=pl.Series([0] * 50 + [1] * 50))
    assert given_away(inspect(load(irises, "y"))) == set()


def test_several_separating_columns_are_one_note_about_an_easy_table():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    columns = {f"m{k}": y * 10 + rng.normal(size=400) for k in range(3)}
    findings = inspect(load(pl.DataFrame(columns | {"y": y}), "y")).findings
    found = [f for f in findings if f.kind == "gives the target away"]
    assert [(f.column, f.severity) for f in found] == [(None, "note")]
    assert "'m0', 'm1', 'm2'" in found[0].message


def test_columns_that_give_a_number_away_are_named():
    rng = np.random.default_rng(0)
    y = rng.gamma(2.0, 3.0, 400)
    town = rng.integers(0, 30, 400)
    frame = pl.DataFrame(
        {
            "honest": y + rng.normal(size=400),
            "close": y + rng.normal(0, 0.3, 400),
            "other_unit": np.round(-y * 100, 1),
            "curved": np.exp(y / 4),
            "band": np.digitize(y, [3.0, 6.0, 9.0]).astype(str),
            "y": y,
        }
    )
    assert given_away(inspect(load(frame, "y"))) == {"other_unit", "curved", "band"}
    by_town = pl.DataFrame(
        {"town": [f"t{k}" for k in town], "honest": town + rng.normal(0, 9, 400), "y": town**2 / 7}
    )
    assert given_away(inspect(load(by_town, "y"))) == {"town"}


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
def test_copies_of_a_whole_table_do_not_make_its_columns_leaks(name):
    frame = load(name).frame.with_columns(y=load(name).labels)
    for times in (2, 6):
        assert given_away(inspect(load(pl.concat([frame] * times), "y"))) == set()


def test_leaving_one_out_credits_no_identifier():
    y = np.random.default_rng(0).integers(0, 2, 300)
    removed, errors = removed_errors(np.arange(300), y)
    assert removed == 0
    assert errors == min(np.bincount(y))
    assert removed_errors(y, y)[0] == 1
    pairs = np.repeat(np.arange(150), 2)  # two rows a key that agree: each tells the other
    assert removed_errors(pairs, np.repeat(y[:150], 2))[0] == 1
    threes = np.repeat(
        np.arange(100), 3
    )  # of two against one, the two see a tie without themselves
    assert removed_errors(threes, np.tile([0, 0, 1], 100))[0] < 0
    alternating = np.tile([0, 1], 150)  # two rows a key that disagree: each misleads the other
    assert removed_errors(pairs, alternating)[0] == -1


# --- identifiers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "is_one"),
    [
        ("x", np.arange(200), True),
        ("x", np.random.default_rng(0).permutation(200), True),
        ("x", 1000.0 + np.random.default_rng(0).permutation(200), True),
        ("x", [f"{k:x}" for k in np.random.default_rng(0).permutation(200)], True),
        ("customer_id", np.random.default_rng(0).integers(0, 10**9, 200), True),
        ("income", np.random.default_rng(0).integers(0, 10**9, 200), False),
        ("x", np.random.default_rng(0).normal(size=200), False),
        ("x", np.random.default_rng(0).integers(0, 150, 200), False),
        ("x", [f"a b c d {k}" for k in range(200)], False),
        ("x", ["a", "b"] * 100, False),
        ("humid", np.random.default_rng(0).integers(0, 10**9, 200), False),
        ("PassengerId", np.random.default_rng(0).integers(0, 10**9, 200), True),
        ("x", np.arange(12), False),
    ],
)
def test_identifiers_are_told_from_measurements(name, values, is_one):
    assert bool(identifier_reason(pl.Series(name, values))) == is_one


def test_an_identifier_is_a_finding_but_no_leak():
    _, frame = classes_and_noise()
    inspection = inspect(load(frame.with_row_index("row"), "y"))
    assert kinds(inspection, "row") == {"identifier"}
    assert next(f for f in inspection.findings if f.column == "row").remedy == "--drop row"


# --- the other findings --------------------------------------------------------------------


def test_copies_are_counted_beyond_the_first_and_across_a_split():
    _, frame = classes_and_noise(300)
    copied = pl.concat([frame, frame[:100], frame[:50]])
    table = load(copied, "y")
    finding = next(f for f in inspect(table).findings if f.kind == "duplicates")
    assert finding.message.startswith("150 of 450 rows (33%)")
    crossing = int(finding.message.split("split ")[1].split()[0])
    # 100 of 300 distinct rows have copies, 250 of 450 rows; a test row's twins are all in the test
    # part with probability below 0.2, so between 0.8 and 1 of about 50 such test rows cross.
    assert 30 <= crossing <= 58
    relabelled = pl.concat([frame, frame[:100].with_columns(y=pl.lit("c9"))])
    assert "duplicates" not in kinds(inspect(load(relabelled, "y")))
    pictures = np.random.default_rng(0).random((30, 4, 4))
    pictures[20:] = pictures[:10]
    repeated = inspect(load((pictures, np.arange(30) % 2)))
    assert "10 of 30 rows" in next(f.message for f in repeated.findings if f.kind == "duplicates")


@pytest.mark.parametrize(
    ("labels", "told"),
    [([0, 1, -1], True), ([1, 2, 3], True), ([0, 1, 2], False), (["a", "b", "c"], True)],
)
def test_labels_that_need_recoding_are_told(labels, told):
    _, frame = classes_and_noise()
    y = frame["y"].replace_strict(dict(zip(("c0", "c1", "c2"), labels, strict=True)))
    findings = [
        f for f in inspect(load(frame.with_columns(y=y), "y")).findings if f.kind == "labels"
    ]
    assert len(findings) == told
    if told and not isinstance(labels[0], str):
        assert "always zero" in findings[0].message
        codes = eval(findings[0].remedy.split("= ")[1], {"numpy": np, "labels": np.array(labels)})
        assert sorted(codes) == [0, 1, 2]


def test_missing_constant_and_unbalanced():
    _, frame = classes_and_noise(classes=2)
    frame = frame.with_columns(
        rarely=pl.when(pl.int_range(400) % 10 == 0).then(None).otherwise("p"),
        mostly=pl.when(pl.int_range(400) % 10 == 0).then("p").otherwise(None),
        never=pl.lit(None),
        same=pl.lit("s"),
        y=pl.when(pl.int_range(400) < 350).then(pl.lit("c0")).otherwise(pl.lit("c1")),
    )
    inspection = inspect(load(frame, "y"))
    by_column = {f.column: f for f in inspection.findings}
    assert by_column["rarely"].severity == "note"
    assert (by_column["mostly"].severity, by_column["mostly"].remedy) == (
        "warning",
        "--drop mostly",
    )
    assert by_column["never"].message == "'never' has no value in any row."
    assert by_column["same"].kind == "constant column"
    unbalanced = next(f for f in inspection.findings if f.kind == "imbalance")
    assert unbalanced.remedy == "--metric balanced_accuracy"
    assert "350 of 400" in unbalanced.message
    severities = [f.severity for f in inspection.findings]
    assert severities == sorted(severities, reverse=True)  # warnings come first


def test_a_rare_class_is_told_and_there_is_no_yardstick():
    _, frame = classes_and_noise()
    y = frame["y"].set(pl.Series(np.arange(400) < 3), "odd")
    inspection = inspect(load(frame.with_columns(y=y), "y"))
    assert inspection.yardstick is None
    assert "'odd' (3)" in next(f.message for f in inspection.findings if f.kind == "rare class")


def test_hundreds_of_notes_become_one():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"c{k}": [k] * 40 for k in range(300)} | {"x": rng.normal(size=40)})
    findings = inspect(load(frame.with_columns(y=pl.Series([0, 1] * 20)), "y")).findings
    constant = [f for f in findings if f.kind == "constant column"]
    assert len(constant) == 1
    assert "300 columns" in constant[0].message
    assert constant[0].remedy.startswith("--drop c0,c1,")


def test_remedies_survive_a_shell():
    assert drop_option("Class") == "--drop Class"
    assert drop_option("BS Fast", "b") == "--drop 'BS Fast,b'"
    assert drop_option("it's; rm") == "--drop 'it'\"'\"'s; rm'"


# --- form ----------------------------------------------------------------------------------


def test_the_same_seed_sees_the_same_and_json_holds_it_all():
    table = load("breast_cancer")
    first, again, other = inspect(table, seed=1), inspect(table, seed=1), inspect(table, seed=2)
    assert first == again
    assert first.yardstick != other.yardstick
    written = json.loads(json.dumps(first.to_dict(), allow_nan=False))
    assert written["columns"][0] == {
        "name": "mean radius",
        "kind": "number",
        "missing": 0.0,
        "distinct": 456,
        "example": "17.99",
    }
    assert set(written["yardstick"]) == {"name", "metric", "mean", "sd", "rows"}
    assert set(written["negative_share"][0]) == {"column", "raw", "scaled"}


def test_html_escapes_what_users_choose():
    script = "</script><script>alert(1)</script>"
    frame = pl.DataFrame({script: [script, None] * 20, "b": range(40), "y": [script, "n"] * 20})
    page = inspect(load(frame, "y"))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_negative_shares_say_little_and_say_so():
    inspection = inspect(load("wine"))
    assert all(share.raw == 0 for share in inspection.negative_share)
    assert all(0.3 < share.scaled < 0.8 for share in inspection.negative_share)
    assert len(inspection.pca) == 13
    assert inspection.negative_sentence.startswith("0 of 13 numeric columns hold negative values")
    assert "neither speaks for or against Leaky ReLU" in inspection.negative_sentence


def test_principal_components_are_those_of_scikit_learn():
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    table = load("wine")
    scores = PCA().fit_transform(StandardScaler().fit_transform(table.frame.to_numpy()))
    shares = np.mean(scores < 0, axis=0)
    ours = np.array(inspect(table).pca)
    np.testing.assert_allclose(np.minimum(ours, 1 - ours), np.minimum(shares, 1 - shares))


def test_large_tables_are_sampled_and_it_is_said():
    rng = np.random.default_rng(0)
    y = np.where(np.arange(30_000) < 8, 2, rng.integers(0, 2, 30_000))
    table = load((rng.normal(size=(30_000, 3)) + y[:, None], y))
    inspection = inspect(table)
    assert inspection.yardstick is not None
    assert 5_000 <= inspection.yardstick.rows <= 5_008
    assert "Of 30000 rows a sample was used" in inspection.sampled
    rows = sample_rows(table, 1_000, rng)
    assert np.bincount(y[rows], minlength=3)[2] >= 5
    assert len(np.unique(rows)) == len(rows) <= 1_015


# --- the tutorials' table ------------------------------------------------------------------


@pytest.fixture
def look_alike(tmp_path) -> Path:
    example = runpy.run_path(str(ROOT / "examples" / "diabetes_type.py"))
    path = tmp_path / "diabetes_type.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([example["COLUMNS"], *example["rows"](0)])
    return path


def test_the_look_alike_has_the_traits_of_the_tutorials_table(look_alike):
    inspection = inspect(load(look_alike, "Type"))
    assert inspection.classes == ("Normal", "Type1", "Type2")
    assert inspection.counts == (631, 173, 205)
    assert given_away(inspection) == {"Class"}
    assert "380 of 1009 rows" in str(inspection.findings)
    clean = inspect(load(look_alike, "Type", drop=["Class"]))
    assert given_away(clean) == set()
    assert clean.yardstick is not None
    assert clean.yardstick.mean >= 0.99
    by_class = load(look_alike, "Class", drop=["Type"])
    assert by_class.classes == ("-1", "0", "1")
    assert "always zero" in str(inspect(by_class).findings)


def test_the_tutorials_own_table():
    folder = Path(os.environ.get("RECTIFIER_DATA", ROOT.parent / "shared" / "data"))
    path = folder / "diabetes_type.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there; its licence is unknown, so it is not shipped")
    inspection = inspect(load(path, "Type"))
    assert inspection.rows == 1009
    assert inspection.majority_rate == 631 / 1009
    leak = next(f for f in inspection.findings if f.kind == "gives the target away")
    assert (leak.column, leak.remedy) == ("Class", "--drop Class")
    assert "386 of 1009 rows" in str(inspection.findings)
    clean = inspect(load(path, "Type", drop=["Class"]))
    assert clean.yardstick is not None
    assert 0.99 <= clean.yardstick.mean <= 0.999
    assert all(share.raw == 0 for share in clean.negative_share)


# --- any table at all ----------------------------------------------------------------------

NAMES = st.text(max_size=8) | st.sampled_from(
    ["</script>", '"', "a,b", "x\ny", "\x1b[31m", "é", "y ", "NA", "id", "0"]
)
CELLS = [
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.floats(-1, 1),
    st.booleans(),
    st.text(max_size=6),
    st.sampled_from(["a", "b", "1", "2.5", "", " NA", "?", "2020-01-01"]),
    st.dates(dt.date(1677, 10, 1)),
    st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1)),
    st.times(),
    st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000)),
    st.just(5),
    st.none(),
    st.lists(st.integers(0, 3), max_size=2),
]
TARGETS = [st.sampled_from([0, 1, -1]), st.sampled_from(["a", "b"]), st.floats(-1e6, 1e6), *CELLS]


@st.composite
def generated_tables(draw) -> pl.DataFrame:
    rows = draw(st.integers(0, 9) | st.integers(10, 20) | st.integers(10, 30))

    def column(kinds: list) -> pl.Series:
        kind = draw(st.sampled_from(kinds))
        kind = draw(st.sampled_from([kind, kind | st.none()]))
        return pl.Series(values=draw(st.lists(kind, min_size=rows, max_size=rows)), strict=False)

    columns = {draw(NAMES): column(CELLS) for _ in range(draw(st.integers(1, 3)))}
    return pl.DataFrame(columns | {"y": column(TARGETS)})


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(generated_tables(), st.sampled_from([".csv", ".parquet", "polars", "pandas"]))
def test_any_table_is_studied_or_refused_in_one_line(frame, way):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t{way}"
        foreign = any(t.is_nested() or t == pl.Duration for t in frame.dtypes)
        odd = any("\0" in name for name in frame.columns)  # polars itself panics in to_pandas
        if way == ".csv" and not foreign:
            frame.write_csv(path)
        elif way == ".parquet":
            frame.write_parquet(path)
        data = (
            path if path.exists() else frame.to_pandas() if way == "pandas" and not odd else frame
        )
        try:
            table = load(data, "y")
        except InputError as error:
            refusal = str(error)
        else:
            refusal = ""
        if refusal:
            assert len(refusal.splitlines()) == 1
            return
        inspection = inspect(table)
        json.dumps(inspection.to_dict(), allow_nan=False)
        assert inspection._repr_html_().count("<script>") == 0
        rng = np.random.default_rng(0)
        training = [rng.permutation(table.rows)[: table.rows // 2] for _ in range(2)]
        features = encode(table, training)
        for split, place in enumerate(features.which):
            inputs = (features.matrix[place] - features.shift[split]) * features.scale[split]
            assert np.isfinite(inputs).all()


def test_a_linear_model_that_learnt_nothing_is_not_called_enough():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 3))
    inspection = inspect(load((x, np.where(np.arange(2000) % 300 == 0, "rare", "common"))))
    kinds = [finding.kind for finding in inspection.findings]
    assert "nothing learnt" in kinds
    assert "linear is enough" not in kinds
