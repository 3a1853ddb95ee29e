"""A loop for ``memory="low"``: ``grad * f'`` from the outputs, and from notes of their branches.

What :mod:`rectifier.ops.torch_inverse` does in forty operations. The ends of strips are constants
in the code, the cubics a table in memory. Notes lie as :mod:`rectifier.ops.torch_bits` has them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from rectifier.kernels import compiler, threads
from rectifier.kernels.bits import number
from rectifier.kernels.cpu import prepared
from rectifier.kernels.source import ENTRY
from rectifier.ops.inverse import SHIFT, Inverse, Strip, first_cells, rounded, top_of

# A part of the elements: those whose notes are at one place of their bytes.
_LOOP = """
!0 = distinct !{{}}
!1 = distinct !{{!1, !2, !3}}
!2 = !{{!"llvm.loop.parallel_accesses", !0}}
!3 = !{{!"llvm.loop.vectorize.enable", i1 true}}
declare float @llvm.fma.f32(float, float, float)

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
    return _LOOP.format(entry=ENTRY, body="\n".join(body.lines))


def _strips(how: Inverse) -> list[Strip]:
    return [strip for branch in how.branches for strip in branch.strips]


def _float(value: float) -> str:
    return number(rounded(value))


class Slopes:
    """The compiled loop.

    >>> slopes(y, grad, target, notes, count)     # addresses; notes 0 where there is one branch
    """

    def __init__(self, code: bytes, how: Inverse) -> None:
        import numpy as np

        self._loaded = compiler.Loaded(code)
        pointers = [ctypes.c_void_p] * 5
        kind = ctypes.CFUNCTYPE(None, *pointers, *[ctypes.c_ssize_t] * 2, ctypes.c_int8)
        self._call = kind(self._loaded.address)
        self._cells = np.concatenate([s.cells for s in _strips(how)]).astype(np.float32)
        self._bits = how.bits

    def __call__(self, y: int, grad: int, target: int, notes: int, count: int) -> None:
        call, cells, bits = self._call, self._cells.ctypes.data, self._bits
        parts = 8 // bits if bits else 1
        length = -(-count // parts)
        for part in range(parts):
            begin, size = part * length, min(length, count - part * length)

            def work(start: int, stop: int, at: int = 4 * begin, shift: int = part * bits) -> None:
                call(y + at, grad + at, target + at, notes, cells, start, stop, shift)

            if size > 0:
                threads.spread(work, size)


@cache
def slopes(how: Inverse) -> Slopes:
    """The loop for one inverse, from disk or compiled now."""
    what = f"slopes from outputs, {len(_strips(how))} strips"
    return prepared(_text(how), what, lambda code: Slopes(code, how))
