"""Keras model files, read without running anything that they bring along."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from rectifier.errors import InputError, MissingLibrary


def load_keras(path: str | Path) -> Any:
    """A model from a ``.keras`` file, in safe mode: code inside the file is never run.

    Layers and functions of ``rectifier.keras`` are known; a model with custom code of its own is
    diagnosed from Python, where that code can be imported first.

    Raises:
        InputError: no such file, not a model, or one that wants unsafe loading; one line.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"no such file: {path}")
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is not a Keras model file; save one with model.save('model.keras')"
        )
    try:
        import keras
    except ImportError as error:
        raise MissingLibrary("keras", "keras") from error
    import rectifier.keras  # noqa: F401  (registers our layers, which the file may name)

    try:
        return keras.saving.load_model(path, safe_mode=True)
    except Exception as error:
        # Keras raises whatever it stumbles over in a file: ValueError, TypeError, KeyError, h5py's
        # OSError. All of them say that this file cannot be read safely.
        said = " ".join(str(error).rpartition("Exception encountered:")[2].split())
        unknown = re.search(r"Could not locate \w+ '([^']+)'", said)
        if unknown is not None:
            raise InputError(
                f"{path} has {unknown[1]!r} in it, which neither Keras nor Rectifier knows; import "
                "the code that defines it, and use rf.diagnose or rf.swap in Python"
            ) from error
        code = "identifier: {'value': ["  # the bytes of a lambda that a layer was given
        if code in said or "safe_mode" in said or re.search("unsafe|lambda", said, re.IGNORECASE):
            raise InputError(
                f"{path} holds code (such as a Lambda layer), which is never run; rebuild the "
                "model with layers that have names"
            ) from error
        raise InputError(
            f"{path} cannot be loaded as a Keras model: {type(error).__name__}: {said[:200]}"
        ) from error


def save_keras(model: Any, path: str | Path) -> None:
    """Writes a model as a ``.keras`` file.

    Raises:
        InputError: another kind of file, or it cannot be written.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise InputError(f"a Keras model is saved as .keras, got {path}")
    try:
        model.save(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
