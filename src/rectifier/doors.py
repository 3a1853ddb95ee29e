"""What the doors have in common: which names they offer, which arguments, and the type stubs.

A door (``rectifier.torch``, ``.jax``, ``.keras``) offers every entry of the catalogue as a
function and, where its framework has them, as a layer class. Names come from the catalogue when
they are asked for, so an activation made by ``rf.define`` is behind every door as well. Editors
and type checkers see them through stubs, which this file writes::

    python -m rectifier.doors          # after a change to the catalogue; a test holds them equal
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from keyword import iskeyword
from pathlib import Path
from typing import Any

from rectifier.activation import Activation
from rectifier.catalog import get, names
from rectifier.errors import nearest

# Parts of a layer's name that are not simply capitalised; as PyTorch and Keras spell them, or as
# the paper does. Numbers may follow: relu6, entmax15.
_SPELLED = {
    "relu": "ReLU",
    "elu": "ELU",
    "celu": "CELU",
    "selu": "SELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "prelu": "PReLU",
    "rrelu": "RReLU",
    "crelu": "CReLU",
    "srelu": "SReLU",
    "frelu": "FReLU",
    "xielu": "XIELU",
    "telu": "TeLU",
    "smelu": "SmeLU",
    "elish": "ELiSH",
    "lisht": "LiSHT",
    "isru": "ISRU",
    "isrlu": "ISRLU",
    "glu": "GLU",
    "geglu": "GEGLU",
    "reglu": "ReGLU",
    "swiglu": "SwiGLU",
    "tanhexp": "TanhExp",
    "sqrtsoftplus": "SqrtSoftplus",
}


@dataclass(frozen=True)
class Argument:
    """One argument of a door's function or layer.

    Attributes:
        name: as this library spells it.
        default: the value used where none is given.
        aliases: what frameworks call it; accepted too.
        integer: an axis or a count.
        choices: the values of a flag that chooses another activation, such as ``approximate``;
            empty for a parameter.
        learnable: layers train it.
        drawn: layers draw it anew while training.
        meaning: half a line for people, with the allowed values.
    """

    name: str
    default: Any
    aliases: tuple[str, ...] = ()
    integer: bool = False
    choices: tuple[Any, ...] = ()
    learnable: bool = False
    drawn: bool = False
    meaning: str = ""


@dataclass(frozen=True)
class Listing:
    """How one activation is offered: ``leaky_relu``, ``LeakyReLU``, its arguments in order."""

    activation: Activation
    function: str
    layer: str
    arguments: tuple[Argument, ...]


def layer_name(name: str) -> str:
    """The class name of an activation: ``leaky_relu`` -> ``LeakyReLU``, ``mish`` -> ``Mish``."""
    parts = (part for part in name.split("_") if part)
    spelled = "".join(
        _SPELLED[word] + part[len(word) :]
        if (word := part.rstrip("0123456789")) in _SPELLED
        else part[:1].upper() + part[1:]
        for part in parts
    )
    return spelled if spelled != name else f"{spelled}Layer"  # a function has the name already


@cache
def listing(activation: Activation) -> Listing:
    """What the doors offer of an activation; its present parameter values are the defaults."""
    arguments = [
        Argument(
            parameter.name,
            activation.parameters[parameter.name],
            aliases=parameter.aliases,
            integer=parameter.integer,
            learnable=parameter.learnable,
            drawn=parameter.drawn,
            meaning=parameter.meaning
            + ("" if parameter.integer else f", in {parameter.interval}" * bool(parameter.meaning)),
        )
        for parameter in activation.declared
    ]
    for flag, choices in activation.flags.items():
        stays = [c for c, variant in choices.items() if variant in ("", activation.name)]
        variants = sorted({v for v in choices.values() if v not in ("", activation.name)})
        arguments.append(
            Argument(
                flag,
                stays[0] if stays else None,
                choices=tuple(choices),
                meaning=f"chooses {' or '.join(variants)}" if variants else "accepted, no effect",
            )
        )
    name = activation.name
    return Listing(activation, name, layer_name(name), tuple(arguments))


def listings() -> Iterator[Listing]:
    """The listing of every entry at its defaults, sorted by name; user-defined ones included."""
    return (listing(get(name)) for name in names())


def chosen(activation: Activation, keywords: Mapping[str, Any]) -> tuple[Activation, dict]:
    """The activation that flags among ``keywords`` choose, and the keywords that are left.

    >>> chosen(rf.gelu, {"approximate": "tanh"})
    (<Activation gelu_tanh>, {})

    What is left may be arrays; give it to the activation's call.

    Raises:
        InputError: a flag has a value that is none of its choices.
    """
    rest = dict(keywords)
    flags = {flag: rest.pop(flag) for flag in activation.flags if flag in rest}
    return (get(activation.name, **flags) if flags else activation), rest


def signature(
    listed: Listing, first: Iterable[str] = ("x",), last: Iterable[str] = ()
) -> inspect.Signature:
    """The Python signature of a door's function (``first`` is its arrays) or layer."""
    positional, keyword = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY
    either: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    first, second = list(first), []
    if first and listed.activation.kind == "gated":  # glu(x), which it halves, or glu(a, b)
        second, either = [inspect.Parameter("other", positional, default=None)], keyword
    return inspect.Signature(
        [
            *(inspect.Parameter(name, positional) for name in first),
            *second,
            *(
                inspect.Parameter(a.name, keyword if a.choices else either, default=a.default)
                for a in listed.arguments
            ),
            *(inspect.Parameter(name, keyword, default=None) for name in last),
        ]
    )


def document(listed: Listing) -> str:
    """The docstring of a door's function or layer."""
    activation = listed.activation
    lines = [activation.summary, ""]
    if listed.arguments:
        lines.append("Args:")
    for argument in listed.arguments:
        also = f"; also as {', '.join(argument.aliases)}" * bool(argument.aliases)
        trained = "; trained by the layer" * argument.learnable
        drawn = "; drawn anew by the layer while training" * argument.drawn
        lines.append(f"    {argument.name}: {argument.meaning}{also}{trained}{drawn}.")
    lines += [""] * bool(listed.arguments)
    lines += [f"Formula, facts and peers: ``rectifier.get({activation.name!r})``.", ""]
    lines.append(activation.paper)
    return "\n".join(lines).strip()


def dressed(function: Any, listed: Listing, module: str, first: Iterable[str] = ("x",)) -> Any:
    """``function`` with the name, the signature and the documentation of a listing."""
    function.__name__ = function.__qualname__ = listed.function
    function.__module__ = module
    function.__doc__ = document(listed)
    function.__signature__ = signature(listed, first)
    return function


def entrances(
    module: str,
    function: Callable[[Listing], Any],
    layer: Callable[[Listing], Any] | None = None,
    own: Iterable[str] = (),
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a door; ``__all__`` comes from the first.

    Each object is made when first asked for, then kept, so that it is one object: it can be
    compared, and pickled by its name.

    Args:
        module: the door's ``__name__``.
        function, layer: make what a listing's names stand for.
        own: the door's further public names.
    """
    own = tuple(own)
    make_function = cache(function)
    make_layer = cache(layer) if layer else None

    def offered() -> list[str]:
        layers = [listed.layer for listed in listings()] if make_layer else []
        return sorted({*own, *names(), *layers})

    def kept(name: str, listed: Listing, made: Any) -> Any:
        if listed.activation.text is None:  # no other can take its name; found at once from now on
            setattr(sys.modules[module], name, made)
        return made

    def find(name: str) -> Any:
        if name == "__all__":
            return offered()
        if not name.startswith("__"):
            if name in names():
                listed = listing(get(name))
                return kept(name, listed, make_function(listed))
            for listed in listings():
                if make_layer and listed.layer == name:
                    return kept(name, listed, make_layer(listed))
        close = [] if name.startswith("_") else nearest(name, offered())
        hint = f"; nearest: {', '.join(close)}" if close else ""
        raise AttributeError(f"module {module!r} has no attribute {name!r}{hint}")

    return find, offered


# -- type stubs -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stub:
    """What one door's stub says besides the entries.

    Attributes:
        head: imports and the door's own public names.
        array: the type of arrays there.
        number: the type of a parameter in a call.
        base: the layers' base class; empty without layers.
        options: what every layer takes besides, as source.
        every: what every function takes besides.
        learning: what layers take that learn; ``each``, for each learnable parameter ``{0}``.
        drawing: what layers take that draw.
        calls: what functions of a kind take besides; those that draw, of the kind "drawn".
        kinds: what layers of a kind take besides.
        first: of what they take, by layer, what comes before the parameters.
    """

    head: str
    array: str
    number: str
    base: str = ""
    options: str = ""
    every: str = ""
    learning: str = ""
    each: str = ""
    drawing: str = ""
    calls: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, str] = field(default_factory=dict)


STUBS = {
    "jax": Stub(
        head="from typing import Any\n\nfrom jax import Array\nfrom jax.typing import ArrayLike\n",
        array="Array",
        number="ArrayLike",
    ),
    "keras": Stub(
        head="""from typing import Any

from rectifier.keras.functions import Function as Function
from rectifier.keras.functions import get as get
from rectifier.keras.layers import Layer as Layer
from rectifier.keras.strings import register_strings as register_strings
""",
        array="Any",
        number="Any",
        base="Layer",
        options="name: str | None = ..., dtype: Any = ..., trainable: bool = ...",
        learning="shared_axes: Any = ...",
        each="{0}_initializer: Any = ..., {0}_regularizer: Any = ..., {0}_constraint: Any = ...",
        drawing="seed: int | None = ...",
    ),
    "torch": Stub(
        head="""from typing import Any, Literal

from torch import Tensor

from rectifier.torch.layers import Layer as Layer
from rectifier.torch.models import low_memory as low_memory
""",
        array="Tensor",
        number="float | Tensor",
        base="Layer",
        options='memory: Literal["exact", "low"] = "exact"',
        every='memory: Literal["exact", "low"] = "exact"',
        learning="num_parameters: int = 1, device: Any = None, dtype: Any = None",
        calls={
            "elementwise": "inplace: bool = False",
            "along_axis": "dtype: Any = None",
            "drawn": "training: bool = False",
        },
        kinds={"elementwise": "inplace: bool = False"},
        first={"PReLU": "num_parameters: int = 1"},  # as in PyTorch
    ),
}


def stub_text(door: str) -> str:
    """The stub of a door over the catalogue; activations made by ``define`` are not in it."""
    stub = STUBS[door]
    listed = [entry for entry in listings() if entry.activation.text is None]
    lines = ["# Written by `python -m rectifier.doors`.", stub.head]
    for entry in listed:
        given = "ArrayLike" if door == "jax" else stub.array
        arrays = [f"x: {given}", "/"]
        if entry.activation.kind == "gated":
            arrays = [f"x: {given}", f"other: {given} | None = None", "/", "*"]
        kinds = [entry.activation.kind, *["drawn"] * any(a.drawn for a in entry.arguments)]
        besides = [*(stub.calls[kind] for kind in kinds if kind in stub.calls), stub.every]
        others = ", ".join(filter(None, besides))
        lines.append(_def(entry.function, arrays, entry, stub.number, f" -> {stub.array}", others))
    for entry in listed if stub.base else ():
        lines.append(f"class {entry.layer}({stub.base}):")
        learnt = [a.name for a in entry.arguments if a.learnable]
        options = [stub.options, stub.kinds.get(entry.activation.kind, "")]
        options += [stub.learning * bool(learnt)]
        options += [stub.each.format(name) for name in learnt]
        options += [stub.drawing * any(a.drawn for a in entry.arguments)]
        others = ", ".join(filter(None, options))
        start = ["self"]
        if entry.layer in stub.first:
            start.append(stub.first[entry.layer])
            others = others.replace(f"{start[1]}, ", "")
        lines.append("    " + _def("__init__", start, entry, "float", " -> None", others))
    return "\n".join(lines) + "\n"


def _def(
    name: str, first: list[str], entry: Listing, number: str, result: str, options: str = ""
) -> str:
    """One function of a stub, in one line."""
    arguments = list(first)
    others: list[str] = []
    for a in entry.arguments:
        kind = "Any" if a.choices else "int" if a.integer else number
        default = "..." if a.default in (None, math.inf) else repr(a.default)
        (others if a.choices else arguments).append(f"{a.name}: {kind} = {default}")
        others += [f"{alias}: {kind} = ..." for alias in a.aliases if not iskeyword(alias)]
    others += [options] * bool(options)
    star = ["*"] * bool(others and "*" not in first)
    return f"def {name}({', '.join([*arguments, *star, *others])}){result}: ..."


def stub_path(door: str) -> Path:
    """Where a door's stub is: beside its module."""
    here = Path(__file__).parent
    package = here / door / "__init__.pyi"
    return package if package.parent.is_dir() else here / f"{door}.pyi"


def main() -> None:
    """Writes every stub."""
    for door in STUBS:
        stub_path(door).write_text(stub_text(door), encoding="utf-8")
        sys.stdout.write(f"{stub_path(door)}\n")


if __name__ == "__main__":
    main()
