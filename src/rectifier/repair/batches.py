"""Whatever people keep data in, as batches ``(inputs, targets)``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rectifier.errors import InputError


@dataclass(frozen=True)
class Batch:
    """``x``: an array, a tuple of positional arguments, or a dict of named ones; ``y``: or None."""

    x: Any
    y: Any = None


@dataclass(frozen=True)
class Batches:
    """A bounded number of batches.

    Attributes:
        given: what was passed, in words, for messages.
        table: whether targets are as a table has them: class numbers or values, one a row.
    """

    source: Iterable[Batch]
    given: str
    table: bool = False

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.source)


def batches(data: Any, target: str | None, size: int, most: int | None) -> Batches:
    """At most ``most`` batches (None: all) of ``data``; arrays and tables are cut into ``size``.

    Raises:
        InputError: nothing that batches can be made of, or a table with text in it.
    """
    if isinstance(data, str | Path) or hasattr(data, "columns"):
        x, y = _of_table(data, target)
        return Batches(list(islice(_cut(x, y, size), most)), str(data)[:60], table=True)
    if isinstance(data, tuple) and len(data) == 2 and all(_is_array(a) for a in data):
        if len(data[0]) != len(data[1]):
            raise InputError(
                f"X has {len(data[0])} rows but y has {len(data[1])}; they belong row by row"
            )
        return Batches(list(islice(_cut(*data, size), most)), "arrays")
    if _is_array(data):
        return Batches(list(islice(_cut(data, None, size), most)), "an array")
    if isinstance(data, Mapping):
        return Batches([Batch(dict(data))], "one batch of named arrays")
    if hasattr(data, "__len__") and len(data) == 0:
        return Batches([], type(data).__name__)  # iterating it may raise something else
    if not isinstance(data, Iterable):
        raise InputError(
            f"data is a loader or other iterable of batches, an array, a pair (X, y) or the path "
            f"of a table, got {type(data).__name__}"
        )
    return Batches(_Loader(data, most), type(data).__name__)


class _Loader:
    """A loader may be walked again for each pass; a generator only once, so it is kept."""

    def __init__(self, data: Iterable[Any], most: int | None) -> None:
        self._data: Iterable[Any] = list(islice(data, most)) if iter(data) is data else data
        self._most = most

    def __iter__(self) -> Iterator[Batch]:
        return (_batch(item) for item in islice(self._data, self._most))


def _batch(item: Any) -> Batch:
    if isinstance(item, Mapping) or hasattr(item, "items"):
        return Batch(dict(item.items()))
    if isinstance(item, list | tuple):
        if not item:
            raise InputError("the data hold an empty batch; a batch is x, (x, y) or a dict")
        if len(item) == 1:
            return Batch(item[0])
        return Batch(item[0] if len(item) == 2 else tuple(item[:-1]), item[-1])
    return Batch(item)


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "__getitem__") and not _is_loader(value)


def _is_loader(value: Any) -> bool:
    return hasattr(value, "batch_size") or hasattr(value, "element_spec")


def _cut(x: Any, y: Any, size: int) -> Iterator[Batch]:
    for start in range(0, len(x), size):
        rows = slice(start, start + size)
        yield Batch(x[rows], None if y is None else y[rows])


def _of_table(data: Any, target: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a table as ``rectifier compare`` reads it; whole-number labels as they are."""
    from rectifier.study import load

    table = load(data, target)
    if table.images is not None:
        x = table.images
    else:
        for name, dtype in zip(table.frame.columns, table.frame.dtypes, strict=True):
            if not (dtype.is_numeric() or str(dtype) == "Boolean"):
                raise InputError(
                    f"{table.source}: the column {name!r} holds {dtype} and no numbers; give what "
                    "the model takes, as arrays (X, y) or a loader of batches"
                )
        x = table.frame.to_numpy().astype(np.float32)
        missing = int(np.isnan(x).any(1).sum())
        if missing:
            raise InputError(
                f"{table.source}: {missing} rows have missing values, which a model has no number "
                "for; fill or drop them first"
            )
    labels = table.labels.to_numpy() if table.labels.dtype.is_integer() else table.y
    return x, labels
