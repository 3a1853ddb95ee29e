"""CPU tensors that are arrays underneath go through the same kernels as NumPy's arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import rectifier as rf
from rectifier import dispatch
from rectifier.ops import torch_bits, torch_plain

NAMES = [n for n in rf.names() if rf.get(n).elementwise and rf.get(n).text is None][::4]
X = np.linspace(-9, 9, 5_003)


def at_once(monkeypatch):
    """Every function is compiled when first met, and forgotten when the test ends."""
    monkeypatch.setattr(dispatch, "_WORTH_COMPILING", 0)
    for known in ("_KERNELS", "_CONSTANTS", "_PASSED", "_LINES"):
        monkeypatch.setattr(dispatch, known, {})


@pytest.fixture
def eager(monkeypatch):
    """Every function is compiled at once; how many were computed by a kernel is counted."""
    at_once(monkeypatch)
    done = []

    def watch(name):
        plain = getattr(torch_plain, name)

        def counted(*args):
            result = plain(*args)
            done.append(result is not None)
            return result

        monkeypatch.setattr(torch_plain, name, counted)

    for name in ("run", "with_lines", "by_lines", "by_kernel"):
        watch(name)
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


LINES = ["relu", "leaky_relu(negative_slope=0.3)", "hard_sigmoid", "identity", "binary_step"]
LINES += ["relu(negative_slope=0.5, max_value=4, threshold=1)", "relu6", "soft_shrink"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("text", LINES)
def test_lines_are_noted_as_torch_would_note_them(text, dtype, monkeypatch):
    """One pass for f and the bits, one for the gradient: the same bytes as torch's operations."""
    at_once(monkeypatch)
    act = rf.get(text)
    rule, numbers = act.rule, tuple(act.parameters.values())
    for size in (1, 3, 7, 4099, 700_001):  # the last by several threads
        x = 3 * torch.randn(size, dtype=dtype)
        x[:: max(1, size // 9)] = torch.tensor([torch.nan, torch.inf, -torch.inf, 0.0, 3, -3, 1])[
            size % 7
        ]
        y, notes = torch_plain.with_lines(rule, x, numbers)
        slope = act.derivative(x)
        assert torch.equal(notes, torch_bits.pieces(rule, list(numbers), slope))
        torch.testing.assert_close(y, act(x), equal_nan=True, rtol=0, atol=0)
        grad = torch.randn_like(x)
        found = torch_plain.by_lines(rule, grad, notes, numbers)
        expected = torch_bits.slope_of_pieces(rule, list(numbers), notes, grad) * grad
        torch.testing.assert_close(found, expected, equal_nan=True)


def test_only_so_many_slopes_are_compiled(monkeypatch):
    at_once(monkeypatch)
    monkeypatch.setattr(dispatch, "_MANY_LINES", 2)
    x = torch.linspace(-3, 3, 5000, requires_grad=True)
    for slope in (0.11, 0.12, 0.13):
        there = torch_plain.with_lines(rf.leaky_relu.rule, x.detach(), (slope,)) is not None
        assert there == (slope < 0.125)
        (grad,) = torch.autograd.grad(rf.leaky_relu(x, slope).sum(), x)
        torch.testing.assert_close(grad, torch.where(x > 0, 1.0, slope))


@pytest.mark.parametrize("size", [torch_bits.WORTH_PACKING - 1, torch_bits.WORTH_PACKING])
def test_from_a_stated_size_on_bits_are_kept(size):
    """Below it the input itself: a quarter of a byte is worth nothing there, and a pass is."""
    kept = []

    def keep(tensor):
        kept.append((tensor.dtype, tensor.numel()))
        return tensor

    for dtype in (torch.float32, torch.bfloat16):
        x = torch.zeros(size, dtype=dtype, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            rf.relu(x)
        small = size < torch_bits.WORTH_PACKING
        assert kept.pop() == ((dtype, size) if small else (torch.uint8, -(-size // 4)))
        assert not kept
