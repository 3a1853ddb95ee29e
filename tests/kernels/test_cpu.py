"""Kernels of every entry: beside NumPy's words, in place, in threads, on other processors."""

from __future__ import annotations

import ctypes

import kernel_points
import mpmath
import numpy as np
import pytest

import rectifier as rf
from rectifier import dispatch
from rectifier.kernels import compiler, cpu, threads
from rectifier.kernels.source import ENTRY, Shape, source
from rectifier.ops import on_numpy

ELEMENTWISE = [n for n in rf.names() if rf.get(n).elementwise]
EXP_LIKE = [n for n in ("elu", "gelu", "mish", "silu", "softplus", "tanh") if n in ELEMENTWISE]
X86 = compiler.machine_name().startswith("x86_64")


def kernel_of(name: str, which: str, dtype: str = "float32", chained: bool = False) -> cpu.Kernel:
    act = rf.get(name)
    digits = dispatch._digits(act.rule, getattr(act.rule, which), dtype)
    shape = Shape(dtype, digits, len(act.parameters), chained=chained)
    return cpu.kernel(getattr(act.rule, which), shape)


def run(kernel, *arrays, count=None, parameters=()):
    addresses = [a.ctypes.data for a in arrays]
    kernel(*addresses, arrays[0].size if count is None else count, *parameters)
    return arrays[-1]


def exact(name: str, which: str, x: np.ndarray) -> np.ndarray:
    """By NumPy's words, in float64."""
    act = rf.get(name)
    compute = getattr(on_numpy, which)
    return compute(act.rule, x.astype(np.float64), tuple(act.parameters.values()))


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("which", ["value", "derivative"])
def test_kernels_agree_with_numpy(name, which):
    parameters = tuple(rf.get(name).parameters.values())
    x = kernel_points.points(np.float32)
    got = run(kernel_of(name, which), x, np.empty_like(x), parameters=parameters)
    away = kernel_points.ulps(got, exact(name, which, x))
    assert away.max() <= 0.51, (x[away.argmax()], got[away.argmax()])

    x = kernel_points.points(np.float64)
    got = run(kernel_of(name, which, "float64"), x, np.empty_like(x), parameters=parameters)
    true = exact(name, which, x)
    # Near a turning point f' is a difference of terms of 1/4: their digits are all there is.
    floor = np.spacing(0.25) if which == "derivative" and not rf.get(name).facts.monotone else 0.0
    floor = np.where(np.abs(x) < 4, floor, 2.0**-1062)
    if name in ("star_relu", "xielu"):  # f too passes through 0 as a difference of terms
        floor = np.where(np.abs(x) < 4, np.spacing(0.5), floor)
    if name == "snake" and which == "derivative":  # 0 once a period, by terms of size 1
        floor = np.full_like(x, np.spacing(1.0))
    away = kernel_points.ulps(got, true, floor)
    assert away.max() <= 8, (x[away.argmax()], got[away.argmax()], true[away.argmax()])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_negative_zero_is_kept(name):
    for dtype in ("float32", "float64"):
        zeros = np.array([-0.0, 0.0] * 40, dtype)
        parameters = tuple(rf.get(name).parameters.values())
        got = run(
            kernel_of(name, "value", dtype), zeros, np.empty_like(zeros), parameters=parameters
        )
        want = on_numpy.value(rf.get(name).rule, zeros, parameters)
        nothing = want == 0
        assert kernel_points.same_bits(got[nothing], want[nothing])
        assert kernel_points.ulps(got, want.astype(np.float64)).max() <= 8


@pytest.mark.parametrize("name", [*EXP_LIKE, "relu", "sine"])
@pytest.mark.parametrize("which", ["value", "derivative"])
def test_chained_kernels_multiply_before_they_round(name, which):
    x = kernel_points.points(np.float32, 500)
    grad = np.random.default_rng(5).standard_normal(x.size).astype(np.float32)
    parameters = tuple(rf.get(name).parameters.values())
    kernel = kernel_of(name, which, chained=True)
    with np.errstate(all="ignore"):
        want = exact(name, which, x) * grad
    got = run(kernel, x, grad, np.empty_like(x), parameters=parameters)
    assert kernel_points.ulps(got, want).max() <= 0.51
    for target in (x, grad):  # in place of either
        arrays = x.copy(), grad.copy()
        result = arrays[0] if target is x else arrays[1]
        assert kernel_points.same_bits(run(kernel, *arrays, result, parameters=parameters), got)


@pytest.mark.parametrize("name", [*EXP_LIKE, "relu", "sine"])
def test_lengths_and_places_do_not_matter(name):
    """Vector loop, rest loop, alignment, in place: the same bits for the same number."""
    parameters = tuple(rf.get(name).parameters.values())
    for dtype in (np.float32, np.float64):
        x = kernel_points.points(dtype, 300)[:1200]
        kernel = kernel_of(name, "value", np.dtype(dtype).name)
        whole = run(kernel, x, np.empty_like(x), parameters=parameters)
        for count in (0, 1, 2, 7, 8, 9, 31, 33, 64, 65, 511, 513):
            for start in (0, 1, 3):
                part = x[start : start + count].copy()
                out = np.full(count + 1, 7, dtype)
                run(kernel, part, out, count=count, parameters=parameters)
                assert kernel_points.same_bits(out[:count], whole[start : start + count])
                assert out[count] == 7, "wrote beyond the end"
                run(kernel, part, part, parameters=parameters)
                assert kernel_points.same_bits(part, whole[start : start + count])


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if rf.get(n).parameters])
@pytest.mark.parametrize("which", ["value", "derivative"])
def test_parameters_compiled_in_give_the_same_bits(name, which):
    act = rf.get(name)
    parameters = tuple(act.parameters.values())
    constants = tuple(float(p) for p in parameters)
    x = kernel_points.points(np.float32, 500)
    kernel = kernel_of(name, which)
    fixed = cpu.kernel(
        getattr(act.rule, which), Shape("float32", kernel.shape.digits, 0, constants)
    )
    given = run(kernel, x, np.empty_like(x), parameters=parameters)
    assert kernel_points.same_bits(run(fixed, x, np.empty_like(x)), given)


@pytest.mark.parametrize("name", ["gelu", "sine", "relu"])
def test_threads_give_the_same_bits(name, monkeypatch):
    parameters = tuple(rf.get(name).parameters.values())
    count = 5 * threads.PARALLEL_FROM // 2 + 13
    x = np.resize(kernel_points.points(np.float32, 1000), count)
    kernel = kernel_of(name, "value")
    alone = np.empty_like(x)
    kernel.serial(x.ctypes.data, alone.ctypes.data, count, *parameters)
    for workers in (1, 2, 3):
        monkeypatch.setattr(threads, "_THREADS", workers)
        monkeypatch.setattr(threads, "_pool", None)
        together = run(kernel, x, np.empty_like(x), parameters=parameters)
        assert kernel_points.same_bits(alone, together)


@pytest.mark.parametrize("name", ["gelu", "sine", "relu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_past_the_caches_are_the_same_bits(name, dtype):
    """Heads up to a whole line, blocks and rests of any length; nothing before or after them."""
    parameters = tuple(rf.get(name).parameters.values())
    x = kernel_points.points(dtype, 300)[:1200]
    item = x.itemsize
    for chained in (False, True):
        kernel = kernel_of(name, "value", np.dtype(dtype).name, chained)
        sources = [x, x[::-1].copy()][: 1 + chained]
        whole = run(kernel, *sources, np.empty_like(x), parameters=parameters)
        for count in (0, 1, 2, 31, 127, 128, 300, 1100):
            for start in (0, 1, 5):
                out = np.full(count + start + 1, 7, dtype)
                places = [a.ctypes.data + start * item for a in (*sources, out)]
                kernel.streamed(*places, count, *parameters)
                assert kernel_points.same_bits(out[start:-1], whole[start : start + count])
                assert np.all(out[:start] == 7), "wrote before its part"
                assert out[-1] == 7, "wrote beyond it"


def test_long_results_go_past_the_caches_unless_in_place(monkeypatch):
    kernel = kernel_of("relu", "value")
    parameters = tuple(rf.get("relu").parameters.values())
    x = np.linspace(-1, 1, threads.PARALLEL_FROM).astype(np.float32)
    used = set()
    for way in ("serial", "streamed"):
        plain = getattr(kernel, way)
        monkeypatch.setattr(kernel, way, lambda *a, w=way, p=plain: (used.add(w), p(*a)))

    def ways(source, target, limit):
        used.clear()
        monkeypatch.setattr(cpu, "_STREAMED_FROM", limit)
        run(kernel, source, target, parameters=parameters)
        np.testing.assert_array_equal(target, np.maximum(x, 0))
        return {*used}

    assert ways(x, np.empty_like(x), x.nbytes + 1) == {"serial"}
    assert ways(x, np.empty_like(x), x.nbytes) == {"streamed"}
    there = x.copy()
    assert ways(there, there, x.nbytes) == {"serial"}


def test_every_element_is_some_threads_work():
    for count in (threads.PARALLEL_FROM - 1, threads.PARALLEL_FROM, 10**6 + 1):
        seen = np.zeros(count, np.int8)

        def work(start, stop, seen=seen):
            seen[start:stop] += 1

        threads.spread(work, count, threads=4)
        assert np.all(seen == 1)


def test_threads_obey_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads.thread_count() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert threads.thread_count() <= 2
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert threads.thread_count() >= 1


@pytest.mark.skipif(not X86, reason="the processor named is an x86")
@pytest.mark.parametrize("name", EXP_LIKE)
def test_another_processor_computes_the_same_bits(name):
    """AVX2, four at a time: every operation is IEEE's, none is reordered."""
    parameters = tuple(rf.get(name).parameters.values())
    shape = Shape("float32", "short", len(parameters))
    x = kernel_points.points(np.float32, 500)
    mine = run(kernel_of(name, "value"), x, np.empty_like(x), parameters=parameters)
    code = compiler.compiled(source(rf.get(name).rule.value, shape), "haswell")
    theirs = run(cpu.Kernel(shape, code), x, np.empty_like(x), parameters=parameters)
    assert kernel_points.same_bits(mine, theirs)


@pytest.mark.skipif(not X86, reason="which registers a name stands for is known for x86 only")
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_kernels_are_vectorised(name):
    if name == "identity":
        pytest.skip("a copy, which LLVM makes memcpy of")
    count = len(rf.get(name).parameters)
    for shape in (Shape("float32", "short", count), Shape("float64", "long", count)):
        assert cpu.vectorised(rf.get(name).rule.value, shape, "haswell")


def test_what_is_not_vectorised_is_seen():
    """libm's pow has no vector form."""

    def power(x, p):
        return x**p

    assert not cpu.vectorised(power, Shape("float64", "long", 1), "haswell" if X86 else "")


def test_a_kernel_lets_other_threads_run():
    kernel = kernel_of("relu", "value")
    assert not kernel.serial._flags_ & getattr(ctypes, "_FUNCFLAG_PYTHONAPI")  # noqa: B009
    assert ENTRY == "kernel"


def test_float32_keeps_its_digits_where_a_value_is_a_difference():
    """Around xielu's zero, -2.43248426: the nearest float32 has 2.6e-8, of terms of 0.7."""
    act = rf.get("xielu")
    x = (np.float32(-2.4324844).view(np.int32) + np.arange(-50, 50, dtype=np.int32)).view(
        np.float32
    )
    got = run(kernel_of("xielu", "value"), x, np.empty_like(x), parameters=act.parameters.values())
    assert np.abs(got).min() < 1e-7
    with mpmath.workdps(40):
        _, n, beta = (mpmath.mpf(v) for v in act.parameters.values())
        for point, value in zip(x.tolist(), got, strict=True):
            true = n * (mpmath.expm1(point) - point) + beta * point
            assert abs(true - float(value)) <= 0.51 * float(np.spacing(np.abs(value)))
