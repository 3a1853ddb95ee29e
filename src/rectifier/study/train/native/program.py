"""The trainer's machine code and the arrays that it works on, one set a task."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from rectifier.activation import Activation
from rectifier.kernels import compiler, cpu
from rectifier.kernels.source import Shape as KernelShape
from rectifier.study.train.native.job import ADVANCE, EXAMINE, FIELDS, LANES, Shape, padded
from rectifier.study.train.native.source import source
from rectifier.study.train.network import MLP, Weights

_DECAYS = (0.9, 0.999)  # Adam's, as in source.py


class Trainer:
    """Machine code for one network."""

    def __init__(self, shape: Shape, code: bytes) -> None:
        self.shape = shape
        self._loaded = compiler.Loaded(code)
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._loaded.address)

    def __call__(self, words: np.ndarray) -> None:
        """Does a job, without holding up other Python threads."""
        self._function(words.ctypes.data)


@cache
def trainer(network: MLP, classes: bool) -> Trainer:
    """The code for a network, from memory, from disk or compiled now (about a second)."""
    import llvmlite.binding as llvm

    registers = 32 if llvm.get_host_cpu_features().get("avx512vl") else 16
    shape = Shape(network.sizes, classes, LANES, columns=4 if registers == 32 else 2)
    made: Trainer = cpu.prepared(source(shape), "the trainer", lambda code: Trainer(shape, code))
    return made


def pair(activation: Activation) -> cpu.Kernel:
    """Value and derivative of an activation, in one pass over float32 numbers.

    Raises:
        TypeError: it uses a word that machine code does not have.
    """
    constants = tuple(float(p) for p in activation.parameters.values())
    shape = KernelShape("float32", "short", 0, constants, paired=True)
    return cpu.kernel(activation.rule.value, shape, activation.rule.derivative)


def _exp(x: Any) -> Any:
    return exp(x)  # type: ignore[name-defined]  # noqa: F821  # a word


def _log(x: Any) -> Any:
    return log(x)  # type: ignore[name-defined]  # noqa: F821


class Job:
    """One task in the trainer's hands. Arrays are [.., LANES]; see :mod:`.job`.

    Args:
        code: from :func:`trainer`.
        matrices: of every lane, [rows, inputs] float32.
        validation, asked: row numbers of every lane, int32.
        weights: [lanes, ...] initial ones.
        epochs: of the study at most.
    """

    def __init__(
        self,
        code: Trainer,
        activation: cpu.Kernel,
        *,
        matrices: Sequence[np.ndarray],
        shift: np.ndarray,
        scale: np.ndarray,
        targets: np.ndarray,
        target_shift: np.ndarray,
        target_scale: np.ndarray,
        validation: Sequence[np.ndarray],
        asked: Sequence[np.ndarray],
        weights: Weights,
        rates: Sequence[float],
        batch: int,
        steps: int,
        patience: int,
        epochs: int,
    ) -> None:
        self._code, self._words = code, np.zeros(len(FIELDS), np.int64)
        self._held: dict[str, Any] = {"activation": activation}  # what the words point to
        shape, self._steps = code.shape, steps
        one = KernelShape("float32", "short")
        self._numbers(pair=activation.address, exp=cpu.kernel(_exp, one).address)
        self._numbers(log=cpu.kernel(_log, one).address, batch=batch, steps=steps)
        self._numbers(patience=min(patience, 2**31 - 1), whole=epochs)
        self._addresses("matrices", matrices)
        self._arrays(
            shift=np.ascontiguousarray(shift.T, np.float32),
            scale=np.ascontiguousarray(scale.T, np.float32),
            targets=targets,
            target_shift=np.ascontiguousarray(target_shift, np.float32),
            target_scale=np.ascontiguousarray(target_scale, np.float32),
            rates=np.array(rates, np.float32),
        )
        flat = self._flat(weights)
        self._arrays(weights=flat, best=flat.copy())
        self._arrays(**{n: np.zeros_like(flat) for n in ("gradients", "means", "squares")})
        self._rows("validation", "valid", "longest", validation)
        self._rows("asked", "asked_counts", "asked_longest", asked)
        longest = -(-max(map(len, asked)) // 4) * 4
        self.outputs = np.zeros((longest, shape.sizes[-1], LANES), np.float32)
        self.curves = np.full((3, epochs, LANES), np.nan, np.float32)
        self.best_loss = np.full(LANES, np.inf, np.float32)
        names = ("best_epoch", "done", "stopped", "diverged")
        self.best_epoch, self.done, self.stopped, self.diverged = np.zeros((4, LANES), np.int32)
        self._arrays(**{name: getattr(self, name) for name in (*names, "best_loss", "curves")})
        self.sparsity, self.ratio = np.zeros((2, LANES), np.float32)
        self._arrays(sparsity=self.sparsity, ratio=self.ratio, outputs=self.outputs)
        scratch = np.zeros(shape.scratch()["end"] // 4, np.float32)
        self._arrays(scratch=scratch, everyone=np.zeros(LANES, np.int64))

    def advance(self, orders: Sequence[np.ndarray], first: int, epochs: int) -> None:
        """Trains up to ``epochs`` more epochs from epoch ``first`` (0-based).

        Args:
            orders: of every lane, [at least epochs, steps * batch] int32 row numbers.
        """
        done = first * self._steps
        steps = np.arange(done + 1, done + epochs * self._steps + 1, dtype=np.float64)
        corrections = np.stack([1 / (1 - decay**steps) for decay in _DECAYS], axis=1)
        self._addresses("orders", orders)
        self._arrays(corrections=corrections.astype(np.float32))
        self._numbers(what=ADVANCE, first=first, epochs=epochs)
        self._code(self._words)

    def examine(self) -> None:
        """Fills ``outputs``, ``sparsity`` and ``ratio`` from the best weights."""
        self._numbers(what=EXAMINE)
        self._code(self._words)

    def lane(self, place: int) -> dict[str, Any]:
        """What is known of one lane, for :meth:`Engine._finished`."""
        return {
            "best_loss": self.best_loss[place],
            "best_epoch": self.best_epoch[place],
            "epochs": self.done[place],
            "diverged": self.diverged[place],
            "curves": self.curves[:, :, place],
            "sparsity": self.sparsity[place],
            "gradient_ratio": self.ratio[place],
        }

    # -- words --------------------------------------------------------------------------------

    def _numbers(self, **values: int) -> None:
        for name, value in values.items():
            self._words[FIELDS.index(name)] = value

    def _arrays(self, **arrays: np.ndarray) -> None:
        self._held |= arrays
        self._numbers(**{name: array.ctypes.data for name, array in arrays.items()})

    def _addresses(self, name: str, arrays: Sequence[np.ndarray]) -> None:
        """An array of the lanes' addresses."""
        self._held[f"each of {name}"] = arrays
        self._arrays(**{name: np.array([a.ctypes.data for a in arrays], np.int64)})

    def _rows(self, name: str, counts: str, longest: str, rows: Sequence[np.ndarray]) -> None:
        self._addresses(name, rows)
        lengths = np.array([len(r) for r in rows], np.int64)
        self._arrays(**{counts: lengths})
        self._numbers(**{longest: int(lengths.max())})

    def _flat(self, weights: Weights) -> np.ndarray:
        """[weights, LANES] in the order of :class:`~rectifier.study.train.native.job.Shape`."""
        parts = []
        for kernel, bias in weights:
            lanes, inputs, units = kernel.shape
            wide = np.zeros((lanes, inputs + 1, padded(units)), np.float32)
            wide[:, :inputs, :units], wide[:, inputs, :units] = kernel, bias
            parts.append(wide.reshape(lanes, -1))
        return np.ascontiguousarray(np.concatenate(parts, axis=1).T)
