"""Activations on torch tensors: values, gradients, transforms, compilation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rectifier as rf
from rectifier.errors import InputError
from rectifier.ops import on_numpy, on_torch, words
from rectifier.ops.rule import spoken

ELEMENTWISE = [name for name in rf.names() if rf.get(name).elementwise]
ALONG_AXIS = [name for name in rf.names() if rf.get(name).kind == "along_axis"]
SPECIAL = [-np.inf, -400, -88, -20, -3, -1, -0.5, -0.0, 0, 0.5, 1, 3, 6, 20, 88, 400]
SPECIAL += [np.inf, np.nan]
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.fixture
def x():
    return torch.tensor(SPECIAL, dtype=torch.float32)


def test_it_speaks_every_word():
    assert set(on_torch.vocabulary()) == set(on_numpy.vocabulary()) == set(words.WORDS)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values_and_gradients_are_numpys(name, x):
    entry = rf.get(name)
    expected, slope = entry(x.numpy()), entry.derivative(x.numpy())
    np.testing.assert_allclose(entry(x).numpy(), expected, rtol=2e-6, atol=1e-37)
    near_root = 3e-8 if name == "xielu" else 1e-37  # of 0.8 (e^x - 1) + 0.5, at -0.98
    np.testing.assert_allclose(entry.derivative(x).numpy(), slope, rtol=4e-6, atol=near_root)
    x.requires_grad_()
    entry(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), slope, rtol=4e-6, atol=near_root)


@pytest.mark.parametrize("name", [*ELEMENTWISE, *ALONG_AXIS])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtype_shape_and_strides_of_any_kind(name, dtype):
    entry = rf.get(name)
    for tensor in (torch.randn(3, 4), torch.randn(4, 3).T, torch.randn(6, 8)[::2, ::2]):
        given = tensor.to(dtype)
        before = given.clone()
        assert entry(given).dtype == dtype
        assert entry(given).shape == given.shape
        assert torch.equal(given, before)
    assert entry(torch.empty(0, 3, dtype=dtype)).shape == (0, 3)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_first_and_second_gradients_are_right(name):
    points = torch.tensor([-2.3, -0.7, 0.4, 1.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rf.get(name), (points,))
    if rf.get(name).facts.smoothness >= 1:
        assert torch.autograd.gradgradcheck(rf.get(name), (points,))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_torch_func_composes(name):
    entry, points = rf.get(name), torch.linspace(-3, 3, 7) + 0.05
    slopes = torch.func.vmap(torch.func.grad(entry))(points)
    torch.testing.assert_close(slopes, entry.derivative(points))


# Another name, another shape of code: the families' worth rather than all, for seconds' sake.
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "gelu", "mish", "softsign", "softmax"])
def test_it_compiles_as_one_graph(name):
    torch._dynamo.reset()
    entry = rf.get(name)
    compiled = torch.compile(lambda x: entry(x) * 2, fullgraph=True, backend="aot_eager")
    given = torch.randn(4, 8, requires_grad=True)
    plain = given.detach().clone().requires_grad_()
    compiled(given).square().sum().backward()
    (entry(plain) * 2).square().sum().backward()
    torch.testing.assert_close(given.grad, plain.grad)


def test_a_learnt_parameter_gets_its_gradient():
    points = torch.randn(20, dtype=torch.float64)
    slope = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    rf.leaky_relu(points, negative_slope=slope).sum().backward()
    torch.testing.assert_close(slope.grad, points[points < 0].sum())


def test_the_input_is_all_that_is_kept_for_the_backward_pass():
    kept = []
    points = torch.randn(1000, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        rf.mish(points)
    assert [tensor.data_ptr() for tensor in kept] == [points.data_ptr()]


def test_under_autocast_the_dtype_is_that_of_the_input():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = torch.nn.Linear(3, 3)(torch.randn(2, 3))
        assert rf.mish(hidden).dtype == hidden.dtype == torch.bfloat16


def test_identity_gives_a_tensor_of_its_own():
    points = torch.ones(3)
    result = rf.identity(points)
    result += 1
    assert points.tolist() == [1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64], ids=str)
def test_other_dtypes_get_the_same_words_as_in_numpy(dtype):
    with pytest.raises(InputError) as here:
        rf.relu(torch.ones(2).to(dtype))
    with pytest.raises(InputError) as there:
        rf.relu(np.ones(2).astype(str(dtype).removeprefix("torch.")))
    assert str(here.value) == str(there.value)


def test_mixed_libraries_and_out_are_refused():
    with pytest.raises(InputError, match="x is of torch"):
        rf.leaky_relu(torch.ones(2), negative_slope=np.ones(2))
    with pytest.raises(InputError, match="out= is for NumPy"):
        rf.relu(torch.ones(2), out=torch.ones(2))


def test_the_jacobian_of_softmax_is_torchs():
    points = torch.randn(2, 4, dtype=torch.float64)
    ours = rf.softmax.derivative(points)
    theirs = torch.func.vmap(torch.func.jacrev(lambda row: torch.softmax(row, -1)))(points)
    torch.testing.assert_close(ours, theirs)


def test_words_are_bound_once():
    rule = rf.mish.rule
    assert spoken(rule.value, on_torch.vocabulary) is spoken(rule.value, on_torch.vocabulary)
