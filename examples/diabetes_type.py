"""Write a table like the one of a well-known activation-function tutorial.

    python examples/diabetes_type.py diabetes_type.csv
    rectifier inspect diabetes_type.csv --target Type
    rectifier compare diabetes_type.csv --target Type --drop Class --hidden 3 --batch-size 10

The tutorial's own table is not ours to hand out. This one is made by the rules
below, from a seed, and has its traits: 1009 rows of which 631 are Normal, a
Class (0, 1, -1) that is a function of Type, laboratory values from a small set
of panels, a few hundred rows that are exact copies of others, and types that
a linear model tells apart nearly without error.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

COLUMNS = ("Age", "BS Fast", "BS pp", "Plasma R", "Plasma F", "HbA1c", "Type", "Class")
CLASS = {"Normal": 0, "Type1": 1, "Type2": -1}
ROWS = {"Normal": 631, "Type1": 173, "Type2": 205}
COPIES = 380
# Centres in mmol/l, HbA1c in mmol/mol. A raised plasma glucose sets the diabetics apart, the
# value after a meal (BS pp) one type from the other.
CENTRES = {
    "Normal": (5.2, 6.6, 9.6, 5.0, 35.0),
    "Type1": (6.3, 7.9, 12.2, 8.1, 57.0),
    "Type2": (6.4, 5.4, 12.0, 7.9, 58.0),
}
SPREADS = (0.4, 0.55, 0.55, 0.5, 4.0)
AGES = {"Normal": 31.0, "Type1": 37.0, "Type2": 38.0}


def rows(seed: int = 0) -> list[tuple[int | float | str, ...]]:
    """1009 rows in the order of ``COLUMNS``; the same seed gives the same rows."""
    rng = np.random.default_rng(seed)
    total = sum(ROWS.values())
    made: list[tuple[int | float | str, ...]] = []
    for kind, count in ROWS.items():
        originals = count - round(COPIES * count / total)
        fresh: list[tuple[int | float | str, ...]] = []
        for _ in range(originals):
            values = rng.normal(CENTRES[kind], SPREADS)
            age = int(np.clip(rng.gamma(2.0, 6.0) + AGES[kind] - 10.0, 21, 81))
            laboratory = [round(float(value), 1) for value in values[:4]]
            fresh.append((age, *laboratory, round(float(values[4])), kind, CLASS[kind]))
        copied = rng.integers(originals, size=count - originals)
        made += fresh + [fresh[place] for place in copied]
    return [made[place] for place in rng.permutation(total)]


def write(path: Path, seed: int = 0) -> None:
    """The table as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows(seed))


def main() -> None:
    parser = argparse.ArgumentParser(description="write a look-alike of the diabetes table")
    parser.add_argument("file", type=Path, nargs="?", default=Path("diabetes_type.csv"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write(arguments.file, arguments.seed)


if __name__ == "__main__":
    main()
