"""Whether there are kernels for a tensor on a GPU; Triton is imported with the first."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from typing import Any


def kernels_for(x: Any, parameters: tuple[Any, ...]) -> Any:
    """:mod:`rectifier.kernels.gpu_ops`, if it takes the torch tensor ``x``, else None."""
    if not _has_triton():
        return None
    from rectifier.kernels import gpu, gpu_ops

    return gpu_ops if gpu.takes(x, parameters) else None


@cache
def _has_triton() -> bool:
    # Imported after TensorFlow, Triton 3.7.1 ends the process with a segmentation fault.
    late = "tensorflow" in sys.modules and "triton" not in sys.modules
    return not late and find_spec("triton") is not None
