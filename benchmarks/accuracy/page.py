"""docs/accuracy.md, written from the table: what is reached, the worst input, and why where a
bound is not met. The same table always gives the same page."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from benchmarks.accuracy.sweep import INPUTS, swept_names
from rectifier.catalog.accuracy import Measurement

PATH = Path(__file__).parents[2] / "docs" / "accuracy.md"  # of this checkout
# (value, derivative) in ulp, for arrays of NumPy
BOUNDS = {"float32": (0.51, 1.0), "float64": (4.0, 4.0)}
_WRONG_FROM = 1e5  # ulp: off by a hundredth part or so

# (entry, which) -> why float64 is further than 4 ulp; float32 is computed in float64 and rounded
_WHICH = ("value", "derivative")
_ROOT = "f' is zero near there, a difference of terms that are not: theirs are the digits"
_ARGUMENT = "the sigmoid's argument is rounded first, which costs as many ulp as it is large"
_TERMS = "it is zero near there, a difference of terms that are not: theirs are the digits"
_SQUARE = "x² is rounded before its exponential is taken"
_BELL = "the argument of the bell is rounded, and then squared"
REASONS = {
    **{
        (name, "derivative"): _ROOT
        for name in ("acon_c", "elish", "gelu", "gelu_10", "hard_elish", "logish", "mish", "phish")
        + ("rational", "serf", "silu", "smish", "snake", "swish", "telu", "xielu")
    },
    **{(name, "value"): _TERMS for name in ("rational", "star_relu", "xielu")},
    **{(name, which): _ARGUMENT for name in ("gelu_tanh", "quick_gelu") for which in _WHICH},
    **{("gaussian", which): _SQUARE for which in _WHICH},
    **{("laplace", which): _BELL for which in _WHICH},
    ("phish", "value"): "a product of gelu's rounded factors with another",
}

_HEAD = """# How exact

Every number here was measured by

```
python -m benchmarks.accuracy                  # inputs spread over all exponents, four dtypes
python -m benchmarks.accuracy --exhaustive     # all 2^32 inputs of float32
```

and stands in `src/rectifier/catalog/accuracy.csv`, from which the second command's last step (or
`--page`) writes this page. The exact results are mpmath's, of the textbook formula and of its
derivative by SymPy; see `benchmarks/oracle.py` and `benchmarks/accuracy/reference.py`. A distance
is in units in the last place (ulp) of the result's dtype: 0.5 is the best that rounding can do.
*Swept* means every float32 that there is; the two infinities and NaN have tests of their own.
"""


def write(rows: Iterable[Measurement], path: Path = PATH) -> None:
    """The page of the table's rows."""
    path.write_text(text(list(rows)), encoding="utf-8")


def text(rows: list[Measurement]) -> str:
    """The page, as Markdown."""
    table = {row.key: row for row in rows}
    parts = [_HEAD, _summary(rows), *_float32(table), *_float64(table), *_short(rows)]
    parts += [*_doors(table), *_theirs(rows)]
    return "\n".join(parts) + "\n"


def ulps_text(ulps: float) -> str:
    """Three digits, no exponent where it can be read without: ``0.501``, ``12``, ``2.7e+15``."""
    if math.isinf(ulps):
        return "∞"
    if ulps < 10:
        return f"{ulps:.4f}".rstrip("0").rstrip(".")
    return f"{ulps:,.0f}" if ulps < 1e6 else f"{ulps:.1e}".replace("e+0", "e").replace("e+", "e")


def _summary(rows: list[Measurement]) -> str:
    mine = [r for r in rows if r.by == "numpy" and r.dtype == "float32"]
    swept = [r for r in mine if r.exhaustive]
    over = [r for r in mine if r.ulps > BOUNDS["float32"][r.which == "derivative"]]
    rest = ", the others sampled" if len(swept) < len(mine) else ""
    short = [r for r in rows if r.by == "numpy" and r.dtype in ("float16", "bfloat16")]
    wrong = [r for r in short if r.off]
    lines = [
        f"* float32 on NumPy: {len(swept)} of {len(mine)} functions swept{rest}. "
        f"Values are at most {_worst(mine, 'value')} ulp from exact, derivatives at most "
        f"{_worst(mine, 'derivative')} (the bounds are 0.51 and 1); {len(over)} beyond.",
        f"* float16 and bfloat16 on NumPy: every input of {len(short)} functions, "
        f"{len(wrong)} of which are not rounded correctly everywhere.",
    ]
    return "\n".join(lines) + "\n"


def _worst(rows: list[Measurement], which: str) -> str:
    return ulps_text(max((r.ulps for r in rows if r.which == which), default=math.nan))


def _float32(table: dict[tuple[str, ...], Measurement]) -> list[str]:
    lines = [
        "## float32 on NumPy",
        "",
        "Off: how many inputs give another float32 than the one nearest to the exact result, of "
        f"{INPUTS:,} where swept and of about 1,050,000 where sampled.",
        "",
        "| entry | value, ulp | at | off | derivative, ulp | at | off | inputs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in swept_names():
        both = [table.get((name, which, "numpy", "float32")) for which in ("value", "derivative")]
        if None in both:
            continue
        cells = [c for row in both if row for c in (_ulps(row), _at(row), f"{row.off:,}")]
        swept = [row.exhaustive for row in both if row]
        how = "swept" if all(swept) else "value swept" if swept[0] else "sampled"
        lines.append(f"| {name} | {' | '.join(cells)} | {how} |")
    return [*lines, "", *_beyond(table)]


def _beyond(table: dict[tuple[str, ...], Measurement]) -> list[str]:
    """Where float32 on NumPy is further off than its bound, and why."""
    lines = [
        f"* {row.name} {row.which}, {ulps_text(row.ulps)} ulp at {_at(row)}, one of {row.off:,} "
        f"inputs that are off: {REASONS.get((row.name, row.which), 'not known')}"
        for row in table.values()
        if row.by == "numpy"
        and row.dtype == "float32"
        and row.ulps > BOUNDS["float32"][row.which == "derivative"]
    ]
    return ["Beyond the bound:", "", *lines, ""] if lines else []


def _ulps(row: Measurement) -> str:
    bound = BOUNDS.get(row.dtype, (math.inf, math.inf))[row.which == "derivative"]
    shown = ulps_text(row.ulps)
    if row.by == "numpy" and row.ulps > bound:
        return f"**{shown}**"
    return "≤ 0.5" if row.ulps == 0.5 and row.at is None else shown


def _at(row: Measurement) -> str:
    if row.at is None:
        return ""
    return f"{row.at:.9g}" if row.dtype != "float64" else repr(row.at)


def _float64(table: dict[tuple[str, ...], Measurement]) -> list[str]:
    lines = [
        "## float64 on NumPy",
        "",
        "At some 400 points each, a dozen of them around every zero. The goal is 4 ulp; what is "
        "beyond has its reason.",
        "",
        "| entry | value, ulp | at | derivative, ulp | at | why, where beyond 4 |",
        "|---|---|---|---|---|---|",
    ]
    for name in swept_names():
        both = [table.get((name, which, "numpy", "float64")) for which in ("value", "derivative")]
        rows = [row for row in both if row]
        if len(rows) < 2:
            continue
        cells = [c for row in rows for c in (_ulps(row), _at(row))]
        reasons = [REASONS.get((name, r.which), "not known") for r in rows if r.ulps > 4]
        lines.append(f"| {name} | {' | '.join(cells)} | {'; '.join(dict.fromkeys(reasons))} |")
    return [*lines, ""]


def _short(rows: list[Measurement]) -> list[str]:
    lines = [
        "## float16 and bfloat16",
        "",
        "Functions that are rounded correctly at every input, an exact tie either way; of the "
        "others the worst. XLA takes subnormal numbers for zero, so they are left out for JAX.",
        "",
        "| door | dtype | functions | rounded correctly | worst, ulp | of |",
        "|---|---|---|---|---|---|",
    ]
    for by in ("numpy", "torch", "jax"):
        for dtype in ("float16", "bfloat16"):
            mine = [r for r in rows if r.by == by and r.dtype == dtype]
            if not mine:
                continue
            right = sum(r.off == 0 for r in mine)
            worst = max(mine, key=lambda r: r.ulps)
            of = f"{worst.name} {worst.which} at {_at(worst)}" if worst.off else ""
            cells = (by, dtype, str(len(mine)), str(right), ulps_text(worst.ulps), of)
            lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _doors(table: dict[tuple[str, ...], Measurement]) -> list[str]:
    lines = [
        "## float32 in torch and JAX, ours and theirs",
        "",
        "The largest distance on the sample, in ulp, through our doors and through the libraries' "
        "own functions at the same defaults; derivatives there are automatic. NaN at an end where "
        "there is a limit is said beside it. Our doors compute in the library's own float32, so "
        "they are as exact as its exp and erf. Errors below 1e-35 count as less than an ulp here. "
        "Of the libraries' own functions are left out: kinks, where conventions differ, and their "
        "neighbours; inputs where the next float32 has another result by a thousandth part or "
        "more, beside a zero; and inputs beyond 1e30.",
        "",
        "| entry | | ours, torch | torch's own | ours, JAX | JAX's own |",
        "|---|---|---|---|---|---|",
    ]
    for name in swept_names():
        for which in ("value", "derivative"):
            rows = [r for k, r in table.items() if k[:2] == (name, which) and k[3] == "float32"]
            cells = [_of(rows, by) for by in ("torch", "torch.", "jax", "jax.")]
            if any(cells):
                lines.append(f"| {name} | {which} | {' | '.join(cells)} |")
    return [*lines, ""]


def _of(rows: list[Measurement], by: str) -> str:
    """The figure of a door (``torch``) or of a library's own functions (``torch.``)."""
    found = [r for r in rows if (r.by.startswith(by) if by.endswith(".") else r.by == by)]
    if not found:
        return ""
    worst = max(found, key=lambda r: (r.ulps, len(r.lost)))
    lost = f", NaN at {' and '.join(worst.lost)}" if worst.lost else ""
    return ulps_text(worst.ulps) + lost


def _theirs(rows: list[Measurement]) -> list[str]:
    wrong = [r for r in rows if not r.ours and r.dtype == "float32" and r.ulps >= _WRONG_FROM]
    lines = [
        "## Where a framework's own function loses its digits",
        "",
        f"float32, on the sample: {_WRONG_FROM:,.0f} ulp and more, a hundredth part or so.",
        "",
        "| call | | ulp | at | versions |",
        "|---|---|---|---|---|",
    ]
    for row in sorted(wrong, key=lambda r: (r.by, r.which != "value")):
        cells = (f"`{row.by}`", row.which, ulps_text(row.ulps), _at(row), row.versions)
        lines.append(f"| {' | '.join(cells)} |")
    return lines
