"""Other people's tests on our entries: ONNX's node cases, PyTorch's OpInfo inputs."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import onnx_cases, opinfo_samples
from benchmarks.outcomes import Outcome, difference
from benchmarks.suites import counts

import rectifier as rf


def test_onnx_node_cases():
    """All of them, JAX excepted: `python -m benchmarks.suites` has all there too."""
    outcomes = onnx_cases.outcomes(sparse=True)
    assert [str(o) for o in outcomes if not o.good] == []
    assert counts(outcomes) == {
        "numpy": {"passed": 138, "deviates": 22},
        "torch": {"passed": 138, "deviates": 22},
        "jax": {"passed": 26},
    }
    assert {o.entry for o in outcomes} == set(onnx_cases.operators().values())
    stale = set(onnx_cases.DEVIATIONS) - {o.case for o in outcomes}
    assert not stale, "no case has these names"


def test_opinfo_inputs():
    """float32, and no more than 10,000 elements: `python -m benchmarks.suites` has the rest."""
    outcomes = opinfo_samples.outcomes(("float32",), most=10_000)
    assert [str(o) for o in outcomes if not o.good] == []
    each = {"passed": 1202, "deviates": 110}
    assert counts(outcomes) == {"numpy": each, "torch": each}
    peers = {n for n in rf.names() if any(p.library == "torch" for p in rf.get(n).peers)}
    assert {o.entry for o in outcomes} == peers - {"identity"}, "torch has no OpInfo of identity"
    met = {o.reason for o in outcomes}
    reasons = {why for *_, why in opinfo_samples.DEVIATIONS} | {*opinfo_samples.REFUSED.values()}
    assert reasons <= met, "reasons that no input has"


@pytest.mark.parametrize(
    ("problem", "reason", "good"),
    [("", "", True), ("1 instead of 2", "", False), ("nan", "known", True), ("", "known", False)],
)
def test_a_deviation_has_to_deviate(problem, reason, good):
    assert Outcome("case", "relu", "numpy", problem, reason).good is good


def test_a_difference_is_seen():
    two = np.array([1.0, np.nan])
    assert difference(two, two, 0, 0) == ""
    assert difference(two, two[:1], 0, 0) == "shape (2,) instead of (1,)"
    assert difference(two, np.array([1.0, 2.0]), 1, 1) == "nan instead of 2, 1 such"


def test_a_wrong_entry_fails_the_cases(monkeypatch):
    """These tests can fail: with silu in mish's place its case does."""
    monkeypatch.setattr(onnx_cases, "operators", lambda: {"Mish": "silu"})
    bad = [o for o in onnx_cases.outcomes() if not o.good]
    assert {o.library for o in bad} == {"numpy", "torch", "jax"}
