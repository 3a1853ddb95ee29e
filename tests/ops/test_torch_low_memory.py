"""``memory="low"``: no more is kept than docs/memory.md says, and gradients lose no more."""

from __future__ import annotations

import gc
import weakref
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from benchmarks import low_memory

import rectifier as rf
from rectifier import torch as rt
from rectifier.errors import InputError, ParameterError
from rectifier.ops.inverse import inverse

STATED = {(row["name"], row["dtype"]): row for row in low_memory.written()}


@contextmanager
def saving():
    """The tensors that autograd saves meanwhile."""
    saved: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        yield saved


def test_the_page_has_the_table_of_the_results():
    """After a change to an entry: python -m benchmarks.low_memory --write"""
    assert {name for name, _ in STATED} == set(low_memory.names())
    assert low_memory.on_page() == low_memory.text(low_memory.written())


@pytest.mark.parametrize("name", low_memory.names())
def test_no_more_is_kept_than_is_stated(name):
    act = rf.get(name).keeping("low")
    for dtype in (torch.float32, torch.bfloat16):
        words, extra = low_memory.kept(act, dtype)
        assert words == STATED[name, "float32"]["kept"]
        assert extra <= 0.25 or words == "input"
    exact = low_memory.kept(act.keeping("exact"))
    assert "input" in exact[0] or exact[0] == "output"  # 1024 elements are too few for bits


@pytest.mark.parametrize("name", low_memory.names())
def test_gradients_lose_no_more_than_is_stated(name):
    act = rf.get(name)
    for dtype, torch_dtype in low_memory.DTYPES.items():
        stated = STATED[name, dtype]
        if torch_dtype == torch.float32:
            x = low_memory.points(act, torch_dtype, count=6_000)
        else:
            x = low_memory.points(act, torch_dtype)[:: 29 if act.rule.slopes else 7]
        x, error = low_memory.errors(act, x)
        # points of float32 are fewer than, and others than, those of the table
        slack = 2.0 if torch_dtype == torch.float32 else 1.0
        assert error.max() <= slack * float(stated["worst"]) + 0.6
        beyond = x[error > low_memory.STEPS[dtype] * (1.05 if slack > 1 else 1)]
        if stated["from"]:
            low, high = float(stated["from"]), float(stated["to"])
            room = 0.3 * (high - low) if slack > 1 else 1e-3 * (1 + abs(high))
            beyond = beyond[(beyond < low - room) | (beyond > high + room)]
        assert not len(beyond), beyond


def test_only_near_a_turning_point_is_more_lost_than_rounding():
    """The stretches in which the error is above the dtype's own rounding are narrow and few."""
    wide = {"gaussian", "laplace", "rational"}  # stated beside the table
    for (name, _), row in STATED.items():
        if row["from"] and name not in wide:
            turns = rf.get(name).facts.stationary
            low, high = float(row["from"]), float(row["to"])
            assert any(low <= turn <= high for turn in turns)
            assert high - low < 0.45


def test_a_wrong_turning_point_would_be_seen():
    wrong = replace(rf.silu.rule, breaks=lambda: (-1.0,), exact=None)
    how = inverse(wrong, ())
    assert how is None or how.turns != inverse(rf.silu.rule, ()).turns


def test_where_the_output_says_too_little_the_input_is_kept():
    for name in ("sine", "snake", "rational", "star_relu"):
        assert inverse(rf.get(name).rule, tuple(rf.get(name).parameters.values())) is None
    own = rf.define("low_memory_own", "x * tanh(exp(x))")
    assert low_memory.kept(own.keeping("low"))[0] == "input"
    assert low_memory.kept(rf.silu.keeping("low"), torch.float64)[0] == "input"
    slope = torch.tensor(0.5, requires_grad=True)
    with saving() as saved:
        rt.swish(torch.ones(8), beta=slope, memory="low")
    assert [t.numel() for t in saved] == [8, 1]


def test_the_input_is_let_go():
    x = torch.randn(5000, requires_grad=True)
    between = x * 1
    alive = weakref.ref(between)
    y = rt.mish(between, memory="low")
    del between
    gc.collect()
    assert alive() is None
    y.sum().backward()
    torch.testing.assert_close(x.grad, rf.mish.derivative(x.detach()), rtol=0, atol=1e-3)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("name", ["silu", "phish"])
def test_it_goes_where_the_exact_one_goes(name):
    exact, act = rf.get(name), rf.get(name).keeping("low")
    rows = torch.linspace(-3, 3, 4098).reshape(3, 1366)
    turns = exact.facts.stationary
    far = torch.ones_like(rows, dtype=torch.bool)  # from where f' has lost half its digits
    for turn in turns:
        far &= (rows - turn).abs() > 0.05

    def total(x):
        return act(x).sin().sum()

    expected = exact.derivative(rows) * torch.cos(exact(rows))
    torch._dynamo.reset()
    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    for call in (total, compiled):
        x = rows.clone().requires_grad_()
        (found,) = torch.autograd.grad(call(x), x)
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)
        torch.testing.assert_close(found[far], expected[far], rtol=2e-6, atol=2e-6)
    grad = torch.func.grad(total)
    torch.testing.assert_close(torch.func.vmap(grad)(rows)[far], expected[far], rtol=0, atol=2e-6)
    wide = rows.double().requires_grad_()
    (first,) = torch.autograd.grad(exact(wide).sin().sum(), wide, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), wide)
    x = rows.clone().requires_grad_()
    (first,) = torch.autograd.grad(total(x), x, create_graph=True)
    (found,) = torch.autograd.grad(first.sum(), x)
    pushed = torch.func.jvp(grad, (rows,), (torch.ones_like(rows),))[1]
    for curvature in (found, pushed):
        off = (curvature.double() - second).abs()[far]
        assert off.max() < 2e-3  # a third of a cubic's digits
        assert off.median() < 1e-6


def test_every_function_and_layer_takes_it_and_computes_the_same():
    from rectifier import doors

    x = torch.randn(3, 12)
    for listed in doors.listings():
        low = getattr(rt, listed.function)(x, memory="low")
        torch.testing.assert_close(low, getattr(rt, listed.function)(x), rtol=0, atol=0)
        layer = getattr(rt, listed.layer)(memory="low").eval()
        torch.testing.assert_close(layer(x), low, rtol=0, atol=0)
        assert layer.activation.memory == "low"


def test_large_tensors_piece_by_piece_and_small_ones_are_the_same():
    x = torch.linspace(-6, 6, 80_003)
    grads = []
    for part in (x, x[70_000:70_500]):
        given = part.clone().requires_grad_()
        rt.gelu(given, memory="low").sum().backward()
        grads.append(given.grad)
    assert torch.equal(grads[0][70_000:70_500], grads[1])


def test_in_place_and_under_autocast():
    x = torch.randn(300, requires_grad=True)
    between = x * 1
    assert rt.elu(between, inplace=True, memory="low") is between
    between.sum().backward()
    torch.testing.assert_close(x.grad, rf.elu.derivative(x.detach()), rtol=0, atol=1e-6)
    for name in ("silu", "softplus"):
        between = x * 1
        with saving() as kept:
            y = getattr(rt, name)(between, inplace=True, memory="low")
        assert y.data_ptr() == between.data_ptr() == kept[0].data_ptr()
        assert sum(t.numel() * t.element_size() for t in kept[1:]) <= len(x) // 8 + 1
        (found,) = torch.autograd.grad(y.sin().sum(), x, create_graph=True)
        slope = rf.get(name).derivative(x.detach()) * torch.cos(rf.get(name)(x.detach()))
        torch.testing.assert_close(found, slope, rtol=0, atol=1e-4)
        assert torch.isfinite(torch.autograd.grad(found.sum(), x)[0]).all()
        y = getattr(rt, name)(x * 1, inplace=True, memory="low")
        y += 1
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
    kept_by_another = (x * 1).tanh()
    rt.silu(kept_by_another, inplace=True, memory="low")
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        kept_by_another.sum().backward()
    changed = x * 1
    y = rt.silu(changed, memory="low")
    y += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = torch.nn.Linear(300, 5)(x)
        assert rt.SiLU(memory="low")(hidden).dtype == torch.bfloat16


def test_a_wrong_memory_is_refused():
    for call in (lambda: rt.silu(torch.ones(2), memory="tiny"), lambda: rt.SiLU(memory=1)):
        with pytest.raises(ParameterError, match="memory must be 'exact' or 'low'"):
            call()
    with pytest.raises(InputError, match=r"takes a torch\.nn\.Module, got builtins\.int"):
        rt.low_memory(3)


def test_records_with_another_memory_are_others():
    low = rf.silu.keeping("low")
    assert low != rf.silu
    assert low.keeping("exact") == rf.silu
    assert rf.get("elu").keeping("low").bind(alpha=2.0).rule.exact is not None
    assert "memory='low'" in repr(rt.SiLU(memory="low"))
