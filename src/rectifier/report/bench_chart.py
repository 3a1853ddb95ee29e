"""The chart of ``rectifier bench``: how many GB/s each contender reads and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rectifier import bench
from rectifier.report.charts import PALETTE, to_png

_SHOWN = ("ours out=", "torch out=", "jax jit", "numexpr out=", "numpy", "copy, threads")


def chart(headings: list[str], rows: list[list[str]]) -> Any:
    """One panel a function, one bar a contender, for the largest size of the first dtype."""
    table = [dict(zip(headings, row, strict=True)) for row in rows]
    last = table[-1]["size"]
    dtype = table[0]["dtype"]
    shown = [
        {"function": r["function"], "contender": r["contender"], "rate": float(r["gb_per_s"])}
        for r in table
        if r["size"] == last and r["dtype"] == dtype and r["contender"] in _SHOWN
    ]
    present = [c for c in _SHOWN if any(r["contender"] == c for r in shown)]
    colours = [PALETTE[c] for c in ("accent", "baseline", "rows", "rates", "mixed", "chance")]
    scale = alt.Scale(domain=list(_SHOWN), range=colours)
    bars = alt.Chart(alt.Data(values=shown), width=280, height=18 * len(present)).mark_bar()
    return bars.encode(
        x=alt.X("rate:Q", title="GB/s"),
        y=alt.Y("contender:N", sort=present, title=None),
        color=alt.Color("contender:N", scale=scale, legend=None),
        facet=alt.Facet("function:N", columns=2, title=f"{last} elements, {dtype}", sort=None),
    )


def run(
    console: Console,
    quick: bool,
    functions: list[str] | None,
    sizes: list[str] | None,
    seconds: float,
    folder: Path,
) -> None:
    """Measures, prints the table, and writes ``bench.csv`` and ``bench.png`` to ``folder``."""
    names = tuple(functions or (bench.QUICK if quick else bench.PEERS))
    spans = tuple(sizes or (("1M",) if quick else bench.SIZES))
    dtypes = ("float32",) if quick else ("float32", "float64")
    for peer in bench.missing():
        console.print(f"{peer} is not installed, and left out")
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=len(names) * len(spans) * len(dtypes))
        rows = bench.measure(
            names,
            spans,
            dtypes,
            seconds,
            lambda what: progress.update(task, advance=1, description=what),
        )
    table = Table("function", "contender", "size", "dtype", "us", "GB/s", "of copy", "x numpy")
    table.add_column("x torch out=")
    for row in rows:
        table.add_row(*row[:4], row[5], *row[7:11])
    console.print(table)
    folder.mkdir(parents=True, exist_ok=True)
    bench.write(rows, folder / "bench.csv")
    (folder / "bench.png").write_bytes(to_png(chart(bench.HEADINGS, rows)))
    console.print(f"{folder / 'bench.csv'}, {folder / 'bench.png'}")
