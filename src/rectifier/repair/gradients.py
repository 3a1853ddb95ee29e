"""What a loss does to each weight, batch by batch: norms of gradients and of the steps taken."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rectifier.repair.structure import Weight


@dataclass
class WeightGradient:
    """Running figures of one weight.

    Attributes:
        weight: its values before any step.
        squares: sum over batches of the squared L2 norm of the gradient.
        batches: seen; ``zero``: with a gradient of exact zeros or none; ``broken``: not finite.
        step: L2 norm of what the optimizer's own step changed, None without an optimizer.
    """

    weight: Weight
    squares: float = 0.0
    batches: int = 0
    zero: int = 0
    broken: int = 0
    step: float | None = None

    def update(self, gradient: np.ndarray | None) -> None:
        """Takes in the gradient of one batch; None where the loss does not depend on it."""
        self.batches += 1
        if gradient is None:
            self.zero += 1
            return
        square = float(np.sum(np.square(gradient, dtype=np.float64)))
        if not np.isfinite(square):
            self.broken += 1
            return
        self.zero += not np.any(gradient)
        self.squares += square

    @property
    def norm(self) -> float:
        """Root mean square over batches of the gradient's L2 norm, in loss per unit of weight."""
        return float(np.sqrt(self.squares / max(1, self.batches)))

    @property
    def size(self) -> float:
        """L2 norm of the weight."""
        return float(np.linalg.norm(self.weight.values.astype(np.float64)))

    @property
    def step_ratio(self) -> float | None:
        """Step over weight, both as L2 norms; about 0.001 in a network that learns well."""
        return None if self.step is None or not self.size else self.step / self.size


@dataclass
class Gradients:
    """Of all weights, in the model's order.

    Attributes:
        losses: of each batch.
        left_out: paths of trainable weights that the optimizer does not have.
    """

    weights: dict[str, WeightGradient]
    losses: list[float] = field(default_factory=list)
    left_out: tuple[str, ...] = ()

    @property
    def loss(self) -> float:
        return float(np.mean(self.losses)) if self.losses else float("nan")

    def effect(self, path: str) -> float:
        """|g| |w| / |loss|: by what share a relative change of the weight changes the loss.

        Free of the scale of weights and loss, so that layers and models can be compared.
        """
        record = self.weights[path]
        return record.norm * record.size / max(abs(self.loss), 1e-12)


@dataclass(frozen=True)
class Stepped:
    """What one step of a running training did to one kernel.

    Attributes:
        layer: its path.
        ratio: L2 norm of the change over that of the weight; None where that is 0 or unknown.
        broken: whether its gradient was NaN or infinite.
    """

    layer: str
    ratio: float | None
    broken: bool = False
