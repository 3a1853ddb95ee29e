"""Where kernels are to be had for arrays, on processor and GPU: set by whoever has some."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# kernel(code, rule, x, parameters, out, grad=None) -> an array, or None where another computes
kernel: Callable[..., Any] | None = None

# address_kernel(code, rule, dtype, size, parameters, chained) -> kernels.cpu.Kernel or None
address_kernel: Callable[..., Any] | None = None

# lines(rule, dtype, size, parameters) -> kernels.bits.Lines or None
lines: Callable[..., Any] | None = None

# slopes(how, size) -> kernels.slopes.Slopes or None
slopes: Callable[..., Any] | None = None

# gpu(x, parameters) -> rectifier.kernels.gpu_ops, or None where it has nothing for such a tensor
gpu: Callable[..., Any] | None = None
