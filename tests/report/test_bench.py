"""`rectifier bench`: rows, ratios, a chart, and what is refused."""

from __future__ import annotations

import csv

import pytest
from rich.console import Console

from rectifier import bench
from rectifier.errors import InputError
from rectifier.report import bench_chart


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setitem(bench.SIZES, "1K", 1 << 10)
    monkeypatch.setattr(bench, "contenders", lambda name, x, y: bench.ours(name, x, y))
    monkeypatch.setattr(bench, "missing", lambda: ["numexpr"])


def test_rows_and_a_chart_are_written(few, tmp_path):
    console = Console(width=120, record=True, quiet=False, force_terminal=False)
    bench_chart.run(console, True, ["relu"], ["1K"], 0.0, tmp_path)
    with (tmp_path / "bench.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["contender"] for r in rows} >= {"ours", "ours out="}
    for row in rows:
        assert 0 < float(row["p20_us"]) <= float(row["p50_us"]) <= float(row["p80_us"])
        assert (row["size"], row["dtype"]) == ("1K", "float32")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert "numexpr is not installed, and left out" in console.export_text()


def test_ratios_are_of_one_run(monkeypatch):
    times = {"copy": 1.0, "numpy": 4.0, "ours": 2.0}
    monkeypatch.setattr(bench, "contenders", lambda *_: iter(()))
    monkeypatch.setattr(bench, "measured", lambda *_: {k: [v] * 3 for k, v in times.items()})
    ours = [row for row in bench.rows("relu", "1K", "float32", 0) if row[1] == "ours"]
    assert ours[0][8:] == ["0.50", "2.00", ""]


@pytest.mark.parametrize(("names", "sizes"), [(["rel"], ["1K"]), (["relu"], ["2K"])])
def test_what_is_not_measured_is_refused(names, sizes):
    with pytest.raises(InputError, match="is measured; there are"):
        bench.checked(names, sizes)
