"""What the trainer's machine code is written with: loops, vectors of lanes, tiles of a product.

A *vector* is one number of every lane, side by side in one register. Arrays of the trainer have
the lanes as their last axis, so ``array[i]`` below is always a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

from llvmlite import ir

I32, I64 = ir.IntType(32), ir.IntType(64)
F32, F64 = ir.FloatType(), ir.DoubleType()
PTR = ir.PointerType()

# Sums that are held in registers at once. 4 x 4 of 32 bytes leave room for what is multiplied
# where a processor has 32 such registers (AVX-512, ARM); with 16 of them (AVX2) fewer do.
TILE = 4


class FunctionAddress(ir.PointerType):
    """A pointer that LLVM's builder will call."""

    def __init__(self, kind: ir.FunctionType) -> None:
        super().__init__()
        self.pointee = kind


Address = Callable[[Any, Any], Any]  # (row, column) -> number of a vector


class Emitter:
    """An IRBuilder with the words that the trainer needs.

    Args:
        function: of no return value; its first block is begun here.
        lanes: numbers in a vector.
    """

    def __init__(self, function: ir.Function, lanes: int, columns: int = TILE) -> None:
        self.function, self.lanes, self.columns = function, lanes, columns
        self.entry = function.append_basic_block("entry")
        self.b = ir.IRBuilder(function.append_basic_block("body"))
        self.floats = ir.VectorType(F32, lanes)
        self.doubles = ir.VectorType(F64, lanes)
        self.integers = ir.VectorType(I32, lanes)
        self._start = self.b.block

    def close(self) -> None:
        self.b.ret_void()
        ir.IRBuilder(self.entry).branch(self._start)

    # -- numbers ------------------------------------------------------------------------------

    def count(self, value: Any) -> ir.Value:
        return value if isinstance(value, ir.Value) else ir.Constant(I64, value)

    def add(self, x: Any, y: Any) -> Any:
        return x + y if isinstance(x, int) and isinstance(y, int) else self._fold("add", x, y)

    def mul(self, x: Any, y: Any) -> Any:
        return x * y if isinstance(x, int) and isinstance(y, int) else self._fold("mul", x, y)

    def _fold(self, what: str, x: Any, y: Any) -> ir.Value:
        made: ir.Value = getattr(self.b, what)(self.count(x), self.count(y))
        return made

    def smaller(self, x: Any, y: Any) -> ir.Value:
        x, y = self.count(x), self.count(y)
        return self.b.select(self.b.icmp_signed("<", x, y), x, y)

    def splat(self, kind: ir.VectorType, value: Any) -> ir.Value:
        """A vector of one number: a Python number, or a value of the element's type."""
        if not isinstance(value, ir.Value):
            return ir.Constant(kind, [value] * kind.count)
        one = self.b.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
        mask = ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count)
        return self.b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), mask)

    def call(self, name: str, kind: ir.Type, *arguments: ir.Value) -> ir.Value:
        """An intrinsic of LLVM on vectors, such as ``llvm.fma``."""
        element = {F32: "f32", F64: "f64"}[kind.element]
        full = f"{name}.v{kind.count}{element}"
        module = self.function.module
        known = module.globals.get(full)
        if known is None:
            known = ir.Function(module, ir.FunctionType(kind, [kind] * len(arguments)), full)
        return self.b.call(known, arguments)

    def fma(self, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
        return self.call("llvm.fma", x.type, x, y, z)

    # -- memory -------------------------------------------------------------------------------

    def at(self, base: ir.Value, index: Any, kind: ir.Type) -> ir.Value:
        return self.b.gep(base, [self.count(index)], source_etype=kind)

    def load(self, base: ir.Value, index: Any, kind: ir.Type | None = None) -> ir.Value:
        """A vector of floats unless ``kind`` says otherwise; aligned as its elements are."""
        kind = kind or self.floats
        return self.b.load(self.at(base, index, kind), typ=kind, align=_alignment(kind))

    def store(self, value: ir.Value, base: ir.Value, index: Any) -> None:
        kind = value.type
        self.b.store(value, self.at(base, index, kind), align=_alignment(kind))

    def variable(self, kind: ir.Type, value: Any) -> ir.Value:
        """Room for a number that changes; the compiler makes a register of it."""
        place = ir.IRBuilder(self.entry).alloca(kind)
        self.b.store(value, place)
        return place

    # -- flow ---------------------------------------------------------------------------------

    @contextmanager
    def loop(self, stop: Any, step: int = 1) -> Iterator[ir.Value]:
        """``for i in range(0, stop, step)``."""
        before = self.b.block
        test, body, after = (self.b.append_basic_block(n) for n in ("test", "loop", "after"))
        self.b.branch(test)
        self.b.position_at_end(test)
        i = self.b.phi(I64)
        i.add_incoming(self.count(0), before)
        self.b.cbranch(self.b.icmp_signed("<", i, self.count(stop)), body, after)
        self.b.position_at_end(body)
        yield i
        i.add_incoming(self.b.add(i, self.count(step)), self.b.block)
        self.b.branch(test)
        self.b.position_at_end(after)

    def unrolled(self, stop: Any, step: int) -> Iterator[tuple[Any, int]]:
        """Pairs (first, how many) that cover ``range(stop)``; a ``stop`` that is only known when
        the code runs must be a multiple of ``step``."""
        if not isinstance(stop, int):
            with self.loop(stop, step) as i:
                yield i, step
            return
        whole = stop - stop % step
        if whole > step:
            with self.loop(whole, step) as i:
                yield i, step
        elif whole:
            yield 0, step
        if stop > whole:
            yield whole, stop - whole

    def product(
        self,
        rows: Any,
        columns: int,
        depth: Any,
        left: tuple[ir.Value, Address],
        right: tuple[ir.Value, Address],
        begin: Callable[[Any, Any], ir.Value],
        end: Callable[[Any, Any, ir.Value], None],
    ) -> None:
        """``end(m, n, begin(m, n) + sum over k of left[m, k] * right[k, n])``, of vectors.

        Every sum is taken in the order of k whatever the tile, so the tile enters no number.

        Args:
            rows, columns, depth: of the product; ``rows`` and ``depth`` may be values.
            left, right: where an array begins, and which of its vectors an element is.
        """
        (a, a_at), (b, b_at) = left, right
        for n, width in self.unrolled(columns, self.columns):
            for m, height in self.unrolled(rows, TILE):
                places = list(product(range(height), range(width)))
                sums = {
                    (i, j): self.variable(self.floats, begin(self.add(m, i), self.add(n, j)))
                    for i, j in places
                }
                with self.loop(depth) as k:
                    above = [self.load(a, a_at(self.add(m, i), k)) for i in range(height)]
                    beside = [self.load(b, b_at(k, self.add(n, j))) for j in range(width)]
                    for i, j in places:
                        so_far = self.b.load(sums[i, j], typ=self.floats)
                        self.b.store(self.fma(above[i], beside[j], so_far), sums[i, j])
                for i, j in places:
                    result = self.b.load(sums[i, j], typ=self.floats)
                    end(self.add(m, i), self.add(n, j), result)


def _alignment(kind: ir.Type) -> int:
    element = kind.element if isinstance(kind, ir.VectorType) else kind
    return 8 if element in (F64, I64) or isinstance(element, ir.PointerType) else 4
