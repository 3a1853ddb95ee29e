"""Encoding learns from training rows only, loses no digits, and leaves no gap."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from rectifier.study.load import BUILT_IN, Table, load
from rectifier.study.train.features import Features, encode

ROWS = 120
TRAINING = [np.arange(0, 80), np.arange(40, 120)]


def mixed(rng: np.random.Generator) -> pl.DataFrame:
    start = dt.datetime(2024, 5, 1)
    return pl.DataFrame(
        {
            "number": rng.normal(5.0, 2.0, ROWS),
            "gaps": pl.Series(rng.normal(size=ROWS)).set(pl.Series(rng.random(ROWS) < 0.3), None),
            "flag": rng.random(ROWS) < 0.5,
            "few": rng.choice(["red", "green", "blue"], ROWS),
            "many": [f"name {rng.integers(10**6)}" for _ in range(ROWS)],
            "holes": rng.choice(np.array(["p", "q", None], dtype=object), ROWS).tolist(),
            "day": [start.date() + dt.timedelta(int(k)) for k in rng.integers(0, 900, ROWS)],
            "at": [start + dt.timedelta(seconds=int(k)) for k in rng.integers(0, 60, ROWS)],
            "clock": [dt.time(int(k), 30) for k in rng.integers(0, 24, ROWS)],
            "took": [dt.timedelta(seconds=int(k)) for k in rng.integers(0, 99, ROWS)],
            "empty": pl.Series([None] * ROWS, dtype=pl.String),
            "y": [0, 1, 2] * (ROWS // 3),
        }
    )


def standardised(features: Features, split: int) -> np.ndarray:
    matrix = features.matrix[features.which[split]]
    return (matrix - features.shift[split]) * features.scale[split]


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_table_of_numbers_is_one_matrix_standardised_by_training_rows(name):
    table = load(name)
    rng = np.random.default_rng(0)
    training = [rng.permutation(table.rows)[: table.rows // 2] for _ in range(3)]
    features = encode(table, training)
    assert features.matrix.shape == (1, table.rows, len(table.columns))
    assert features.matrix.dtype == features.shift.dtype == features.scale.dtype == np.float32
    assert features.which.tolist() == [0, 0, 0]
    assert features.which.dtype == np.int32
    assert features.names == table.columns
    np.testing.assert_array_equal(features.matrix[0], table.frame.to_numpy().astype(np.float32))
    for split, rows in enumerate(training):
        own = standardised(features, split)[rows]
        varied = features.scale[split] > 0
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(own[:, varied].std(axis=0), 1, rtol=1e-4)
        assert not standardised(features, split)[:, ~varied].any()


def test_a_column_constant_in_the_training_rows_counts_for_nothing():
    frame = pl.DataFrame({"a": [0.1] * 80 + [1e6] * 40, "b": range(ROWS), "y": [0, 1] * 60})
    features = encode(load(frame, "y"), TRAINING)
    assert features.scale[0, 0] == 0
    assert features.scale[1, 0] > 0
    assert not standardised(features, 0)[:, 0].any()


def test_missing_numbers_become_the_median_of_the_training_rows():
    values = [None if k % 10 == 0 else float(k) for k in range(ROWS)]
    whole = pl.DataFrame({"a": values, "b": range(ROWS), "y": [0, 1] * 60})
    features = encode(load(whole, "y"), [*TRAINING, TRAINING[0]])
    assert features.matrix.shape == (2, ROWS, 2)
    assert features.which[0] == features.which[2] != features.which[1]
    for split, rows in enumerate(TRAINING):
        median = np.median([values[k] for k in rows if values[k] is not None])
        assert features.matrix[features.which[split], 0, 0] == median
        assert features.matrix[features.which[split], 50, 0] == median
        assert features.matrix[features.which[split], 51, 0] == 51
    empty_in_training = pl.DataFrame(
        {"a": [None] * 80 + [3.0] * 40, "b": range(ROWS), "y": [0, 1] * 60}
    )
    features = encode(load(empty_in_training, "y"), TRAINING[:1])
    assert features.matrix[0, 0, 0] == 0
    assert np.isfinite(standardised(features, 0)).all()


def test_every_kind_of_column_becomes_numbers():
    table = load(mixed(np.random.default_rng(0)), "y")
    features = encode(table, TRAINING)
    assert features.matrix.shape[:2] == (2, ROWS)
    assert features.which.tolist() == [0, 1]
    assert np.isfinite(features.matrix).all()
    for column in table.columns:
        assert any(name.startswith(column) for name in features.names), column
    assert {"few_red", "few_green", "few_blue", "day_year"} <= set(features.names)
    flags = features.matrix[0][:, features.names.index("flag")]
    np.testing.assert_array_equal(flags, table.frame["flag"].cast(pl.Float32).to_numpy())


def test_the_same_call_gives_the_same_numbers():
    table = load(mixed(np.random.default_rng(0)), "y")
    first, second = encode(table, TRAINING), encode(table, TRAINING)
    np.testing.assert_array_equal(first.matrix, second.matrix)


def test_other_rows_and_the_target_leave_no_trace_in_the_training_rows():
    rng = np.random.default_rng(1)
    frame, other = mixed(rng), mixed(rng)
    rows = np.arange(0, 80)
    strange = other[80:].with_columns(
        number=pl.col("number") * 40 + 300,
        few=pl.lit("a colour never seen"),
        holes=pl.lit("r"),
        y=pl.lit(7),
    )
    swapped = pl.concat([frame[:80], strange.cast(dict(frame.schema))])
    first, second = encode(load(frame, "y"), [rows]), encode(load(swapped, "y"), [rows])
    assert first.names == second.names
    np.testing.assert_array_equal(first.shift, second.shift)
    np.testing.assert_array_equal(first.scale, second.scale)
    np.testing.assert_array_equal(first.matrix[:, :80], second.matrix[:, :80])
    assert np.any(first.matrix[:, 80:] != second.matrix[:, 80:])  # else this test could not fail


def test_categories_seen_by_every_split_share_a_matrix_and_others_are_padded():
    colours = ["red", "green"] * 60
    shared = pl.DataFrame({"c": colours, "y": [0, 1, 2] * 40})
    assert encode(load(shared, "y"), TRAINING).matrix.shape == (1, ROWS, 2)
    rare = pl.DataFrame({"c": ["blue", *colours[1:]], "y": [0, 1, 2] * 40})
    features = encode(load(rare, "y"), TRAINING)
    assert features.matrix.shape == (2, ROWS, 3)
    assert not features.matrix[1, :, 2].any()
    assert features.scale[1, 2] == 0


@pytest.mark.parametrize(
    ("offset", "unit"), [(1.7e9, 1.0), (-3e12, 0.5), (0.0, 1e-38), (1e38, 1e36)]
)
def test_far_away_and_tiny_columns_keep_their_digits(offset, unit):
    """float32 alone would round seconds since 1970 to 128 s."""
    steps = np.random.default_rng(0).permutation(ROWS)
    frame = pl.DataFrame({"a": offset + unit * steps, "b": steps, "y": [0, 1, 2] * 40})
    table = load(frame, "y")
    features = encode(table, TRAINING)
    for split, rows in enumerate(TRAINING):
        expected = (steps - steps[rows].mean()) / steps[rows].std()
        np.testing.assert_allclose(standardised(features, split)[:, 0], expected, atol=1e-5)


def test_text_that_the_training_rows_lack_counts_for_nothing():
    frame = pl.DataFrame({"c": [None] * 80 + ["a"] * 40, "y": [0, 1] * 60})
    features = encode(load(frame, "y"), TRAINING)
    assert features.matrix.shape[:2] == (2, ROWS)
    assert not standardised(features, 0).any()


def test_pictures_are_flattened():
    pictures = np.random.default_rng(0).random((20, 3, 4, 2))
    table = load((pictures, np.arange(20) % 2))
    features = encode(table, [np.arange(15)])
    assert features.matrix.shape == (1, 20, 24)
    np.testing.assert_array_equal(features.matrix[0], pictures.reshape(20, -1).astype(np.float32))
    assert len(features.names) == 24


def test_a_split_without_training_rows_is_a_mistake():
    with pytest.raises(ValueError, match="at least one training row"):
        encode(load("iris"), [np.array([], dtype=int)])
    with pytest.raises(ValueError, match="at least one training row"):
        encode(load("iris"), [])


def test_encoding_works_on_a_part_of_a_table():
    table: Table = load("wine").take(np.arange(0, 178, 2))
    assert encode(table, [np.arange(50)]).matrix.shape == (1, 89, 13)
