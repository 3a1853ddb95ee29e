"""The definitions: one entry per activation, one file per family, one book of names.

An entry is a module-level :class:`~rectifier.activation.Activation` in one of the family
files below; writing it there is all it takes to exist under every name, in every library.
"""

from __future__ import annotations

import copyreg
import keyword
import re
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from rectifier.activation import Activation
from rectifier.catalog import (
    algebraic,
    along_axis,
    bounded,
    exponential,
    gated,
    gelus,
    learnable,
    nested,
    normal,
    plain,
    quadratic,
    rational,
    rectified,
    reshaping,
    self_gated,
    shrinks,
    smooth,
    two_sided,
)
from rectifier.catalog.formulas import activation_from_formula, refuse_undefined_at
from rectifier.errors import FormulaError, InputError, UnknownName
from rectifier.expression import Formula, read_call

_FAMILIES = (
    *(plain, rectified, exponential, self_gated, gelus, nested, smooth, bounded, normal),
    *(algebraic, quadratic, shrinks, learnable, two_sided, rational),
    *(gated, along_axis, reshaping),
)
_ENTRIES: dict[str, Activation] = {}
_SPELLINGS: dict[str, str] = {}


def names() -> list[str]:
    """Canonical names of every activation, sorted; those made by :func:`define` included."""
    return sorted(_ENTRIES)


def get(
    activation: str | Mapping[str, Any] | Activation, /, *args: Any, **parameters: Any
) -> Activation:
    """The activation that a name, a call, a config or an activation stands for.

    Args:
        activation: ``"leaky_relu"``, ``"LeakyReLU"``, ``"lrelu"``,
            ``"leaky_relu(negative_slope=0.2)"``, what ``Activation.config()`` gave, or an
            activation. Case, ``-``, ``_`` and spaces never matter.
        *args, **parameters: values over the defaults; other frameworks' names for them and
            their flags (``alpha=0.2``, ``approximate="tanh"``) are understood.

    Raises:
        UnknownName: no such activation; the nearest names are given.
        ParameterError: no such parameter, or a value outside its interval.
        FormulaError: values at which a user's formula is not a finite number near 0.
    """
    if isinstance(activation, Activation):
        return _admitted(activation.bind(*args, **parameters))
    if isinstance(activation, Mapping):
        return _admitted(_from_config(activation).bind(*args, **parameters))
    if not isinstance(activation, str):
        raise InputError(
            f"an activation is a name, a config or an Activation, got {type(activation).__name__}"
        )
    name, positional, keywords = read_call(activation)
    entry = _lookup(name)
    for flag, choices in entry.flags.items():
        for source in (keywords, parameters):
            if flag in source:
                wanted = source.pop(flag)
                if not isinstance(wanted, (bool, int, str)) or wanted not in choices:
                    raise InputError(
                        f"{entry.name}: {flag} must be one of {list(choices)}, got {wanted!r}"
                    )
                entry = _lookup(choices[wanted])
    return _admitted(entry.bind(*positional, **keywords).bind(*args, **parameters))


def define(name: str, formula: str, /, **parameters: float) -> Activation:
    """A new activation from a formula in ``x``, registered under ``name``.

    It is a full citizen: value, derivative, every library, a candidate in studies. Nothing in
    the formula is executed; see :mod:`rectifier.expression`. Its values at infinity are what the
    formula's own arithmetic gives, and its facts are measured, not proved.

    >>> rf.define("tanhexp", "x * tanh(exp(x))")
    >>> rf.define("swish2", "x * sigmoid(beta * x)", beta=2.0)

    The same definition again gives the same activation.

    Args:
        name: letters, digits and ``_``.
        formula: ``x``, numbers, parameters, ``+ - * / **``, ``where(x > 0, ..., ...)`` and
            functions such as ``exp``, ``tanh``, ``erf``, ``max``, ``softplus``. At a tie of
            ``max(a, b)`` the slope is that of ``b``, and of a constant before that.
        **parameters: default of each parameter.

    Raises:
        FormulaError: the formula says more than arithmetic, or is undefined somewhere.
        InputError: the name belongs to another activation.
    """
    known = _ENTRIES.get(_SPELLINGS.get(_squeeze(name), "")) if isinstance(name, str) else None
    if known is not None and known.text is not None:
        same = known.text == formula or (
            Formula(formula, tuple(parameters)).canonical
            == Formula(known.text, [p.name for p in known.declared]).canonical
        )
        if same and {p.name: p.default for p in known.declared} == parameters:
            return known
    if known is not None:
        what = f"as {known.text!r}" if known.text else "in the catalogue"
        if known.text and known.declared:
            what += " with " + ", ".join(f"{p.name}={p.default:g}" for p in known.declared)
        raise InputError(f"the name {name!r} is defined already, {what}; choose another")
    if isinstance(name, str) and _is_spoken_for(name):
        raise FormulaError(f"{name!r} cannot be the name of an activation; choose another")
    entry = activation_from_formula(name, formula, parameters)
    _register(entry)
    return entry


def _admitted(activation: Activation) -> Activation:
    """``activation``, unless its parameters leave a user's formula undefined near 0."""
    if activation.text is not None:
        given = activation.parameters
        refuse_undefined_at(activation.text, tuple(given), tuple(given.values()))
    return activation


def _lookup(name: str) -> Activation:
    canonical = _SPELLINGS.get(_squeeze(name))
    if canonical is None:
        everything = {*_ENTRIES, *(a for e in _ENTRIES.values() for a in e.aliases)}
        raise UnknownName("activation", name, everything, "rectifier list shows all")
    return _ENTRIES[canonical]


def _from_config(config: Mapping[str, Any]) -> Activation:
    unknown = set(config) - {"name", "parameters", "formula", "defaults"}
    parameters, defaults = (config.get(key) or {} for key in ("parameters", "defaults"))
    well_formed = (
        not unknown
        and isinstance(config.get("name"), str)
        and all(
            isinstance(m, Mapping) and all(isinstance(k, str) for k in m)
            for m in (parameters, defaults)
        )
    )
    if not well_formed:
        raise InputError(
            "not the config of an activation; one looks like "
            f'{{"name": "elu", "parameters": {{"alpha": 0.5}}}}, got {dict(config)!r:.80}'
        )
    name, formula = config["name"], config.get("formula")
    if formula is not None:
        return define(name, formula, **(defaults or parameters)).bind(**parameters)
    return _lookup(name).bind(**parameters)


def _is_spoken_for(name: str) -> bool:
    """Whether ``rectifier.<name>`` is something else, or no Python at all."""
    face = sys.modules[__name__.partition(".")[0]]
    return (
        keyword.iskeyword(name)
        or name in face.__all__
        or name in ("diagnose", "jax", "keras", "sklearn", "swap", "torch")  # rooms to come
        or (name.isidentifier() and find_spec(f"{face.__name__}.{name}") is not None)
    )


def _squeeze(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.lower())


def _register(entry: Activation) -> None:
    for spelling in (entry.name, *entry.aliases):
        owner = _SPELLINGS.setdefault(_squeeze(spelling), entry.name)
        if owner != entry.name:
            raise ValueError(f"{spelling!r} means both {owner} and {entry.name}")
    _ENTRIES[entry.name] = entry


for _family in _FAMILIES:
    for _thing in vars(_family).values():
        if isinstance(_thing, Activation):
            _register(_thing)

# A record pickles and copies as its config: never code, and equal wherever it arrives.
copyreg.pickle(Activation, lambda activation: (get, (activation.config(),)))
