"""A tutorial's conclusion about Leaky ReLU, looked at again with inspect and compare.

    python examples/diabetes_tutorial.py                    # on a look-alike table
    python examples/diabetes_tutorial.py diabetes_type.csv  # on the tutorial's own, if you have it

The tutorial trains six inputs, one hidden layer of three units and ONE output unit with
categorical cross-entropy on the labels 0, 1, -1: batches of 10, 100 epochs, 20 % test rows. It
reports 61.96 % training and 64.85 % test accuracy, and blames the lack of negative inputs for the
poor showing of Leaky ReLU. This script shows what happened instead:

1. Categorical cross-entropy over a single unit divides that unit by itself: log(1) = 0 whatever
   the weights. Nothing was learnt; the accuracy is the share of the largest class.
2. ``Class`` is ``Type`` in other words, and must be left out.
3. A linear model, and every sensible activation, reaches about 99 %: they tie, before and after
   PCA. The sign of the inputs has no part in it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import diabetes_type
import numpy as np

import rectifier as rf

NETWORK = {"hidden": (3,), "batch_size": 10, "epochs": 100}


def tutorial_loss(labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Categorical cross-entropy as Keras computes it, for one output unit [rows, 1]."""
    probabilities = outputs / outputs.sum(axis=1, keepdims=True)  # one unit: always 1
    return -(labels[:, None] * np.log(probabilities)).sum(axis=1)


def after_pca(table: str) -> tuple[np.ndarray, np.ndarray]:
    """The six measurements as principal components, and the labels."""
    import polars as pl
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    frame = pl.read_csv(table)
    x = StandardScaler().fit_transform(frame.drop("Type", "Class").to_numpy())
    return PCA().fit_transform(x), frame["Type"].to_numpy()


def main(arguments: list[str]) -> None:
    if arguments:
        table = arguments[0]
    else:
        table = str(Path(tempfile.mkdtemp()) / "diabetes_type.csv")
        diabetes_type.write(Path(table))

    print("1. The tutorial's loss on any outputs at all:")
    rng = np.random.default_rng(0)
    losses = tutorial_loss(rng.choice([0, 1, -1], 8), rng.uniform(0.01, 1, (8, 1)))
    print(f"   {losses + 0.0}\n")

    print("2. What is in the table:")
    for finding in rf.inspect(table, target="Type").findings:
        print(f"   {finding.kind}: {finding.message} {finding.remedy}")

    print("\n3. The comparison it should have been:")
    study = rf.compare(table, target="Type", drop=["Class"], **NETWORK)
    print(f"   {study.verdict['reason']}")
    study = rf.compare(after_pca(table), **NETWORK)
    print(f"   after PCA: {study.verdict['reason']}")
    negative = rf.inspect(table, target="Type", drop=["Class"])
    print(f"   {negative.negative_sentence}")


if __name__ == "__main__":
    main(sys.argv[1:])
