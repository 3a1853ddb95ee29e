"""Which trainer a study has: machine code of our own where it serves, else JAX."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from rectifier import catalog
from rectifier.errors import InputError, MissingLibrary
from rectifier.kernels import cpu
from rectifier.study.settings import Settings
from rectifier.study.train.problem import Problem


def trainer_for(settings: Settings) -> str:
    """``native`` or ``jax``: the one that trains every run of a study.

    Their numbers agree to float32 rounding and no further, so a study has one of them for all
    its runs, wherever they are trained; the journal keeps which.

    Raises:
        InputError: ``settings.trainer`` asks for one that cannot train such a network.
        MissingLibrary: ``settings.trainer`` asks for the one that needs LLVM, which is missing.
    """
    if settings.trainer == "native" and not _plain(settings):
        raise InputError(
            "the native trainer trains dense layers without weight decay, dropout or batch norm; "
            "leave out --trainer"
        )
    if settings.trainer == "native" and not cpu.available():
        raise MissingLibrary("llvmlite", "fast")
    if settings.trainer != "auto":
        return settings.trainer
    return "native" if _served(settings) and not _accelerated() else "jax"


def local_engine(problem: Problem, settings: Settings, lanes: int) -> Any:
    """The engine of this machine: a :class:`~rectifier.study.train.engine.Engine`."""
    if trainer_for(settings) == "native":
        from rectifier.study.train.native.engine import NativeEngine

        return NativeEngine(problem, settings, lanes)
    from rectifier.study.train.jax_engine import JaxEngine

    return JaxEngine(problem, settings, lanes)


def _served(settings: Settings) -> bool:
    """What the native trainer can do: dense layers, and activations in words of machine code."""
    if not _plain(settings) or not cpu.available():
        return False
    from rectifier.ops.on_llvm import written

    for entry in map(catalog.get, settings.activations):
        constants = tuple(float(p) for p in entry.parameters.values())
        try:
            written(entry.rule.value, constants, "short", entry.rule.derivative)
        except TypeError:  # a word that is not said of single numbers
            return False
    return True


def _plain(settings: Settings) -> bool:
    options = settings.weight_decay or settings.dropout or settings.batch_norm
    return settings.network == "mlp" and not options


def _accelerated() -> bool:
    """Whether JAX sees a GPU. It is asked only where a plug-in for one is installed: asking
    takes a second."""
    if find_spec("jax_plugins") is None:
        return False
    import jax

    return bool(jax.default_backend() != "cpu")
