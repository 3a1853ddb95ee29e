"""Two loops for a function made of straight lines: f with a note of which line each element is on,
and ``grad * f'`` from such notes. A note is one bit or two. They lie as
:mod:`rectifier.ops.torch_bits` has them: a byte takes its parts from as many equal stretches.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

from rectifier.kernels import compiler, threads
from rectifier.kernels.cpu import prepared
from rectifier.kernels.source import ENTRY

# A part of the bytes, in turn for every stretch. What the loop writes it never reads again, bytes
# of this turn aside, which is what the access group says.
_LOOPS = """
@zero = global {inner} 0.0
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
attributes #1 = {{ nounwind noinline "prefer-vector-width"="512" }}
!0 = distinct !{{}}
!1 = distinct !{{!1, !2, !3}}
!2 = !{{!"llvm.loop.parallel_accesses", !0}}
!3 = !{{!"llvm.loop.vectorize.enable", i1 true}}

define internal void @stretch(ptr %in, ptr %out, ptr %notes, i64 %start, i64 %stop, i8 %shift) #1 {{
entry:
  %zero = load {inner}, ptr @zero
  br label %loop
loop:
  %i = phi i64 [%start, %entry], [%next, %loop]
  %at.in = getelementptr inbounds {kind}, ptr %in, i64 %i
  %at.out = getelementptr inbounds {kind}, ptr %out, i64 %i
  %at.note = getelementptr inbounds i8, ptr %notes, i64 %i
  %raw = load {kind}, ptr %at.in, !llvm.access.group !0
  %byte = load i8, ptr %at.note, !llvm.access.group !0
  %x = {widen} {kind} %raw to {inner}
{body}
  %result = {narrow} {inner} %y to {kind}
  store {kind} %result, ptr %at.out, !llvm.access.group !0
  %next = add nuw nsw i64 %i, 1
  %last = icmp eq i64 %next, %stop
  br i1 %last, label %done, label %loop, !llvm.loop !1
done:
  ret void
}}

define void @{entry}(
    ptr %in, ptr %out, ptr %notes, i64 %count, i64 %length, i64 %start, i64 %stop) {{
entry:
  %size = sub i64 %stop, %start
  %first = getelementptr i8, ptr %notes, i64 %start
  {clear}
  br label %loop
loop:
  %part = phi i64 [0, %entry], [%next, %joined]
  %begin = mul i64 %part, %length
  %left = sub i64 %count, %begin
  %short = icmp slt i64 %left, %stop
  %end = select i1 %short, i64 %left, i64 %stop
  %some = icmp slt i64 %start, %end
  br i1 %some, label %work, label %joined
work:
  %in.part = getelementptr {kind}, ptr %in, i64 %begin
  %out.part = getelementptr {kind}, ptr %out, i64 %begin
  %bit = mul i64 %part, {bits}
  %shift = trunc i64 %bit to i8
  call void @stretch(ptr %in.part, ptr %out.part, ptr %notes, i64 %start, i64 %end, i8 %shift)
  br label %joined
joined:
  %next = add i64 %part, 1
  %last = icmp eq i64 %next, {parts}
  br i1 %last, label %done, label %loop
done:
  ret void
}}
"""


def number(value: float) -> str:
    """A number as LLVM reads it, a float32 too."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def _loops(body: list[str], dtype: str, inner: str, bits: int, clear: bool) -> str:
    kind = "float" if dtype == "float32" else "double"
    return _LOOPS.format(
        entry=ENTRY,
        kind=kind,
        inner=inner,
        widen="bitcast" if kind == inner else "fpext",
        narrow="bitcast" if kind == inner else "fptrunc",
        body="\n".join(f"  {line}" for line in body),
        clear="call void @llvm.memset.p0.i64(ptr %first, i8 0, i64 %size, i1 false)" * clear,
        bits=bits,
        parts=8 // bits,
    )


def _rule(
    value: Callable[..., Any],
    derivative: Callable[..., Any],
    parameters: tuple[float, ...],
    dtype: str,
) -> tuple[str, str, str]:
    """Both functions as LLVM's text, the name of the first, and the type they compute with: float
    where that gives the same float32, which is twice as fast."""
    from rectifier.ops.on_llvm import written, written_in_float32

    if dtype == "float32":
        texts = [written_in_float32(f, parameters) for f in (value, derivative)]
        if all(texts):
            first, second = (str(text).splitlines() for text in texts)
            # LLVM takes no declaration twice
            second = [x for x in second if not x.startswith("declare") or x not in first]
            lines = [*first, *(x.replace('@"f"', '@"f.slope"') for x in second)]
            return "\n".join(lines), "f", "float"
    text, split = written(value, parameters, "long", derivative)
    return text, "anywhere" if split else "f", "double"


def _forward(
    value: Callable[..., Any],
    derivative: Callable[..., Any],
    parameters: tuple[float, ...],
    slopes: tuple[float, ...],
    dtype: str,
    bits: int,
) -> str:
    text, name, inner = _rule(value, derivative, parameters, dtype)
    body = [
        f"%y = call {inner} @{name}({inner} %x, {inner} %zero)",
        f"%s = call {inner} @{name}.slope({inner} %x, {inner} %zero)",
    ]
    note = "i8 0"
    for code, slope in enumerate(slopes[1:], 1):
        body.append(f"%is.{code} = fcmp oeq {inner} %s, {number(slope)}")
        body.append(f"%note.{code} = select i1 %is.{code}, i8 {code}, {note}")
        note = f"i8 %note.{code}"
    body += [
        f"%lost = fcmp uno {inner} %s, %s",
        f"%note = select i1 %lost, i8 {len(slopes)}, {note}",
        "%there = shl i8 %note, %shift",
        "%more = or i8 %byte, %there",
        "store i8 %more, ptr %at.note, !llvm.access.group !0",
    ]
    return text + _loops(body, dtype, inner, bits, True)


def _backward(slopes: tuple[float, ...], dtype: str, bits: int) -> str:
    exact = all(struct.unpack("<f", struct.pack("<f", slope))[0] == slope for slope in slopes)
    inner = "float" if exact and dtype == "float32" else "double"
    body = ["%here = lshr i8 %byte, %shift", f"%note = and i8 %here, {2**bits - 1}"]
    slope = number(slopes[0])
    for code, other in enumerate([*slopes[1:], float("nan")], 1):
        body.append(f"%is.{code} = icmp eq i8 %note, {code}")
        body.append(f"%s.{code} = select i1 %is.{code}, {inner} {number(other)}, {inner} {slope}")
        slope = f"%s.{code}"
    body.append(f"%y = fmul {inner} %x, {slope}")
    return _loops(body, dtype, inner, bits, False)


class _Loop:
    """One of both, over arrays by their addresses."""

    def __init__(self, code: bytes, bits: int) -> None:
        self._loaded = compiler.Loaded(code)
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_ssize_t] * 4)
        self._call = kind(self._loaded.address)
        self._parts = 8 // bits

    def __call__(self, source: int, target: int, notes: int, count: int) -> None:
        call, parts = self._call, self._parts
        length = -(-count // parts)
        if count < threads.PARALLEL_FROM:
            call(source, target, notes, count, length, 0, length)
            return

        def work(start: int, stop: int) -> None:  # multiples of parts, as pieces are
            call(source, target, notes, count, length, start // parts, stop // parts)

        threads.spread(work, length * parts)


class Lines:
    """The compiled pair, for given parameters.

    >>> lines.forward(x, y, notes, count)     # addresses; notes of lines.size(count) bytes
    >>> lines.backward(grad, target, notes, count)
    """

    def __init__(self, forward: _Loop, backward: _Loop, bits: int) -> None:
        self.forward, self.backward, self.bits = forward, backward, bits

    def size(self, count: int) -> int:
        """Bytes for the notes of ``count`` elements."""
        return -(-count // (8 // self.bits))


@cache
def lines(
    value: Callable[..., Any],
    derivative: Callable[..., Any],
    parameters: tuple[float, ...],
    slopes: tuple[float, ...],
    dtype: str,
) -> Lines:
    """The pair for a function made of straight lines, from disk or compiled now.

    Args:
        slopes: those that f' has, one to three; all but the first are 0 or 1.
        dtype: "float32" or "float64".
    """
    bits = 1 if len(slopes) == 1 else 2

    def load(code: bytes) -> _Loop:
        return _Loop(code, bits)

    what = f"{value.__name__} ({dtype}, with its lines)"
    forward = _forward(value, derivative, parameters, slopes, dtype, bits)
    return Lines(
        prepared(forward, what, load), prepared(_backward(slopes, dtype, bits), what, load), bits
    )
