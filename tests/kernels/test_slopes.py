"""The loop behind memory="low" on the processor: the slopes that PyTorch's operations find."""

from __future__ import annotations

import pytest
import torch

import rectifier as rf
from rectifier.kernels import slopes, threads
from rectifier.ops import kernel_hook, torch_inverse
from rectifier.ops.inverse import inverse

ENDS = torch.tensor([0.0, -0.0, 1e-30, 88, -88, torch.inf, -torch.inf, torch.nan])


@pytest.mark.parametrize(
    "name", ["silu", "phish", "elu", "hard_swish", "gelu_10", "tanh", "swish(beta=-1)"]
)
@pytest.mark.parametrize("count", [1, 7, 1001, threads.PARALLEL_FROM + 3])
def test_slopes_are_those_of_torchs_operations(name, count, monkeypatch):
    act = rf.get(name)
    how = inverse(act.rule, tuple(float(v) for v in act.parameters.values()))
    x = torch.linspace(-9, 9, count)
    x[: len(ENDS)] = ENDS[:count]
    y, grad = act(x), torch.randn(count)
    monkeypatch.setattr(kernel_hook, "slopes", None)
    notes = torch_inverse.branches(how, x)
    loop = slopes.slopes(how)
    found = torch.full((count + 2,), 7.0)
    at_notes = notes[0].data_ptr() if notes else 0
    loop.pull(y.data_ptr(), grad.data_ptr(), found.data_ptr(), at_notes, count)
    if notes:
        noted = torch.zeros(loop.size(count) + 1, dtype=torch.uint8)
        loop.note(x.data_ptr(), noted.data_ptr(), count)
        assert noted[-1] == 0
    expected = torch_inverse.chained(how, y, grad, *notes)
    assert not notes or torch.equal(noted[:-1], *notes)
    torch.testing.assert_close(found[:count], expected, rtol=3e-6, atol=1e-7, equal_nan=True)
    assert found[count:].tolist() == [7.0, 7.0]  # nothing was written behind it


def test_the_backward_pass_takes_it(monkeypatch):
    taken = []
    found = kernel_hook.slopes
    monkeypatch.setattr(
        kernel_hook, "slopes", lambda how, size: taken.append(size) or found(how, 1 << 20)
    )
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(5000).to(dtype).requires_grad_()
        rf.gelu.keeping("low")(x).sum().backward()
        true = rf.gelu.derivative(x.detach().double())
        assert (x.grad.double() - true).abs().max() < (2e-4 if dtype == torch.float32 else 0.03)
        assert x.grad.dtype == dtype
    assert taken == [5000] * 4  # notes, and slopes
