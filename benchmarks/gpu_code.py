"""Whether every kernel for GPUs compiles, and what its code needs: no GPU is asked for.

    python -m benchmarks.gpu_code                    # all entries, some minutes
    python -m benchmarks.gpu_code gelu swiglu        # these
    python -m benchmarks.gpu_code --write            # and writes results/gpu_code.csv

Triton and ptxas compile for compute capability 9.0 (H100, H200), bfloat16 in and out, as a launch
would. ``registers`` and ``spills`` (bytes) are a thread's, by ``cuobjdump``; ``wide`` is the widest
load from memory that the code has, in bits: 128 moves 8 bfloat16 at a time.
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rectifier as rf

RESULTS = Path(__file__).parent / "results" / "gpu_code.csv"
CAPABILITY = 90


# Of the arguments of loops, those that are no tensor of the activations' dtype.
_TYPES = dict.fromkeys(
    "n columns width channels inner a_step b_step step length count".split(), "i32"
)
_TYPES |= dict.fromkeys("turn_0 turn_1 turn_2 zero one two three".split(), "fp32")
_TYPES |= dict.fromkeys("p parts strips cells plan".split(), "*fp32")
_TYPES |= {"nan": "i32", "first": "*i32", "notes": "*u8"}


def shared() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """The loops that no entry's code is in: notes, and slopes from them."""
    from rectifier.kernels import gpu_low
    from rectifier.ops.inverse import CELLS, SHIFT
    from rectifier.ops.torch_inverse import EXPONENT

    flat = {"BITS": 1, "BLOCK": gpu_low.BLOCK}
    yield "notes of branches", gpu_low._noted, {**flat, "TURNS": 1}
    silu = {"BRANCHES": 2, "BOUNDS": 3, "STRIPS": 5}
    table = {"CELLS": CELLS, "SHIFT": SHIFT, "EXPONENT": EXPONENT}
    yield "slopes from outputs", gpu_low._sloped, {**flat, **silu, **table}
    yield "notes of lines", gpu_low._pieces, {**flat, "BITS": 2}
    yield "slopes of lines", gpu_low._by_pieces, {**flat, "BITS": 2}


def kernels(name: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Each loop of an entry: what it is, Triton's function, and the constants it is given."""
    from rectifier.kernels import gpu

    rule = rf.get(name).rule
    if rf.get(name).kind == "gated":
        yield "forward", gpu.loop(gpu.GATED_FORWARD, rule.value, 0), {"BLOCK": gpu.BLOCK}
        backward = gpu.loop(gpu.GATED_BACKWARD, rule.derivative, 0, rule.partials[0])
        yield "backward", backward, {"BLOCK": gpu.BLOCK}
        return
    count = len(rf.get(name).parameters)
    flat = {"BIASED": False, "SHARED": True, "BLOCK": gpu.BLOCK}
    yield "forward", gpu.loop(gpu.FORWARD, rule.value, count), flat
    yield "backward", gpu.loop(gpu.BACKWARD, rule.derivative, count), flat
    tile = {"BIASED": False, "SHARED": False, "ROWS": gpu.ROWS, "COLUMNS": gpu.COLUMNS}
    for place, by in enumerate(rule.partials):
        if by is not None:
            yield f"sum for parameter {place}", gpu.loop(gpu.SUMMED, by, count), tile


def compiled(function: Any, constants: dict[str, Any], dtype: str = "*bf16") -> dict[str, Any]:
    """What one kernel needs: ``registers``, ``spills``, ``wide``."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature = {
        argument: "constexpr" if argument in constants else _TYPES.get(argument, dtype)
        for argument in function.arg_names
    }
    aligned = [i for i, a in enumerate(function.arg_names) if signature[a] != "constexpr"]
    source = ASTSource(
        fn=function,
        signature=signature,
        constexprs={(function.arg_names.index(k),): v for k, v in constants.items()},
        attrs={(i,): [["tt.divisibility", 16]] for i in aligned},
    )
    done = triton.compile(source, target=GPUTarget("cuda", CAPABILITY, 32))
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(done.asm["cubin"])
        file.flush()
        tool = triton.knobs.nvidia.cuobjdump.path
        said = subprocess.run(
            [tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True
        ).stdout
    widths = [
        int(bits) * int(many or 1)
        for many, bits in re.findall(r"ld\.global[.\w:]*?(?:\.v(\d))?\.b(\d+)", done.asm["ptx"])
    ]
    return {
        "registers": int(re.findall(r"REG:(\d+)", said)[0]),
        "spills": int(re.findall(r"LOCAL:(\d+)", said)[0]),
        "wide": max(widths),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="entries; all by default")
    parser.add_argument("--write", action="store_true", help=f"writes {RESULTS.name}")
    given = parser.parse_args()
    all_names = [n for n in rf.names() if rf.get(n).kind in ("elementwise", "gated")]
    rows = []
    loops = {name: kernels(name) for name in given.names or all_names}
    if not given.names:
        loops["memory"] = shared()
    for name, these in loops.items():
        for what, function, constants in these:
            rows.append({"name": name, "kernel": what, **compiled(function, constants)})
            line = "{name:16} {kernel:20} {registers:4} {spills:4} {wide:4}"
            print(line.format(**rows[-1]), flush=True)
    if given.write:
        with RESULTS.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
