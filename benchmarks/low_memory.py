"""What ``memory="low"`` keeps for the backward pass, and what the gradient loses by it.

    python -m benchmarks.low_memory            # prints the table
    python -m benchmarks.low_memory --write    # and writes results/low_memory.csv, docs/memory.md

Every elementwise entry at its defaults, half a minute. The error is that of the slope that comes
back, against the entry's own derivative in float64 at the same input, over the larger of 1 and
that slope, in units of the dtype's rounding step (2^-23, 2^-7, 2^-10: the distance from 1 to the
next number; rounding to nearest loses half). In bfloat16 and float16 every finite number is tried,
in float32 300,000 and more about the stationary points; inputs whose output is infinite are left
out. ``from`` and ``to`` enclose the inputs whose error is above 2 steps in float32 and 1 in the
others. Both passes are made of PyTorch's own functions, as where nothing is compiled: the kernels
of the CPU round better. Bytes are those of ``saved_tensors_hooks``, an element, the output aside.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import torch

import rectifier as rf
from rectifier import Activation
from rectifier.ops import kernel_hook

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "low_memory.csv"
PAGE = HERE.parent / "docs" / "memory.md"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
STEPS = {"float32": 2.0, "bfloat16": 1.0, "float16": 1.0}
_MARKS = ("<!-- table: python -m benchmarks.low_memory --write -->", "<!-- end of the table -->")


def names() -> list[str]:
    """Every elementwise entry of the catalogue."""
    return [n for n in rf.names() if rf.get(n).elementwise and rf.get(n).text is None]


def kept(act: Activation, dtype: torch.dtype = torch.float32) -> tuple[str, float]:
    """What is kept beside nothing, as words, and its bytes an element, the output aside."""
    saved: list[torch.Tensor] = []
    x = torch.linspace(-4, 4, 1024, dtype=dtype, requires_grad=True)
    given = x * 1
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        y = act(given)
    words, extra = [], 0.0
    for tensor in saved:
        if tensor.data_ptr() == y.data_ptr():
            words.append("output")
            continue
        extra += tensor.numel() * tensor.element_size() / x.numel()
        if tensor.data_ptr() == given.data_ptr():
            words.append("input")
        else:
            bits = round(8 * tensor.numel() * tensor.element_size() / x.numel())
            words.append(f"{bits} bit{'s' * (bits > 1)}")
    return " + ".join(words), extra


def points(act: Activation, dtype: torch.dtype, count: int = 300_000) -> torch.Tensor:
    """Inputs to be tried: every finite number of 16 bits, or many of float32."""
    if dtype != torch.float32:
        every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
        return every[torch.isfinite(every)]
    near = torch.logspace(-9, 0, count // 60, dtype=torch.float64)
    places = [0.0, *(act.facts.stationary or ()), *act.facts.kinks]
    around = [place + sign * near for place in places for sign in (-1, 1)]
    spread = torch.logspace(-8, 4, count // 10, dtype=torch.float64)
    line = torch.linspace(-16, 16, count, dtype=torch.float64)
    return torch.cat([line, spread, -spread, *around]).float()


def errors(act: Activation, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The inputs with a finite output, and the error of each slope in steps of the dtype."""
    low = act.keeping("low")
    none = dict.fromkeys(("kernel", "address_kernel", "lines", "slopes"))
    with mock.patch.multiple(kernel_hook, **none):
        x = x[torch.isfinite(low(x))].requires_grad_()
        y = low(x)
        (slope,) = torch.autograd.grad(y, x, torch.ones_like(y))
    x = x.detach()
    # a straight line's slope is a number of the dtype
    true = act.derivative(x).double() if act.rule.slopes else act.derivative(x.double())
    size = true.abs().clamp(min=1) * torch.finfo(x.dtype).eps
    return x.double(), (slope.double() - true).abs() / size


def row(name: str, dtype: str) -> dict[str, Any]:
    act = rf.get(name)
    words, extra = kept(act.keeping("low"))
    x, error = errors(act, points(act, DTYPES[dtype]))
    beyond = x[error > STEPS[dtype]]
    worst = int(error.argmax())
    return {
        "name": name,
        "kept": words,
        "bytes": f"{extra:g}",
        "dtype": dtype,
        "worst": f"{float(error[worst]):.3g}",
        "at": f"{float(x[worst]):.5g}",
        "from": f"{float(beyond.min()):.4g}" if len(beyond) else "",
        "to": f"{float(beyond.max()):.4g}" if len(beyond) else "",
    }


def rows() -> list[dict[str, Any]]:
    """One for each entry and dtype."""
    return [row(name, dtype) for name in names() for dtype in DTYPES]


def written() -> list[dict[str, str]]:
    """The rows of the results file."""
    with RESULTS.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def text(table: Iterable[dict[str, Any]]) -> str:
    """The table as Markdown: one line for each entry."""
    by_name: dict[str, dict[str, dict[str, Any]]] = {}
    for line in table:
        by_name.setdefault(line["name"], {})[line["dtype"]] = line
    lines = ["| | kept | float32 | bfloat16 | float16 |", "|---|---|---|---|---|"]
    for name, each in by_name.items():
        cells = []
        for dtype in DTYPES:
            line = each[dtype]
            beyond = f", {line['from']} to {line['to']}" * bool(line["from"])
            cells.append(line["worst"] + beyond)
        lines.append(f"| {name} | {each['float32']['kept']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def on_page() -> str:
    """The table that stands in docs/memory.md."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(_MARKS[0])
    return rest.partition(_MARKS[1])[0].strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"writes {RESULTS.name}, {PAGE.name}")
    table = rows()
    if parser.parse_args().write:
        with RESULTS.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(_MARKS[0])
        after = rest.partition(_MARKS[1])[2]
        page = f"{before}{_MARKS[0]}\n\n{text(table)}\n\n{_MARKS[1]}{after}"
        PAGE.write_text(page, encoding="utf-8")
    sys.stdout.write(text(table) + "\n")


if __name__ == "__main__":
    main()
