"""What the trainer's machine code is told: one array of 64-bit words, an address or a count each.

Both sides read this file: :mod:`.source`, which writes the code, and :mod:`.program`, which
fills the words. Arrays are of float32 unless said otherwise; [.., lanes] is their last axis.
"""

from __future__ import annotations

from dataclasses import dataclass

# Runs side by side: the numbers in a register of 32 bytes. Which number it is enters no result.
# Registers of 64 bytes are two of these to most processors, and leave more lanes idle.
LANES = 8

ADVANCE, EXAMINE = 0, 1  # what the code does: epochs of training, or a look at the best weights

BLOCK = 64  # rows that are done at a time; bounds the scratch memory, stays near the processor

FIELDS = (
    "what",  # ADVANCE or EXAMINE
    # functions
    "pair",  # (z, value, slope, count) of the activation
    "exp",  # (x, result, count)
    "log",
    # the table
    "matrices",  # [lanes] addresses of [rows, inputs]
    "shift",  # [inputs, lanes]
    "scale",  # [inputs, lanes]
    "targets",  # [rows] int32 classes, or float32 values
    "target_shift",  # [lanes]
    "target_scale",  # [lanes]
    # batches
    "orders",  # [lanes] addresses of [epochs of this call, steps, batch] int32
    "batch",
    "steps",
    "corrections",  # [steps of this call, 2]: Adam's 1 / (1 - beta ** step)
    "first",  # number of the first epoch of this call
    "epochs",  # of this call
    "everyone",  # [lanes] int64: as many rows as a batch has
    # weights
    "weights",  # [weights, lanes]
    "gradients",  # zero between steps
    "means",  # Adam's
    "squares",
    "best",
    "rates",  # [lanes]
    # what is found out
    "validation",  # [lanes] addresses of int32 row numbers
    "valid",  # [lanes] int64: how many
    "longest",  # the most of them
    "patience",
    "best_loss",  # [lanes]
    "best_epoch",  # [lanes] int32, as the next three
    "done",
    "stopped",
    "diverged",
    "curves",  # [3, epochs of the study, lanes]
    "whole",  # epochs of the study
    "asked",  # [lanes] addresses of int32 row numbers
    "asked_counts",  # [lanes] int64
    "asked_longest",
    "outputs",  # [asked_longest, outputs, lanes]
    "sparsity",  # [lanes]
    "ratio",  # [lanes]
    "scratch",
)


def padded(count: int) -> int:
    """Vectors a row of ``count`` has in memory. Rows whose length is a large power of two would
    fall into the same few places of a cache (64 x 64 took three times as long)."""
    return count + 1 if count % 32 == 0 else count


@dataclass(frozen=True)
class Shape:
    """A network as machine code.

    Attributes:
        sizes: inputs, units of every hidden layer, outputs.
        classes: cross-entropy of classes, else squared error of one output.
        lanes: runs side by side.
        columns: of a tile, see :mod:`.emit`.
    """

    sizes: tuple[int, ...]
    classes: bool
    lanes: int
    columns: int

    @property
    def layers(self) -> int:
        return len(self.sizes) - 1

    def kernel(self, layer: int) -> int:
        """Where a layer's kernel [inputs, padded(units)] begins among the weights, in vectors."""
        return sum(
            self.sizes[i] * padded(self.sizes[i + 1]) + padded(self.sizes[i + 1])
            for i in range(layer)
        )

    def bias(self, layer: int) -> int:
        return self.kernel(layer) + self.sizes[layer] * padded(self.sizes[layer + 1])

    @property
    def weights(self) -> int:
        return self.kernel(self.layers)

    def scratch(self) -> dict[str, int]:
        """Where every intermediate array begins, in bytes; ``end`` is behind the last."""
        one = 4 * self.lanes
        row = [BLOCK * padded(size) for size in self.sizes]
        needs = {f"values{i}": row[i] for i in range(self.layers + 1)}  # 0 is the input
        needs |= {f"slopes{i}": row[i] for i in range(1, self.layers)}
        needs |= {"delta0": max(row[1:]), "delta1": max(row[1:])}
        needs |= {"powers": row[-1], "sums": BLOCK, "logs": BLOCK, "wanted": BLOCK}
        needs |= {"weight": 1, "training": 1, "loss": 2, "dead": 2 * sum(self.sizes[1:-1])}
        places, end = {}, 0
        for name, vectors in needs.items():
            places[name] = end
            end += -(-vectors * one // 64) * 64
        return {**places, "end": end}
