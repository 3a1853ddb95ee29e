"""Chooses who computes: a kernel for a NumPy array where there is one, else the array's library.

A kernel takes plain arrays of float16, float32 or float64 and numbers for parameters, or for the
only parameter an array of that shape and dtype, such as a gate; everything else (other libraries,
scalars, subclasses, other parameters that are arrays, functions along an axis, and every error) is
for :mod:`rectifier.ops`. Without ``llvmlite`` everything is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from rectifier import ops
from rectifier.kernels import on_gpu
from rectifier.ops import kernel_hook
from rectifier.ops.rule import Rule

# Compiling takes 20 to 50 ms, in which NumPy does about 2**20 elements. So a function is compiled
# once half as many have gone through NumPy: whoever has only a few small arrays never waits, and
# nobody waits for long, compared with what they waited for anyway.
_WORTH_COMPILING = 1 << 19
_BLOCK = 1 << 14  # float16: 128 KiB as float64 stay in the second-level cache
_REMEMBERED = 4096  # functions: those of formulas typed anew for each value come and go
_DATA = object.__basicsize__  # where NumPy's C structure of an array has its address

# (function, dtype, chained, parameters) -> a kernel for just these parameters, or
# (function, dtype, chained, None) -> one that takes them; or
# (function, dtype, chained, "gate") -> one that takes an array of them; or
# (function, dtype, "lines", parameters) -> a pair of loops; dtypes by name for torch
_KERNELS: dict[tuple[Any, ...], Any] = {}
_PASSED: dict[tuple[Any, ...], int] = {}  # (function, dtype, chained ...) -> elements without
_CONSTANTS: dict[tuple[Any, ...], tuple[Any, ...]] = {}  # the same -> parameters compiled in
_LINES: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}  # (function, dtype) -> the same, of lines
_MANY_LINES = 16  # a slope that somebody anneals is another number in every step


def value(rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    """f(x), of the library, shape and dtype of ``x``; into ``out`` if given."""
    if type(x).__name__ == "ndarray":  # a name, since tracers of other libraries pass by here
        done = _by_kernel(rule.value, rule, x, parameters, out)
        if done is not None:
            return done
    return ops.library_of(x).value(rule, x, parameters, out)


def derivative(
    rule: Rule, x: Any, parameters: tuple[Any, ...], out: Any = None, by: int = 0
) -> Any:
    """f'(x), likewise; along an axis the Jacobian. ``by`` counts parameters from 1."""
    if type(x).__name__ == "ndarray":
        done = _by_kernel(rule.slope(by), rule, x, parameters, out)
        if done is not None:
            return done
    return ops.library_of(x).derivative(rule, x, parameters, out, by)


def gated(
    rule: Rule, a: Any, b: Any, halved: tuple[Any, int] | None = None, out: Any = None
) -> Any:
    """f(a, b); ``halved``: the array that they are the halves of, and along which axis."""
    library = ops.library_of(a)
    if library is ops.on_torch and out is None:
        done = ops.on_torch.gated(rule, a, b, halved)
        if done is not None:
            return done
    return value(rule, a, (b,), out)


def concatenate(x: Any, y: Any, axis: int) -> Any:
    """Two arrays of one library beside each other."""
    return ops.library_of(x).vocabulary()["concatenate"](x, y, axis)


def chain(rule: Rule, x: Any, grad: Any, parameters: tuple[Any, ...], out: Any = None) -> Any:
    """``grad * f'(x)``, rounded once, for an elementwise rule and NumPy arrays of one dtype.

    Args:
        grad: of the shape of ``x``, or one that broadcasts to it.
        out: receives the result; may be ``x`` or ``grad``.
    """
    np = _numpy()
    if type(grad) is np.ndarray and grad.shape == x.shape and grad.dtype == x.dtype:
        done = _by_kernel(rule.derivative, rule, x, parameters, out, grad)
        if done is not None:
            return done
    slope = ops.library_of(x).derivative(rule, np.asarray(x, np.float64), parameters)
    with np.errstate(all="ignore"):
        result = (slope * grad).astype(x.dtype)
    if out is None:
        return result
    out[...] = result
    return out


def _by_kernel(
    function: Callable[..., Any],
    rule: Rule,
    x: Any,
    parameters: tuple[Any, ...],
    out: Any,
    grad: Any = None,
) -> Any:
    """The result, or None where another is to compute it."""
    for parameter in parameters:
        if type(parameter) is not float and type(parameter) is not int:
            return _gated(function, rule, x, parameters, out, grad)
    dtype = x.dtype
    given: tuple[Any, ...] = ()
    kernel = _KERNELS.get((function, dtype, grad is not None, parameters))
    if kernel is None:
        given = parameters
        kernel = _KERNELS.get((function, dtype, grad is not None, None))
        if kernel is None:
            kernel = _worth(function, rule, x, parameters, grad is not None)
            if kernel is None:
                return None
            given = () if kernel.shape.constants else parameters
    np = _numpy()
    if type(x) is not np.ndarray:  # CuPy's has the same name, and the same dtypes
        return None
    plain = grad is None and x.itemsize > 2
    sources = [x] if grad is None else [x, grad]
    if out is None:
        if plain and x.flags.forc:  # the short way, for short arrays
            out = np.empty_like(x)
            address = _address_of()
            kernel(address(x), address(out), x.size, *given)
            return out
        out = np.empty(x.shape, dtype)
    elif not _receives(out, x):
        return None  # ops says what is wrong with it
    elif plain and x.flags.c_contiguous and out.flags.c_contiguous:
        address = _address_of()
        here, there = address(x), address(out)
        if here == there or abs(here - there) >= x.nbytes:
            kernel(here, there, x.size, *given)
            return out
    _into(kernel, sources, given, out)
    return out


def _gated(
    function: Callable[..., Any],
    rule: Rule,
    x: Any,
    parameters: tuple[Any, ...],
    out: Any,
    grad: Any,
) -> Any:
    """:func:`_by_kernel` where the only parameter is an array like ``x``."""
    np, gate = _numpy(), parameters[0]
    if len(parameters) != 1 or type(x) is not np.ndarray or type(gate) is not np.ndarray:
        return None
    if gate.shape != x.shape or gate.dtype != x.dtype or not rule.elementwise:
        return None
    if out is not None and not _receives(out, x):
        return None
    key = (function, x.dtype, grad is not None, "gate")
    kernel = _KERNELS.get(key)
    if kernel is None:
        name = _dtype_names().get(x.dtype)
        if name is None or not _enough(key, x.size):
            return None
        from rectifier.kernels import cpu

        if not cpu.available():
            return None
        from rectifier.kernels.source import Shape

        inner = "float32" if name == "float32" else "float64"
        shape = Shape(inner, _digits(rule, function, name), chained=grad is not None, gated=True)
        kernel = _KERNELS[key] = cpu.kernel(function, shape)
    if out is None:
        out = np.empty(x.shape, x.dtype)
    _into(kernel, [x, gate] if grad is None else [x, gate, grad], (), out)
    return out


def _receives(out: Any, x: Any) -> bool:
    """Whether ``out`` is an array to write ``x``'s result into."""
    plain = type(out) is _numpy().ndarray and out.flags.writeable
    return plain and out.shape == x.shape and out.dtype == x.dtype


def _into(kernel: Any, sources: list[Any], parameters: tuple[Any, ...], out: Any) -> None:
    """Any layout: what is not contiguous is copied first."""
    np, address = _numpy(), _address_of()
    if out.dtype.itemsize == 2:
        _in_blocks(kernel, sources, parameters, out)
        return
    target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    for i, array in enumerate(sources):
        whole = array.flags.c_contiguous
        same = whole and address(array) == address(target)
        if not whole or (not same and np.may_share_memory(array, target)):
            sources[i] = array.copy()
    kernel(*(address(a) for a in sources), address(target), out.size, *parameters)
    if target is not out:
        out[...] = target


def _in_blocks(kernel: Any, sources: list[Any], parameters: tuple[Any, ...], out: Any) -> None:
    """float16 through float64, so that it is rounded once."""
    np, address = _numpy(), _address_of()
    flat = [a.reshape(-1) for a in sources]
    result = np.empty(out.size, out.dtype)
    with np.errstate(over="ignore", under="ignore"):
        for start in range(0, out.size, _BLOCK):
            wide = [a[start : start + _BLOCK].astype(np.float64) for a in flat]
            places = [address(a) for a in wide]
            kernel(*places, places[0], wide[0].size, *parameters)
            result[start : start + _BLOCK] = wide[0]
    out[...] = result.reshape(out.shape)


def _worth(
    function: Callable[..., Any], rule: Rule, x: Any, parameters: tuple[Any, ...], chained: bool
) -> Any:
    """The kernel for a NumPy array, if by now there is reason to have one."""
    if type(x) is not _numpy().ndarray or not rule.elementwise:
        return None
    name = _dtype_names().get(x.dtype)
    if name is None:
        return None
    found = kernel_for(function, rule, name, x.size, parameters, chained)
    if found is not None:
        key = parameters if found.shape.constants else None
        _KERNELS[function, x.dtype, chained, key] = found
    return found


def kernel_for(
    function: Callable[..., Any],
    rule: Rule,
    dtype: str,
    size: int,
    parameters: tuple[Any, ...],
    chained: bool = False,
) -> Any:
    """The kernel for ``size`` more elements, or None while few have been asked for.

    For libraries whose arrays are memory as NumPy's are: it takes addresses, and parameters unless
    ``kernel.shape.constants`` has them, see :class:`rectifier.kernels.cpu.Kernel`. The first
    parameters that a function is compiled for are compiled in; others share a second kernel. The
    result has the same bits.

    Args:
        function: ``rule.value`` or ``rule.derivative`` of an elementwise rule.
        dtype: "float16" (its kernel takes float64), "float32" or "float64".
        parameters: numbers.
        chained: for ``grad * function(x)``.
    """
    key = (function, dtype, chained)
    first = _CONSTANTS.get(key)
    if (first is None or first != parameters) and not _enough(key, size):
        return None
    from rectifier.kernels import cpu

    if not cpu.available():
        return None
    from rectifier.kernels.source import Shape

    if first is None:
        first = _CONSTANTS[key] = parameters
        _PASSED[key] = 0
    inner = "float32" if dtype == "float32" else "float64"
    digits = _digits(rule, function, dtype)
    if first == parameters:
        constants = tuple(float(p) for p in parameters)
        return cpu.kernel(function, Shape(inner, digits, 0, constants, chained))
    return cpu.kernel(function, Shape(inner, digits, len(parameters), (), chained))


def _enough(key: tuple[Any, ...], size: int) -> bool:
    """Whether, with ``size`` more elements, enough have been asked for to compile a kernel."""
    passed = _PASSED.get(key, 0) + size
    if passed >= _WORTH_COMPILING:
        return True
    if len(_PASSED) > _REMEMBERED:
        _PASSED.clear()
    _PASSED[key] = passed
    return False


def _digits(rule: Rule, function: Callable[..., Any], dtype: str) -> str:
    """Whether what float32 cannot show may go at the start.

    The catalogue's values lose no digits on their way, but for the few that say so. Derivatives do
    where they are zero: the float32 next to gelu's turning point has a slope of 2e-8, a difference
    of terms of 0.2. And a formula of the user's own may take 1 from exp(x).
    """
    stable = (function.__module__ or "").startswith("rectifier.catalog.")
    value = function is rule.value and not rule.cancels
    return "short" if stable and value and dtype != "float64" else "long"


def address_kernel(
    function: Callable[..., Any],
    rule: Rule,
    dtype: str,
    size: int,
    parameters: tuple[Any, ...],
    chained: bool,
) -> Any:
    """:func:`kernel_for` "float32" or "float64", found again at once."""
    kernel = _KERNELS.get((function, dtype, chained, parameters))
    if kernel is None:
        kernel = _KERNELS.get((function, dtype, chained, None))
        if kernel is None:
            kernel = kernel_for(function, rule, dtype, size, parameters, chained)
            if kernel is not None:
                key = parameters if kernel.shape.constants else None
                _KERNELS[function, dtype, chained, key] = kernel
    return kernel


def lines_for(rule: Rule, dtype: str, size: int, parameters: tuple[Any, ...]) -> Any:
    """The :class:`rectifier.kernels.bits.Lines` of a rule with slopes, for ``size`` more elements;
    None while few have been asked for, and for the parameters that come after the first few."""
    key = (rule.value, dtype, "lines", parameters)
    found = _KERNELS.get(key)
    if found is not None:
        return found
    known = _LINES.setdefault((rule.value, dtype), [])
    if len(known) >= _MANY_LINES or not _enough(key, size):
        return None
    from rectifier.kernels import bits, cpu

    if not cpu.available() or rule.slopes is None:
        return None
    known.append(parameters)
    numbers = tuple(float(p) for p in parameters)
    found = bits.lines(rule.value, rule.derivative, numbers, rule.slopes(*parameters), dtype)
    _KERNELS[key] = found
    return found


def slopes_for(how: Any, size: int) -> Any:
    """The :class:`rectifier.kernels.slopes.Slopes` of an inverse, for ``size`` more outputs; None
    while few have been asked for."""
    found = _KERNELS.get((how, "slopes"))
    if found is None and _enough((how, "slopes"), size):
        from rectifier.kernels import cpu

        if not cpu.available():
            return None
        from rectifier.kernels.slopes import slopes

        found = _KERNELS[how, "slopes"] = slopes(how)
    return found


kernel_hook.gpu = on_gpu.kernels_for
kernel_hook.kernel = _by_kernel  # for tensors that are NumPy's arrays underneath
kernel_hook.address_kernel = address_kernel
kernel_hook.lines = lines_for
kernel_hook.slopes = slopes_for


@cache
def _numpy() -> Any:
    import numpy

    return numpy


@cache
def _dtype_names() -> dict[Any, str]:
    np = _numpy()
    return {np.dtype(name): name for name in ("float16", "float32", "float64")}


@cache
def _address_of() -> Callable[[Any], int]:
    """How to get an array's address. NumPy's own ways take 1 us each, a third of a short call."""

    def plain(array: Any) -> int:
        return array.ctypes.data

    def direct(array: Any) -> int:
        return read(id(array) + _DATA).value or 0

    read = ctypes.c_void_p.from_address
    probe = _numpy().arange(3.0)[1:]
    return direct if direct(probe) == plain(probe) else plain
