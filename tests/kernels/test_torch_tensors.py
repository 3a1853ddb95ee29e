"""CPU tensors that are arrays underneath go through the same kernels as NumPy's arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import rectifier as rf
from rectifier import dispatch
from rectifier.ops import torch_plain

NAMES = [n for n in rf.names() if rf.get(n).elementwise and rf.get(n).text is None][::4]
X = np.linspace(-9, 9, 5_003)


@pytest.fixture
def eager(monkeypatch):
    """Every function is compiled at once; how many were computed by a kernel is counted."""
    monkeypatch.setattr(dispatch, "_WORTH_COMPILING", 0)
    done = []
    plain = torch_plain.by_kernel

    def counted(*args):
        result = plain(*args)
        done.append(result is not None)
        return result

    monkeypatch.setattr(torch_plain, "by_kernel", counted)
    return done


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", [*NAMES, "leaky_relu(negative_slope=0.3)", "softplus(beta=2)"])
def test_values_and_gradients_are_numpys(eager, name, dtype):
    act, x = rf.get(name), torch.tensor(X, dtype=dtype, requires_grad=True)
    y = act(x)
    y.backward(torch.ones_like(y))
    assert any(eager), "no kernel was used"
    array = x.detach().numpy()
    np.testing.assert_array_equal(y.detach(), act(array))
    if act.rule.from_output is None:  # what follows from the output may be an ulp off
        np.testing.assert_array_equal(x.grad, act.derivative(array))


class Recorded(TorchDispatchMode):
    """Stands for whoever has to see every operation: tracers, counters, fake tensors."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen += 1
        return func(*args, **(kwargs or {}))


def test_whoever_records_sees_what_is_computed(eager):
    x = torch.tensor(X)
    with Recorded() as record:
        y = rf.mish(x)
    assert record.seen > 3
    assert not any(eager)
    torch.testing.assert_close(y, rf.mish(x), rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    "made",
    [
        lambda: torch.tensor(X).reshape(-1, 1).expand(-1, 2),
        lambda: torch.tensor(X)[::2],
        lambda: torch.tensor(X, dtype=torch.bfloat16),
    ],
    ids=["expanded", "strided", "bfloat16"],
)
def test_other_tensors_are_torchs(eager, made):
    x = made()
    assert rf.mish(x).shape == x.shape
    assert not any(eager)


def test_second_derivatives_and_functorch_do_without(eager):
    x = torch.tensor(X[::50], requires_grad=True)
    (first,) = torch.autograd.grad(rf.mish(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    step = 1e-5
    slope = (rf.mish.derivative(X[::50] + step) - rf.mish.derivative(X[::50] - step)) / (2 * step)
    np.testing.assert_allclose(second, slope, atol=1e-7)
    mapped = torch.func.vmap(torch.func.grad(lambda z: rf.mish(z)))(x.detach())
    np.testing.assert_allclose(mapped, rf.mish.derivative(X[::50]), rtol=1e-12)
