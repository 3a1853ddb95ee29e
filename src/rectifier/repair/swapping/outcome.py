"""What a swap gives: the model, what changed, what could not, and the effect."""

from __future__ import annotations

import json as json_text
from dataclasses import dataclass
from html import escape
from typing import Any

from rectifier.activation import Activation
from rectifier.repair.sites import Site
from rectifier.repair.swapping.effect import Effect


@dataclass(frozen=True)
class Change:
    """One place and what is computed there now."""

    site: Site
    activation: Activation

    @property
    def different(self) -> bool:
        """False where it was that activation already; such a place is not touched."""
        return self.site.activation != self.activation


@dataclass(frozen=True, repr=False)
class Swapped:
    """A model with other activations.

    Attributes:
        model: of the kind that was given; the same object only with ``inplace=True``.
        changes: every place that was meant and reached, those left as they were included.
        unreached: places that were meant and could not be reached, each with the reason.
        effect: outputs, dead units and memory before and after; None without ``data``.
    """

    model: Any
    changes: tuple[Change, ...]
    unreached: tuple[tuple[Site, str], ...]
    effect: Effect | None

    @property
    def changed(self) -> tuple[Site, ...]:
        """The sites that compute something else now, as they were before."""
        return tuple(change.site for change in self.changes if change.different)

    def to_dict(self) -> dict[str, Any]:
        """All but the model, as JSON types."""
        return {
            "changes": [
                {
                    "site": c.site.name,
                    "before": None if c.site.activation is None else str(c.site.activation),
                    "after": str(c.activation),
                    "called": c.site.called,
                    "how": c.site.how,
                    "source": c.site.source,
                    "different": c.different,
                }
                for c in self.changes
            ],
            "unreached": [{"site": s.name, "reason": reason} for s, reason in self.unreached],
            "effect": None if self.effect is None else self.effect.to_dict(),
        }

    def json(self) -> str:
        """:meth:`to_dict` as text."""
        return json_text.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The outcome for a terminal, a line each."""
        width = max((len(c.site.name) for c in self.changes if c.different), default=0)
        lines = [
            f"{c.site.name:<{width}}  {c.site.activation or c.site.called} -> {c.activation}"
            + ", keeping little" * (c.activation.memory == "low")
            for c in self.changes
            if c.different
        ]
        kept = sum(not c.different for c in self.changes)
        lines += [f"{kept} place{'s' * (kept != 1)} left: that activation already"] * bool(kept)
        lines += [f"not reached: {site.name}: {reason}" for site, reason in self.unreached]
        if self.effect is not None:
            lines += self.effect.lines()
        return lines

    def __repr__(self) -> str:
        missed = f", {len(self.unreached)} not reached" if self.unreached else ""
        effect = "" if self.effect is None else "; " + "; ".join(self.effect.lines())
        return f"<Swapped {len(self.changed)} of {len(self.changes)} places{missed}{effect}>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"
