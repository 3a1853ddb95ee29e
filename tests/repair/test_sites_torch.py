"""Activation sites of PyTorch models: all of them, by name, and what passes through them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rectifier.errors import InputError
from rectifier.repair.sites import find, tap

# Importing the compiler is what warns, not what we do with it.
COMPILES = pytest.mark.filterwarnings(
    "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"
)


def swish(x):
    return x * torch.sigmoid(x)


class Written(nn.Module):
    """Plain calls, in-place ones, methods, formulas, a helper, an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.act = F.gelu

    def forward(self, x):
        x = F.relu(self.linear(x))
        x = torch.relu(self.linear(x))
        x = self.linear(x).relu_()
        x = self.act(self.linear(x))
        x = swish(self.linear(x))
        x = self.linear(x)
        x = 0.5 * x * (1 + torch.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))
        x = F.leaky_relu(self.linear(x), 0.2, inplace=True)
        x = self.linear(x) * torch.sigmoid(self.linear(x))
        x = F.relu(self.linear(x)) ** 2
        x = self.linear(x)
        x = x * F.relu6(x + 3) / 6
        x = self.linear(x).clamp(min=0)
        x = self.linear(x)
        x = x * torch.sigmoid(1.702 * x)
        return F.softmax(x, dim=-1)


WRITTEN = {
    ":relu": "relu",
    ":relu#2": "relu",
    ":relu#3": "relu",
    "act": "gelu",
    ":silu": "silu",
    ":gelu_tanh": "gelu_tanh",
    ":leaky_relu": "leaky_relu(negative_slope=0.2)",
    ":sigmoid": "sigmoid",
    ":relu2": "relu2",
    ":hard_swish": "hard_swish",
    ":relu#4": "relu",
    ":quick_gelu": "quick_gelu",
    ":softmax": "softmax",
}


def batch(rows: int = 32) -> torch.Tensor:
    return 3 * torch.randn(rows, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_calls_in_somebodys_forward_are_found_and_recognised():
    sites = find(Written(), batch())
    assert {s.name: str(s.activation) for s in sites} == WRITTEN
    assert {s.how for s in sites} == {"call", "attribute"}
    assert all(s.source.startswith("test_sites_torch.py:") for s in sites)
    assert all(s.reachable is None for s in sites)


class Itself(nn.Module):
    """``float()`` of float32 gives the very tensor that it took, which would be its own parent."""

    def forward(self, x):
        x = x.float()
        return torch.sigmoid(x) * x


def test_an_operation_that_gives_its_own_input_back_is_no_endless_formula():
    assert [str(s.activation) for s in find(Itself(), batch())] == ["silu"]


class Dead(nn.Module):
    def forward(self, x):
        return torch.relu(x - 20)


def test_zeros_all_over_are_no_formula():
    assert [str(s.activation) for s in find(Dead(), batch() / 12)] == ["relu"]


class Elsewhere(nn.Module):
    """An activation that no name tells."""

    def forward(self, x):
        return torch.where(x > 0, x, torch.expm1(x))


class Modules(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(8, 8), nn.LeakyReLU(0.3, inplace=True), nn.PReLU(), Elsewhere(), nn.LSTM(8, 8)
        )
        self.shared = nn.GELU("tanh")
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x):
        x = self.shared(self.body(x)[0])
        return self.layer(self.shared(x)[None])


MODULES = {
    "body.1": ("leaky_relu(negative_slope=0.3)", "torch.nn.LeakyReLU", "module"),
    "body.2": ("prelu", "torch.nn.PReLU", "module"),
    "body.3": ("elu", f"{__name__}.Elsewhere", "module"),
    "body.4:sigmoid": ("sigmoid", "torch.nn.LSTM", "inside"),
    "body.4:tanh": ("tanh", "torch.nn.LSTM", "inside"),
    "shared": ("gelu_tanh", "torch.nn.GELU", "module"),
    "layer.activation": ("relu", "torch.nn.functional.relu", "attribute"),
}
ATTENTION = "torch.nn.functional.multi_head_attention_forward"


@COMPILES
@pytest.mark.parametrize("compiled", [False, True])
def test_modules_attributes_and_what_is_inside_fused_ones(compiled):
    model = torch.compile(Modules()) if compiled else Modules()
    found = {s.name: (str(s.activation), s.called, s.how) for s in find(model, batch())}
    assert found == MODULES | {"layer.self_attn:softmax": ("softmax", ATTENTION, "inside")}
    assert {s.name: (str(s.activation), s.called, s.how) for s in find(model)} == MODULES


@pytest.mark.parametrize("network", [Written, Modules])
def test_what_passes_through_is_what_the_activation_takes_and_gives(network):
    model = network()
    received = []
    with tap(model, lambda site, z, y: received.append((site, z, y))):
        model(batch(16)).sum().backward()
    model(batch(16))  # the tap is closed
    sites = [s for s in find(model, batch()) if s.how != "inside"]
    met = [s for s, _, _ in received if s.how != "inside"]
    assert set(met) == set(sites)
    assert len(met) == len(sites) + (network is Modules)  # the shared one, twice
    for site, z, y in received:
        assert not z.requires_grad
        assert not y.requires_grad
        expected = site.activation(z.double()).float()
        torch.testing.assert_close(y, expected, atol=2e-6, rtol=1e-5)
    assert model.training
    assert not model._forward_hooks


@COMPILES
def test_a_tap_on_a_compiled_model_sees_every_pass():
    model = torch.compile(nn.Sequential(nn.Linear(8, 8), nn.ReLU()))
    received = []
    with tap(model, lambda site, z, y: received.append(site.name)):
        model(batch())
        model(batch())
    assert received == ["1", "1"]


def test_what_is_no_model_or_no_batch_of_it_is_one_line():
    with pytest.raises(
        InputError, match=r"a model is a torch.nn.Module or a Keras model, got list"
    ):
        find([])
    with pytest.raises(InputError, match="Linear does not take this batch: RuntimeError: mat1"):
        find(nn.Linear(3, 3), torch.ones(2, 5))
