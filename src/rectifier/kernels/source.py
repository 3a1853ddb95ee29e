"""The loops around a rule, as text that LLVM reads: for f, for ``grad * f``, for f and its slope.

All take any rule, in any number of parameters, on float32 or float64. A float32 is widened when
it is read and rounded once when it is written, but for rules that give the same without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ENTRY = "kernel"
STREAM = "stream"
# Arrays are done in blocks, for two reasons. What the next blocks read is fetched ahead: a long
# chain of arithmetic keeps the processor from looking ahead itself (float32 silu went from 6.1 to
# 9.7 GB/s on one core, gelu from 4.3 to 6.4). And where a word has a fast way that does not hold
# everywhere, it is chosen for a whole block, since a vector loop cannot branch.
_BLOCK = 1024  # bytes; 512 to 2048 do as well
_AHEAD = 2048
_LINE = 64

# The two pointers may be equal (in place) but never overlap otherwise: every turn of the loop is
# on its own, which is what the access group says. Eight float64 at a time, where the machine can,
# and two of those in turns: one alone is a chain, whose every step waits for the one before (5 to
# 10 % of the time, on AVX2 10 to 25 %). sin and cos have work for both anyway.
_IN_TURNS = ", !5"
_TAIL = """
@zero = global double 0.0
declare void @llvm.prefetch.p0(ptr, i32, i32, i32)
attributes #0 = { nounwind }
attributes #1 = { nounwind noinline "prefer-vector-width"="512" }
!0 = distinct !{}
!1 = distinct !{!1, !2, !3 IN_TURNS}
!2 = !{!"llvm.loop.parallel_accesses", !0}
!3 = !{!"llvm.loop.vectorize.enable", i1 true}
!4 = !{i32 1}
!5 = !{!"llvm.loop.interleave.count", i32 2}
"""
# A variable of the outside world, as far as the compiler knows; see Elementary.where.
_READ_ZERO = "%zero = load {}, ptr @zero"


@dataclass(frozen=True)
class Shape:
    """What a kernel is compiled for besides its rule."""

    dtype: str  # "float32" or "float64"
    digits: str  # "short" or "long": which polynomials, see rectifier.ops.elementary
    parameters: int = 0  # how many are given with each call
    constants: tuple[float, ...] = ()  # or their values, compiled in: relu is a single maximum then
    chained: bool = False  # grad * f(x) rather than f(x)
    paired: bool = False  # a second function of the same x into a second target
    gated: bool = False  # the one parameter is an array, and so the second source

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return 4 if self.dtype == "float32" else 8

    @property
    def arrays(self) -> list[str]:
        """What the pointers point to."""
        return [*self.inputs, *["grad"] * self.chained, *self.targets]

    @property
    def inputs(self) -> list[str]:
        """What the rule is a function of, parameters aside."""
        return ["source", "gate"] if self.gated else ["source"]

    @property
    def targets(self) -> list[str]:
        return ["target", "target.slope"] if self.paired else ["target"]


def source(
    function: Callable[..., Any], shape: Shape, slope: Callable[..., Any] | None = None
) -> str:
    """LLVM's text of ``void kernel(source, [gate,] [grad,] target, count, parameters...)``.

    And, with one target, of ``stream``, which does the same past the caches.

    Pointers to contiguous arrays of the dtype, a 64-bit count, float64 parameters. Where
    ``shape.paired``, a second target for ``slope`` follows the first; what the two functions
    have in common (exp, mostly) is computed once.
    """
    from rectifier.ops.on_llvm import GATE, written, written_in_float32

    given = shape.constants or shape.parameters
    if shape.gated:
        given = GATE
    elif shape.dtype == "float32" and not shape.chained and not shape.paired:
        narrow = written_in_float32(function, given)
        if narrow is not None:
            loops = _loop("fast", "f", shape, "float") + _blocks(shape, False)
            return narrow + loops + _stream(shape, False) + _tail(False)
    text, split = written(function, given, shape.digits, slope if shape.paired else None)
    text += _loop("fast", "f", shape) + _blocks(shape, split)
    if split:
        text += _loop("careful", "anywhere", shape) + _trial(shape)
    return text + ("" if shape.paired else _stream(shape, split)) + _tail(split)


def _tail(split: bool) -> str:
    return _TAIL.replace(" IN_TURNS", "" if split else _IN_TURNS)


class _Text:
    """Pieces that the loops have in common.

    Args:
        inner: the type of what is computed with, "float" or "double".
    """

    def __init__(self, shape: Shape, inner: str = "double") -> None:
        self.kind = "float" if shape.dtype == "float32" else "double"
        self.inner = inner
        self.numbers = "".join(f", double %p{i}" for i in range(shape.parameters))
        self.pointers = ", ".join(f"ptr %{a}" for a in shape.arrays)
        self.sources = ", ".join(f"ptr %{a}" for a in shape.inputs)
        self.reads = "".join(self.read(a) for a in shape.inputs)
        inputs = ", ".join(f"{inner} %{a}.i" for a in shape.inputs)
        self.given = f"({inputs}{self.numbers}, {inner} %zero)"

    def read(self, array: str) -> str:
        """Element i of an array as ``%array.i``, of the inner type."""
        raw = f"%{array}.i" if self.kind == self.inner else f"%raw.{array}"
        lines = f"""
  %at.{array} = getelementptr inbounds {self.kind}, ptr %{array}, i64 %i
  {raw} = load {self.kind}, ptr %at.{array}, !llvm.access.group !0"""
        if self.kind != self.inner:
            lines += f"\n  %{array}.i = fpext float {raw} to double"
        return lines

    def write(self, value: str, target: str = "target") -> str:
        """``value``, of the inner type, into element i of a target."""
        lines, result = "", value
        if self.kind != self.inner:
            result = f"%rounded.{target}"
            lines = f"\n  {result} = fptrunc double {value} to float"
        return f"""{lines}
  %at.{target} = getelementptr inbounds {self.kind}, ptr %{target}, i64 %i
  store {self.kind} {result}, ptr %at.{target}, !llvm.access.group !0"""


def _loop(name: str, rule: str, shape: Shape, inner: str = "double") -> str:
    text = _Text(shape, inner)
    body = text.reads + f"\n  %y = call {inner} @{rule}{text.given}"
    if shape.chained:
        body += text.read("grad") + "\n  %z = fmul double %grad.i, %y"
    body += text.write("%z" if shape.chained else "%y")
    if shape.paired:
        body += f"\n  %s = call {inner} @{rule}.slope{text.given}"
        body += text.write("%s", "target.slope")
    return f"""
define internal void @{name}({text.pointers}, i64 %count{text.numbers}) #1 {{
entry:
  {_READ_ZERO.format(inner)}
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]{body}
  %next = add nuw nsw i64 %i, 1
  %last = icmp eq i64 %next, %count
  br i1 %last, label %done, label %loop, !llvm.loop !1
done:
  ret void
}}
"""


def _trial(shape: Shape) -> str:
    """Whether the fast way holds for every element of a block."""
    text = _Text(shape)
    return f"""
define internal i1 @all_near({text.sources}, i64 %count{text.numbers}) #1 {{
entry:
  {_READ_ZERO.format("double")}
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
  %far = phi i64 [0, %entry], [%more, %loop]{text.reads}
  %near = call i1 @near{text.given}
  %one = select i1 %near, i64 0, i64 1
  %more = or i64 %far, %one
  %next = add nuw nsw i64 %i, 1
  %last = icmp eq i64 %next, %count
  br i1 %last, label %done, label %loop, !llvm.loop !1
done:
  %all = icmp eq i64 %more, 0
  ret i1 %all
}}
"""


def _blocks(shape: Shape, split: bool) -> str:
    text = _Text(shape)
    block = _BLOCK // shape.item
    here = ", ".join(f"ptr %{a}.i" for a in shape.arrays)
    return f"""
define void @{ENTRY}({text.pointers}, i64 %count{text.numbers}) #0 {{
entry:
  %none = icmp eq i64 %count, 0
  br i1 %none, label %done, label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %joined]{_places(shape)}
  %left = sub i64 %count, %i
  %rest = icmp ult i64 %left, {block}
  %size = select i1 %rest, i64 %left, i64 {block}
  br label %fetch
{_fetch(shape)}
ready:
  {_choice(shape, split, here, "%size")}
joined:
  %next = add i64 %i, %size
  %last = icmp eq i64 %next, %count
  br i1 %last, label %done, label %loop
done:
  ret void
}}
"""


def _stream(shape: Shape, split: bool) -> str:
    """Blocks that are written past the caches, for results that are longer than those.

    A line that is stored to is read first, unless the whole line goes out at once: that read is a
    third of a rectifier's traffic. A block is done in a buffer and sent on from there; what
    comes before the first whole line and after the last whole block is done as usual.
    """
    text = _Text(shape)
    block = _BLOCK // shape.item
    shift = shape.item.bit_length() - 1
    here = ", ".join([f"ptr %{a}.i" for a in shape.arrays[:-1]] + ["ptr %buffer"])
    rest = ", ".join(f"ptr %{a}.i" for a in shape.arrays)
    return f"""
define void @{STREAM}({text.pointers}, i64 %count{text.numbers}) #0 {{
entry:
  %buffer = alloca [{_BLOCK} x i8], align {_LINE}
  %address = ptrtoint ptr %target to i64
  %minus = sub i64 0, %address
  %before = and i64 %minus, {_LINE - 1}
  %some = lshr i64 %before, {shift}
  %few = icmp ult i64 %count, %some
  %head = select i1 %few, i64 %count, i64 %some
  call void @{ENTRY}({text.pointers}, i64 %head{text.numbers})
  br label %loop
loop:
  %i = phi i64 [%head, %entry], [%next, %sent]{_places(shape)}
  %left = sub i64 %count, %i
  %rest = icmp ult i64 %left, {block}
  br i1 %rest, label %done, label %fetch
{_fetch(shape)}
ready:
  {_choice(shape, split, here, str(block))}
joined:
  br label %send
send:
  %o = phi i64 [0, %joined], [%o.next, %send]
  %from = getelementptr i8, ptr %buffer, i64 %o
  %to = getelementptr i8, ptr %target.i, i64 %o
  %line.o = load <16 x float>, ptr %from, align {_LINE}
  store <16 x float> %line.o, ptr %to, align {_LINE}, !nontemporal !4
  %o.next = add i64 %o, {_LINE}
  %o.last = icmp eq i64 %o.next, {_BLOCK}
  br i1 %o.last, label %sent, label %send
sent:
  %next = add i64 %i, {block}
  br label %loop
done:
  call void @{ENTRY}({rest}, i64 %left{text.numbers})
  fence seq_cst
  ret void
}}
"""


def _places(shape: Shape) -> str:
    kind = _Text(shape).kind
    return "".join(
        f"\n  %{a}.i = getelementptr inbounds {kind}, ptr %{a}, i64 %i" for a in shape.arrays
    )


def _fetch(shape: Shape) -> str:
    """Reads ahead of a block; goes on at ``ready``."""
    fetches = "".join(
        f"""
  %next.{a} = getelementptr i8, ptr %{a}.i, i64 %ahead
  call void @llvm.prefetch.p0(ptr %next.{a}, i32 0, i32 3, i32 1)"""
        for a in shape.arrays[: -len(shape.targets)]
    )
    return f"""fetch:
  %line = phi i64 [0, %loop], [%further, %fetch]
  %ahead = add i64 %line, {_AHEAD}{fetches}
  %further = add i64 %line, {_LINE}
  %fetched = icmp eq i64 %further, {_BLOCK}
  br i1 %fetched, label %ready, label %fetch"""


def _choice(shape: Shape, split: bool, here: str, size: str) -> str:
    """One block, in the way that holds for it; goes on at ``joined``."""
    text = _Text(shape)
    choice = "br label %fast"
    if split:
        tried = ", ".join(f"ptr %{a}.i" for a in shape.inputs)
        choice = f"""%near = call i1 @all_near({tried}, i64 {size}{text.numbers})
  br i1 %near, label %fast, label %careful
careful:
  call void @careful({here}, i64 {size}{text.numbers})
  br label %joined"""
    return f"""{choice}
fast:
  call void @fast({here}, i64 {size}{text.numbers})
  br label %joined"""
