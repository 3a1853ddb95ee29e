"""The committed table of exactness: complete, within the bounds, the page its picture; and the
sweep that fills it, on a few inputs."""

from __future__ import annotations

from dataclasses import replace

import entries
import numpy as np
import pytest
from benchmarks import oracle
from benchmarks.accuracy import page, sample, sweep, table
from benchmarks.accuracy.reference import BINADE, BLOCK, Reference, floats

import rectifier as rf
from rectifier.catalog.accuracy import measured, measurements, parsed, text_of

ROWS = measurements()
WHICH = ("value", "derivative")


def test_it_has_every_entry_in_every_dtype():
    there = {row.key for row in ROWS}
    dtypes = ("float16", "bfloat16", "float32", "float64")
    for name in {*entries.ELEMENTWISE}:
        for which in WHICH:
            assert {(name, which, "numpy", dtype) for dtype in dtypes} <= there, name
            assert {(name, which, door, "float32") for door in ("torch", "jax")} <= there, name
    assert len(there) == len(ROWS)
    assert {row.name for row in ROWS} <= {*rf.names()}


# (entry, which) -> bound where 0.51 or 1 is not met, and why
BEYOND = {("rational", "derivative"): (1.85, "four inputs beside its zero: f' is a difference")}


def test_numpy_is_within_the_bounds_at_every_input_that_was_judged():
    for row in ROWS:
        if row.by == "numpy" and row.dtype == "float32":
            law = (0.51, 1.0)[row.which == "derivative"]
            assert row.ulps <= BEYOND.get((row.name, row.which), (law, ""))[0], row
            assert row.inputs == 1 << 32 or not row.exhaustive
        if row.by == "numpy" and row.dtype in ("float16", "bfloat16"):
            assert (row.off, row.ulps) == (0, 0.5), row


def test_the_page_is_written_from_it():
    assert page.PATH.read_text(encoding="utf-8") == page.text(list(table.read().values()))


def test_a_row_comes_back_as_it_was(tmp_path):
    assert parsed(text_of(ROWS)) == list(ROWS)
    path = tmp_path / "table.csv"
    table.update(ROWS[:3], path)
    worse = replace(ROWS[0], ulps=np.inf, at=-0.0, lost=("-inf", "inf"))
    table.update([worse], path)
    assert list(table.read(path).values()) == [worse, *ROWS[1:3]]


def test_what_was_never_measured_has_no_row():
    assert measured("no_such_entry") == ()


@pytest.mark.parametrize(
    ("name", "which", "sign", "exponent"),
    [("gelu", "derivative", 1, 126), ("mish", "value", 1, 129), ("sine", "value", 0, 150)],
)
def test_the_reference_is_the_oracles(name, which, sign, exponent):
    """In the binade of gelu's turning point, in a tail, and where a block is many periods."""
    binade = Reference(name, which).binade(sign, exponent)
    places = np.random.default_rng(1).integers(0, BINADE, 60)
    exact = getattr(oracle, which)(name, floats(sign, exponent, places)).high
    np.testing.assert_allclose(binade.at(places), exact, rtol=1e-12)
    first = int(places[0]) // BLOCK
    beside = binade.values(first, 1)[places[0] % BLOCK]
    assert beside == pytest.approx(exact[0], rel=1e-12)


def test_a_kink_has_its_own_result_in_the_reference():
    binade = Reference("hard_swish", "derivative", (-3.0, 3.0)).binade(0, 128)
    at_three = int(np.float32(3).view(np.uint32)) & (BINADE - 1)
    below, kink = binade.at(np.array([at_three - 1, at_three]))
    assert below == pytest.approx(1.5, rel=1e-6)
    assert kink == 1.0


def test_the_tally_sees_one_wrong_input():
    places = np.arange(BLOCK)
    x = floats(0, 127, places)
    true = Reference("silu", "value").binade(0, 127).values(0, 1)
    tally = sweep.Tally()
    tally.add(x, rf.silu(x), true)
    assert all(ulps < 0.51 for ulps, _ in tally.worst)
    wrong = rf.silu(x)
    wrong[77] = np.nextafter(wrong[77], np.float32(9))
    tally.add(x, wrong, true)
    assert tally.worst[0][0] > 0.5
    assert tally.worst[0][1] == x[77]


def test_no_framework_is_blamed_where_every_formula_differs():
    """Beside a kink, and beside a zero where a neighbour of x has another result."""
    blamed = [r for r in ROWS if not r.ours and r.dtype == "float32" and r.ulps >= 1e5]
    assert len(blamed) > 10
    for row in blamed:
        assert not sample.disputed(row.name, row.which, np.array([row.at], np.float32)).any(), row


def test_what_is_disputed_is_a_few_neighbours():
    above = float(np.nextafter(np.float32(3), np.float32(9)))
    for name, at, apart in (
        ("hard_swish", (-3.0, 3.0, above, -1.5000001), (-3.001, -1.501, 2.999)),
        ("silu", (-1.2784587, -1.2784645), (-1.279, -1.277, -30.0, 30.0)),
        ("sine", (1.5707964,), (1.57, 1e10)),
    ):
        for points, expected in ((at, True), (apart, False)):
            x = np.array(points, np.float32)
            assert (sample.disputed(name, "derivative", x) == expected).all(), (name, points)
