"""Compiled kernels on disk, so that a second process compiles nothing.

A file holds one object file behind its own checksum. Its name is the hash of all that the code
depends on (the loop's text, with the formula and every polynomial in it; the processor; LLVM; this
package), so a change of any of them is another file and nothing is ever out of date. Files
appear whole, by a rename: two processes that compile the same kernel write the same file twice.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

_log = logging.getLogger("rectifier")
_CHECKSUM = hashlib.sha256().digest_size


def folder() -> Path:
    """``rectifier/kernels`` in ``$XDG_CACHE_HOME``, by default ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "rectifier" / "kernels"


def key(*parts: str) -> str:
    """The name for code that depends on ``parts``, and on nothing else."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def read(name: str) -> bytes | None:
    """The object file kept under ``name``; None if there is none that is whole and one's own."""
    try:
        with open(_path(name), "rb") as file:
            # Code is run, so what others could have put there does not count.
            if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            kept = file.read()
    except OSError:  # most often: not there yet
        return None
    checksum, code = kept[:_CHECKSUM], kept[_CHECKSUM:]
    return code if hashlib.sha256(code).digest() == checksum else None


def write(name: str, code: bytes) -> None:
    """Keeps ``code``. Without a writable folder it is compiled again next time."""
    path = _path(name)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        _log.info("cannot keep compiled kernels in %s: %s", path.parent, error)


def _path(name: str) -> Path:
    return folder() / f"{name}.kernel"
