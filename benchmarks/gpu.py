"""What the kernels and ``memory="low"`` do on a GPU, beside their peers, in one run.

    python -m benchmarks.gpu                     # under ten minutes on an H100 or H200
    python -m benchmarks.gpu --only bandwidth    # or training, study
    python -m benchmarks.gpu --cpu-smoke         # all of it in tiny sizes, without a GPU: a minute

* ``bandwidth``: forward and backward of every elementwise and gated entry at 2^28 elements, bf16
  and fp32: milliseconds, bytes a second over what has to be moved, the share of what a copy does
  in the same run, bytes kept (:mod:`benchmarks.gpu_bandwidth`).
* ``training``: GPT-2-small and a Llama-style model with random weights on generated text, bf16:
  peak memory, tokens a second, the loss (:mod:`benchmarks.gpu_training`).
* ``study``: ``rectifier compare digits`` by JAX on the GPU, by JAX on the CPU and by machine code.

Rows go to ``benchmarks/results/gpu_bandwidth.csv`` and so on, or to ``--out``; those of
``--cpu-smoke`` only to ``--out``, and its times mean nothing: Triton is interpreted. Exit code 2
without a CUDA device. Liger-Kernel (``pip install liger-kernel``) is a peer where it is installed.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PARTS = ("bandwidth", "training", "study")
SECONDS = {"bandwidth": 270, "training": 240, "study": 80}  # of the ten minutes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"parts, of {', '.join(PARTS)}")
    parser.add_argument("--cpu-smoke", action="store_true", help="tiny, on the CPU")
    parser.add_argument("--out", type=Path, help="folder for the rows")
    given = parser.parse_args()
    parts = given.only.split(",") if given.only else list(PARTS)
    if set(parts) - set(PARTS):
        print(f"--only takes {', '.join(PARTS)}, got {given.only}", file=sys.stderr)
        return 2
    if given.cpu_smoke and os.environ.get("TRITON_INTERPRET") != "1":  # before triton is imported
        environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
        again = [sys.executable, "-m", "benchmarks.gpu", *sys.argv[1:]]
        return subprocess.run(again, env=environment, check=False).returncode
    import torch

    if not given.cpu_smoke and not torch.cuda.is_available():
        print("no CUDA device: nothing measured; --cpu-smoke tries the code", file=sys.stderr)
        return 2
    if given.cpu_smoke:  # the interpreter's arithmetic is NumPy's, which says so of 1/0
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="triton")
    device = torch.device("cpu" if given.cpu_smoke else "cuda")
    name = "interpreter" if given.cpu_smoke else torch.cuda.get_device_name()
    out = given.out or (None if given.cpu_smoke else RESULTS)
    print(f"{name}, torch {torch.__version__}", flush=True)
    for part in parts:
        started = time.monotonic()
        until = started + SECONDS[part]
        rows = list(_rows(part, device, given.cpu_smoke, until))
        for row in rows:
            row |= {"device": name, "torch": torch.__version__}
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            _write(out / f"gpu_{part}.csv", rows)
        print(f"{part}: {len(rows)} rows in {time.monotonic() - started:.0f} s\n", flush=True)
    return 0


def _rows(part: str, device: Any, smoke: bool, until: float) -> Iterable[dict[str, Any]]:
    if part == "bandwidth":
        from benchmarks import gpu_bandwidth

        return gpu_bandwidth.rows(device, smoke, until)
    if part == "training":
        from benchmarks import gpu_training

        return gpu_training.rows(device, smoke, until)
    return _study(smoke)


def _study(smoke: bool) -> Iterable[dict[str, Any]]:
    """Seconds of one comparison, each in a process of its own, started cold."""
    import tempfile

    command = [sys.executable, "-m", "rectifier", "compare", "digits", "--quiet"]
    command += ["--activations", "relu,elu,gelu,silu,mish,tanh"]
    command += ["--seeds", "5", "--epochs", "1" if smoke else "100", "--tune-seeds", "2"]
    for trainer, platform in (("jax", "cuda"), ("jax", "cpu"), ("native", "cpu")):
        row = {"trainer": trainer, "platform": platform}
        if platform == "cuda" and (smoke or not _jax_has_gpu()):
            yield row | {"seconds": "", "said": "JAX has no GPU here: pip install 'jax[cuda12]'"}
            continue
        environment = {**os.environ, "JAX_PLATFORMS": platform}
        environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
        with tempfile.TemporaryDirectory() as folder:
            started = time.monotonic()
            done = subprocess.run(
                [*command, "--trainer", trainer, "--out", f"{folder}/out"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            seconds = time.monotonic() - started
        said = "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1][:200]
        print(f"  study by {trainer} on {platform}: {seconds:.1f} s {said}", flush=True)
        yield row | {"seconds": f"{seconds:.1f}", "said": said}


def _jax_has_gpu() -> bool:
    program = "import jax, sys; sys.exit(jax.default_backend() == 'cpu')"
    return subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
