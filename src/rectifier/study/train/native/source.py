"""The trainer of a network as text that LLVM reads: ``void kernel(job)``, see :mod:`.job`.

Whole epochs happen inside: batches, Adam, validation, early stopping. The lanes of a vector are
runs, so one load of a weight serves all of them, and no run's numbers depend on another's. Sums
use fused multiply-adds in a fixed order, so neither does the processor enter them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from llvmlite import ir

from rectifier.kernels.source import ENTRY
from rectifier.study.train.native.emit import (
    F32,
    F64,
    I32,
    I64,
    TILE,
)
from rectifier.study.train.native.job import BLOCK, EXAMINE, Shape, padded
from rectifier.study.train.native.passes import Passes
from rectifier.study.train.network import DEAD_EPSILON, DEAD_SHARE, NEAR, SILENT

# optax.scale_by_adam's
_DECAY_OF_MEANS, _DECAY_OF_SQUARES, _EPSILON = 0.9, 0.999, 1e-8


def source(shape: Shape) -> str:
    """LLVM's text."""
    trainer = _Trainer(shape)
    # The module's head names no machine; the compiler sets it.
    lines = str(trainer.module).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("target", ";")))


class _Trainer(Passes):
    """Epochs, and what is looked at behind them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._adam = self._function("adam", [I64], self._write_adam)
        self._judge = self._function("judge", [I64], self._write_judge)
        advance = self._function("advance", [], self._write_advance)
        examine = self._function("examine", [], self._write_examine)
        kernel = self._function(ENTRY, [], lambda: None, close=False)
        e = self.e
        wanted = e.b.icmp_signed("==", self._count("what"), e.count(EXAMINE))
        with e.b.if_else(wanted) as (then, otherwise):
            with then:
                self._call(examine)
            with otherwise:
                self._call(advance)
        e.close()
        kernel.linkage = ""

    def _write_adam(self, step: ir.Value) -> None:
        """One step of Adam (optax.scale_by_adam); the gradients are zero afterwards."""
        e, b = self.e, self.e.b
        names = ("weights", "gradients", "means", "squares")
        weights, gradients, means, squares = (self._array(name) for name in names)
        corrections, rate = self._array("corrections"), e.load(self._array("rates"), 0)
        correct_mean, correct_square = (
            e.splat(e.floats, e.load(corrections, e.add(e.mul(step, 2), i), F32)) for i in (0, 1)
        )
        with e.loop(self.shape.weights) as i:
            g = e.load(gradients, i)
            m = b.fmul(e.splat(e.floats, 1 - _DECAY_OF_MEANS), g)
            m = e.fma(e.splat(e.floats, _DECAY_OF_MEANS), e.load(means, i), m)
            v = b.fmul(e.splat(e.floats, 1 - _DECAY_OF_SQUARES), b.fmul(g, g))
            v = e.fma(e.splat(e.floats, _DECAY_OF_SQUARES), e.load(squares, i), v)
            size = e.call("llvm.sqrt", e.floats, b.fmul(v, correct_square))
            size = b.fadd(size, e.splat(e.floats, _EPSILON))
            update = b.fdiv(b.fmul(m, correct_mean), size)
            e.store(b.fsub(e.load(weights, i), b.fmul(rate, update)), weights, i)
            e.store(m, means, i)
            e.store(v, squares, i)
            e.store(e.splat(e.floats, 0.0), gradients, i)

    # -- epochs -------------------------------------------------------------------------------

    def _blocks(self, count: Any) -> Iterator[tuple[ir.Value, ir.Value]]:
        """Pairs (first row, how many rows: a multiple of TILE) that cover ``range(count)``."""
        e = self.e
        with e.loop(count, BLOCK) as first:
            left = e.smaller(e.b.sub(e.count(count), first), BLOCK)
            more = e.add(left, TILE - 1)
            yield first, e.b.sub(more, e.b.srem(more, e.count(TILE)))

    def _clear(self, array: ir.Value, vectors: int, zero: ir.Value) -> None:
        with self.e.loop(vectors) as i:
            self.e.store(zero, array, i)

    def _write_advance(self) -> None:
        """Epochs, until all of this call are done or every lane has stopped."""
        e, b = self.e, self.e.b
        steps, batch, everyone = self._count("steps"), self._count("batch"), self._array("everyone")
        counts = ir.VectorType(I64, e.lanes)
        loss, weight = self._scratch("loss"), self._scratch("weight")
        with e.loop(self._count("epochs")) as i:
            stopped = e.load(self._array("stopped"), 0, e.integers)
            going = b.icmp_signed("==", stopped, e.splat(e.integers, 0))
            with b.if_then(self._any(going)):
                e.store(e.splat(e.doubles, 0.0), loss, 0)
                one = b.fdiv(ir.Constant(F32, 1.0), b.sitofp(batch, F32))
                e.store(e.splat(e.floats, one), weight, 0)
                with e.loop(steps) as j:
                    step = e.add(e.mul(i, steps), j)
                    start = e.mul(step, batch)
                    e.store(e.splat(counts, e.add(start, batch)), everyone, 0)
                    for first, rows in self._blocks(batch):
                        first = e.add(start, first)
                        self._call(self._gather, self._array("orders"), first, everyone, rows)
                        self._call(self._forward, self._array("weights"), rows)
                        self._call(self._loss, first, everyone, rows)
                        self._call(self._backward, self._array("weights"), rows)
                    self._call(self._adam, step)
                visited = b.sitofp(e.mul(steps, batch), F64)
                mean = b.fdiv(e.load(loss, 0, e.doubles), e.splat(e.doubles, visited))
                e.store(b.fptrunc(mean, e.floats), self._scratch("training"), 0)
                self._call(self._judge, e.add(self._count("first"), i))

    def _write_judge(self, number: ir.Value) -> None:
        """What validation rows say after epoch ``number``, and who goes on."""
        e, b = self.e, self.e.b
        validation, valid = self._array("validation"), self._array("valid")
        units = sum(self.shape.sizes[1:-1])
        loss, dead = self._scratch("loss"), self._scratch("dead")
        e.store(e.splat(e.doubles, 0.0), loss, 0)
        self._clear(dead, units, e.splat(e.floats, 0.0))
        for first, rows in self._blocks(self._count("longest")):
            self._call(self._gather, validation, first, valid, rows)
            self._call(self._forward, self._array("weights"), rows)
            self._call(self._loss, first, valid, rows)
            with b.if_then(b.icmp_signed("<", first, e.count(NEAR))):
                self._count_small("slopes", DEAD_EPSILON, dead, first, valid, rows)
        count = e.load(valid, 0, ir.VectorType(I64, e.lanes))
        mean = b.fdiv(e.load(loss, 0, e.doubles), b.sitofp(count, e.doubles))
        needed = b.fmul(e.splat(e.floats, DEAD_SHARE), self._near(valid))
        total = e.variable(e.floats, e.splat(e.floats, 0.0))
        with e.loop(units) as u:
            whole = b.fcmp_ordered(">=", e.load(dead, u), needed)
            one = b.select(whole, e.splat(e.floats, 1.0), e.splat(e.floats, 0.0))
            b.store(b.fadd(b.load(total, typ=e.floats), one), total)
        share = b.fdiv(b.load(total, typ=e.floats), e.splat(e.floats, float(units)))
        self._keep(number, [e.load(self._scratch("training"), 0), b.fptrunc(mean, e.floats), share])

    def _keep(self, number: ir.Value, found: list[ir.Value]) -> None:
        """Curves, the best weights so far, and whether a lane stops; a stopped one stays so."""
        e, b = self.e, self.e.b
        state = {n: self._array(n) for n in ("best_epoch", "done", "stopped", "diverged")}
        old = {name: e.load(place, 0, e.integers) for name, place in state.items()}
        zero, infinity = e.splat(e.integers, 0), e.splat(e.floats, math.inf)
        one = e.splat(e.integers, 1)
        this = e.splat(e.integers, b.trunc(e.add(number, 1), I32))
        going = b.icmp_signed("==", old["stopped"], zero)
        training, validation, _ = found
        finite = b.and_(
            b.fcmp_ordered("<", e.call("llvm.fabs", e.floats, training), infinity),
            b.fcmp_ordered("<", e.call("llvm.fabs", e.floats, validation), infinity),
        )
        best_loss = self._array("best_loss")
        lower = b.fcmp_ordered("<", validation, e.load(best_loss, 0))
        better = b.and_(going, b.and_(finite, lower))
        e.store(b.select(better, validation, e.load(best_loss, 0)), best_loss, 0)
        best_epoch = b.select(better, this, old["best_epoch"])
        patience = e.splat(e.integers, b.trunc(self._count("patience"), I32))
        waited = b.icmp_signed(">=", b.sub(this, best_epoch), patience)
        ends = b.or_(b.not_(finite), waited)
        e.store(best_epoch, state["best_epoch"], 0)
        e.store(b.select(going, this, old["done"]), state["done"], 0)
        e.store(b.select(b.and_(going, ends), one, old["stopped"]), state["stopped"], 0)
        diverges = b.and_(going, b.not_(finite))
        e.store(b.select(diverges, one, old["diverged"]), state["diverged"], 0)
        for curve, value in enumerate(found):
            place = e.add(e.mul(self._count("whole"), curve), number)
            kept = e.load(self._array("curves"), place)
            e.store(b.select(going, value, kept), self._array("curves"), place)
        weights, best = self._array("weights"), self._array("best")
        with b.if_then(self._any(better)), e.loop(self.shape.weights) as i:
            e.store(b.select(better, e.load(weights, i), e.load(best, i)), best, i)

    def _write_examine(self) -> None:
        """What the best weights give: outputs on the asked rows; sparsity and gradients."""
        e, b, shape = self.e, self.e.b, self.shape
        best, asked, counts = (self._array(n) for n in ("best", "asked", "asked_counts"))
        outputs, ld = shape.sizes[-1], padded(shape.sizes[-1])
        z, target = self._scratch(f"values{shape.layers}"), self._array("outputs")
        for first, rows in self._blocks(self._count("asked_longest")):
            self._call(self._gather, asked, first, counts, rows)
            self._call(self._forward, best, rows)
            with e.loop(rows) as r, e.loop(outputs) as j:
                place = e.add(e.mul(e.add(first, r), outputs), j)
                e.store(e.load(z, e.add(e.mul(r, ld), j)), target, place)

        everyone, valid, silent = (
            self._array("everyone"),
            self._array("valid"),
            self._scratch("dead"),
        )
        units = sum(shape.sizes[1:-1])
        near = self._near(valid)
        e.store(b.fptosi(near, ir.VectorType(I64, e.lanes)), everyone, 0)
        e.store(b.fdiv(e.splat(e.floats, 1.0), near), self._scratch("weight"), 0)
        self._clear(silent, units, e.splat(e.floats, 0.0))
        for first, rows in self._blocks(e.smaller(self._count("longest"), NEAR)):
            self._call(self._gather, self._array("validation"), first, everyone, rows)
            self._call(self._forward, best, rows)
            self._count_small("values", SILENT, silent, first, everyone, rows)
            self._call(self._loss, first, everyone, rows)
            self._call(self._backward, best, rows)
        total = e.variable(e.floats, e.splat(e.floats, 0.0))
        with e.loop(units) as u:
            b.store(b.fadd(b.load(total, typ=e.floats), e.load(silent, u)), total)
        possible = b.fmul(near, e.splat(e.floats, float(units)))
        share = b.fdiv(b.load(total, typ=e.floats), possible)
        e.store(share, self._array("sparsity"), 0)
        first, last = self._norm(0), self._norm(shape.layers - 1)
        e.store(b.fptrunc(b.fdiv(first, last), e.floats), self._array("ratio"), 0)
        self._clear(self._array("gradients"), shape.weights, e.splat(e.floats, 0.0))

    def _near(self, valid: ir.Value) -> ir.Value:
        """[lanes] how many validation rows are looked at closely, as floats."""
        e, b = self.e, self.e.b
        kind = ir.VectorType(I64, e.lanes)
        count, most = e.load(valid, 0, kind), e.splat(kind, NEAR)
        return b.sitofp(b.select(b.icmp_signed("<", count, most), count, most), e.floats)

    def _count_small(
        self,
        what: str,
        below: float,
        counts: ir.Value,
        first: ir.Value,
        valid: ir.Value,
        rows: ir.Value,
    ) -> None:
        """Adds up, for every hidden unit, on how many rows its value or slope is below."""
        e, b = self.e, self.e.b
        before = 0
        for layer, units in enumerate(self.shape.sizes[1:-1], 1):
            array, ld = self._scratch(f"{what}{layer}"), padded(units)
            with e.loop(rows) as r:
                there = self._valid(first, r, valid)
                with e.loop(units) as u:
                    size = e.call("llvm.fabs", e.floats, e.load(array, e.add(e.mul(r, ld), u)))
                    small = b.fcmp_ordered("<", size, e.splat(e.floats, below))
                    one = e.splat(e.floats, 1.0)
                    counted = b.select(b.and_(small, there), one, e.splat(e.floats, 0.0))
                    place = e.add(u, before)
                    e.store(b.fadd(e.load(counts, place), counted), counts, place)
            before += units

    def _norm(self, layer: int) -> ir.Value:
        """[lanes] Euclidean length of the gradient of a layer's kernel, float64."""
        e, b, shape = self.e, self.e.b, self.shape
        total = e.variable(e.doubles, e.splat(e.doubles, 0.0))
        with e.loop(shape.bias(layer) - shape.kernel(layer)) as i:
            place = e.add(i, shape.kernel(layer))
            one = b.fpext(e.load(self._array("gradients"), place), e.doubles)
            b.store(e.fma(one, one, b.load(total, typ=e.doubles)), total)
        return e.call("llvm.sqrt", e.doubles, b.load(total, typ=e.doubles))

    def _any(self, which: ir.Value) -> ir.Value:
        """Whether it holds for any lane."""
        kind = ir.IntType(self.e.lanes)
        return self.e.b.icmp_unsigned("!=", self.e.b.bitcast(which, kind), ir.Constant(kind, 0))
