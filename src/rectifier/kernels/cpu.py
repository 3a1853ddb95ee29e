"""Kernels for this processor: a rule's function as machine code, on addresses of arrays."""

from __future__ import annotations

import ctypes
import logging
import re
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from rectifier.kernels import compiler, store, threads
from rectifier.kernels.source import STREAM, Shape, source

_log = logging.getLogger("rectifier")
# Bytes of a result from which on it goes past the caches, most of which it would fill. (On a Zen 4
# one thread then takes 2.9 ms for relu of 64 MiB instead of 4.2.)
_STREAMED_FROM = 1 << 25
_PATIENCE = 1.0  # seconds of compiling before someone at a terminal is told
_lock = threading.RLock()


class Kernel:
    """One compiled loop. Call it with addresses of contiguous arrays of its dtype.

    >>> kernel(source, target, count, *parameters)
    >>> kernel(source, grad, target, count, *parameters)      # where shape.chained
    >>> kernel(source, target, slope, count, *parameters)     # where shape.paired
    >>> kernel(source, gate, target, count)                   # where shape.gated

    ``target`` may be any source (in place) but overlap them no other way. Other
    machine code calls it, with the same arguments, at ``address``.
    """

    def __init__(self, shape: Shape, code: bytes) -> None:
        self.shape = shape
        self._loaded = compiler.Loaded(code, *[STREAM] * (not shape.paired))
        self.address = self._loaded.address
        self._pointers = len(shape.arrays)
        self._step = shape.item
        kind = ctypes.CFUNCTYPE(
            None,
            *[ctypes.c_void_p] * self._pointers,
            ctypes.c_ssize_t,
            *[ctypes.c_double] * shape.parameters,
        )
        # The plain call, in this thread; it lets other Python threads run.
        self.serial = kind(self._loaded.address)
        self.streamed = kind(self._loaded.others[0]) if self._loaded.others else self.serial

    def __call__(self, *arguments: Any) -> None:
        """The same, by as many threads as the length is worth; the result has the same bits."""
        count = arguments[self._pointers]
        if count < threads.PARALLEL_FROM:
            self.serial(*arguments)
            return
        addresses, parameters = arguments[: self._pointers], arguments[self._pointers + 1 :]
        *sources, target = addresses
        # what was just read is in the cache, and written there
        long = count * self._step >= _STREAMED_FROM and target not in sources
        call, step = self.streamed if long else self.serial, self._step

        def work(start: int, stop: int) -> None:
            call(*[a + start * step for a in addresses], stop - start, *parameters)

        threads.spread(work, count)


@cache
def available() -> bool:
    """Whether LLVM is installed, on a 64-bit processor with a fused multiply-add."""
    try:
        import llvmlite.binding as llvm
    except ImportError:
        return False
    if sys.maxsize < 1 << 32:
        return False
    # All 64-bit ARMs have it; x86 since 2013. Without it LLVM would call libm for every one.
    x86 = llvm.get_process_triple().startswith("x86_64")
    return not x86 or bool(llvm.get_host_cpu_features().get("fma"))


def kernel(
    function: Callable[..., Any], shape: Shape, slope: Callable[..., Any] | None = None
) -> Kernel:
    """The kernel of ``function``, from memory, from disk, or compiled now (20 to 100 ms).

    Args:
        slope: the second function, where ``shape.paired``.
    """
    with _lock:  # two threads would get two, and one of those would go with its code
        return _kernel(function, shape, slope)


@cache
def _kernel(function: Callable[..., Any], shape: Shape, slope: Callable[..., Any] | None) -> Kernel:
    what = f"{function.__name__} ({shape.dtype})"
    made: Kernel = prepared(source(function, shape, slope), what, lambda code: Kernel(shape, code))
    return made


def prepared(text: str, what: str, load: Callable[[bytes], Any]) -> Any:
    """``load(code)`` of LLVM's text, whose code is found on disk or compiled now and kept.

    Args:
        text: defines one function, named :data:`~rectifier.kernels.source.ENTRY`.
        what: it is, for people.
        load: makes something of an object file, or raises RuntimeError because it is none.
    """
    name = store.key(text, compiler.machine_name(), _versions())
    kept = store.read(name)
    if kept is not None:
        try:
            return load(kept)
        except RuntimeError as error:
            _log.info("compiling %s again: %s", what, error)
    with _Told(what):
        code = compiler.compiled(text)
    store.write(name, code)
    return load(code)


@cache
def _versions() -> str:
    import llvmlite

    return f"rectifier {sys.modules['rectifier'].__version__} llvmlite {llvmlite.__version__}"


class _Told:
    """Says what is being compiled: to the log always, to a terminal when it takes its time."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._started = time.perf_counter()
        self._timer = None
        if sys.stderr is not None and sys.stderr.isatty():
            note = f"rectifier: compiling {self._what}, once for this machine ..."
            self._timer = threading.Timer(_PATIENCE, print, [note], {"file": sys.stderr})
            self._timer.daemon = True
            self._timer.start()

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        _log.info("compiled %s in %.3f s", self._what, time.perf_counter() - self._started)


def vectorised(function: Callable[..., Any], shape: Shape, cpu: str = "") -> bool:
    """Whether the compiler takes several elements of ``function`` at a time."""
    text = compiler.assembly(source(function, shape), cpu)
    # x86: vmulpd %ymm; ARM: fmul v0.2d. Moves alone would not do: those are for copies.
    wide = r"(?m)^\s*(v(?!mov|zero)\S+\s.*%[yz]mm|f\S+\s+v\d+\.[24][ds])"
    return re.search(wide, text) is not None
