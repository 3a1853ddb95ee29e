"""Kernels for GPUs, without one: in Triton's interpreter, and compiled for an H100.

The interpreter has to be chosen before triton is imported, which PyTorch may have done in this
process, so ``interpreted_gpu.py`` runs in one of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("interpreted_gpu.py")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no triton but for Linux")


def test_the_whole_catalogue_in_tritons_interpreter():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", str(CASES)],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout


def test_the_code_compiles_for_a_gpu_that_is_not_here(tmp_path):
    """Three entries; all of them: python -m benchmarks.gpu_code"""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu_code", "gelu", "swiglu", "prelu"],
        env={**os.environ, "TRITON_CACHE_DIR": str(tmp_path), "TRITON_INTERPRET": "0"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = re.findall(r"^(\w+) +(.+?) +(\d+) +(\d+) +(\d+)$", done.stdout, re.MULTILINE)
    assert len(rows) == 2 + 2 + 3
    for _, _, registers, spills, wide in rows:
        assert int(spills) == 0
        assert int(registers) <= 64
        assert int(wide) == 128


def test_nothing_imports_triton_before_a_cuda_tensor_comes():
    program = (
        "import torch, rectifier as rf; from rectifier import torch as rt;"
        "x = torch.randn(4, 8, requires_grad=True);"
        "rt.gelu(x).sum().backward(); rt.SwiGLU()(x).sum().backward(); rt.silu(x, memory='low');"
        "import sys; assert 'triton' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


def test_the_measurement_says_when_there_is_no_gpu():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu"],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "no CUDA device: nothing measured; --cpu-smoke tries the code\n"
