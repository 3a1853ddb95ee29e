"""Gated pairs by kernels: NumPy arrays and torch tensors, two inputs or halves of one."""

from __future__ import annotations

import kernel_points
import numpy as np
import pytest
import torch

import rectifier as rf
from rectifier import dispatch
from rectifier.kernels import cpu, threads
from rectifier.ops import on_numpy

GATED = [n for n in rf.names() if rf.get(n).kind == "gated"]
ENDS = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0, -800.0, 3e-40])


@pytest.fixture
def gates_used(at_once, monkeypatch):
    """How many elements gated kernels were asked for."""
    asked = []
    original = cpu.Kernel.__call__

    def counted(self, *arguments):
        if self.shape.gated:
            asked.append(arguments[self._pointers])
        original(self, *arguments)

    monkeypatch.setattr(cpu.Kernel, "__call__", counted)
    return asked


def pair(dtype, size: int = 2000):
    rng = np.random.default_rng(5)
    a, b = 4 * rng.standard_normal((2, size))
    meeting = [side.ravel() for side in np.meshgrid(ENDS, ENDS)]
    with np.errstate(over="ignore"):
        return [np.concatenate(both).astype(dtype) for both in zip((a, b), meeting, strict=True)]


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_are_exact_and_keep_zero_times_infinity(name, dtype, gates_used):
    act, (a, b) = rf.get(name), pair(dtype)
    got = act(a, b)
    assert sum(gates_used) == a.size
    exact = on_numpy.value(act.rule, a.astype(np.float64), (b.astype(np.float64),))
    # float64: SciPy's digits against ours
    bound = 16 if dtype == np.float64 else 0.51
    assert np.all(kernel_points.ulps(got, exact, 5e-324) <= bound)


@pytest.mark.parametrize("name", GATED)
def test_both_derivatives(name, gates_used):
    act, (a, b) = rf.get(name), pair(np.float32)
    wide = [v.astype(np.float64) for v in (a, b)]
    for by, got in enumerate(act.derivative(a, b)):
        exact = on_numpy.derivative(act.rule, wide[0], (wide[1],), by=by)
        assert np.all(kernel_points.ulps(got, exact) <= 0.51)
    assert sum(gates_used) == 2 * a.size


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_any_layout_and_any_target(dtype, gates_used):
    act, (a, b) = rf.get("swiglu"), pair(dtype, 2048 - ENDS.size**2)
    want = act(a, b)
    for out in (a.copy(), b.copy(), np.empty(2 * a.size, dtype)[::2]):
        assert act(a, b, out=out) is out
        assert kernel_points.same_bits(out, want)
    first, second = a.copy(), b.copy()
    assert kernel_points.same_bits(act(first, second, out=first), want)
    assert kernel_points.same_bits(act(a, second, out=second), want)
    halves = np.concatenate([a.reshape(32, -1), b.reshape(32, -1)], axis=1)
    assert kernel_points.same_bits(act(halves).ravel(), want)
    turned = np.asfortranarray(a.reshape(32, -1)), b.reshape(32, -1)
    assert kernel_points.same_bits(act(*turned).ravel(), want)
    overlapping = np.concatenate([a, b])
    act(overlapping[: a.size], b, out=overlapping[7 : a.size + 7])
    assert kernel_points.same_bits(overlapping[7 : a.size + 7], want)
    assert len(gates_used) >= 7


def test_threads_give_the_same_bits(gates_used, monkeypatch):
    count = 2 * threads.PARALLEL_FROM + 5
    a, b = (np.resize(v, count) for v in pair(np.float32))
    together = rf.geglu(a, b)
    monkeypatch.setattr(threads, "PARALLEL_FROM", 1 << 40)
    assert kernel_points.same_bits(rf.geglu(a, b), together)


@pytest.mark.parametrize("name", GATED)
def test_torch_values_and_gradients_are_numpys(name, gates_used):
    act, (a, b) = rf.get(name), pair(np.float32)
    inputs = [torch.tensor(v, requires_grad=True) for v in (a, b)]
    y = act(*inputs)
    y.backward(torch.ones_like(y))
    assert sum(gates_used) == 3 * a.size, "value and both gradients"
    np.testing.assert_array_equal(y.detach(), act(a, b))
    for tensor, slope in zip(inputs, act.derivative(a, b), strict=True):
        np.testing.assert_array_equal(tensor.grad, slope)


def test_torch_halves_and_who_is_left_to_torch(gates_used):
    a, b = (torch.tensor(v[:2000].reshape(20, 100)) for v in pair(np.float32))
    both = torch.cat([a, b], dim=1).requires_grad_()
    y = rf.glu(both)
    y.backward(torch.ones_like(y))
    assert sum(gates_used) == 3 * a.numel()
    np.testing.assert_array_equal(y.detach(), rf.glu(a.numpy(), b.numpy()))
    asked = len(gates_used)
    rf.glu(a, b.t().contiguous().t())  # in columns
    rf.glu(a, b[:1].expand(20, 100))  # one row for all
    rf.prelu(a, torch.tensor([0.5]))  # a parameter of another shape
    assert len(gates_used) == asked


def test_a_learnt_parameter_of_every_element_is_a_gate(gates_used):
    x, slope = (v[:2000] for v in pair(np.float32))
    y = rf.prelu(x, slope)
    assert sum(gates_used) == x.size
    np.testing.assert_array_equal(y, np.where(x > 0, x, x * slope))


def test_few_elements_compile_nothing(monkeypatch):
    monkeypatch.setattr(dispatch, "_KERNELS", {})
    monkeypatch.setattr(dispatch, "_PASSED", {})
    rf.glu(np.ones(100, np.float32), np.ones(100, np.float32))
    assert not dispatch._KERNELS
