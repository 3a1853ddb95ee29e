"""Compiled once: by this process, by the next, by two at a time; and never run when damaged."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time

import numpy as np
import pytest

import rectifier as rf
from rectifier.kernels import compiler, cpu, store
from rectifier.kernels.source import Shape, source

PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
import numpy as np, rectifier as rf
from rectifier import dispatch
act = rf.get("silu")
x = np.linspace(-5, 5, 1 << 20).astype(np.float32)
y = dispatch.value(act.rule, x, ())
print("result", float(y.astype(np.float64).sum()))
print("modules", *[m for m in ("llvmlite", "numba", "jax", "torch") if m in sys.modules])
"""


def start(folder, program=PROGRAM):
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def printed(process) -> list[str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""  # a notice is for terminals only
    return out.splitlines()


def kept(folder):
    return sorted((folder / "rectifier" / "kernels").iterdir())


def test_a_second_process_compiles_nothing(tmp_path):
    first = printed(start(tmp_path))
    assert first[0].startswith("compiled _silu_value (float32) in ")
    files = kept(tmp_path)
    assert [f.suffix for f in files] == [".kernel"]
    stamp = files[0].stat().st_mtime_ns
    second = printed(start(tmp_path))
    assert second == first[1:]  # no line about compiling
    assert kept(tmp_path)[0].stat().st_mtime_ns == stamp
    assert second[-1] == "modules llvmlite"


def test_two_processes_at_once(tmp_path):
    together = [start(tmp_path) for _ in range(3)]
    results = {line for process in together for line in printed(process) if "result" in line}
    assert len(results) == 1
    assert [f.suffix for f in kept(tmp_path)] == [".kernel"]  # nothing half-written is left
    assert not any("compiled" in line for line in printed(start(tmp_path)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"",
        lambda b: b[:20],
        lambda b: b[:-1],
        lambda b: b[:200] + bytes([b[200] ^ 1]) + b[201:],
        lambda b: b"not a kernel at all",
    ],
)
def test_a_damaged_file_is_compiled_again(tmp_path, monkeypatch, damage, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    caplog.set_level(logging.INFO, logger="rectifier")
    function, shape = rf.get("elu").rule.value, Shape("float32", "short", 1)
    whole = fresh_kernel(function, shape)
    assert whole(-1.0) == pytest.approx(np.expm1(-1.0), rel=1e-6)
    file = kept(tmp_path)[0]
    good = file.read_bytes()
    file.write_bytes(damage(good))
    caplog.clear()
    assert fresh_kernel(function, shape)(-1.0) == pytest.approx(np.expm1(-1.0), rel=1e-6)
    assert "compiled" in caplog.text
    assert file.read_bytes() == good


def test_whole_bytes_that_are_no_code_are_compiled_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    function, shape = rf.get("elu").rule.value, Shape("float32", "short", 1)
    fresh_kernel(function, shape)
    file = kept(tmp_path)[0]
    store.write(file.stem, b"well kept, but no object file")
    assert fresh_kernel(function, shape)(-1.0) == pytest.approx(np.expm1(-1.0), rel=1e-6)


def fresh_kernel(function, shape):
    """As a process does that has not asked before; as a function of one number."""
    kernel = cpu._kernel.__wrapped__(function, shape, None)

    def call(number: float) -> float:
        x = np.full(3, number, shape.dtype)
        kernel(x.ctypes.data, x.ctypes.data, 3, *[1.0] * shape.parameters)
        return float(x[2])

    return call


def test_a_file_of_another_user_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store.write("x", b"code")
    assert store.read("x") == b"code"
    monkeypatch.setattr(os, "getuid", lambda: 12345, raising=False)
    assert store.read("x") is None


def test_without_a_writable_folder_kernels_still_work(tmp_path, monkeypatch, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    caplog.set_level(logging.INFO, logger="rectifier")
    call = fresh_kernel(rf.get("elu").rule.value, Shape("float32", "short", 1))
    assert call(-1.0) == pytest.approx(np.expm1(-1.0), rel=1e-6)
    assert "cannot keep compiled kernels" in caplog.text


def test_the_folder_is_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.folder() == tmp_path / "rectifier" / "kernels"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/paths/do/not/count")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.folder() == tmp_path / ".cache" / "rectifier" / "kernels"


def test_every_change_is_another_file(monkeypatch):
    def plus_one(x):
        return x + 1.0

    def plus_two(x):
        return x + 2.0

    shape = Shape("float32", "short", 0)
    one = source(plus_one, shape)
    assert one == source(plus_one, shape)
    variants = {
        one,
        source(plus_two, shape),
        source(plus_one, Shape("float64", "short", 0)),
        source(plus_one, Shape("float32", "short", 0, chained=True)),
    }
    assert len(variants) == 4
    before = cpu._versions.__wrapped__()
    monkeypatch.setattr(rf, "__version__", "9.9")
    after = cpu._versions.__wrapped__()
    assert before != after
    assert store.key(one, compiler.machine_name(), before) != store.key(
        one, compiler.machine_name(), after
    )


def test_whoever_waits_at_a_terminal_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(cpu, "_PATIENCE", 0.05)
    with cpu._Told("gelu (float32)"):
        time.sleep(0.3)
    assert capsys.readouterr().err == (
        "rectifier: compiling gelu (float32), once for this machine ...\n"
    )
    with cpu._Told("gelu (float32)"):
        pass
    assert capsys.readouterr().err == ""
