"""Simulated studies with known truth: do the intervals cover, is the verdict to be trusted?

    python -m benchmarks.statistics_simulation            # all, several minutes on one core
    python -m benchmarks.statistics_simulation --quick    # a tenth of the studies

Prints rows of CSV: what, setting, studies, figure, value. Seeded: the same numbers every time.

A run k of activation a gives row i the margin
    quality_a + easy_i + odd_ai + run_ak + sample_a + noise_aik
and is right where that exceeds 0 (accuracy) or loses minus that (a smooth score). ``easy`` is
shared by all activations, ``odd`` is what a row is to one activation, ``run`` the luck of initial
weights, order and fold, ``sample`` that of the whole table's training rows, which every fold
shares (overlap), so that no amount of seeds shows it. Rows are folded as a study folds them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from rectifier.study.judge.evidence import ALPHA
from rectifier.study.judge.metrics import METRICS
from rectifier.study.judge.statistics import DEFAULT_METHOD, METHODS, Scores, difference_interval
from rectifier.study.judge.verdict import decide
from rectifier.study.looks import ALPHA_A_LOOK, TIMES, why_stop

LEVEL = 0.90  # accuracy of an activation of quality 0
FAMILIES = (
    "400 rows 10 seeds",
    "400 rows 10 seeds overlap 0.2",
    "400 rows 10 seeds overlap 0.5",
    "400 rows 10 seeds much run luck",
    "400 rows 5 seeds",
    "178 rows 10 seeds",
)
LOOKED_AT = (
    "400 rows 10 seeds",
    "400 rows 10 seeds much run luck",
    "400 rows 10 seeds much run luck overlap 0.2",
    "400 rows 10 seeds overlap 0.5",
    "178 rows 10 seeds",
)


@dataclass(frozen=True)
class World:
    """Standard deviations are of the margin, in units of the rows' own ``easy``."""

    rows: int = 400
    seeds: int = 10
    odd: float = 0.15
    noise: float = 0.15
    run: float = 0.05
    overlap: float = 0.0  # share of the run variance that all folds have in common
    hits: bool = True

    @property
    def total(self) -> float:
        return float(np.sqrt(1 + self.odd**2 + self.noise**2 + self.run**2))

    def truth(self, quality: np.ndarray) -> np.ndarray:
        """Expected score of activations of that quality."""
        if not self.hits:
            return quality
        return norm.cdf(norm.ppf(LEVEL) + quality / self.total)

    def quality(self, gain: np.ndarray) -> np.ndarray:
        """The quality that scores LEVEL + gain, capped below 100 %."""
        if not self.hits:
            return gain
        return self.total * (norm.ppf(np.minimum(LEVEL + gain, 0.999)) - norm.ppf(LEVEL))

    def study(self, quality: np.ndarray, rng: np.random.Generator) -> Scores:
        count = len(quality)
        level = self.total * norm.ppf(LEVEL) + quality
        easy = rng.normal(size=self.rows)
        margin = easy + rng.normal(scale=self.odd, size=(count, self.rows)) + level[:, None]
        margin += rng.normal(scale=self.run * np.sqrt(self.overlap), size=(count, 1))
        rows, parts = [], []
        for seed in range(self.seeds):
            if seed % 5 == 0:
                folds = np.array_split(rng.permutation(self.rows), 5)
            tested = folds[seed % 5]
            value = margin[:, tested]
            value = value + rng.normal(scale=self.noise, size=value.shape)
            value += rng.normal(scale=self.run * np.sqrt(1 - self.overlap), size=(count, 1))
            rows.append(tested)
            parts.append((value > 0).astype(float) if self.hits else value)
        names = ["relu", *(f"f{index:02d}" for index in range(1, count))]
        return Scores.build(names, rows, parts, self.rows)


def coverage(world: World, studies: int, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Share of 95 % intervals of a true difference that hold it, and their half-widths."""
    quality = world.quality(np.array([0.0, 0.02 if world.hits else 0.1]))
    truth = np.diff(world.truth(quality))[0]
    held, half = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0.0)
    for _ in range(studies):
        scores = world.study(quality, rng)
        for method in METHODS:
            found = difference_interval(scores, "f01", "relu", method, row_step=float(world.hits))
            held[method] += found.low <= truth <= found.high
            half[method] += (found.high - found.low) / 2
    for method in METHODS:
        yield f"coverage {method}", held[method] / studies
        yield f"half-width {method}", half[method] / studies


def family(
    world: World, tau: float, studies: int, rng: np.random.Generator, method: str
) -> Iterator[tuple[str, float]]:
    """Verdicts on a baseline and 20 candidates whose true scores spread by ``tau``."""
    gains_of: dict[str, list[float]] = {"proven": [], "likely": [], "no matter": []}
    loss, plain, shrunken, said, was = [], [], [], [], []
    for _ in range(studies):
        quality = world.quality(rng.normal(scale=tau, size=21))
        scores = world.study(quality, rng)
        level = world.truth(quality)
        truth = dict(zip(scores.activations, level - level[0], strict=True))
        verdict = decide(
            scores,
            baseline="relu",
            metric=METRICS["accuracy" if world.hits else "r2"],
            learning_rates={},
            runs={},
            method=method,
        )
        chosen = verdict["recommended"]
        # The baseline shown to be the best is "proven" too, but proposes no change.
        strength = verdict["strength"] if chosen != "relu" else "no matter"
        gains_of[strength].append(truth[chosen])
        loss.append(max(truth.values()) - truth[chosen])
        table = [row for row in verdict["table"] if row["activation"] != "relu"]
        best = max(table, key=lambda row: row["expected_gain"])
        plain.append(best["difference"] - truth[best["activation"]])
        shrunken.append(best["expected_gain"] - truth[best["activation"]])
        said += [row["probability_better"] for row in table]
        was += [truth[row["activation"]] > 0 for row in table]
    for strength, gains in gains_of.items():
        yield f"verdict {strength}", len(gains) / studies
    yield "proven but not better", sum(gain <= 0 for gain in gains_of["proven"]) / studies
    if tau > 0 and len(gains_of["likely"]) >= 20:
        yield "likely and better", float(np.mean(np.array(gains_of["likely"]) > 0))
    yield "bias of the best's plain difference", float(np.mean(plain))
    yield "bias of the best's expected gain", float(np.mean(shrunken))
    yield "mean loss to the true best", float(np.mean(loss))
    if tau > 0:
        chance, better = np.array(said), np.array(was)
        place = np.digitize(chance, [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
        for index in range(7):
            inside = place == index
            if inside.sum() >= 100:
                yield f"said {chance[inside].mean():.3f} was", float(better[inside].mean())


def looks(
    world: World, tau: float, studies: int, rng: np.random.Generator
) -> Iterator[tuple[str, float]]:
    """Studies with ``--seeds auto``: how they end, and how often something is proven.

    "any of all four looks": had no study stopped early; "at 5 % each": had each look also taken the
    whole 5 %.
    """
    most = world.seeds * TIMES[-1]
    ended, proven, wrong, careless, always, used = [], 0, 0, 0, 0, []
    for _ in range(studies):
        quality = world.quality(rng.normal(scale=tau, size=21))
        scores = replace(world, seeds=most).study(quality, rng)
        level = world.truth(quality)
        better = dict(zip(scores.activations, level > level[0], strict=True))
        stopped, found, hasty, forced = None, None, False, False
        for times in TIMES:
            seeds = world.seeds * times
            seen = Scores(
                scores.activations,
                scores.scores[:, :seeds],
                scores.rows[:seeds],
                scores.contributions[:seeds],
                world.rows,
            )
            verdict = decide(
                seen,
                baseline="relu",
                metric=METRICS["accuracy" if world.hits else "r2"],
                learning_rates={},
                runs={},
                confidence=1 - ALPHA_A_LOOK,
            )
            margin = verdict["settings"]["statistics"]["equivalence_margin"]
            p_values = [r["p_holm"] for r in verdict["table"] if r["expected_gain"] > margin]
            hasty |= any(p is not None and p < ALPHA for p in p_values)
            forced |= any(p is not None and p < ALPHA_A_LOOK for p in p_values)
            if stopped is None:
                is_proven = verdict["strength"] == "proven" and verdict["recommended"] != "relu"
                found = verdict["recommended"] if is_proven else None
                stopped = why_stop(verdict, seeds, most)
                stopped = stopped or None
                if stopped:
                    used.append(seeds)
        careless += hasty
        always += forced
        proven += found is not None
        wrong += found is not None and not better[found]
        ended.append(stopped)
    yield "proven", proven / studies
    yield "proven but not better", wrong / studies
    yield "proven at any of all four looks", always / studies
    yield "proven at any of all four looks at 5 % each", careless / studies
    yield "settled", sum(why.startswith("settled") for why in ended) / studies
    yield "rows are the limit", sum("the limit" in why for why in ended) / studies
    yield "mean seeds", float(np.mean(used))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("coverage", "family", "looks"))
    options = parser.parse_args(arguments)
    many = 200 if options.quick else 2000
    few = 40 if options.quick else 400
    print("what,setting,studies,figure,value")

    def write(what: str, setting: str, studies: int, rows: Iterator[tuple[str, float]]) -> None:
        for figure, value in rows:
            print(f"{what},{setting},{studies},{figure},{value:.4f}")
        sys.stdout.flush()

    base = World()
    worlds = {
        "178 rows 10 seeds": replace(base, rows=178),
        "400 rows 10 seeds": base,
        "400 rows 10 seeds overlap 0.2": replace(base, overlap=0.2),
        "400 rows 10 seeds overlap 0.5": replace(base, overlap=0.5),
        "400 rows 10 seeds no run luck": replace(base, run=0.0),
        "400 rows 10 seeds much run luck": replace(base, run=0.2),
        "400 rows 10 seeds much run luck overlap 0.2": replace(base, run=0.2, overlap=0.2),
        "400 rows 10 seeds much run luck overlap 0.5": replace(base, run=0.2, overlap=0.5),
        "400 rows 3 seeds": replace(base, seeds=3),
        "400 rows 5 seeds": replace(base, seeds=5),
        "400 rows 7 seeds": replace(base, seeds=7),
        "400 rows 20 seeds": replace(base, seeds=20),
        "2000 rows 10 seeds": replace(base, rows=2000),
        "400 rows 10 seeds smooth": replace(base, hits=False),
        "400 rows 5 seeds smooth much run luck": replace(base, hits=False, run=0.2, seeds=5),
    }
    if options.only in (None, "coverage"):
        for index, (name, world) in enumerate(worlds.items()):
            rng = np.random.default_rng([1, index])
            write("coverage", name, many, coverage(world, many, rng))
    if options.only in (None, "looks"):
        for index, (name, tau) in enumerate((n, t) for n in LOOKED_AT for t in (0.0, 0.01)):
            rng = np.random.default_rng([3, index])
            studies = few // 20 if tau else 3 * few // 10  # each is four verdicts on 10 to 80 seeds
            write("looks", f"{name} tau {tau}", studies, looks(worlds[name], tau, studies, rng))
    if options.only in (None, "family"):
        settings = [
            (name, tau, method)
            for name in FAMILIES
            for tau in (0.0, 0.005, 0.01, 0.02)
            for method in ("crossed-corrected", "crossed", "nadeau-bengio")
            if method == DEFAULT_METHOD or tau in (0.0, 0.01)
        ]
        for index, (name, tau, method) in enumerate(settings):
            rng = np.random.default_rng([2, index])
            studies = few if tau else 5 * few // 2
            rows = family(worlds[name], tau, studies, rng, method)
            write("family", f"{name} {method} tau {tau}", studies, rows)


if __name__ == "__main__":
    main()
