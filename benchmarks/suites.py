"""Other people's tests run on our entries: ONNX's node cases and PyTorch's OpInfo inputs.

    python -m benchmarks.suites             # counts, and every deviation with its reason

Nothing is chosen by hand: a case is ours when its operator is a peer of an entry, says the
catalogue. A deviation is data, a reason beside its name, and has to deviate: one that
agrees after all is a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from benchmarks import onnx_cases, opinfo_samples
from benchmarks.outcomes import Outcome


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
    told("ONNX node cases", onnx_cases.outcomes())
    told("PyTorch OpInfo inputs", opinfo_samples.outcomes())


if __name__ == "__main__":
    main()
