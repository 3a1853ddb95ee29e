"""Other people's tests run on our entries: ONNX's node cases and PyTorch's OpInfo inputs.

    python -m benchmarks.suites             # counts, and every deviation with its reason

Nothing is chosen by hand: a case is ours when its operator is a peer of an entry, says the
catalogue. A deviation is data, a reason beside its name, and has to deviate: one that
agrees after all is a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
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


def counts(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """Per library how many passed, deviate and failed."""
    found: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        kind = "failed" if not outcome.good else "deviates" if outcome.reason else "passed"
        found.setdefault(outcome.library, Counter())[kind] += 1
    return {library: dict(sorted(kinds.items())) for library, kinds in found.items()}


def told(title: str, outcomes: list[Outcome]) -> None:
    """Prints the counts, the reasons and the failures."""
    entries = {o.entry.partition("(")[0] for o in outcomes}
    print(f"{title}: {len({o.case for o in outcomes})} cases, {len(entries)} entries")
    for library, kinds in counts(outcomes).items():
        print(f"  {library:6} " + ", ".join(f"{n} {kind}" for kind, n in kinds.items()))
    reasons = Counter((o.entry.partition("(")[0], o.reason) for o in outcomes if o.reason)
    for (entry, reason), count in sorted(reasons.items()):
        print(f"  deviates  {entry:14} {count:4} x  {reason}")
    for outcome in outcomes:
        if not outcome.good:
            print(f"  FAILED    {outcome}")


def main() -> None:
    from benchmarks import onnx_cases, opinfo_samples

    told("ONNX node cases", onnx_cases.outcomes())
    told("PyTorch OpInfo inputs", opinfo_samples.outcomes())


if __name__ == "__main__":
    main()
