"""Rectifier: which activation function, and why is my network stuck?

* choose: ``rf.compare(data, target="y")``, ``rf.inspect(data, target="y")``
* repair: ``rf.diagnose(model, data)``, ``rf.swap(model, {"relu": "leaky_relu"})``
* use: ``rf.get("leaky_relu(negative_slope=0.2)")``, ``rf.names()``, ``rf.define(...)``, and every
  activation by its own name: ``rf.mish(x)``

Importing this package imports no array library; each is asked for when first needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rectifier.activation import Activation, Facts, Parameter
from rectifier.catalog import define, get, names
from rectifier.errors import InputError, RectifierError

if TYPE_CHECKING:
    from rectifier.choose import Inspection, Study, compare, inspect
    from rectifier.repair.diagnosis import Diagnosis, diagnose
    from rectifier.repair.live import watch
    from rectifier.repair.swapping import Swapped, swap

__version__ = "0.1.0"

# Names that need the extra "study", fetched on first use.
_STUDY = ("Inspection", "Study", "compare", "inspect")
# Names that need the library of the model.
_REPAIR = {"Diagnosis": "diagnosis", "diagnose": "diagnosis", "watch": "live"}
_REPAIR |= {"Swapped": "swapping", "swap": "swapping"}

__all__ = [
    "Activation",
    "Diagnosis",
    "Facts",
    "InputError",
    "Inspection",
    "Parameter",
    "RectifierError",
    "Study",
    "Swapped",
    "__version__",
    "compare",
    "define",
    "diagnose",
    "get",
    "inspect",
    "names",
    "swap",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _STUDY:
        from rectifier import choose

        return getattr(choose, name)
    if name in _REPAIR:
        return getattr(import_module(f"rectifier.repair.{_REPAIR[name]}"), name)
    if name in names():
        found = get(name)
        if found.text is None:  # no other can take its name; found at once from now on
            globals()[name] = found
        return found
    raise AttributeError(f"module 'rectifier' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *names()})
