"""One block of rows through a network and back, in machine code: what epochs are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from rectifier.study.train.native.emit import F32, I32, I64, PTR, TILE, Emitter, FunctionAddress
from rectifier.study.train.native.job import FIELDS, Shape, padded


class Passes:
    """Writes functions of LLVM; each takes the job and what is named in its own first line."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.module = shape, ir.Module("trainer")
        self.places = shape.scratch()
        self._gather = self._function("gather", [PTR, I64, PTR, I64], self._write_gather)
        self._forward = self._function("forward", [PTR, I64], self._write_forward)
        loss = self._write_cross_entropy if shape.classes else self._write_squared_error
        self._loss = self._function("loss", [I64, PTR, I64], loss)
        self._backward = self._function("backward", [PTR, I64], self._write_backward)

    def _function(
        self, name: str, kinds: list[ir.Type], write: Callable[..., None], close: bool = True
    ) -> ir.Function:
        kind = ir.FunctionType(ir.VoidType(), [PTR, *kinds])
        made = ir.Function(self.module, kind, name)
        made.linkage = "internal"
        made.attributes.add("noinline")
        self.e = Emitter(made, self.shape.lanes, self.shape.columns)
        self.job, *rest = made.args
        write(*rest)
        if close:
            self.e.close()
        return made

    # -- words of the job ---------------------------------------------------------------------

    def _count(self, field: str) -> ir.Value:
        return self.e.load(self.job, FIELDS.index(field), I64)

    def _array(self, field: str) -> ir.Value:
        return self.e.load(self.job, FIELDS.index(field), PTR)

    def _scratch(self, name: str) -> ir.Value:
        e = self.e
        place = e.count(self.places[name])
        return e.b.gep(self._array("scratch"), [place], source_etype=ir.IntType(8))

    def _call(self, function: ir.Function, *arguments: Any) -> None:
        given = [self.e.count(a) if isinstance(a, int) else a for a in arguments]
        self.e.b.call(function, [self.job, *given])

    def _apply(self, field: str, *arguments: ir.Value) -> None:
        """Calls what the job names: arrays first, how many vectors last."""
        *arrays, vectors = arguments
        kind = ir.FunctionType(ir.VoidType(), [PTR] * len(arrays) + [I64])
        function = self.e.load(self.job, FIELDS.index(field), FunctionAddress(kind))
        self.e.b.call(function, [*arrays, self.e.mul(vectors, self.shape.lanes)])

    def _valid(self, first: ir.Value, row: ir.Value, counts: ir.Value) -> ir.Value:
        """[lanes] which lanes have a row number first + row."""
        e = self.e
        kind = ir.VectorType(I64, e.lanes)
        here = e.splat(kind, e.add(first, row))
        return e.b.icmp_signed("<", here, e.load(counts, 0, kind))

    # -- forward and back ---------------------------------------------------------------------

    def _write_gather(
        self, rows_of: ir.Value, first: ir.Value, counts: ir.Value, rows: ir.Value
    ) -> None:
        """Inputs and targets of ``rows`` rows of every lane, standardised.

        Args:
            rows_of: [lanes] addresses of row numbers, read from ``first`` on; where a lane has
                no more, its last one is repeated.
        """
        e, b, shape = self.e, self.e.b, self.shape
        inputs, ld = shape.sizes[0], padded(shape.sizes[0])
        kind = I32 if shape.classes else F32
        x, wanted, targets = (
            self._scratch("values0"),
            self._scratch("wanted"),
            self._array("targets"),
        )
        matrices = self._array("matrices")
        with e.loop(shape.lanes) as lane:
            numbers, matrix = e.load(rows_of, lane, PTR), e.load(matrices, lane, PTR)
            last = b.sub(e.load(counts, lane, I64), e.count(1))
            with e.loop(rows) as r:
                row = b.sext(e.load(numbers, e.smaller(e.add(first, r), last), I32), I64)
                here = e.at(matrix, e.mul(row, inputs), F32)
                there = e.at(x, e.add(e.mul(r, ld * shape.lanes), lane), F32)
                with e.loop(inputs) as c:
                    e.store(e.load(here, c, F32), there, e.mul(c, shape.lanes))
                target = e.load(targets, row, kind)
                e.store(target, wanted, e.add(e.mul(r, shape.lanes), lane))
        shift, scale = self._array("shift"), self._array("scale")
        with e.loop(rows) as r, e.loop(inputs) as c:
            place = e.add(e.mul(r, ld), c)
            centred = b.fsub(e.load(x, place), e.load(shift, c))
            e.store(b.fmul(centred, e.load(scale, c)), x, place)
        if not shape.classes:
            shift, scale = self._array("target_shift"), self._array("target_scale")
            with e.loop(rows) as r:
                centred = b.fsub(e.load(wanted, r), e.load(shift, 0))
                e.store(b.fdiv(centred, e.load(scale, 0)), wanted, r)

    def _write_forward(self, weights: ir.Value, rows: ir.Value) -> None:
        """From the gathered inputs to the outputs; hidden values and slopes stay in scratch."""
        for layer in range(self.shape.layers):
            self._forward_one(layer, weights, rows)

    def _forward_one(self, layer: int, weights: ir.Value, rows: ir.Value) -> None:
        e, shape = self.e, self.shape
        inputs, units = shape.sizes[layer], shape.sizes[layer + 1]
        above, ld = padded(inputs), padded(units)
        bias, kernel = shape.bias(layer), shape.kernel(layer)
        target = self._scratch(f"values{layer + 1}")
        e.product(
            rows,
            units,
            inputs,
            (self._scratch(f"values{layer}"), lambda m, k: e.add(e.mul(m, above), k)),
            (weights, lambda k, n: e.add(e.add(e.mul(k, ld), n), kernel)),
            lambda m, n: e.load(weights, e.add(n, bias)),
            lambda m, n, z: e.store(z, target, e.add(e.mul(m, ld), n)),
        )
        if layer + 1 < shape.layers:
            slopes = self._scratch(f"slopes{layer + 1}")
            self._apply("pair", target, target, slopes, e.mul(rows, ld))

    def _write_cross_entropy(self, first: ir.Value, counts: ir.Value, rows: ir.Value) -> None:
        """Adds the rows' losses up, and writes by how much each output moves ``weight`` times
        their sum; rows that a lane does not have count as nothing."""
        e, b, shape = self.e, self.e.b, self.shape
        outputs, ld = shape.sizes[-1], padded(shape.sizes[-1])
        z, powers = self._scratch(f"values{shape.layers}"), self._scratch("powers")
        sums, logs, wanted = (self._scratch(name) for name in ("sums", "logs", "wanted"))
        delta, weight = self._scratch("delta0"), e.load(self._scratch("weight"), 0)

        def place(r: ir.Value, j: ir.Value) -> Any:
            return e.add(e.mul(r, ld), j)

        def is_wanted(r: ir.Value, j: ir.Value) -> ir.Value:
            here = e.splat(e.integers, b.trunc(j, I32))
            return b.icmp_signed("==", e.load(wanted, r, e.integers), here)

        with e.loop(rows) as r:
            largest = e.variable(e.floats, e.load(z, place(r, e.count(0))))
            with e.loop(outputs) as j:
                so_far, one = b.load(largest, typ=e.floats), e.load(z, place(r, j))
                b.store(b.select(b.fcmp_ordered(">", one, so_far), one, so_far), largest)
            with e.loop(outputs) as j:
                lower = b.fsub(e.load(z, place(r, j)), b.load(largest, typ=e.floats))
                e.store(lower, z, place(r, j))
        self._apply("exp", z, powers, e.mul(rows, ld))
        with e.loop(rows) as r:
            total = e.variable(e.floats, e.splat(e.floats, 0.0))
            with e.loop(outputs) as j:
                sum_ = b.fadd(b.load(total, typ=e.floats), e.load(powers, place(r, j)))
                b.store(sum_, total)
            e.store(b.load(total, typ=e.floats), sums, r)
        self._apply("log", sums, logs, rows)
        with e.loop(rows) as r:
            valid = self._valid(first, r, counts)
            loss = e.variable(e.floats, e.load(logs, r))
            share = b.select(valid, weight, e.splat(e.floats, 0.0))
            with e.loop(outputs) as j:
                this = is_wanted(r, j)
                so_far = b.load(loss, typ=e.floats)
                b.store(b.select(this, b.fsub(so_far, e.load(z, place(r, j))), so_far), loss)
                chance = b.fdiv(e.load(powers, place(r, j)), e.load(sums, r))
                off = b.select(this, b.fsub(chance, e.splat(e.floats, 1.0)), chance)
                e.store(b.fmul(off, share), delta, place(r, j))
            self._add_loss(b.load(loss, typ=e.floats), valid)

    def _write_squared_error(self, first: ir.Value, counts: ir.Value, rows: ir.Value) -> None:
        """As :meth:`_write_cross_entropy`."""
        e, b, shape = self.e, self.e.b, self.shape
        z, wanted = self._scratch(f"values{shape.layers}"), self._scratch("wanted")
        delta, weight = self._scratch("delta0"), e.load(self._scratch("weight"), 0)
        with e.loop(rows) as r:
            valid = self._valid(first, r, counts)
            off = b.fsub(e.load(z, r), e.load(wanted, r))
            share = b.select(valid, weight, e.splat(e.floats, 0.0))
            e.store(b.fmul(b.fadd(off, off), share), delta, r)
            self._add_loss(b.fmul(off, off), valid)

    def _add_loss(self, loss: ir.Value, valid: ir.Value) -> None:
        e, b = self.e, self.e.b
        total = self._scratch("loss")
        counted = b.select(valid, b.fpext(loss, e.doubles), e.splat(e.doubles, 0.0))
        e.store(b.fadd(e.load(total, 0, e.doubles), counted), total, 0)

    def _write_backward(self, weights: ir.Value, rows: ir.Value) -> None:
        """Adds what follows from ``delta0`` to the gradients."""
        delta, other = self._scratch("delta0"), self._scratch("delta1")
        for layer in reversed(range(self.shape.layers)):
            self._add_gradients(layer, delta, rows)
            if layer:
                self._pass_back(layer, weights, delta, other, rows)
                delta, other = other, delta

    def _add_gradients(self, layer: int, delta: ir.Value, rows: ir.Value) -> None:
        e, b, shape = self.e, self.e.b, self.shape
        gradients = self._array("gradients")
        inputs, units = shape.sizes[layer], shape.sizes[layer + 1]
        above, ld = padded(inputs), padded(units)
        bias, kernel = shape.bias(layer), shape.kernel(layer)
        e.product(
            inputs,
            units,
            rows,
            (self._scratch(f"values{layer}"), lambda m, k: e.add(e.mul(k, above), m)),
            (delta, lambda k, n: e.add(e.mul(k, ld), n)),
            lambda m, n: e.load(gradients, e.add(e.add(e.mul(m, ld), n), kernel)),
            lambda m, n, g: e.store(g, gradients, e.add(e.add(e.mul(m, ld), n), kernel)),
        )
        for n, width in e.unrolled(units, TILE):
            places = [e.add(e.add(n, j), bias) for j in range(width)]
            sums = [e.variable(e.floats, e.load(gradients, p)) for p in places]
            with e.loop(rows) as r:
                for j, sum_ in enumerate(sums):
                    one = e.load(delta, e.add(e.mul(r, ld), e.add(n, j)))
                    b.store(b.fadd(b.load(sum_, typ=e.floats), one), sum_)
            for sum_, p in zip(sums, places, strict=True):
                e.store(b.load(sum_, typ=e.floats), gradients, p)

    def _pass_back(
        self, layer: int, weights: ir.Value, delta: ir.Value, target: ir.Value, rows: ir.Value
    ) -> None:
        """What the layer below is to change: through the weights, times the slopes."""
        e, b, shape = self.e, self.e.b, self.shape
        inputs, units = shape.sizes[layer], shape.sizes[layer + 1]
        above, ld, kernel = padded(inputs), padded(units), shape.kernel(layer)
        slopes = self._scratch(f"slopes{layer}")

        def chained(m: Any, n: Any, d: ir.Value) -> None:
            place = e.add(e.mul(m, above), n)
            e.store(b.fmul(d, e.load(slopes, place)), target, place)

        e.product(
            rows,
            inputs,
            units,
            (delta, lambda m, k: e.add(e.mul(m, ld), k)),
            (weights, lambda k, n: e.add(e.add(e.mul(n, ld), k), kernel)),
            lambda m, n: e.splat(e.floats, 0.0),
            chained,
        )
