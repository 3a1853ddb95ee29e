"""Faults that show in what units give: dead, saturated, linear, constant, not finite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from rectifier.repair.findings import Finding
from rectifier.repair.sites import Site
from rectifier.repair.statistics import UnitStatistics
from rectifier.repair.structure import Network, Step

# Shares of a layer's units from which it is a finding. Healthy networks have some units of every
# kind; benchmarks/diagnosis.py measured how many (docs/diagnosis.md).
DEAD = 0.5
SATURATED = 0.5
LINEAR = 0.9
CONSTANT = 0.3
FEWEST_ROWS = 32  # of fewer rows a share of 99 % says nothing
INPUT_SPREAD = 30.0  # root mean square of an input feature


S_co = TypeVar("S_co", bound=UnitStatistics, covariant=True)


@dataclass(frozen=True)
class Watched(Generic[S_co]):
    """A site and what was seen there."""

    site: Site
    statistics: S_co


def find(watched: Sequence[Watched[UnitStatistics]]) -> list[Finding]:
    """All faults of units, in the order of the sites."""
    found: list[Finding] = []
    for one in watched:
        # Behind a layer that is dead throughout everything is constant, by no fault of its own.
        cut = any(f.kind == "dead_units" and f.numbers["value"] > 0.99 for f in found)
        found += _of_site(one, cut)
    return found


def _of_site(one: Watched[UnitStatistics], cut: bool) -> Iterator[Finding]:
    site, seen = one.site, one.statistics
    shares = seen.shares()
    if shares.nonfinite:
        count, values = int((seen.nonfinite > 0).sum()), int(seen.nonfinite.sum())
        what = f"{values:,} values that are NaN or infinite, in {count} of {seen.units} units"
        remedy = "lower the learning rate, clip gradients, look for NaN in the data"
        yield _finding("not_finite", one, what, remedy, "certain", values)
        return
    if seen.rows < FEWEST_ROWS:
        return
    name = site.activation.name if site.activation is not None else "activation"
    of = f" of the {site.name.rpartition(':')[2]}" if site.how == "inside" else ""
    if shares.dead >= DEAD:
        dead = int(seen.dead.sum())
        what = (
            f"{dead} of {seen.units} units{of} dead ({shares.dead:.0%}): the slope of {name} is "
            f"below {seen.limits.epsilon:g} for {seen.limits.rows:.0%} or more of {seen.rows:,} "
            "rows"
        )
        yield _finding("dead_units", one, what, _revive(one), "likely", shares.dead)
    if shares.saturated >= SATURATED:
        count = int(seen.saturated.sum())
        what = (
            f"{count} of {seen.units} units{of} saturated ({shares.saturated:.0%}): {name} is "
            f"within 1 % of its steepest slope's flat end for {seen.limits.rows:.0%} of "
            f"{seen.rows:,} rows; pre-activations spread {_spread(seen):.3g} about zero"
        )
        remedy = "scale inputs and initial weights down, or normalise before the activation"
        remedy = "scale inputs, weights and biases of that gate down" if of else remedy
        yield _finding("saturated_units", one, what, remedy, "likely", shares.saturated)
    live = 1 - shares.dead - shares.saturated
    # What a gate lets through is a product: straight, it still bends what passes.
    if site.how != "inside" and live > 0.1 and shares.linear / live >= LINEAR:
        count = int(seen.linear.sum())
        what = (
            f"{count} of {seen.units} units compute a straight line: {name} was met on one "
            f"linear piece only, in {seen.rows:,} rows (pre-activations spread {_spread(seen):.3g})"
        )
        remedy = "centre the bias at 0 and draw weights with spread gain / sqrt(fan in)"
        yield _finding("linear_layer", one, what, remedy, "likely", shares.linear)
    if shares.constant >= CONSTANT and seen.sloped and not cut:
        count = int((seen.constant & ~seen.dead & ~seen.saturated).sum())
        what = f"{count} of {seen.units} units gave all {seen.rows:,} rows the same value"
        remedy = "look at the weights before it: draw them at random, not as zeros"
        yield _finding("constant_units", one, what, remedy, "likely", shares.constant)


def _finding(
    kind: str, one: Watched[UnitStatistics], what: str, remedy: str, sure: str, share: float
) -> Finding:
    site = one.site
    numbers = {"site": site.name, "value": float(share), "rows": one.statistics.rows}
    where = site.layer or site.name
    return Finding(kind, what, where, remedy, sure, site.source, numbers)  # type: ignore[arg-type]


def _revive(one: Watched[UnitStatistics]) -> str:
    if one.site.how == "inside":
        return "a lower learning rate, smaller initial weights, or gradients clipped to norm 1"
    activation = one.site.activation
    other = "leaky_relu(negative_slope=0.1)"
    if activation is not None and activation.name != "relu":
        other = "elu" if activation.name == "leaky_relu" else other
    return f'rf.swap(model, {{"{one.site.name}": "{other}"}}), and a lower learning rate'


def _spread(seen: UnitStatistics) -> float:
    return float(np.sqrt(np.mean(seen.z_mean**2 + seen.z_sd**2)))


def _recurs(step: Step) -> bool:
    """Whether it is a recurrent layer, which has weights and is not linear."""
    return step.operation.startswith(("lstm", "gru", "rnn", "simple_rnn", "bidirectional"))


def find_inputs(inputs: UnitStatistics | None, network: Network) -> list[Finding]:
    """Inputs far from mean 0 and spread 1, where nothing scales them before the first weights."""
    first = next((s for s in network.steps if s.role == "weights" or _recurs(s)), None)
    if inputs is None or first is None or inputs.rows < FEWEST_ROWS:
        return []
    if not inputs.nonfinite.any() and network.back(first, {"shape", "dropout"}) is not None:
        return []
    size = np.sqrt(inputs.y_mean**2 + inputs.y_sd**2)
    worst = int(np.argmax(size))
    if inputs.nonfinite.any():
        what = f"{int(inputs.nonfinite.sum()):,} input values are NaN or infinite"
        remedy = "drop or fill them before training"
        return [Finding("not_finite", what, "", remedy, "certain")]
    if size[worst] < INPUT_SPREAD:
        return []
    what = (
        f"input feature {worst} has root mean square {size[worst]:.3g} (mean "
        f"{inputs.y_mean[worst]:.3g}, spread {inputs.y_sd[worst]:.3g})"
    )
    remedy = "x = (x - mean) / spread, or a normalisation as the first layer"
    numbers = {"feature": worst, "size": float(size[worst])}
    return [Finding("unscaled_inputs", what, first.where, remedy, "likely", first.source, numbers)]
