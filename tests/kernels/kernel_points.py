"""Arguments on which kernels are tried, and how far two results are from one another."""

from __future__ import annotations

import numpy as np

_HARD = [0.0, 0.5, 1.0, 2.0, 3.0, 6.0, 16.6, 37.5, 38.6, 87.3, 88.7, 103.9, 104.0, 400.0, 708.3]
_HARD += [
    709.7,
    709.8,
    745.0,
    746.0,
    1e5,
    999999900.0,
    1000000100.0,
    1e10,
    1e30,
    1e38,
    np.inf,
    np.nan,
]


def points(dtype: type, count: int = 4000) -> np.ndarray:
    """Every size there is, more of those between 1e-8 and 700, both signs, in random order."""
    rng = np.random.default_rng(3)
    tiny, large = (-149, 127) if dtype == np.float32 else (-1074, 1023)
    side = np.concatenate(
        [
            2.0 ** rng.uniform(tiny, large, count),
            np.exp(rng.uniform(-18, 6.5, count)),
            rng.uniform(0, 20, count),
            _HARD,
            2.0 ** np.array([tiny, tiny + 1.0, -54, -53, -24, large]),
        ]
    ).astype(dtype)
    both = np.concatenate(
        [side, -side, np.nextafter(side, dtype(0)), -np.nextafter(side, dtype(9))]
    )
    return rng.permutation(both)


def ulps(got: np.ndarray, exact: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """Distance in units of ``got``'s dtype; 0 where both are NaN or the same, infinite where only
    one is.

    Args:
        exact: float64.
        floor: the least unit.
    """
    with np.errstate(all="ignore"):
        rounded = exact.astype(got.dtype)
        unit = np.maximum(np.spacing(np.abs(rounded)).astype(np.float64), floor)
        distance = np.abs(got.astype(np.float64) - exact) / unit
    same = (got == rounded) & (np.isinf(rounded) | (exact == 0)) | (np.isnan(got) & np.isnan(exact))
    return np.where(same, 0.0, np.where(np.isfinite(distance), distance, np.inf))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Every bit, the sign of zero too; NaN is NaN."""
    kind = {4: np.int32, 8: np.int64, 2: np.int16}[a.dtype.itemsize]
    return bool(np.all((a.view(kind) == b.view(kind)) | (np.isnan(a) & np.isnan(b))))
