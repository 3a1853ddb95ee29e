"""What a swap does to a model, measured on a batch before and after."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from rectifier.repair.sites import Site, tap

# A unit is dead where its slope is below this for at least this share of the rows.
_FLAT = 1e-6
_ALWAYS = 0.99


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
        dead_before, dead_after: units among them whose slope is under 1e-6 for 99 % of the rows.
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
    dead: dict[str, tuple[int, int]] = {}

    def receive(site: Site, z: Any, y: Any) -> None:
        if site.activation is None or site.activation.kind != "elementwise":
            return
        slopes = np.abs(site.activation.derivative(library.array(z).astype(np.float64)))
        axis = library.unit_axis(slopes.ndim)
        flat = np.moveaxis(slopes, axis, -1).reshape(-1, slopes.shape[axis]) < _FLAT
        dead[site.name] = (int(np.sum(flat.mean(axis=0) >= _ALWAYS)), flat.shape[1])

    with tap(model, receive):
        outputs = [library.array(y) for y in library.outputs(model, data)]
    return Measured(outputs, dead, library.memory(model, data))


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
