"""Plain strings: ``Dense(8, activation="LeakyReLU")``, for as long as the user wants them."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rectifier import catalog, doors
from rectifier.errors import InputError
from rectifier.keras.functions import Function


def register_strings() -> Registered:
    """Makes Keras understand our names: ``Dense(8, activation="LeakyReLU")``.

    Every name, alias and layer name of the catalogue that Keras does not know yet; what Keras
    knows stays Keras' (``"leaky_relu"`` is its own, with a slope of 0.2; ``"LeakyReLU"`` is then
    ours, with 0.01). Activations that learn, draw or change the number of features are left out,
    since one object would be shared by every layer that names it: give ``rk.get("prelu")``.
    A model built so is saved with our registered names, so it loads without this call.

    Keras looks strings up in the dictionary ``ALL_OBJECTS_DICT`` of ``keras.src.activations``,
    which is private; this function adds to it (tried with Keras 3.15). Nothing else here
    leans on it.

    Returns:
        What has been added. ``undo()`` takes it out again; so does leaving a ``with`` block.

    Raises:
        InputError: this Keras has no such dictionary.
    """
    table = _table()
    added: dict[str, Function] = {}
    for listed in doors.listings():
        activation = listed.activation
        fixed = not any(p.learnable or p.drawn for p in activation.declared)
        if fixed and activation.kind in ("elementwise", "along_axis"):
            for spelling in (listed.function, listed.layer, *activation.aliases):
                if spelling not in table:
                    added[spelling] = Function(catalog.get(listed.function))
    table.update(added)
    return Registered(table, added)


class Registered:
    """The strings that :func:`register_strings` has added.

    Attributes:
        names: the strings, sorted.
    """

    def __init__(self, table: dict[str, Any], added: dict[str, Function]) -> None:
        self.names = sorted(added)
        self._table = table
        self._added = added

    def undo(self) -> None:
        """Takes them out again; what somebody has put in their place stays."""
        for name, function in self._added.items():
            if self._table.get(name) is function:
                del self._table[name]

    def __enter__(self) -> Registered:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.undo()


def _table() -> dict[str, Any]:
    import keras

    try:
        from keras.src.activations import ALL_OBJECTS_DICT
    except ImportError:
        raise InputError(
            f"Keras {keras.__version__} keeps its strings elsewhere; "
            'give the function, e.g. activation=rectifier.keras.get("LeakyReLU")'
        ) from None
    return ALL_OBJECTS_DICT
