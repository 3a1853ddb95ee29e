"""What torch keeps for the backward pass, and that nothing is lost by keeping less."""

from __future__ import annotations

import csv

import pytest
import torch
from benchmarks import torch_memory

import rectifier as rf
from rectifier.ops import torch_bits


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (8,), (3, 5), (2, 17, 3)])
def test_codes_come_back_from_their_bytes(bits, shape):
    codes = torch.randint(0, 2**bits, shape, dtype=torch.uint8)
    packed = torch_bits.pack(codes, bits)
    assert packed.numel() == -(-codes.numel() * bits // 8)
    assert torch.equal(torch_bits.unpack(packed, bits, codes.shape), codes)


# Those that keep something else than x: their gradient may be off by as many ulps as f' from x is,
# and three more where it comes from the output.
LESS = [n for n in rf.names() if rf.get(n).rule.from_output or rf.get(n).rule.slopes]
ELEMENTWISE = [name for name in LESS if rf.get(name).elementwise]
ELEMENTWISE += [
    "relu(negative_slope=0.3)",
    "relu(negative_slope=0.5, max_value=4, threshold=1)",
    "relu(max_value=1, threshold=2)",
    "leaky_relu(negative_slope=1)",
    "leaky_relu(negative_slope=-1)",
    "hard_sigmoid(slope=0.2, offset=0.25)",
    "hard_tanh(min_val=-2, max_val=0.5)",
    "rrelu(lower=-1, upper=2, noise=0.7)",
    "soft_shrink(threshold=2)",
    "softplus(beta=3)",
    "squareplus(b=100)",
    "smelu(beta=3)",
]
POINTS = torch.cat(
    [
        torch.linspace(-30, 30, 4801, dtype=torch.float64),  # enough for bits
        torch.logspace(-6, 4, 101, dtype=torch.float64),
        -torch.logspace(-6, 4, 101, dtype=torch.float64),
        torch.tensor([0.0, -0.0, 0.5, 1, 3, 6, -0.5, -1, -3, torch.inf, -torch.inf, torch.nan]),
    ]
)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_gradients_keep_their_digits_without_the_input(name, dtype):
    act, given = rf.get(name), POINTS.to(dtype).requires_grad_()
    true = act.derivative(given.detach().double())
    if act.rule.slopes:  # a slope in the dtype itself
        true = act.derivative(given.detach()).double()
    y = act(given)
    (found,) = torch.autograd.grad(y, given, torch.ones_like(y))
    assert torch.equal(found.isnan(), true.isnan())
    tiny, eps = torch.finfo(dtype).tiny, torch.finfo(dtype).eps
    off, off_from_x = (
        ((slope.double() - true).abs() / (true.abs() * eps).clamp(min=tiny)).nan_to_num(0, 0, 0)
        for slope in (found, act.derivative(given.detach()))
    )
    assert off.max() <= off_from_x.max() + (0 if act.rule.slopes else 4)  # kernels: 3.2 in float64


# torch's own forward mode uses its deprecated torch.jit.script, once.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("name", [n for n in LESS if rf.get(n).kind == "along_axis"])
def test_gradients_of_rows_are_those_of_the_jacobian(name):
    act = rf.get(name)
    rows = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    for axis in (0, 1):
        y = act(rows, axis=axis)
        weight = torch.randn_like(y)
        (found,) = torch.autograd.grad(y, rows, weight)
        jacobian = act.derivative(rows.detach(), axis=axis).movedim(axis, -2)
        expected = (weight.movedim(axis, -1)[..., :, None] * jacobian).sum(-2)
        torch.testing.assert_close(found, expected.movedim(-1, axis))
        torch.testing.assert_close(
            torch.func.jvp(lambda r, axis=axis: act(r, axis=axis), (rows.detach(),), (weight,))[1],
            (weight.movedim(axis, -1)[..., None, :] * jacobian).sum(-1).movedim(-1, axis),
        )
    if name != "hardmax":
        assert torch.autograd.gradgradcheck(act, (rows,))


# Where PyTorch keeps nothing, or what the next layer keeps anyway, and we keep something else.
MORE = {
    "identity": "one bit says where NaN was, whose slope is NaN",
    "sigmoid": "from the output the slope is 0 above 17, where 1 - y has cancelled",
    "tanh": "the same above 9",
}


def test_never_more_is_kept_than_pytorch_keeps():
    """The table: python -m benchmarks.torch_memory, or this test with -s."""
    rows = torch_memory.table()
    print(torch_memory.text(rows))
    for row in rows:
        act = rf.get(row["name"])
        inputs = 2 if act.kind == "gated" else 1
        assert row["bytes"] <= 4 * inputs
        if row["kept"] == "bits":
            assert row["bytes"] <= 0.25
        assert (row["kept"] == "output") == (act.rule.from_output is not None)
        if row["torch_bytes"] is not None and row["name"] not in MORE:
            assert row["bytes"] <= row["torch_bytes"]
            assert row["torch_kept"] != "output" or row["kept"] in ("output", "bits")
    with torch_memory.RESULTS.open(encoding="utf-8") as file:
        written = {row["name"]: row["bytes"] for row in csv.DictReader(file)}
    assert {row["name"]: str(row["bytes"]) for row in rows} == written


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize(
    "name", ["leaky_relu", "hard_tanh", "relu(negative_slope=0.5, max_value=2)"]
)
def test_bits_go_where_transforms_go(name):
    act, rows = rf.get(name), torch.linspace(-3, 3, 15_000).reshape(3, 5_000)
    expected = act.derivative(rows) * torch.cos(act(rows))

    def total(x):
        return act(x).sin().sum()

    torch._dynamo.reset()
    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    for call, given in ((total, rows), (compiled, rows), (total, rows.T)):
        x = given.clone(memory_format=torch.preserve_format).requires_grad_()
        (found,) = torch.autograd.grad(call(x), x)
        torch.testing.assert_close(found, expected if given is rows else expected.T)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(total))(rows), expected)
    torch.testing.assert_close(
        torch.func.jvp(torch.func.grad(total), (rows,), (torch.ones_like(rows),))[1],
        -(act.derivative(rows) ** 2) * torch.sin(act(rows)),
    )
    x = rows.clone().requires_grad_()
    several = torch.stack([torch.ones_like(rows), torch.full_like(rows, 2.0)])
    (found,) = torch.autograd.grad(act(x), x, several, is_grads_batched=True)
    torch.testing.assert_close(found, several * act.derivative(rows))
    (first,) = torch.autograd.grad(total(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(second, -(act.derivative(rows) ** 2) * torch.sin(act(rows)))
