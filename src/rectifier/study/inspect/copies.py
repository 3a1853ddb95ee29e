"""Rows that are exact copies of others."""

from __future__ import annotations

import numpy as np
import polars as pl


def row_keys(frame: pl.DataFrame, images: np.ndarray | None, y: np.ndarray) -> np.ndarray:
    """[rows] uint64: equal for rows that agree in every feature (or pixel) and in the target."""
    if images is not None:
        frame = pl.DataFrame({"picture": [hash(picture.tobytes()) for picture in images]})
    # the target goes by a name that no tidy column can have
    return frame.with_columns(pl.Series("\0", y)).hash_rows(seed=0).to_numpy()


def crossing(keys: np.ndarray, share: float, rng: np.random.Generator) -> tuple[int, int]:
    """Draw ``share`` of the rows for testing: (test rows with a twin outside, test rows)."""
    order = rng.permutation(len(keys))
    tested = max(1, round(share * len(keys)))
    return int(np.isin(keys[order[:tested]], keys[order[tested:]]).sum()), tested
