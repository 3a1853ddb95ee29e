"""A whole PyTorch model that keeps little for its backward pass."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import rectifier as rf
from rectifier import torch as rt
from rectifier.errors import InputError


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(64, 64), torch.nn.Linear(64, 64)
        self.learnt = torch.nn.PReLU(64)
        self.plain = torch.nn.ReLU()
        self.ours = rt.Mish()
        self.last = torch.nn.Linear(64, 8)

    def forward(self, x):
        x = self.learnt(F.silu(self.second(F.gelu(self.first(x)))))
        return self.last(self.ours(self.plain(x)))


def test_every_activation_keeps_little_and_computes_the_same():
    model, x = Model(), torch.randn(128, 64)
    done = rt.low_memory(model, data=x)
    assert {str(site.activation) for site in done.changed} == {"gelu", "silu", "mish"}
    assert not done.unreached
    assert done.effect.largest_change < 1e-6
    # their outputs are kept by what follows, mish's input by relu; three bits an element come
    saved = done.effect.memory_before - done.effect.memory_after
    assert saved == 2 * 4 * x.numel() - 3 * x.numel() // 8
    assert "gelu -> gelu, keeping little" in str(done)
    for there, here in zip(done.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(there, here)
    grads = []
    for one in (model, done.model):
        one.zero_grad()
        one(x).square().mean().backward()
        grads.append([p.grad.clone() for p in one.parameters()])
    for there, here in zip(*grads, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-5)
    assert done.model.learnt is not model.learnt
    assert type(done.model.learnt) is torch.nn.PReLU  # what has learnt is left alone


def test_swap_takes_it_too_and_says_where_it_cannot():
    done = rf.swap(Model(), {"relu": "elu"}, memory="low", data=torch.randn(4, 64))
    assert done.model.plain.activation == rf.elu.keeping("low")
    with pytest.raises(InputError, match="say what becomes what"):
        rf.swap(Model())
