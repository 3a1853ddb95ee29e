"""Forms of input: shapes, strides, orders, bytes, scalars, ``out=``, and what is refused."""

from __future__ import annotations

import entries
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import rectifier as rf
from rectifier.errors import InputError, ParameterError
from rectifier.ops import on_numpy

GRID = np.linspace(-4, 4, 24).astype(np.float32)
EVERY = entries.ELEMENTWISE


def frozen(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def forms(dtype: str) -> dict[str, np.ndarray]:
    """NumPy's arrays of every kind, in a dtype."""
    grid = GRID.astype(jnp.dtype(dtype))
    made = {
        "empty": grid[:0],
        "empty, two axes": grid[:0].reshape(0, 3),
        "0-d": np.array(grid[13]),
        "strided": grid[::3],
        "backwards": grid[::-1],
        "read-only": frozen(grid),
        "Fortran order": np.asfortranarray(grid.reshape(4, 6)),
        "transposed": grid.reshape(4, 6).T,
        "broadcast": np.broadcast_to(grid[:4], (5, 4)),
        "three axes": grid.reshape(2, 3, 4),
    }
    if dtype != "bfloat16":  # which has one order of bytes
        made["byte-swapped"] = grid.astype(grid.dtype.newbyteorder())
    if dtype == "float32":
        made["long, in blocks"] = np.linspace(-9, 9, 100_003).astype(np.float32)
    return made


DTYPES = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-6, "float64": 1e-13}  # and their steps
LEAST = {"float16": 6e-8}  # its subnormal numbers
FORMS = {dtype: forms(dtype) for dtype in DTYPES} | {
    "longdouble": {"longdouble": GRID.astype(np.longdouble)}
}


@pytest.mark.parametrize("text", EVERY)
def test_form_in_form_out(text):
    act = rf.get(text)
    for dtype, made in FORMS.items():
        for form, x in made.items():
            before = x.copy()
            for call in (act, act.derivative):
                got = call(x)
                assert isinstance(got, np.ndarray), form
                assert (got.shape, got.dtype) == (x.shape, x.dtype), form
                assert not np.may_share_memory(got, x), form
                plain = call(np.ascontiguousarray(x, np.float64)).reshape(x.shape)
                rtol, least = DTYPES.get(dtype, 1e-6), LEAST.get(dtype, 1e-12)
                np.testing.assert_allclose(
                    got.astype(np.float64), plain, rtol, least, err_msg=f"{form}, {dtype}"
                )
            np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("text", EVERY)
def test_form_in_form_out_in_torch(text):
    act = rf.get(text)
    for dtype in DTYPES:
        grid = torch.tensor(GRID).to(getattr(torch, dtype))
        made = {
            "empty": grid[:0],
            "empty, two axes": grid[:0].reshape(0, 3),
            "0-d": grid[13],
            "strided": grid[::3],
            "transposed": grid.reshape(4, 6).T,
            "channels last": grid.reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
            "expanded": grid[:4].expand(5, 4),
            "three axes": grid.reshape(2, 3, 4),
        }
        for form, x in made.items():
            before = x.clone()
            for call in (act, act.derivative):
                got = call(x)
                assert isinstance(got, torch.Tensor), form
                assert (got.shape, got.dtype) == (x.shape, x.dtype), form
                assert x.numel() == 0 or got.data_ptr() != x.data_ptr(), form
                torch.testing.assert_close(
                    got, call(x.contiguous()), rtol=DTYPES[dtype], atol=1e-12, msg=form
                )
            assert torch.equal(x, before)


@pytest.mark.parametrize("text", EVERY)
def test_form_in_form_out_in_jax(text):
    """JAX's arrays have a shape and a dtype, and no other form. Empty ones, 0-d and matrices."""
    act = rf.get(text)
    for dtype in DTYPES:
        with jax.enable_x64(dtype == "float64"):
            grid = jnp.asarray(GRID, dtype)
            for call in (act, act.derivative):
                for shape in ((0,), (0, 3), (2, 3, 4)):
                    x = jax.ShapeDtypeStruct(shape, grid.dtype)
                    got = jax.eval_shape(call, x)
                    assert (got.shape, got.dtype) == (shape, grid.dtype)
                assert call(grid[:0]).shape == (0,)
                one, all_ = call(grid[13]), call(grid)
                assert (one.shape, one.dtype, all_.dtype) == ((), grid.dtype, grid.dtype)
                np.testing.assert_allclose(
                    np.float64(one), np.float64(all_[13]), DTYPES[dtype], 1e-12
                )


@pytest.mark.parametrize("text", EVERY)
def test_scalars_come_back_as_what_they_were(text):
    act = rf.get(text)
    for call in (act, act.derivative):
        assert type(call(0.5)) is float
        for scalar in (np.float16, np.float32, np.float64):
            assert type(call(scalar(0.5))) is scalar
        assert isinstance(call(jnp.float32(0.5)), jax.Array)


@pytest.mark.parametrize("text", EVERY)
def test_out_receives_the_result_and_is_returned(text):
    act = rf.get(text)
    for call in (act, act.derivative):
        out = np.full_like(GRID, 7)
        assert call(GRID, out=out) is out
        np.testing.assert_array_equal(out, call(GRID))
        x = GRID.copy()
        call(x, out=x)
        np.testing.assert_array_equal(x, out)


def test_out_may_overlap_its_input():
    line = np.linspace(-2, 2, 100, dtype=np.float32)
    expected = rf.silu(line[:-1].copy())
    rf.silu(line[:-1], out=line[1:])
    np.testing.assert_array_equal(line[1:], expected)


@pytest.mark.parametrize(
    "out",
    [np.empty(3, np.float32), np.empty(24, np.float64), [0.0] * 24, frozen(GRID)],
    ids=["shape", "dtype", "list", "read-only"],
)
def test_wrong_out_is_one_line(out):
    with pytest.raises(
        InputError, match=r"^out (must be a NumPy array of float32 \(24,\)|is read)"
    ):
        rf.relu(GRID, out=out)


REFUSED = {
    "int64": np.arange(3),
    "uint8": np.arange(3, dtype=np.uint8),
    "bool": np.array([True]),
    "complex64": np.array([1j], np.complex64),
    "object": np.array([1.0, None], object),
    "<U1": np.array(["a"]),
    "datetime64[s]": np.array(["2020-01-01"], "datetime64[s]"),
    "int": 3,
    "complex": 1j,
}


@pytest.mark.parametrize("dtype", REFUSED)
def test_what_is_no_float_is_refused_by_name(dtype):
    for call in (rf.relu, rf.relu.derivative, rf.softmax):
        with pytest.raises(InputError) as caught:
            call(REFUSED[dtype])
        assert str(caught.value) == (
            f"an activation needs floating-point input, got {dtype}; "
            "convert it first, e.g. x.astype('float32')"
        )


@pytest.mark.parametrize("thing", [[1.0], "x", None, {"a": 1}, object()])
def test_what_is_no_array_is_refused_by_type(thing):
    with pytest.raises(InputError, match=f"cannot apply an activation to .*{type(thing).__name__}"):
        rf.relu(thing)


def test_a_masked_array_is_not_stripped_of_its_mask():
    with pytest.raises(InputError, match="mask"):
        rf.relu(np.ma.masked_array([1.0, 2.0], [True, False]))


def test_parameters_may_be_arrays_of_the_same_library():
    slopes = np.array([0.1, 0.2, 0.3, 0.4])
    got = rf.leaky_relu(np.full((3, 4), -1.0), negative_slope=slopes)
    np.testing.assert_array_equal(got, np.broadcast_to(-slopes, (3, 4)))
    long = np.full((20_000, 4), -1.0)  # more than one block
    np.testing.assert_array_equal(rf.leaky_relu(long, slopes), np.broadcast_to(-slopes, long.shape))
    with pytest.raises(InputError, match="broadcast to the shape of x"):
        rf.leaky_relu(np.array([-1.0]), negative_slope=slopes)


def test_arrays_cannot_become_part_of_a_record():
    for slope in (np.array([0.1, 0.2]), jnp.float32(0.1)):
        with pytest.raises(ParameterError, match=r"leaky_relu\(x, negative_slope=\.\.\.\)"):
            rf.get("leaky_relu", negative_slope=slope)


def test_results_do_not_depend_on_the_block():
    x = np.linspace(-5, 5, 70_001)
    for text in EVERY:
        entry = rf.get(text)
        values = tuple(entry.parameters.values())  # NumPy's own way, whatever the kernels would do
        whole = on_numpy.value(entry.rule, x, values)
        parts = [on_numpy.value(entry.rule, part, values) for part in np.array_split(x, 9)]
        np.testing.assert_array_equal(whole, np.concatenate(parts))
