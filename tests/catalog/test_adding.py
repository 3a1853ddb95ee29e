"""docs/adding-an-activation.md, carried out: its code in a copy of Rectifier, one file touched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rectifier as rf

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "adding-an-activation.md"
FAMILY = "catalog/bounded.py"

# Everything that a new entry gives, asked of the copy in a process of its own.
ASK = """
import io, numpy as np, rectifier as rf
from rich.console import Console
from rectifier.report.show import show
import rectifier.jax, rectifier.torch, jax, torch
assert "rootsig" in rf.names() and rf.get("RootSig") is rf.rootsig
x = np.linspace(-3, 3, 13).astype(np.float32)
by_hand = x / (1 + np.sqrt(1 + x.astype(np.float64) ** 2))
for got in (rf.rootsig(x), rf.rootsig(torch.tensor(x)).numpy(), jax.jit(rf.rootsig)(x)):
    np.testing.assert_allclose(got, by_hand, rtol=1e-6)
given = torch.tensor(x, requires_grad=True)
rectifier.torch.Rootsig()(given).sum().backward()
np.testing.assert_allclose(given.grad, rf.rootsig.derivative(x), rtol=1e-6)
page = Console(file=io.StringIO(), width=100)
page.print(show(rf.rootsig))
assert "A sigmoid made of a square root" in page.file.getvalue()
print("rootsig is there")
"""
# The tests that the catalogue's entries get: none of them names it.
PYTEST = ("-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider")
TESTS = ("test_accuracy.py", "test_facts.py", "test_limits.py")


def run(command: list[str], package: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of Rectifier with the page's entry in it."""
    package = tmp_path_factory.mktemp("copy") / "rectifier"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(rf.__file__).parent, package, ignore=ignored)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    words = re.search(r"\(here (.*?)\)", PAGE.read_text(encoding="utf-8"))[1]
    family = package / FAMILY
    text = family.read_text(encoding="utf-8")
    head = "from rectifier.ops.words import (\n"
    assert head in text
    for word in re.findall(r"`(\w+)`", words):
        text = text.replace(head, f"{head}    {word},\n")
    family.write_text(f"{text}\n\n{code}", encoding="utf-8")
    return package


def test_one_file_is_enough(copy):
    done = run(["-W", "error::RuntimeWarning", "-c", ASK], copy)
    assert done.stdout == "rootsig is there\n", done.stderr


def test_the_catalogues_tests_find_it(copy):
    files = [f"tests/catalog/{name}" for name in TESTS]
    done = run([*PYTEST, "-k", "rootsig and not jax_is", *files], copy)
    assert done.returncode == 0, done.stdout
    found = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert found >= 8, done.stdout


def test_they_can_fail(copy, tmp_path):
    """With a wrong sign in the page's derivative they do."""
    wrong = tmp_path / "rectifier"
    shutil.copytree(copy, wrong)
    family = wrong / FAMILY
    text = family.read_text(encoding="utf-8")
    assert "return 1 / root / (1 + root)" in text
    family.write_text(text.replace("1 / root / (1 + root)", "1 / root / (2 + root)"), "utf-8")
    named = "tests/catalog/test_accuracy.py::test_numpy_is_as_exact_as_its_law[rootsig]"
    done = run([*PYTEST, named], wrong)
    assert done.returncode == 1
    assert "rootsig derivative numpy float32" in done.stdout
