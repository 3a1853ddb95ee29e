"""PyTorch's own inputs for its activation modules, given to our layers of the same names."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.testing._internal.common_modules import ModuleInput, module_db

from rectifier import doors
from rectifier import torch as rt
from rectifier.errors import InputError

LAYERS = {entry.layer.casefold(): entry.layer for entry in doors.listings()}
CASES = [
    pytest.param(
        info, case, dtype, id=f"{info.module_cls.__name__}-{i}-{str(dtype).removeprefix('torch.')}"
    )
    for info in module_db
    if info.module_cls.__name__.casefold() in LAYERS
    and info.module_cls.__module__ == "torch.nn.modules.activation"
    for dtype in (torch.float32, torch.float64)
    for i, case in enumerate(
        info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=False, training=True)
    )
    if case.forward_input is not None
]

# Where the modules differ on purpose: arguments of the constructor -> why, and the error's words.
REFUSED: dict[tuple[str, tuple[Any, ...]], tuple[str, str]] = {
    ("Softplus", (2, -100)): (
        "softplus is exact; torch's is the input itself above the threshold",
        "would make it a line early",
    ),
}
# Rows along an axis need an axis: torch takes a single number for a row of one.
NEEDS_AN_AXIS = "is not one of the 0 axes"


def test_the_modules_are_those_that_pytorch_has():
    names = {case.values[0].module_cls.__name__ for case in CASES}
    # Of the modules that have inputs there, Softmax2d alone is no entry: it is Softmax(dim=-3).
    assert len(names) == 25
    assert {"PReLU", "GLU", "Softmin", "Threshold", "Hardswish"} <= names


@pytest.mark.parametrize(("info", "case", "dtype"), CASES)
def test_our_layer_takes_it_and_gives_the_same(info, case: ModuleInput, dtype):
    name = info.module_cls.__name__
    arguments, (x,) = case.constructor_input, case.forward_input.args
    layer_class = getattr(rt, LAYERS[name.casefold()])
    if (name, arguments.args) in REFUSED:
        with pytest.raises(InputError, match=REFUSED[name, arguments.args][1]):
            layer_class(*arguments.args, **arguments.kwargs)
        return
    ours = layer_class(*arguments.args, **arguments.kwargs).to(dtype)
    theirs = info.module_cls(*arguments.args, **arguments.kwargs).to(dtype)
    if x.ndim == 0 and "axis" in {p.name for p in ours.activation.declared}:
        with pytest.raises(InputError, match=NEEDS_AN_AXIS):
            ours(x)
        return
    ours.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(ours.state_dict())
    mine, other = (x.clone().requires_grad_() for _ in range(2))
    found, expected = ours(mine), theirs(other)
    torch.testing.assert_close(found, expected)
    weight = torch.linspace(1, 2, found.numel(), dtype=dtype).reshape(found.shape)
    slopes = [
        torch.autograd.grad(y, [z, *module.parameters()], weight)
        for y, z, module in ((found, mine, ours), (expected, other, theirs))
    ]
    for one, two in zip(*slopes, strict=True):
        torch.testing.assert_close(one, two)
