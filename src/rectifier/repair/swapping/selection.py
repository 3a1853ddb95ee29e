"""Which sites a user means, and what is to come there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rectifier.activation import Activation, Memory
from rectifier.catalog import get
from rectifier.errors import InputError, ParameterError, UnknownName
from rectifier.expression import split_calls
from rectifier.repair.sites import Site

Choice = Callable[[Site], bool]


def chosen(
    sites: Sequence[Site], replace: Mapping[Any, Any] | None, memory: Memory | None = None
) -> dict[Site, Activation]:
    """Site -> the activation that is to come there, for every site that some key means; without
    keys the one that is there, keeping ``memory``.

    Raises:
        UnknownName: a key that means nothing in this model.
        InputError: no mapping, or an activation that does not keep the shape.
    """
    if replace is None and memory is not None:
        there = ((site, site.activation) for site in sites if _may_keep_less(site))
        return {site: a.keeping(memory) for site, a in there if a is not None}
    if not isinstance(replace, Mapping) or not replace:
        raise InputError(
            'say what becomes what, as {"relu": "leaky_relu"}, '
            f"got {type(replace).__name__}{' without entries' if not replace else ''}"
        )
    wanted: dict[Site, Activation] = {}
    for key, value in replace.items():
        activation = get(value)
        if memory is not None:
            activation = activation.keeping(memory)
        meant = [site for site in sites if _means(key, sites)(site)]
        if not meant:
            raise _nothing(key, sites)
        for site in meant:
            _refuse_other_shape(site, activation)
            wanted.setdefault(site, activation)
    return {site: wanted[site] for site in sites if site in wanted}


def pairs(texts: Sequence[str]) -> dict[Any, str]:
    """``["relu=leaky_relu(negative_slope=0.1),gelu=elu"]`` as a mapping.

    Raises:
        InputError: no ``place=activation``.
    """
    found: dict[Any, str] = {}
    for text in (part for given in texts for part in split_calls(given)):
        depths = [text[:i].count("(") - text[:i].count(")") for i in range(len(text))]
        middle = [i for i, letter in enumerate(text) if letter == "=" and depths[i] == 0]
        if len(middle) != 1 or not text[: middle[0]].strip():
            raise InputError(f"--replace takes place=activation, as relu=leaky_relu, got {text!r}")
        found[text[: middle[0]].strip()] = text[middle[0] + 1 :].strip()
    return found


def what_is_there(sites: Sequence[Site]) -> str:
    """``relu (3), softmax (1)``."""
    counts = Counter(str(s.activation) for s in sites if s.activation is not None)
    return ", ".join(f"{name} ({n})" for name, n in counts.most_common()) or "none recognised"


# PyTorch's own keep the output of these, which is as little.
_LEAN = ("relu", "sigmoid", "tanh")


def _may_keep_less(site: Site) -> bool:
    """Whether a site's memory is ours to choose: what it has learnt stays where it is."""
    act = site.activation
    if act is None or not act.elementwise or any(p.learnable for p in act.declared):
        return False
    return not (site.called.startswith("torch.") and str(act) in _LEAN)


def _means(key: Any, sites: Sequence[Site]) -> Choice:
    """Whether a site is meant by a key; an activation's name goes before that of a layer."""
    if isinstance(key, Activation):
        return lambda site: site.activation == key
    if callable(key):
        return lambda site: bool(key(site))
    if not isinstance(key, str):
        raise InputError(
            "a place is the name of an activation, a site or a layer, or a function of a site, "
            f"got {type(key).__name__}"
        )
    entry = _read(key)
    if entry is not None:
        if "(" in key:
            named: Choice = lambda site: site.activation == entry  # noqa: E731
        else:
            named = lambda site: getattr(site.activation, "name", None) == entry.name  # noqa: E731
        if any(named(site) for site in sites):
            return named
    return lambda site: (
        key in (site.name, site.layer) or site.layer.startswith((f"{key}.", f"{key}/"))
    )


def _read(key: str) -> Activation | None:
    try:
        return get(key)
    except ParameterError:
        raise
    except InputError:
        return None  # the name of a site or a layer, then


def _nothing(key: Any, sites: Sequence[Site]) -> UnknownName:
    known = {str(s.activation) for s in sites if s.activation} | {s.name for s in sites}
    known |= {s.layer for s in sites if s.layer}
    name = key if isinstance(key, str) else str(getattr(key, "__name__", key))
    return UnknownName("place in the model", name, known, f"there is: {what_is_there(sites)}")


def _refuse_other_shape(site: Site, activation: Activation) -> None:
    same = site.activation is not None and site.activation.kind == activation.kind
    if activation.kind in ("gated", "reshaping") and not same:
        raise InputError(
            f"{activation.name} changes the number of features, so it cannot come to {site.name}"
        )
