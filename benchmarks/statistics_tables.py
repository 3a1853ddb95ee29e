"""The tables of docs/statistics.md from the rows of benchmarks/statistics_simulation.py.

python -m benchmarks.statistics_simulation > benchmarks/results/statistics_simulation.csv
python -m benchmarks.statistics_tables
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from rectifier.study.judge.statistics import METHODS

RESULTS = Path(__file__).parent / "results" / "statistics_simulation.csv"


def read(path: Path) -> dict[tuple[str, str], dict[str, float]]:
    """Figures by what was simulated and in which setting, ``studies`` among them."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            figures = found.setdefault((row["what"], row["setting"]), {})
            figures[row["figure"]] = float(row["value"])
            figures["studies"] = float(row["studies"])
    return found


def line(cells: Iterator[str] | list[str]) -> None:
    print("| " + " | ".join(cells) + " |")


def head(*names: str) -> None:
    print()
    line(list(names))
    print("|" + "---|" * len(names))


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}".replace("%", " %")


def world(setting: str) -> tuple[str, str, float]:
    """ "400 rows 10 seeds overlap 0.5 crossed tau 0.01" as world, method and tau in points."""
    rest, tau = setting.rsplit(" tau ", 1)
    method = next((m for m in METHODS if rest.endswith(" " + m)), "")
    rest = rest.removesuffix(" " + method)
    return rest, method, 100 * float(tau)


def coverage(found: dict[tuple[str, str], dict[str, float]]) -> None:
    head("world", *METHODS)
    for (what, setting), figures in found.items():
        if what == "coverage":
            unit, digits = (1, 2) if "smooth" in setting else (100, 1)
            line(
                [setting]
                + [
                    f"{share(figures[f'coverage {m}'])} "
                    f"±{unit * figures[f'half-width {m}']:.{digits}f}"
                    for m in METHODS
                ]
            )


def looks(found: dict[tuple[str, str], dict[str, float]]) -> None:
    told = {
        "proven": share,
        "proven but not better": share,
        "proven at any of all four looks": share,
        "proven at any of all four looks at 5 % each": share,
        "settled": share,
        "rows are the limit": share,
        "mean seeds": lambda value: f"{value:.0f}",
    }
    head("world", "tau", "studies", *told)
    for (what, setting), figures in found.items():
        if what == "looks":
            name, _, tau = world(setting)
            cells = [show(figures[figure]) for figure, show in told.items()]
            line([name, f"{tau:g}", f"{figures['studies']:.0f}", *cells])


def family(found: dict[tuple[str, str], dict[str, float]]) -> None:
    shares = ("verdict proven", "proven but not better", "verdict likely", "likely and better")
    points = (
        "bias of the best's plain difference",
        "bias of the best's expected gain",
        "mean loss to the true best",
    )
    head("world", "interval", "tau", *shares, *points)
    families = [(world(s), figures) for (what, s), figures in found.items() if what == "family"]
    for (name, method, tau), figures in families:
        cells = [share(figures.get(figure)) for figure in shares]
        line([name, method, f"{tau:g}", *cells, *(f"{100 * figures[p]:+.2f}" for p in points)])
    head("world", "interval", "tau", "said: was")
    for (name, method, tau), figures in families:
        said = [
            f"{float(figure.split()[1]):.2f}: {value:.2f}"
            for figure, value in figures.items()
            if figure.startswith("said")
        ]
        if said:
            line([name, method, f"{tau:g}", ", ".join(said)])


if __name__ == "__main__":
    rows = read(RESULTS)
    coverage(rows)
    looks(rows)
    family(rows)
