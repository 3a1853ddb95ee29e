"""How fast activations are on the CPU; what is measured, and how: :mod:`rectifier.bench`.

    python -m benchmarks.kernels             # about ten minutes
    python -m benchmarks.kernels --quick     # 1 M elements of float32, four functions
    python -m benchmarks.kernels --vectorised

`rectifier bench` measures the same. Rows go to ``benchmarks/results/kernels.csv``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rectifier import bench

RESULTS = Path(__file__).parent / "results" / "kernels.csv"


def vectorised() -> None:
    """Prints which of the catalogue's elementwise functions are vectorised on this machine."""
    import rectifier as rf
    from rectifier.kernels import cpu
    from rectifier.kernels.source import Shape

    for name in rf.names():
        act = rf.get(name)
        if act.elementwise:
            shapes = [Shape(d, "long", len(act.parameters)) for d in ("float32", "float64")]
            found = [cpu.vectorised(act.rule.value, shape) for shape in shapes]
            print(f"{name:20} float32 {found[0]!s:6} float64 {found[1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="1 M float32, four functions")
    parser.add_argument("--vectorised", action="store_true", help="only say what is")
    parser.add_argument("--functions", default="", help="comma-separated; default: all")
    parser.add_argument("--sizes", default="", help="of " + ", ".join(bench.SIZES))
    parser.add_argument("--seconds", type=float, default=1.5, help="for each table (default 1.5)")
    options = parser.parse_args()
    if options.vectorised:
        return vectorised()
    names = tuple(options.functions.split(",")) if options.functions else tuple(bench.PEERS)
    sizes = tuple(options.sizes.split(",")) if options.sizes else tuple(bench.SIZES)
    dtypes: tuple[str, ...] = ("float32", "float64")
    if options.quick:
        names, sizes, dtypes = bench.QUICK, ("1M",), ("float32",)
    rows = bench.measure(names, sizes, dtypes, options.seconds, print)
    bench.write(rows, RESULTS)
    for row in rows:
        print("  ".join(f"{cell:>12}" for cell in row[:11]))
    return None


if __name__ == "__main__":
    main()
