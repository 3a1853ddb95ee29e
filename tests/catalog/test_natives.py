"""Functions of the libraries that stand in for ours: the same numbers, and really in use."""

from __future__ import annotations

import entries
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from benchmarks.accuracy import contenders
from torch.utils._python_dispatch import TorchDispatchMode

import rectifier as rf
from rectifier.ops import on_jax, torch_computing

NATIVES = [
    (name, peer.library) for name in rf.names() for peer in rf.get(name).peers if peer.native
]
DTYPES = ["float16", "bfloat16", "float32", "float64"]


def points(name: str, dtype: str) -> np.ndarray:
    """Every number of the short dtypes; of the long ones a million bits, limits and kinks."""
    kind = jnp.dtype(dtype)
    if kind.itemsize == 2:
        return np.arange(1 << 16, dtype=np.uint16).view(kind)
    bits = np.random.default_rng(4).integers(0, 1 << 32, 100_000, dtype=np.uint64)
    drawn = bits.astype(np.uint32).view(np.float32)
    near = entries.around((0.0, *rf.get(name).facts.kinks), np.float32)
    ends = np.array([np.nan, np.inf, -np.inf, -0.0], np.float32)
    with np.errstate(invalid="ignore"):
        return np.concatenate(
            [drawn, np.linspace(-9, 9, 4001, dtype=np.float32), near, ends]
        ).astype(kind)


def by_words(name: str, library: str, x: np.ndarray) -> np.ndarray:
    """What the entry's own code gives in the library."""
    rule, usual = rf.get(name).rule, tuple(rf.get(name).parameters.values())
    if library == "jax":
        compute = on_jax._in_float32(on_jax.spoken(rule.value, on_jax.vocabulary))
        return np.asarray(compute(jnp.asarray(x), *usual))
    given = contenders._to_torch(x)
    compute = torch_computing.speak(rule.value)
    wide = torch_computing.widened(given, usual)
    return contenders._from_torch(compute(*wide).to(given.dtype))


def by_native(name: str, library: str, x: np.ndarray, call: str | None = None) -> np.ndarray:
    rule = rf.get(name).rule
    native = rule.native(library, rule.usual) if call is None else contenders._found(call)
    if library == "jax":
        return np.asarray(native(jnp.asarray(x)))
    return contenders._from_torch(native(contenders._to_torch(x)))


def deviations(name: str, library: str, call: str | None = None) -> list[str]:
    """Inputs at which another number comes out, or a zero of another sign. At -0.0 either zero will
    do, unless the function is odd."""
    found = []
    for dtype in DTYPES:
        with jax.enable_x64(dtype == "float64"), np.errstate(all="ignore"):  # signalling NaN
            x = points(name, dtype)
            if library == "jax":  # which takes subnormal numbers for zero, or not, as it compiles
                x = x[~(np.abs(x.astype(np.float64)) < float(jnp.finfo(dtype).tiny)) | (x == 0)]
            ours, theirs = by_words(name, library, x), by_native(name, library, x, call)
            assert ours.dtype == theirs.dtype == x.dtype
            lost = np.isnan(ours.astype(np.float64)) & np.isnan(theirs.astype(np.float64))
            same = (ours == theirs) & (np.signbit(ours) == np.signbit(theirs))
            if not rf.get(name).facts.zero_centred:
                same |= (x == 0) & (ours == theirs)
        found += [f"{dtype}: {a!r}" for a in x[~(same | lost)][:3]]
    return found


@pytest.mark.parametrize(("name", "library"), NATIVES)
def test_it_gives_the_same_numbers(name, library):
    assert deviations(name, library) == []


@pytest.mark.parametrize(
    ("name", "library", "call"),
    [
        ("hard_shrink", "torch", "torch.nn.functional.hardshrink"),  # loses the sign of zero
        ("silu", "torch", "torch.nn.functional.silu"),  # NaN at -inf
        ("relu", "torch", "torch.nn.functional.relu6"),
        ("leaky_relu", "jax", "jax.nn.leaky_relu"),  # in bfloat16, which it is rounded to twice
    ],
)
def test_one_that_deviates_is_caught(name, library, call):
    assert deviations(name, library, call)


class Operations(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", [name for name, library in NATIVES if library == "torch"])
def test_torch_does_one_operation(name):
    act = rf.get(name)
    x = torch.linspace(-3, 3, 9, dtype=torch.bfloat16)
    with Operations() as seen:
        act(x)
    assert len(seen.names) == 1
    if act.parameters:  # with others the entry's own code
        assert act.rule.native("torch", tuple(p + 0.5 for p in act.rule.usual)) is None
    x = torch.tensor([-np.inf, -1.5, np.nan, 0.5], dtype=torch.bfloat16, requires_grad=True)
    (grad,) = torch.autograd.grad(act(x).sum(), x)  # is ours, at NaN as well
    torch.testing.assert_close(grad, act.derivative(x.detach()), equal_nan=True)


@pytest.mark.parametrize("name", [name for name, library in NATIVES if library == "jax"])
def test_jax_does_one_call(name):
    act = rf.get(name)
    text = str(jax.make_jaxpr(lambda z: act(z))(jnp.ones(3)))
    native = str(jax.make_jaxpr(act.rule.native("jax", act.rule.usual))(jnp.ones(3)))
    inner = native.split(" in ")[0].split("=", 1)[1].split("[")[0].strip()
    assert inner in text
    x = jnp.array([-jnp.inf, -1.5, jnp.nan, 0.5])
    grad = jax.vmap(jax.grad(lambda z: act(z)))(x)
    np.testing.assert_allclose(grad, act.derivative(x))


def test_some_are_on_record_for_both():
    assert {library for _, library in NATIVES} == {"torch", "jax"}
