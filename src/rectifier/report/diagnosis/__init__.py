"""A diagnosis as people look at it: table, text, notebook fragment, page.

All of it is drawn from ``Diagnosis.to_dict()``, so that a page can be made again from its JSON.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from rectifier.report.diagnosis.page import fragment, page

__all__ = ["fragment", "frame", "page", "text"]


def frame(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Records of sites as a polars frame."""
    import polars as pl

    return pl.DataFrame([dict(row) for row in rows], infer_schema_length=None)


def text(diagnosis: Mapping[str, Any]) -> str:
    """What the terminal shows, without colours, 100 characters wide."""
    from rich.console import Console

    from rectifier.report.diagnosis.terminal import rendered

    console = Console(file=io.StringIO(), width=100, highlight=False)
    console.print(rendered(diagnosis))
    return str(console.file.getvalue()).rstrip()  # type: ignore[attr-defined]
