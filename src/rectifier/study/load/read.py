"""Files to frames: what is on disk becomes a polars frame, or a pair of arrays.

Knows formats, not meaning: the target, missing rows and tasks are ``load``'s
business. Nothing here unpickles or evaluates what a file holds.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

from rectifier.errors import InputError, nearest

EXTENSIONS = (".csv", ".tsv", ".parquet", ".arrow", ".feather", ".ipc", ".jsonl", ".ndjson", ".npz")
MISSING_MARKERS = ("", "NA", "N/A", "nan", "NaN", "null", "?")

_DELIMITERS = (",", ";", "\t", "|")
_HEAD_BYTES = 1 << 16  # enough for some hundred lines; sniffing reads no more than this
_INFER_ROWS = 10_000  # column types are taken from these rows; a surprise later means a second pass
# First bytes of what people most often pass under the wrong extension.
_SIGNATURES = {
    b"PAR1": "a Parquet file: name it .parquet",
    b"ARROW1": "an Arrow file: name it .arrow",
    b"PK": "a zip archive, as .xlsx and .npz are: save a sheet as CSV, name arrays .npz",
    b"\x1f\x8b": "compressed: unpack it with gunzip",
    b"\x89PNG": "a picture",
    b"\x80": "a pickle, which is never read: save the table as Parquet or CSV",
}


def read_file(path: Path) -> pl.DataFrame | tuple[np.ndarray, np.ndarray]:
    """The content of one file.

    Returns a frame as it stands in the file (column names stripped of white
    space and told apart), or for ``.npz`` the pair ``(X, y)``.
    Raises ``InputError`` for a file that is absent, empty, of an unknown
    kind, or not what its extension says.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give one file of it ({', '.join(EXTENSIONS)})")
    if not path.exists():
        raise InputError(f"no such file: {path}{_nearest_files(path)}")
    extension = path.suffix.lower()
    if extension not in EXTENSIONS:
        raise InputError(
            f"{path}: files ending in {extension or 'nothing'!r} are not read; "
            f"save the table as one of {', '.join(EXTENSIONS)}"
        )
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty; it needs a line of column names, then rows")
        if extension == ".npz":
            return _read_npz(path)
        if extension in (".csv", ".tsv"):
            return _read_delimited(path, tab=extension == ".tsv")
        return tidy_names(_read_binary(path, extension), str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {one_line(error)}") from error


def tidy_names(frame: pl.DataFrame, source: str, names: list[str] | None = None) -> pl.DataFrame:
    """The frame with tidy column names (see ``tidy``); a nameless one is called by its place.

    ``names`` replaces the frame's own names. Raises ``InputError`` when two
    columns share a name.
    """
    names = [tidy(name) for name in (frame.columns if names is None else names)]
    names = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"{source}: the column name {twice[0]!r} occurs {names.count(twice[0])} times; "
            "give every column a name of its own"
        )
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def tidy(text: str) -> str:
    """Text fit for a terminal and for one line: white space single, nothing unprintable."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))


def one_line(error: BaseException) -> str:
    """The first line of a library's message, for use inside one of ours."""
    return tidy(next(iter(str(error).strip().splitlines()), type(error).__name__))


def _nearest_files(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (there is no folder {path.parent} either)"
    files = [entry.name for entry in path.parent.iterdir() if entry.suffix.lower() in EXTENSIONS]
    close = nearest(path.name, files) or sorted(files)[:3]
    return "; nearest: " + ", ".join(str(path.parent / name) for name in close) if close else ""


def _read_binary(path: Path, extension: str) -> pl.DataFrame:
    try:
        if extension == ".parquet":
            return pl.read_parquet(path)
        if extension in (".jsonl", ".ndjson"):
            return pl.read_ndjson(path, infer_schema_length=None)
        with path.open("rb") as file:
            if file.read(6) == b"ARROW1":
                return pl.read_ipc(path)
        return pl.read_ipc_stream(path)
    except (pl.exceptions.PolarsError, ValueError, RuntimeError) as error:
        kind = {".parquet": "Parquet", ".jsonl": "JSON lines", ".ndjson": "JSON lines"}
        raise InputError(
            f"{path} cannot be read as {kind.get(extension, 'Arrow')}: {one_line(error)}"
        ) from error


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        # opened here, because numpy leaves a broken archive open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [name for name in ("X", "y") if name not in archive]
            if missing:
                raise InputError(
                    f"{path} has no array {missing[0]!r}, only {', '.join(archive.files) or 'none'}"
                    "; save it with numpy.savez(file, X=..., y=...)"
                )
            return archive["X"], archive["y"]
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        what = (
            "holds Python objects, which are never read" if "pickle" in str(error) else "is no .npz"
        )
        raise InputError(
            f"{path} {what}; save numbers with numpy.savez(file, X=..., y=...)"
        ) from error


def _read_delimited(path: Path, tab: bool) -> pl.DataFrame:
    encoding, head, whole = _decode_head(path)
    if not head.strip():
        raise InputError(f"{path} is empty; it needs a line of column names, then rows")
    delimiter = "\t" if tab else _sniff(head, whole)
    header = _records(head, delimiter, 1)[0]
    # Types are inferred from the first rows for speed. A later row may contradict them, and a
    # column may look like dates without being any: each attempt below assumes less.
    attempts = ((_INFER_ROWS, True), (None, True), (None, False))
    for attempt in attempts:
        infer_rows, dates = attempt
        try:
            frame = pl.read_csv(
                path,
                separator=delimiter,
                null_values=list(MISSING_MARKERS),
                encoding=encoding,
                eol_char="\n" if "\n" in head else "\r",
                infer_schema_length=infer_rows,
                try_parse_dates=dates,
                decimal_comma=delimiter == ";" and _has_decimal_commas(head),
            )
            break
        except (pl.exceptions.PolarsError, UnicodeError) as error:
            if attempt == attempts[-1]:
                raise InputError(
                    _csv_complaint(path, encoding, delimiter, header, error)
                ) from error
    names = header if len(header) == frame.width else frame.columns
    frame = tidy_names(frame, str(path), names)
    # A blank line arrives as a row without any value.
    return frame.filter(~pl.all_horizontal(pl.all().is_null())) if frame.width > 1 else frame


def _has_decimal_commas(head: str) -> bool:
    """Whether a semicolon file writes 0,5 for a half: such cells, and none with a point."""
    cells = [cell.strip() for line in head.splitlines()[1:200] for cell in line.split(";")]
    commas = sum(re.fullmatch(r"[+-]?\d*,\d+", cell) is not None for cell in cells)
    points = sum(re.fullmatch(r"[+-]?\d*\.\d+", cell) is not None for cell in cells)
    return commas > 0 and points == 0


def _decode_head(path: Path) -> tuple[str, str, bool]:
    """(encoding in polars' spelling, first lines as text, whether that is the whole file)."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    whole = path.stat().st_size <= _HEAD_BYTES
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", head[: len(head) // 2 * 2].decode("utf-16", errors="replace"), whole
    control = any(byte < 32 and byte not in b"\t\n\r\f" for byte in head)
    signature = next((text for start, text in _SIGNATURES.items() if head.startswith(start)), "")
    if control or (signature and not head.isascii()):
        raise InputError(
            f"{path} is not text but a binary file"
            + (f" ({signature})" if signature else "; save the table as UTF-8 CSV")
        )
    try:
        # The head may end inside a character: the incremental decoder waits for the rest.
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        return "utf8", decoder.decode(head, final=whole), whole
    except UnicodeDecodeError:
        # No control characters, not UTF-8: what Windows programs write in Western Europe.
        return "windows-1252", head.decode("windows-1252", errors="replace"), whole


def _records(text: str, delimiter: str, count: int) -> list[list[str]]:
    """The first ``count`` records of ``text`` that are not blank."""
    records = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if record:
                records.append(record)
            if len(records) == count:
                break
    except csv.Error:  # a field longer than csv allows: what was read up to here is what we know
        pass
    return records or [text.strip().splitlines()[:1]]


def _sniff(head: str, whole: bool) -> str:
    """The delimiter that cuts the first lines into equally many fields, the more the better."""
    best, delimiter = (-1.0, 0), ","
    for candidate in _DELIMITERS:
        records = _records(head, candidate, 50)
        if not whole and len(records) < 50:
            records = records[:-1] or records  # the last one may be cut off
        width = len(records[0])
        agreeing = sum(len(record) == width for record in records) / len(records)
        if width > 1 and (agreeing, width) > best:
            best, delimiter = (agreeing, width), candidate
    return delimiter


def _csv_complaint(
    path: Path, encoding: str, delimiter: str, header: list[str], error: BaseException
) -> str:
    """One line on why polars refused: the first row that is too long, else polars' own words."""
    if "more fields" in str(error):
        text = path.read_text(
            encoding={"utf8": "utf-8-sig"}.get(encoding, encoding), errors="replace"
        )
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        for row in rows:
            if len(row) > len(header):
                return (
                    f"{path}, line {rows.line_num}: {len(row)} fields, but the header names "
                    f"{len(header)} columns; mend that line"
                )
    return f"{path} cannot be read as a table: {one_line(error)}"
