"""Forward and backward of every entry on a GPU, beside PyTorch, torch.compile and Liger-Kernel.

A part of :mod:`benchmarks.gpu`. A time is the least of several launches, by CUDA events. What has
to be moved: an input and an output forward; an input or output, a gradient and a gradient backward;
of a gated pair two inputs, and two gradients. ``of_copy`` is the share of what ``y.copy_(x)`` moves
a second in the same run. ``kernel`` is the loop alone, ``ours`` what a user calls.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

import rectifier as rf
from benchmarks import torch_memory
from rectifier import torch as rt
from rectifier.kernels import gpu
from rectifier.ops import torch_computing

# In the order of use; torch.compile, some seconds each, is asked for these only.
FIRST = "gelu silu relu gelu_tanh swiglu geglu_tanh geglu tanh sigmoid leaky_relu mish elu".split()
FIRST += "hard_swish softplus quick_gelu relu2 glu reglu bilinear prelu".split()
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def names() -> list[str]:
    """Every elementwise and gated entry, the most used first."""
    every = [n for n in rf.names() if rf.get(n).kind in ("elementwise", "gated")]
    return [*FIRST, *(n for n in every if n not in FIRST)]


def rows(device: torch.device, smoke: bool, until: float) -> Iterator[dict[str, Any]]:
    """One for each entry, dtype, way and direction; entries that there is no time for, named."""
    size = 1 << (8 if smoke else 28)
    copies = {
        name: _copied(torch.empty(size, dtype=dtype, device=device), smoke)
        for name, dtype in DTYPES.items()
    }
    for name, dtype in DTYPES.items():
        gbps = 2 * size * dtype.itemsize / copies[name] / 1e6
        print(f"  copy {name}: {gbps:,.0f} GB/s", flush=True)
        yield _row("copy", name, "copy", "forward", copies[name], 2 * size * dtype.itemsize, gbps)
    for name in names():
        if time.monotonic() > until:
            print(f"  no time left for {name}", flush=True)
            yield _row(name, "", "not measured", "", 0, 0, 0)
            continue
        for called, dtype in DTYPES.items():
            gbps = 2 * size * dtype.itemsize / copies[called] / 1e6
            inputs = _inputs(name, size, dtype, device)
            for way, call in _ways(name, smoke).items():
                yield from _measured(name, called, way, call, inputs, gbps, smoke)
            yield from _kernels(name, called, inputs, gbps, smoke)
            del inputs


def _inputs(name: str, size: int, dtype: torch.dtype, device: torch.device) -> list[torch.Tensor]:
    generator = torch.Generator(device).manual_seed(0)
    count = 2 if rf.get(name).kind == "gated" else 1
    shape = (size // 64 // 4, 4 * 64)
    return [
        torch.randn(shape, dtype=dtype, device=device, generator=generator) for _ in range(count)
    ]


def _ways(name: str, smoke: bool) -> dict[str, Callable[..., torch.Tensor]]:
    ours = torch_memory.OURS.get(name, getattr(rt, name))
    ways: dict[str, Callable[..., torch.Tensor]] = {"ours": ours}
    if rf.get(name).kind == "elementwise" and name not in torch_memory.OURS:
        ways["ours, low"] = partial(ours, memory="low")
    peer = torch_memory.peer_of(name)
    if peer is not None:
        ways["torch"] = peer[1]
    if name in FIRST and name not in torch_memory.OURS:
        backend = "aot_eager" if smoke else "inductor"
        torch._dynamo.reset()
        ways["compiled, ours"] = torch.compile(rf.get(name), fullgraph=True, backend=backend)
        if peer is not None and not smoke:
            ways["compiled, torch"] = torch.compile(peer[1], backend=backend)
    liger = _liger(name)
    if liger is not None:
        ways["liger"] = liger
    return ways


def _liger(name: str) -> Callable[..., torch.Tensor] | None:
    try:
        from liger_kernel.ops.geglu import LigerGELUMulFunction
        from liger_kernel.ops.swiglu import LigerSiLUMulFunction
    except ImportError:
        return None
    known = {"swiglu": LigerSiLUMulFunction, "geglu_tanh": LigerGELUMulFunction}
    return known[name].apply if name in known else None


def _measured(
    name: str,
    dtype: str,
    way: str,
    call: Callable[..., torch.Tensor],
    inputs: list[torch.Tensor],
    copy: float,
    smoke: bool,
) -> Iterator[dict[str, Any]]:
    """The call as a user makes it, with its gradient."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    try:
        y = call(*leaves)
    except (RuntimeError, TypeError, NotImplementedError) as error:  # a peer that has no such dtype
        said = " ".join(str(error).split())[:80]
        print(f"  {name} {dtype} {way}: refused: {said}", flush=True)
        yield _row(name, dtype, f"{way}: refused", "", 0, 0, 0)
        return
    grad = torch.ones_like(y)
    kept, _ = torch_memory.kept(call, [x[:16] for x in inputs])
    moved = y.numel() * y.element_size()
    forward = _timed(lambda: call(*leaves), y.device, smoke)
    count = len(inputs)
    yield _row(name, dtype, way, "forward", forward, (count + 1) * moved, copy, kept)
    if y.requires_grad:
        backward = _timed(
            lambda: torch.autograd.grad(y, leaves, grad, retain_graph=True), y.device, smoke
        )
        yield _row(name, dtype, way, "backward", backward, (2 * count + 1) * moved, copy, kept)


def _kernels(
    name: str, dtype: str, inputs: list[torch.Tensor], copy: float, smoke: bool
) -> Iterator[dict[str, Any]]:
    """The loops themselves, checked against PyTorch's words on the way."""
    act, x = rf.get(name), inputs[0]
    grad, moved, device = torch.ones_like(x), x.numel() * x.element_size(), x.device
    if act.kind == "gated":
        rule, (a, b) = act.rule, inputs
        calls: dict[str, Callable[[], Any]] = {
            "forward": lambda: gpu.gated(rule.value, a, b),
            "backward": lambda: gpu.gated_backward(rule.derivative, rule.slope(1), a, b, grad),
        }
        words = torch_computing.speak(rule.value)(*(t[:16].float() for t in inputs))
    else:
        numbers = tuple(act.parameters.values())
        calls = {
            "forward": lambda: gpu.value(act.rule.value, x, numbers),
            "backward": lambda: gpu.value(act.rule.derivative, x, numbers, grad=grad),
        }
        words = torch_computing.speak(act.rule.value)(x[:16].float(), *numbers)
    off = (calls["forward"]()[:16].float() - words).abs() / words.abs().clamp(min=1)
    step = torch.finfo(x.dtype).eps
    if off.nan_to_num().max() > 4 * step + 1e-6:
        raise AssertionError(f"{name} {dtype}: the kernel is {float(off.max()):.2g} off its words")
    count = len(inputs)
    for direction, call in calls.items():
        factor = count + 1 if direction == "forward" else 2 * count + 1
        best = _timed(call, device, smoke)
        yield _row(name, dtype, "kernel", direction, best, factor * moved, copy)


def _copied(x: torch.Tensor, smoke: bool) -> float:
    y = torch.empty_like(x)
    return _timed(lambda: y.copy_(x), x.device, smoke)


def _timed(call: Callable[[], Any], device: torch.device, smoke: bool) -> float:
    """Milliseconds of the fastest of some calls."""
    if device.type == "cpu":
        started = time.perf_counter()
        call()
        return (time.perf_counter() - started) * 1e3
    for _ in range(2):
        call()
    best = float("inf")
    for _ in range(7):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(end))
    return best


def _row(
    name: str,
    dtype: str,
    way: str,
    direction: str,
    ms: float,
    moved: float,
    copy: float,
    kept: float | str = "",
) -> dict[str, Any]:
    gbps = moved / ms / 1e6 if ms else 0.0
    if ms and way != "copy":
        sys.stdout.write(f"  {name:16} {dtype} {way:16} {direction:9} {ms:8.3f} ms {gbps:7,.0f}\n")
    return {
        "name": name,
        "dtype": dtype,
        "way": way,
        "direction": direction,
        "ms": f"{ms:.4f}" if ms else "",
        "gbps": f"{gbps:.0f}" if ms else "",
        "of_copy": f"{gbps / copy:.3f}" if ms and copy else "",
        "kept_bytes": kept,
    }
