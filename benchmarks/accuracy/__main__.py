"""How exact every entry is, beside torch's and JAX's own functions.

    python -m benchmarks.accuracy                        # strided inputs, four dtypes: a while
    python -m benchmarks.accuracy --exhaustive           # all 2^32 of float32, as far as missing
    python -m benchmarks.accuracy --exhaustive gelu silu --workers 2 --again
    python -m benchmarks.accuracy --theirs gelu silu     # of these, torch's and JAX's own alone
    python -m benchmarks.accuracy --dtypes float64       # of all, in one dtype: four minutes
    python -m benchmarks.accuracy --page                 # docs/accuracy.md from the table again

Rows go to ``src/rectifier/catalog/accuracy.csv`` as each function ends, and the page is written
from it. A sweep that was stopped, however, goes on with the functions that are missing; one whose
compiled code has changed since it was swept counts as missing.
"""

from __future__ import annotations

import argparse
import os

DTYPES = ("float32", "float64", "float16", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", help="entries; all elementwise ones by default")
    parser.add_argument("--exhaustive", action="store_true", help="all 2^32 inputs of float32")
    parser.add_argument("--again", action="store_true", help="those that are there already, too")
    parser.add_argument("--workers", type=int, default=1, help="processes; 1 by default")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--theirs", action="store_true", help="torch's and JAX's functions only")
    parser.add_argument("--dtypes", nargs="+", default=DTYPES, choices=DTYPES, help="all four")
    given = parser.parse_args()
    # One thread in each process: a sweep has as many processes as it was given. NumPy reads this
    # when it is first imported.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from benchmarks.accuracy import page, processes, sweep, table

    known = sweep.swept_names()
    if unknown := sorted({*given.names} - {*known}):
        parser.error(f"{', '.join(unknown)}: no elementwise entry; see rectifier list")
    if given.workers < 1:
        parser.error(f"--workers must be 1 or more, got {given.workers}")
    names = [name for name in known if name in (given.names or known)]
    if given.exhaustive:
        processes.exhaustive(names, given.workers, given.again)
    elif not given.page:
        processes.sampled(names, given.dtypes, not given.theirs)
    page.write(table.read().values())
    print(f"{table.PATH}\n{page.PATH}")


if __name__ == "__main__":
    main()
