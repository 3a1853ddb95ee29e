"""Loops for ``memory="low"``: notes of the branches, and ``grad * f'`` from outputs and notes.

What :mod:`rectifier.ops.torch_inverse` does in fifty operations. The ends of strips are constants
in the code, the cubics a table in memory. Notes lie as :mod:`rectifier.ops.torch_bits` has them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from rectifier.kernels import compiler, threads
from rectifier.kernels.bits import number
from rectifier.kernels.cpu import prepared
from rectifier.kernels.source import ENTRY
from rectifier.ops.inverse import SHIFT, Inverse, Strip, first_cells, rounded, top_of

# Both are about a part of the elements: those whose notes are at one place of their bytes.
_HEAD = """
!0 = distinct !{{}}
!1 = distinct !{{!1, !2, !3}}
!2 = !{{!"llvm.loop.parallel_accesses", !0}}
!3 = !{{!"llvm.loop.vectorize.enable", i1 true}}
declare float @llvm.fma.f32(float, float, float)
"""
_NOTES = """
define void @{entry}(ptr %x, ptr %notes, i64 %start, i64 %stop, i8 %shift)
    "prefer-vector-width"="512" {{
entry:
  br label %loop
loop:
  %i = phi i64 [%start, %entry], [%next, %loop]
  %at.x = getelementptr inbounds float, ptr %x, i64 %i
  %at.note = getelementptr inbounds i8, ptr %notes, i64 %i
  %z = load float, ptr %at.x, !llvm.access.group !0
  %byte = load i8, ptr %at.note, !llvm.access.group !0
{body}
  %there = shl i8 %note, %shift
  %more = or i8 %byte, %there
  store i8 %more, ptr %at.note, !llvm.access.group !0
  %next = add nuw nsw i64 %i, 1
  %last = icmp eq i64 %next, %stop
  br i1 %last, label %done, label %loop, !llvm.loop !1
done:
  ret void
}}
"""
_LOOP = """
define void @{entry}(ptr %y, ptr %grad, ptr %out, ptr %notes, ptr %cells,
    i64 %start, i64 %stop, i8 %shift) "prefer-vector-width"="512" {{
entry:
  br label %loop
loop:
  %i = phi i64 [%start, %entry], [%next, %loop]
  %at.y = getelementptr inbounds float, ptr %y, i64 %i
  %at.grad = getelementptr inbounds float, ptr %grad, i64 %i
  %at.out = getelementptr inbounds float, ptr %out, i64 %i
  %x = load float, ptr %at.y, !llvm.access.group !0
  %g = load float, ptr %at.grad, !llvm.access.group !0
{body}
  %result = fmul float %g, %slope
  store float %result, ptr %at.out, !llvm.access.group !0
  %next = add nuw nsw i64 %i, 1
  %last = icmp eq i64 %next, %stop
  br i1 %last, label %done, label %loop, !llvm.loop !1
done:
  ret void
}}
"""


class _Body:
    """The lines of the loop, and the names of what they make."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, text: str) -> str:
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return name

    def chosen(
        self, how: Inverse, tests: list[list[str]], codes: list[str], kind: str, of: Any
    ) -> str:
        """``of(strip)`` of the strip that an element is on: a name or a number of ``kind``."""
        found = ""
        for branch, passed, here in zip(how.branches, tests, codes, strict=True):
            value = of(branch.strips[0])
            for strip, test in zip(branch.strips[1:], passed, strict=True):
                if of(strip) != value:
                    value = self.add(f"select i1 {test}, {kind} {of(strip)}, {kind} {value}")
            if not found or value == found:
                found = value
            else:
                found = self.add(f"select i1 {here}, {kind} {value}, {kind} {found}")
        return found


def _text(how: Inverse) -> str:
    body = _Body()
    add = body.add
    codes = [""] * len(how.branches)
    if how.turns:
        at = add("getelementptr inbounds i8, ptr %notes, i64 %i")
        byte = add(f"load i8, ptr {at}, !llvm.access.group !0")
        code = add(f"and i8 {add(f'lshr i8 {byte}, %shift')}, {2**how.bits - 1}")
        codes = [add(f"icmp eq i8 {code}, {place}") for place in range(len(how.branches))]
    tests = [
        [
            add(f"fcmp {'ogt' if branch.rising > 0 else 'olt'} float %x, {_float(bound)}")
            for bound in branch.bounds
        ]
        for branch in how.branches
    ]
    firsts = dict(zip(map(id, _strips(how)), first_cells(how), strict=True))

    def pick(kind: str, of: Callable[[Strip], Any]) -> str:
        return body.chosen(how, tests, codes, kind, of)

    high = pick("float", lambda s: _float(rounded(s.anchor)))
    rest = pick("float", lambda s: _float(s.anchor - rounded(s.anchor)))
    side = pick("float", lambda s: _float(s.side))
    low = pick("float", lambda s: _float(2.0**s.low))
    top = pick("float", lambda s: _float(top_of(s)))
    end = pick("float", lambda s: _float(s.slope))
    first = pick("i32", lambda s: str(firsts[id(s)]))
    length = add(f"fsub float {add(f'fsub float %x, {high}')}, {rest}")
    d = add(f"fmul float {side}, {length}")
    held = add(f"select i1 {add(f'fcmp ogt float {d}, {low}')}, float {d}, float {low}")
    held = add(f"select i1 {add(f'fcmp olt float {held}, {top}')}, float {held}, float {top}")
    bits = add(f"bitcast float {held} to i32")
    cell = add(f"add i32 {first}, {add(f'lshr i32 {bits}, {SHIFT}')}")
    inside = add(f"and i32 {bits}, {2**SHIFT - 1}")
    t = add(f"fmul float {add(f'sitofp i32 {inside} to float')}, {_float(2.0**-SHIFT)}")
    place = add(f"zext i32 {add(f'shl i32 {cell}, 2')} to i64")
    powers = []
    for power in range(4):
        there = add(f"add i64 {place}, {power}")
        pointer = add(f"getelementptr inbounds float, ptr %cells, i64 {there}")
        powers.append(add(f"load float, ptr {pointer}, !llvm.access.group !0"))
    slope = powers[3]
    for less in powers[2::-1]:
        slope = add(f"call float @llvm.fma.f32(float {slope}, float {t}, float {less})")
    slope = add(f"select i1 {add(f'fcmp ole float {d}, 0.0')}, float {end}, float {slope}")
    lost = add("fcmp uno float %x, %x")
    body.lines.append(f"  %slope = select i1 {lost}, float %x, float {slope}")
    return (_HEAD + _LOOP).format(entry=ENTRY, body="\n".join(body.lines))


def _notes_text(how: Inverse) -> str:
    body = _Body()
    note = "0"
    for turn in how.turns:
        above = body.add(f"zext i1 {body.add(f'fcmp ogt float %z, {_float(turn)}')} to i8")
        note = body.add(f"add i8 {note}, {above}")
    body.lines.append(f"  %note = add i8 {note}, 0")
    return (_HEAD + _NOTES).format(entry=ENTRY, body="\n".join(body.lines))


def _strips(how: Inverse) -> list[Strip]:
    return [strip for branch in how.branches for strip in branch.strips]


def _float(value: float) -> str:
    return number(rounded(value))


class Slopes:
    """The compiled loops, of float32.

    >>> loops.note(x, notes, count)                   # addresses; loops.size(count) bytes of zeros
    >>> loops.pull(y, grad, target, notes, count)     # notes 0 where there is one branch
    """

    def __init__(self, how: Inverse) -> None:
        import numpy as np

        what = f"slopes from outputs, {len(_strips(how))} strips"
        self._loaded = [prepared(_text(how), what, compiler.Loaded)]
        pointers, ends = [ctypes.c_void_p], [ctypes.c_ssize_t] * 2
        kind = ctypes.CFUNCTYPE(None, *pointers * 5, *ends, ctypes.c_int8)
        self._pull = kind(self._loaded[0].address)
        if how.turns:
            self._loaded.append(prepared(_notes_text(how), f"notes for {what}", compiler.Loaded))
            kind = ctypes.CFUNCTYPE(None, *pointers * 2, *ends, ctypes.c_int8)
            self._note = kind(self._loaded[1].address)
        self._cells = np.concatenate([s.cells for s in _strips(how)]).astype(np.float32)
        self._bits = how.bits

    def size(self, count: int) -> int:
        """Bytes for the notes of ``count`` elements."""
        return -(-count * self._bits // 8)

    def note(self, x: int, notes: int, count: int) -> None:
        for begin, length, shift in self._parts(count):

            def work(start: int, stop: int, at: int = 4 * begin, shift: int = shift) -> None:
                self._note(x + at, notes, start, stop, shift)

            threads.spread(work, length)

    def pull(self, y: int, grad: int, target: int, notes: int, count: int) -> None:
        cells = self._cells.ctypes.data
        for begin, length, shift in self._parts(count):

            def work(start: int, stop: int, at: int = 4 * begin, shift: int = shift) -> None:
                self._pull(y + at, grad + at, target + at, notes, cells, start, stop, shift)

            threads.spread(work, length)

    def _parts(self, count: int) -> Iterator[tuple[int, int, int]]:
        """Where each part begins, its length, and how far its notes are shifted in their bytes."""
        parts = 8 // self._bits if self._bits else 1
        length = -(-count // parts)
        for part in range(parts):
            size = min(length, count - part * length)
            if size > 0:
                yield part * length, size, part * self._bits


@cache
def slopes(how: Inverse) -> Slopes:
    """The loops for one inverse, from disk or compiled now."""
    return Slopes(how)
