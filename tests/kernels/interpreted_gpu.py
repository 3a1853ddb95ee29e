"""Run by test_gpu.py with TRITON_INTERPRET=1: CPU tensors, small, over the whole catalogue."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

import rectifier as rf
from rectifier.kernels import gpu, gpu_low, gpu_ops
from rectifier.ops import kernel_hook, on_triton, torch_bits, torch_inverse, torch_plain
from rectifier.ops.inverse import inverse

ELEMENTWISE = [n for n in rf.names() if rf.get(n).elementwise]
GATED = [n for n in rf.names() if rf.get(n).kind == "gated"]
LEARNABLE = [n for n in ELEMENTWISE if any(p.learnable for p in rf.get(n).declared)]
POINTS = torch.cat(
    [
        torch.linspace(-30, 30, 301),
        torch.linspace(-4, 4, 161),
        torch.tensor([0.0, -0.0, 1e-6, -1e-6, 1e-30, -1e-30, 88, -88, 100, -100]),
        torch.tensor([torch.inf, -torch.inf, torch.nan]),
    ]
)
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.fixture(autouse=True)
def _arithmetic_of_the_interpreter():
    with warnings.catch_warnings():
        # NumPy's, of 1/0 and overflow
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        yield


def off(found, true, dtype):
    """The largest error in steps of the dtype, of numbers that it can show."""
    step = torch.finfo(dtype)
    error = (found.double() - true).abs() / (true.abs() * step.eps).clamp(min=4 * step.tiny)
    shown = true.to(dtype).double()
    same = (found.double() == shown) | (found.isnan() & true.isnan())
    return torch.where(same, 0.0, error).nan_to_num(torch.inf, torch.inf)


def test_it_is_interpreted_and_says_every_word_of_single_numbers():
    assert on_triton.INTERPRETED
    from rectifier.ops import on_llvm

    assert set(on_triton.VOCABULARY) == set(on_llvm.SAID)
    for name in [*ELEMENTWISE, *GATED]:
        rule = rf.get(name).rule
        codes = [rule.value, rule.derivative, rule.from_output, *rule.partials]
        assert all(on_triton.speaks(code) for code in codes if code is not None)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values_and_slopes_are_torchs_words(name):
    act = rf.get(name)
    numbers = tuple(act.parameters.values())
    for dtype in DTYPES:
        x = POINTS.to(dtype)
        wide = x.double()
        for code, true in (
            (act.rule.value, act(wide)),
            (act.rule.derivative, act.derivative(wide)),
        ):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(kernel_hook, "kernel", None)
                words = act(x) if code is act.rule.value else act.derivative(x)
            mine, theirs = gpu.value(code, x, numbers), off(words, true, dtype)
            assert mine.dtype == dtype
            # near a zero that is a difference both lose digits, and not the same ones
            error = off(mine, true, dtype)
            level = 8 if dtype == torch.float32 else 1.01
            near_zero = (mine.double() - true).abs() <= 2e-7
            assert ((error <= level) | (error <= 3 * theirs) | near_zero).all()


@pytest.mark.parametrize("name", ["leaky_relu", "gelu", "elu(alpha=0.5)", "hard_tanh"])
def test_the_backward_loop_multiplies(name):
    act = rf.get(name)
    x, grad = torch.randn(37, 65), torch.randn(37, 65)
    numbers = tuple(act.parameters.values())
    found = gpu.value(act.rule.derivative, x, numbers, grad=grad)
    torch.testing.assert_close(found, grad * act.derivative(x), rtol=1e-5, atol=1e-6)
    found = gpu.value(act.rule.derivative, x.T, numbers, grad=grad.T)  # in any layout
    torch.testing.assert_close(found, (grad * act.derivative(x)).T, rtol=1e-5, atol=1e-6)


SHARED = [(name, (4, 30), ()) for name in LEARNABLE if name != "rational"]  # 10 parameters: 7 s
SHARED += [(name, (5, 6, 7), (6, 1)) for name in ("prelu", "swish")]
SHARED += [(name, (70, 6), (6,)) for name in ("prelu", "xielu")]
SHARED += [("prelu", (3, 700), ()), ("prelu", (3, 4), (3, 4))]


@pytest.mark.parametrize(("name", "shape", "of_parameter"), SHARED)
def test_learnable_parameters_get_their_summed_gradients(name, shape, of_parameter):
    act = rf.get(name)
    generator = torch.Generator().manual_seed(1)
    x, grad = (torch.randn(shape, generator=generator) for _ in "xg")
    starts = [float(v) for v in act.parameters.values()]
    parameters = [v + 0.1 * torch.rand(of_parameter, generator=generator) for v in starts]
    leaves = [p.clone().requires_grad_() for p in (x, *parameters)]
    expected = torch.autograd.grad(act(*leaves), leaves, grad)
    found = gpu.value(act.rule.derivative, x, parameters, grad=grad)
    torch.testing.assert_close(found, expected[0], rtol=1e-4, atol=1e-5)
    for place, by in enumerate(act.rule.partials):
        if by is not None:
            found = gpu.summed(by, x, parameters, place, grad)
            assert found.shape == of_parameter
            torch.testing.assert_close(found, expected[1 + place], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize(("shape", "axis"), [((5, 34), -1), ((2, 6, 3, 5), 1), ((6, 7), 0)])
def test_gated_pairs_are_read_and_written_where_they_are(name, shape, axis):
    act = rf.get(name)
    x = torch.randn(shape)
    a, b = x.chunk(2, axis)
    grad = torch.randn(a.shape)
    whole = x.clone().requires_grad_()
    y = act(whole, axis=axis)
    (expected,) = torch.autograd.grad(y, whole, grad)
    one, two = (half.contiguous() for half in (a, b))
    for first, second in ((a, b), (one, two), (a, two), (one, b)):
        torch.testing.assert_close(gpu.gated(act.rule.value, first, second), y.detach())
        both = gpu.gated_backward(
            act.rule.derivative, act.rule.slope(1), first, second, grad, beside=True
        )
        torch.testing.assert_close(torch.cat(both, axis), expected)
    given = x.clone().requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        y = gpu_ops.Halved.apply(act.rule, given, axis)
    assert [t.data_ptr() for t in kept] == [given.data_ptr()]  # one tensor, of both inputs
    (found,) = torch.autograd.grad(y, given, grad, create_graph=True)
    torch.testing.assert_close(found, expected)
    assert torch.isfinite(torch.autograd.grad(found.square().sum(), given)[0]).all()
    pair = [half.clone().requires_grad_() for half in (one, two)]
    found = torch.autograd.grad(gpu_ops.Gated.apply(act.rule, *pair), pair, grad)
    torch.testing.assert_close(torch.cat(found, axis), expected)


@pytest.mark.parametrize("name", ["silu", "phish", "elu", "hard_swish", "gelu_10"])
def test_slopes_come_from_outputs_and_notes(name):
    """The bits as PyTorch's operations pack them, and the slopes that these find."""
    act = rf.get(name)
    how = inverse(act.rule, tuple(float(v) for v in act.parameters.values()))
    for dtype in (torch.float32, torch.bfloat16):
        x = POINTS[:-1].to(dtype)  # 474: the last byte is not full
        y, grad = act(x), torch.randn(len(x)).to(dtype)
        notes = torch_inverse.branches(how, x)
        expected = torch_inverse.chained(how, y, grad, *notes).to(dtype)
        mine = gpu_low.noted(how, x) if how.turns else None
        if mine is not None:
            assert torch.equal(mine, *notes)
        found = gpu_low.sloped(how, y, grad, mine)
        assert found.dtype == dtype
        step = 2**-7 if dtype == torch.bfloat16 else 1e-6
        torch.testing.assert_close(found, expected, rtol=step, atol=1e-7)


@pytest.mark.parametrize("name", ["leaky_relu", "hard_tanh", "identity", "relu(max_value=2)"])
def test_lines_keep_bits(name):
    act = rf.get(name)
    numbers = tuple(act.parameters.values())
    y, notes = gpu_low.with_lines(act.rule, POINTS, numbers)
    torch.testing.assert_close(y, act(POINTS), equal_nan=True)
    slope = act.derivative(POINTS)
    assert torch.equal(notes, torch_bits.pieces(act.rule, list(numbers), slope))
    grad = torch.randn(len(POINTS))
    found = gpu_low.by_lines(act.rule, grad, notes, numbers)
    torch.testing.assert_close(found, grad * slope, equal_nan=True)


def test_a_bias_is_added_in_front():
    x, bias = torch.randn(7, 33, requires_grad=True), torch.randn(33, requires_grad=True)
    key = rf.gelu.rule.key
    y = torch.ops.rectifier.value(x, bias, key, [], [])
    expected = rf.gelu(x + bias)
    torch.testing.assert_close(y, expected)
    for found, true in zip(
        torch.autograd.grad(y.sin().sum(), (x, bias)),
        torch.autograd.grad(expected.sin().sum(), (x, bias)),
        strict=True,
    ):
        torch.testing.assert_close(found, true, rtol=1e-4, atol=1e-5)


def test_graphs_have_one_operation():
    slope = torch.full((6, 1), 0.3, requires_grad=True)
    x = torch.randn(4, 6, 5, requires_grad=True)
    prelu, swiglu = rf.prelu.rule.key, rf.swiglu.rule.key

    def network(x, slope):
        y = torch.ops.rectifier.value(x, None, prelu, [math.nan], [slope])
        return torch.ops.rectifier.halved(y, 1, swiglu).sum()

    expected = torch.autograd.grad(rf.swiglu(rf.prelu(x, slope), axis=1).sum(), (x, slope))
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    for call in (network, compiled):
        for found, true in zip(
            torch.autograd.grad(call(x, slope), (x, slope)), expected, strict=True
        ):
            torch.testing.assert_close(found, true, rtol=1e-4, atol=1e-5)

    class Module(torch.nn.Module):
        def forward(self, x, slope):
            return network(x, slope)

    with torch.no_grad():
        program = torch.export.export(Module(), (x, slope))
    ours = [str(n.target) for n in program.graph.nodes if "rectifier" in str(n.target)]
    assert ours == ["rectifier.value.default", "rectifier.halved.default"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = torch.nn.functional.linear(x, torch.randn(8, 5))
        assert (
            torch.ops.rectifier.value(half, None, rf.gelu.rule.key, [], []).dtype == torch.bfloat16
        )
    torch.library.opcheck(gpu_ops.gated, (x.detach(), x.detach() + 1, swiglu))


def test_tensors_on_a_gpu_would_take_this_way(monkeypatch):
    """Eager calls on tensors that are taken for a GPU's: each loop is met, once for each pass."""
    launched = []
    loop = gpu.loop
    monkeypatch.setattr(torch_plain, "_is_on_gpu", lambda x: x.dtype != torch.uint8)
    monkeypatch.setattr(gpu, "loop", lambda kind, *a: launched.append(kind) or loop(kind, *a))
    x, grad = torch.randn(80, 60, requires_grad=True), torch.randn(80, 60)

    def slope_of(call, kinds, tolerance=1e-5):
        launched.clear()
        (found,) = torch.autograd.grad(call(x), x, grad)
        assert launched == kinds
        wide = x.detach().double().requires_grad_()
        with monkeypatch.context() as patch:
            patch.setattr(torch_plain, "_is_on_gpu", lambda x: False)
            (true,) = torch.autograd.grad(call(wide), wide, grad.double())
        torch.testing.assert_close(found.double(), true, rtol=tolerance, atol=tolerance)

    slope_of(rf.mish, [gpu.FORWARD, gpu.BACKWARD])
    slope_of(rf.softplus, [gpu.FORWARD, gpu.BACKWARD])  # from its output
    slope_of(rf.gelu.keeping("low"), [gpu.FORWARD], 2e-3)  # and loops of its own
    slope_of(rf.leaky_relu, [gpu.FORWARD, gpu.FORWARD])  # value and slope, for the bits
    weight = torch.full((60,), 0.3, requires_grad=True)
    launched.clear()
    (found,) = torch.autograd.grad(rf.prelu(x, weight).sum(), weight)
    assert launched == [gpu.FORWARD, gpu.BACKWARD, gpu.SUMMED]
    torch.testing.assert_close(found, x.detach().clamp(max=0).sum(0), rtol=1e-4, atol=1e-4)
    (first,) = torch.autograd.grad(rf.mish(x).sum(), x, create_graph=True)
    launched.clear()
    assert torch.isfinite(torch.autograd.grad(first.sum(), x)[0]).all()
    assert launched == []  # what is recorded is for words
    assert kernel_hook.gpu(torch.ones(2, dtype=torch.float64), ()) is None
