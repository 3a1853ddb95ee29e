"""The door for Keras on its three backends: files, layers, functions, strings.

Each backend has a process of its own, which has imported nothing but ``rectifier.keras`` before it
reads the file of another. All entries on PyTorch, every sixth on the others, for seconds' sake;
``keras_process.py save FILE 1`` and ``load FILE 1`` do all of them anywhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

STEPS = {"torch": 1, "jax": 6, "tensorflow": 6}


def process(backend: str, what: str, *files: object) -> dict:
    program = Path(__file__).with_name("keras_process.py")
    done = subprocess.run(
        [sys.executable, str(program), what, *map(str, files)],
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    process("torch", "save", folder / "1.keras", 1, folder / "6.keras", 6)
    return folder


@pytest.mark.parametrize("backend", STEPS)
def test_a_file_comes_back_to_the_last_bit_in_a_process_that_knows_only_us(backend, files):
    step = STEPS[backend]
    found = process(backend, "load", files / f"{step}.keras", step)
    assert found["backend"] == backend
    assert found["outputs"] > (200 if step == 1 else 45)
    assert found["differs"] == []
    assert found["same_configuration"]
    assert found["bare"] == []
    assert found["slope"] == pytest.approx(-6 * 0.2)
    assert found["image"] == pytest.approx(-9 * 0.01)
    assert found["strings"] == [False, True, True, False]
    assert found["learnt"] == [True, True]
    assert "put rectifier.keras.GLU() after that layer" in found["refused"]


def test_a_file_holds_names_and_numbers_and_nothing_that_runs(files):
    with zipfile.ZipFile(files / "6.keras") as archive:
        config = archive.read("config.json").decode()
    assert "rectifier>LeakyReLU" in config
    assert "lambda" not in config.lower()
    classes = {c.get("registered_name") for c in walk(json.loads(config)) if "registered_name" in c}
    own = {name for name in classes if name and name.startswith("rectifier>")}
    assert len(own) > 15
    assert not {"Function", "Applied", "LeakyReLU"} & classes


def walk(tree):
    """Every dictionary in a tree of JSON."""
    if isinstance(tree, dict):
        yield tree
        for part in tree.values():
            yield from walk(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from walk(part)
