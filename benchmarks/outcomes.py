"""What became of a case of somebody else's tests, and the ways there: arrays in, float64 back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Outcome(NamedTuple):
    """What became of one case on one library."""

    case: str
    entry: str
    library: str
    problem: str  # "" where it passed
    reason: str  # why it may deviate, "" where it must pass

    @property
    def good(self) -> bool:
        """Passed, or deviates as it has to."""
        return bool(self.problem) == bool(self.reason)

    def __str__(self) -> str:
        what = self.problem or f"agrees, but is said to deviate: {self.reason}"
        return f"{self.case} ({self.entry}, {self.library}): {what}"


def as_numpy(x: np.ndarray) -> np.ndarray:
    """NumPy's arrays as they are."""
    return x


def as_torch(x: np.ndarray) -> object:
    """A tensor; bfloat16 by its bits, which torch does not take from NumPy otherwise."""
    import torch

    if x.dtype.name == "bfloat16":
        return torch.from_numpy(x.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(np.array(x))


def as_jax(x: np.ndarray) -> object:
    """A JAX array."""
    import jax.numpy as jnp

    return jnp.asarray(x)


AS: dict[str, Callable[[np.ndarray], object]] = {
    "numpy": as_numpy,
    "torch": as_torch,
    "jax": as_jax,
}


def back(result: object) -> np.ndarray:
    """Any library's result as a NumPy array of float64, in which they are compared."""
    if type(result).__module__.partition(".")[0] == "torch":
        return result.detach().double().numpy()  # type: ignore[attr-defined]
    return np.asarray(result).astype(np.float64)


def difference(got: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> str:
    """What is wrong with ``got``, in one line; "" where nothing is."""
    if got.shape != expected.shape:
        return f"shape {got.shape} instead of {expected.shape}"
    same = np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)
    if same.all():
        return ""
    place = int(np.argmin(same))
    return f"{got.flat[place]:.8g} instead of {expected.flat[place]:.8g}, {np.sum(~same)} such"
