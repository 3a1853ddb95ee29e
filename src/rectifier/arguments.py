"""What people type on the command line, as values; or one line that says what is wrong."""

from __future__ import annotations

from typing import Any

from rectifier.errors import InputError


def columns(drop: list[str] | None) -> list[str]:
    """Names between commas; one that holds a comma stands in double quotes, as in a CSV file."""
    import csv

    return [column for line in csv.reader(drop or [], skipinitialspace=True) for column in line]


def numbers(option: str, text: str, kind: type) -> tuple[Any, ...]:
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise InputError(f"{option} takes {what} between commas, got {text!r}") from None


def whole(option: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{option} takes a whole number, or auto; got {text!r}") from None


def parameters(arguments: list[str]) -> dict[str, float]:
    """``["--negative-slope", "0.2"]`` or ``["--negative-slope=0.2"]`` as a dict."""
    words = [w for a in arguments for w in (a.split("=", 1) if a.startswith("--") else [a])]
    if len(words) % 2 or not all(word.startswith("--") for word in words[::2]):
        raise InputError(f"cannot read {' '.join(arguments)!r}; write --parameter number")
    try:
        return {
            key[2:].replace("-", "_"): float(value)
            for key, value in zip(words[::2], words[1::2], strict=True)
        }
    except ValueError:
        raise InputError(f"a parameter is a number; got {' '.join(arguments)!r}") from None
