"""The door for Keras 3: every activation as a function and as a layer, on every backend.

>>> from rectifier import keras as rk
>>> Dense(8, activation=rk.mish), Dense(8, activation=rk.get("LeakyReLU", alpha=0.2))
>>> rk.LeakyReLU(), rk.PReLU(shared_axes=[1, 2]), rk.GELU(approximate="tanh")

Models save to ``.keras`` and load with safe mode on, wherever this module has been imported:
everything is registered with Keras under the package ``rectifier``, nothing under a bare name.
How to use it, and what differs from Keras' own: ``docs/keras.md``. Names and arguments:
:mod:`rectifier.doors`.
"""

from __future__ import annotations

from rectifier import doors
from rectifier.errors import MissingLibrary

try:
    import keras as _keras  # noqa: F401  (before our own files, which need it)
except ImportError as error:
    raise MissingLibrary("keras", "keras") from error

from rectifier.keras.functions import Function
from rectifier.keras.functions import get as get
from rectifier.keras.layers import Layer as Layer
from rectifier.keras.layers import layer_class
from rectifier.keras.strings import register_strings as register_strings

__getattr__, __dir__ = doors.entrances(
    __name__, Function.of, layer_class, own=("Function", "Layer", "get", "register_strings")
)

# A file names its layers by class, so every class has to be known before one is loaded.
for _listed in doors.listings():
    layer_class(_listed)
