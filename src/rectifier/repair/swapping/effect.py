"""What a swap does to a model, measured on a batch before and after."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from rectifier.repair.batches import Batch
from rectifier.repair.passes import passes_of
from rectifier.repair.sites import Site, tap
from rectifier.repair.statistics import UnitStatistics, unit_rows


@dataclass
class Measured:
    """One forward pass: outputs, units that are dead by site, bytes kept for the backward pass."""

    outputs: list[Any]
    dead: dict[str, tuple[int, int]] = field(default_factory=dict)
    memory: int | None = None


@dataclass(frozen=True)
class Effect:
    """What changed on the batch.

    Attributes:
        largest_change, mean_change: of the outputs, absolute; NaN where one is not a number.
        same_bits: whether the outputs are equal to the last bit.
        units: at the places that changed, of the activations that are known.
        dead_before, dead_after: those among them that :func:`rectifier.diagnose` calls dead or
            saturated; one in several places of a pass has to be so in all.
        memory_before, memory_after: bytes that the model keeps for the backward pass, parameters
            aside; None where the library does not tell (TensorFlow).
    """

    largest_change: float
    mean_change: float
    same_bits: bool
    units: int
    dead_before: int
    dead_after: int
    memory_before: int | None
    memory_after: int | None

    def to_dict(self) -> dict[str, Any]:
        """JSON types; a number that is none is None."""
        return {
            k: None if isinstance(v, float) and not math.isfinite(v) else v
            for k, v in asdict(self).items()
        }

    def lines(self) -> list[str]:
        """For a terminal."""
        outputs = (
            "outputs: the same to the last bit"
            if self.same_bits
            else f"outputs: change by {self.mean_change:.3g} on average, "
            f"{self.largest_change:.3g} at most"
        )
        lines = [outputs]
        if self.units:
            lines.append(f"dead units: {self.dead_before} -> {self.dead_after} of {self.units}")
        if self.memory_before is not None and self.memory_after is not None:
            before, after = (
                f"{m / 1024:,.0f} KiB" for m in (self.memory_before, self.memory_after)
            )
            lines.append(f"kept for the backward pass: {before} -> {after}")
        return lines


def measure(model: Any, data: Any, library: ModuleType) -> Measured:
    """One pass of ``data`` in evaluation mode, and the memory of one with gradients."""
    seen: dict[str, UnitStatistics] = {}
    passes = passes_of(model, None, None, False)
    batch = Batch(data if isinstance(data, dict) else tuple(data) if _several(data) else data)
    with passes.untouched():
        passes.structure(batch)

        def receive(site: Site, z: Any, y: Any) -> None:
            if site.activation is None or not site.activation.elementwise:
                return
            axis = passes.unit_axis(site, y)
            rows_z, rows_y = (unit_rows(passes.array(v), axis) for v in (z, y))
            units = rows_y.shape[1]
            if seen.setdefault(site.name, UnitStatistics(site.activation, units)).units == units:
                seen[site.name].update(rows_z, rows_y)

        with tap(model, receive):
            passes.forward(batch)
    dead = {name: (int((one.dead | one.saturated).sum()), one.units) for name, one in seen.items()}
    outputs = [library.array(y) for y in library.outputs(model, data)]
    return Measured(outputs, dead, library.memory(model, data))


def _several(data: Any) -> bool:
    return isinstance(data, list | tuple)


def effect_of(before: Measured, after: Measured, changed: list[str]) -> Effect:
    """The differences; ``changed`` are the names of the sites that have."""
    pairs = list(zip(before.outputs, after.outputs, strict=True))
    with np.errstate(invalid="ignore"):
        changes = [np.abs(b.astype(np.float64) - a.astype(np.float64)).ravel() for b, a in pairs]
    change = np.concatenate(changes) if changes else np.zeros(1)
    # Sites keep their places in the pass; their names may say what they compute.
    spots = [i for i, name in enumerate(before.dead) if name in changed]
    afterwards = list(after.dead.values())
    aligned = len(afterwards) == len(before.dead)
    firsts = [list(before.dead.values())[i] for i in spots]
    return Effect(
        float(change.max(initial=0)),
        float(change.mean()) if change.size else 0.0,
        all(b.tobytes() == a.tobytes() for b, a in pairs),
        sum(units for _, units in firsts),
        sum(dead for dead, _ in firsts),
        sum(afterwards[i][0] for i in spots) if aligned else 0,
        before.memory,
        after.memory,
    )
