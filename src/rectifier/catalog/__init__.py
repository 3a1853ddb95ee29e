"""The definitions: one entry per activation, one file per family, one book of names.

An entry is a module-level :class:`~rectifier.activation.Activation` in one of the family
files below; writing it there is all it takes to exist under every name, in every library.
"""

from __future__ import annotations

import copyreg
import re
from collections.abc import Mapping
from typing import Any

from rectifier.activation import Activation
from rectifier.catalog import along_axis, bounded, exponential, plain, rectified, self_gated, smooth
from rectifier.catalog.formulas import activation_from_formula
from rectifier.errors import InputError, UnknownName
from rectifier.expression import read_call

_FAMILIES = (plain, rectified, exponential, self_gated, smooth, bounded, along_axis)
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
    """
    if isinstance(activation, Activation):
        return activation.bind(*args, **parameters)
    if isinstance(activation, Mapping):
        return _from_config(activation).bind(*args, **parameters)
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
                if wanted not in choices:
                    raise InputError(
                        f"{entry.name}: {flag} must be one of {list(choices)}, got {wanted!r}"
                    )
                entry = _lookup(choices[wanted])
    return entry.bind(*positional, **keywords).bind(*args, **parameters)


def define(name: str, formula: str, **parameters: float) -> Activation:
    """A new activation from a formula in ``x``, registered under ``name``.

    It is a full citizen: value, derivative, every library, a candidate in studies. The
    derivative is SymPy's. Nothing in the formula is executed; see :mod:`rectifier.expression`.

    >>> rf.define("tanhexp", "x * tanh(exp(x))")
    >>> rf.define("swish2", "x * sigmoid(beta * x)", beta=2.0)

    Raises:
        FormulaError: the formula says more than arithmetic, or is undefined somewhere.
        InputError: the name belongs to another activation.
    """
    entry = activation_from_formula(name, formula, parameters)
    known = _SPELLINGS.get(_squeeze(name))
    if known is not None and _ENTRIES[known].text != entry.text:
        raise InputError(f"the name {name!r} belongs to {known!r} already; choose another")
    _register(entry)
    return entry


def _lookup(name: str) -> Activation:
    canonical = _SPELLINGS.get(_squeeze(name))
    if canonical is None:
        everything = {*_ENTRIES, *(a for e in _ENTRIES.values() for a in e.aliases)}
        raise UnknownName("activation", name, everything, "rectifier list shows all")
    return _ENTRIES[canonical]


def _from_config(config: Mapping[str, Any]) -> Activation:
    unknown = set(config) - {"name", "parameters", "formula"}
    if unknown or not isinstance(config.get("name"), str):
        raise InputError(f"not the config of an activation: {dict(config)!r}")
    parameters = config.get("parameters") or {}
    if not isinstance(parameters, Mapping):
        raise InputError(f"parameters must map names to numbers, got {parameters!r}")
    formula = config.get("formula")
    if formula is not None and _squeeze(config["name"]) not in _SPELLINGS:
        return define(config["name"], formula, **parameters)
    entry = _lookup(config["name"])
    if formula is not None and formula != entry.text:
        raise InputError(f"{entry.name!r} is defined here by another formula than {formula!r}")
    return entry.bind(**parameters)


def _squeeze(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


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
