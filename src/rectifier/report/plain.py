"""Text that is safe to show: names with nothing hidden in them, numbers, durations."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rectifier.study.judge.metrics import Metric, format_difference, format_value

_CELL = 9  # letters; longer numbers are written with an exponent
_JOINERS = "\u200c\u200d"  # invisible, but Persian and Devanagari cannot be spelt without them


def visible(text: object, longest: int = 120) -> str:
    r"""``text`` with everything invisible spelt out (``\n``, ``\u202e``) and cut to ``longest``.

    Column and class names are user input: control characters could drive a terminal, bidi
    marks reorder what is printed, lone surrogates cannot be written to a file.
    """
    shown = []
    for character in str(text)[: longest + 1]:
        if character.isprintable() or character in _JOINERS:
            shown.append(character)
        else:
            shown.append(character.encode("unicode_escape", "surrogatepass").decode("ascii"))
    line = "".join(shown)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def sentence(text: object, longest: int = 2_000) -> str:
    """``text`` made visible, with a capital letter and a full stop."""
    line = visible(text, longest).strip()
    if not line:
        return ""
    return line[0].upper() + line[1:] + ("" if line[-1] in ".!?…" else ".")


def several(names: Sequence[str], shown: int = 6) -> str:
    """``a``, ``a and b``, ``a, b and 7 more``."""
    if len(names) > shown:
        return f"{', '.join(names[: shown - 1])} and {len(names) - shown + 1} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def count(number: int, noun: str) -> str:
    """``1 run``, ``1,250 runs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def percent(share: float | None, decimals: int = 0) -> str:
    """A share 0..1 as ``12 %``; a dash for what is not known."""
    if share is None or not math.isfinite(share):
        return "–"
    text = f"{100 * share:.{decimals}f}"
    if share > 0 and not float(text):
        text = f"<{10**-decimals:g}"
    return f"{text} %"


def chance(probability: float | None) -> str:
    """A probability as per cent that is never quite 0 or 100."""
    if probability is None or not math.isfinite(probability):
        return "–"
    return f"{min(99, max(1, round(100 * probability)))} %"


def p_value(p: float | None) -> str:
    """``0.032``, ``<0.001``; a dash for none."""
    if p is None or not math.isfinite(p):
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def number(value: float | int | None) -> str:
    """A setting such as a learning rate in few digits: ``0.003``, ``1e-05``."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 9.95 and not isinstance(seconds, int):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Figures:
    """How a metric's numbers look in a table cell: no unit, that belongs in the heading.

    Attributes:
        unit: ``"%"`` of values, "nats", or "" (none, or the target's own).
        step: ``"points"`` of differences, "nats", or "".
        scale: what to multiply a number with before it is drawn on an axis.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        points = metric.unit == "points"
        self.unit = "%" if points else metric.unit
        self.step = metric.unit
        self.scale = 100.0 if points else 1.0

    @property
    def name(self) -> str:
        """The metric in words: ``balanced accuracy``, ``R²``."""
        special = {"r2": "R²", "rmse": "RMSE", "mae": "MAE", "roc_auc": "ROC AUC"}
        return special.get(self.metric.name, self.metric.name.replace("_", " "))

    def value(self, value: float | None) -> str:
        if value is None:
            return "–"
        return self._cell(format_value(self.metric, value).removesuffix(self.unit), value)

    def difference(self, value: float | None) -> str:
        """With its sign and a true minus."""
        if value is None:
            return "–"
        text = self._cell(format_difference(self.metric, value).removesuffix(self.step), value)
        return "−" + text[1:] if text.startswith("-") else text

    def _cell(self, text: str, value: float) -> str:
        """A diverged run's R² of minus twenty billion gets no wider than anybody else's."""
        text = text.rstrip()
        if len(text) <= _CELL:
            return text
        return f"{self.scale * value:{'+' if text.startswith('+') else ''}.2e}"

    def values(self, low: float | None, high: float | None) -> str:
        return "–" if low is None or high is None else f"{self.value(low)} to {self.value(high)}"

    def differences(self, low: float | None, high: float | None) -> str:
        if low is None or high is None:
            return "–"
        return f"{self.difference(low)} to {self.difference(high)}"
