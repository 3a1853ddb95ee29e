"""Vectorised training: one compiled program trains many runs of any activation side by side.

A run is a lane. ``vmap`` lays the lanes of a task beside each other, ``lax.switch`` on a number
per device chooses the activation (so that one compilation serves them all), ``shard_map`` gives
every core (JAX host device) or GPU a task of its own. The table lies there once; batches are
row numbers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from rectifier.activation import Activation
from rectifier.ops import on_jax
from rectifier.study.train.network import (
    DEAD_EPSILON,
    DEAD_SHARE,
    MLP,
    NEAR,
    SILENT,
    Weights,
    with_averages,
)


def use_all_cores() -> list[Any]:
    """The devices to train on: GPUs if JAX sees any, else one host device a core.

    XLA runs a program of small operations on one core, so each core is made a device of its
    own. That has to be said before JAX first looks at its devices; where a program has used JAX
    already, what is there is taken.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with contextlib.suppress(RuntimeError):  # JAX is up already
        # At least two: XLA compiles for one device a little otherwise, and the last bit differs.
        jax.config.update("jax_num_cpu_devices", max(cores or 1, 2))
    return jax.devices()


def keep_compiled_programs() -> None:
    """Lets a second study of the same shape start at once: XLA's cache in the user's cache folder.

    A cache that the user has set up for JAX already is left as it is.
    """
    if jax.config.jax_compilation_cache_dir is not None:
        return
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rectifier" / "xla"
    with contextlib.suppress(OSError):  # a home that cannot be written: every study compiles
        folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))


@dataclass(frozen=True)
class Lanes:
    """What distinguishes the lanes of a call; leading axis devices x lanes unless said otherwise.

    Attributes:
        activation: [devices] int32, which branch each device takes.
        learning_rate: float32.
        matrix: int32, which feature matrix.
        shift, scale: [.., columns] float32, standardisation of the inputs.
        target_shift, target_scale: float32.
        validation: [.., rows] int32, padded with any row.
        valid: [.., rows] bool, False where padded.
        draw: uint32, seed of what is drawn in training.
    """

    activation: Any
    learning_rate: Any
    matrix: Any
    shift: Any
    scale: Any
    target_shift: Any
    target_scale: Any
    validation: Any
    valid: Any
    draw: Any


@dataclass(frozen=True)
class State:
    """Where training stands; leading axis devices x lanes.

    ``best`` are the weights with the lowest validation loss so far. ``curves``
    [.., 3, epochs] are training loss, validation loss and dead fraction, NaN where not run.
    """

    weights: Weights
    optimizer: Any
    best: Weights
    best_loss: Any
    best_epoch: Any
    epochs: Any
    stopped: Any
    diverged: Any
    curves: Any


for _record in (Lanes, State):
    jax.tree_util.register_dataclass(_record)


@dataclass(frozen=True)
class Examined:
    """Outputs [.., rows, outputs] on asked rows; sparsity and gradient ratio on validation rows."""

    outputs: np.ndarray
    sparsity: np.ndarray
    gradient_ratio: np.ndarray


class Program:
    """The compiled trainer for one network, one table and one list of activations.

    Args:
        network: its pure functions.
        activations: the branches, in the order of ``Lanes.activation``.
        matrix: [matrices, rows, columns] float32 inputs.
        targets: [rows] int32 classes, or float32 values.
        epochs, patience, batch_size, weight_decay: as in Settings.
        devices: from :func:`use_all_cores`.
    """

    def __init__(
        self,
        network: MLP,
        activations: list[Activation],
        matrix: np.ndarray,
        targets: np.ndarray,
        *,
        epochs: int,
        patience: int,
        batch_size: int,
        weight_decay: float = 0.0,
        devices: list[Any],
    ) -> None:
        self.network = network
        self.epochs, self.patience, self.batch_size = epochs, patience, batch_size
        self.devices, self._weight_decay = len(devices), weight_decay
        self._optimizer = optax.scale_by_adam()
        self._values = [_branch(on_jax.function(a.rule), a) for a in activations]
        self._slopes = [
            _branch(partial(on_jax.derivative, a.rule), a, late=True) for a in activations
        ]
        self._classes = np.issubdtype(targets.dtype, np.integer)

        mesh = Mesh(np.array(devices), ("device",))
        everywhere = NamedSharding(mesh, P())
        self._spread = NamedSharding(mesh, P("device"))
        self._table = jax.device_put((matrix, targets), everywhere)
        split, same = P("device"), P()
        self._advance = jax.jit(
            jax.shard_map(
                self._advance_device,
                mesh=mesh,
                in_specs=(split, split, split, same, same, same),
                out_specs=split,
                check_vma=False,
            ),
            donate_argnums=0,
        )
        self._examine = jax.jit(
            jax.shard_map(
                self._examine_device,
                mesh=mesh,
                in_specs=(split, split, split, same),
                out_specs=split,
                check_vma=False,
            )
        )

    # -- from outside -------------------------------------------------------------------------

    def start(self, weights: Weights) -> State:
        """State before the first epoch; ``weights`` have the leading axis."""
        lanes = len(weights[0][1])
        weights = jax.device_put(weights, self._spread)
        state = State(
            weights=weights,
            optimizer=jax.vmap(self._optimizer.init)(weights),
            best=jax.tree.map(jnp.copy, weights),
            best_loss=np.full(lanes, np.inf, np.float32),
            best_epoch=np.zeros(lanes, np.int32),
            epochs=np.zeros(lanes, np.int32),
            stopped=np.zeros(lanes, bool),
            diverged=np.zeros(lanes, bool),
            curves=np.full((lanes, 3, self.epochs), np.nan, np.float32),
        )
        return jax.device_put(state, self._spread)

    def place(self, lanes: Lanes) -> Lanes:
        return jax.device_put(lanes, self._spread)

    def advance(
        self, state: State, lanes: Lanes, order: np.ndarray, first: int, count: int
    ) -> State:
        """Trains up to ``count`` more epochs from epoch ``first`` (0-based); ``state`` is used up.

        Args:
            order: [devices x lanes, at least count, steps, batch] int32 row numbers. Its shape,
                not ``count``, decides what is compiled.
        """
        order = jax.device_put(order, self._spread)
        state = self._advance(state, lanes, order, self._table, np.int32(first), np.int32(count))
        return jax.block_until_ready(state)

    def examine(self, state: State, lanes: Lanes, rows: np.ndarray) -> Examined:
        """What the best weights give on ``rows`` [devices x lanes, rows] (padded with any row)."""
        rows = jax.device_put(rows, self._spread)
        return Examined(*map(np.asarray, self._examine(state.best, lanes, rows, self._table)))

    # -- on one device ------------------------------------------------------------------------

    def _advance_device(
        self, state: State, lanes: Lanes, order: Any, table: Any, first: Any, count: Any
    ) -> State:
        def unfinished(carry: tuple[Any, State]) -> Any:
            done, state = carry
            return (done < count) & ~jnp.all(state.stopped)

        def epoch(carry: tuple[Any, State]) -> tuple[Any, State]:
            done, state = carry
            visited = order[:, done]
            lane = partial(self._epoch, lanes.activation[0], table, first + done)
            per_lane = _without_activation(lanes)
            return done + 1, jax.vmap(lane)(state, per_lane, visited)

        return jax.lax.while_loop(unfinished, epoch, (jnp.int32(0), state))[1]

    def _epoch(
        self, branch: Any, table: Any, number: Any, state: State, lane: Lanes, visited: Any
    ) -> State:
        """One epoch of one lane; a lane that has stopped stays as it is."""
        activation = self._switch(self._values, branch)

        def step(carry: tuple[Any, Any], at: tuple[Any, Any]) -> tuple[tuple[Any, Any], Any]:
            weights, optimizer = carry
            x, y = self._gather(table, lane, at[0])

            def loss_of(weights: Weights) -> tuple[Any, Weights]:
                outputs, moved = self.network.apply_training(weights, x, activation, at[1])
                return self._losses(outputs, y).mean(), moved

            (loss, moved), gradient = jax.value_and_grad(loss_of, has_aux=True)(weights)
            update, optimizer = self._optimizer.update(gradient, optimizer)
            update = self._decayed(update, weights)
            weights = jax.tree.map(lambda w, u: w - lane.learning_rate * u, weights, update)
            return (with_averages(weights, moved), optimizer), loss

        keys = None
        if self.network.dropout:
            key = jax.random.fold_in(jax.random.key(lane.draw), number)
            keys = jax.random.split(key, len(visited))
        carry = (state.weights, state.optimizer)
        (weights, optimizer), losses = jax.lax.scan(step, carry, (visited, keys))
        training = losses.mean()
        validation, dead = self._validate(branch, table, lane, weights)
        finite = jnp.isfinite(training) & jnp.isfinite(validation)
        better = finite & (validation < state.best_loss)
        best_epoch = jnp.where(better, number + 1, state.best_epoch)
        after = State(
            weights=weights,
            optimizer=optimizer,
            best=_choose(better, weights, state.best),
            best_loss=jnp.where(better, validation, state.best_loss),
            best_epoch=best_epoch,
            epochs=number + 1,
            stopped=~finite | (number + 1 - best_epoch >= self.patience),
            diverged=~finite,
            curves=state.curves.at[:, number].set(jnp.stack([training, validation, dead])),
        )
        return _choose(state.stopped, state, after)

    def _validate(self, branch: Any, table: Any, lane: Lanes, weights: Weights) -> tuple[Any, Any]:
        """Mean loss on all validation rows, dead fraction on the first block of them."""
        activation = self._switch(self._values, branch)
        slope = self._switch(self._slopes, branch)
        rows, valid = _blocks(lane.validation), _blocks(lane.valid)

        def block(total: Any, part: Any) -> tuple[Any, Any]:
            x, y = self._gather(table, lane, part[0])
            outputs, _ = self.network.apply(weights, x, activation)
            return total + jnp.where(part[1], self._losses(outputs, y), 0.0).sum(), None

        total, _ = jax.lax.scan(block, jnp.float32(0), (rows, valid))
        x, _ = self._gather(table, lane, rows[0])
        _, hidden = self.network.apply(weights, x, activation)
        needed = DEAD_SHARE * valid[0].sum()
        dead = [
            ((jnp.abs(slope(z)) < DEAD_EPSILON) & valid[0][:, None]).sum(0) >= needed
            for z in hidden
        ]
        return total / lane.valid.sum(), jnp.concatenate(dead).mean()

    def _examine_device(self, best: Weights, lanes: Lanes, rows: Any, table: Any) -> Any:
        lane = partial(self._examine_lane, lanes.activation[0], table)
        return jax.vmap(lane)(best, _without_activation(lanes), rows)

    def _examine_lane(
        self, branch: Any, table: Any, weights: Weights, lane: Lanes, rows: Any
    ) -> tuple[Any, Any, Any]:
        activation = self._switch(self._values, branch)

        def block(_: None, part: Any) -> tuple[None, Any]:
            x, _ = self._gather(table, lane, part)
            return None, self.network.apply(weights, x, activation)[0]

        _, outputs = jax.lax.scan(block, None, _blocks(rows))
        outputs = outputs.reshape(-1, outputs.shape[-1])[: rows.shape[0]]

        near, valid = _blocks(lane.validation)[0], _blocks(lane.valid)[0]
        x, y = self._gather(table, lane, near)
        _, hidden = self.network.apply(weights, x, activation)
        silent = [(jnp.abs(activation(z)) < SILENT) & valid[:, None] for z in hidden]
        units = sum(z.shape[1] for z in hidden)
        sparsity = sum(s.sum() for s in silent) / (units * valid.sum())
        gradient = jax.grad(self._mean_loss)(weights, x, y, activation, valid)
        first, last = (jnp.linalg.norm(gradient[layer][0]) for layer in (0, -1))
        return outputs, sparsity, first / last

    def _decayed(self, update: Weights, weights: Weights) -> Weights:
        """Adam's update plus a share of each kernel (AdamW's decoupled decay; no biases)."""
        if not self._weight_decay:
            return update
        share, pairs = self._weight_decay, zip(update, weights, strict=True)
        return [(layer[0] + share * kernel, *layer[1:]) for layer, (kernel, *_) in pairs]

    # -- small parts --------------------------------------------------------------------------

    def _switch(self, branches: list[Callable[[Any], Any]], branch: Any) -> Callable[[Any], Any]:
        return lambda z: jax.lax.switch(branch, branches, z)

    def _gather(self, table: Any, lane: Lanes, rows: Any) -> tuple[Any, Any]:
        matrix, targets = table
        x = (matrix[lane.matrix, rows] - lane.shift) * lane.scale
        y = targets[rows]
        return x, y if self._classes else (y - lane.target_shift) / lane.target_scale

    def _losses(self, outputs: Any, y: Any) -> Any:
        """[rows]: cross-entropy in nats, or squared error of the standardised target."""
        if self._classes:
            return optax.softmax_cross_entropy_with_integer_labels(outputs, y)
        return (outputs[:, 0] - y) ** 2

    def _mean_loss(
        self, weights: Weights, x: Any, y: Any, activation: Any, valid: Any = None
    ) -> Any:
        outputs, _ = self.network.apply(weights, x, activation)
        return jnp.mean(self._losses(outputs, y), where=valid)


def _branch(function: Any, activation: Activation, late: bool = False) -> Callable[[Any], Any]:
    parameters = tuple(activation.parameters.values())
    if late:  # on_jax.derivative takes the parameters as one tuple
        return lambda z: function(z, parameters)
    return lambda z: function(z, *parameters)


def _without_activation(lanes: Lanes) -> Lanes:
    """The same with nothing in the one field that has no axis to map over."""
    fields = {k: v for k, v in vars(lanes).items() if k != "activation"}
    return Lanes(activation=None, **fields)


def _choose(condition: Any, yes: Any, no: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def _blocks(rows: Any) -> Any:
    """[rows] as [blocks, at most 4096], padded with zeros (False)."""
    size = min(rows.shape[0], NEAR)
    count = -(-rows.shape[0] // size)
    return jnp.pad(rows, (0, count * size - rows.shape[0])).reshape(count, size)
