"""Swapping in Keras models, on every backend."""

from __future__ import annotations

import copy
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras

from rectifier import keras as door
from rectifier.activation import Activation
from rectifier.doors import layer_name
from rectifier.errors import InputError
from rectifier.keras.functions import Applied
from rectifier.repair.sites import Site
from rectifier.repair.sites.on_keras import (
    SLOTS,
    Place,
    called_on,
    held,
    mode,
    nodes_of,
    survey,
    tensors,
)
from rectifier.repair.swapping import methods

__all__ = ["array", "copied", "memory", "outputs", "replaced"]


def copied(model: Any) -> Any:
    """A copy with its own weights and its optimiser's state, by way of Keras' own saving.

    Raises:
        InputError: something in the model cannot be saved.
    """
    kinds = {type(node) for node, _ in nodes_of(model)}
    own = {k.__name__: k for k in kinds if not k.__module__.startswith(("keras.", "rectifier."))}
    try:
        with keras.saving.custom_object_scope(own), _without_functions(model) as functions:
            made = copy.deepcopy(model)
    except (TypeError, ValueError, NotImplementedError) as error:
        said = " ".join(str(error).split())[:160]
        raise InputError(
            f"the model {model.name!r} cannot be copied ({said}); swap in it: inplace=True"
        ) from error
    # A layer of the user's whose config does not hold its name has another one now.
    for (old, _), (new, _) in zip([*nodes_of(model)], [*nodes_of(made)], strict=True):
        new.name = old.name
    layers = {path: node for node, path in nodes_of(made) if isinstance(node, keras.layers.Layer)}
    for path, attribute, function in functions:
        setattr(layers[path], attribute, function)
    return made


@contextmanager
def _without_functions(model: Any) -> Iterator[list[tuple[str, str, Any]]]:
    """Takes out the functions of the user's own that layers were given, while it is open.

    Keras cannot load a lambda that it saved, and takes a function called ``mish`` for its own.
    """
    taken: list[tuple[Any, str, str, Any]] = []
    for layer, path in nodes_of(model):
        for attribute in SLOTS:
            given = held(layer).get(attribute)
            module = getattr(given, "__module__", None) or ""
            if isinstance(given, types.FunctionType) and not module.startswith("keras."):
                taken.append((layer, path, attribute, given))
                setattr(layer, attribute, keras.activations.linear)
    try:
        yield [(path, attribute, given) for _, path, attribute, given in taken]
    finally:
        for layer, _, attribute, given in taken:
            setattr(layer, attribute, given)


def replaced(
    model: Any, wanted: Mapping[Site, Activation], data: Any
) -> tuple[dict[Site, str], Any]:
    """Puts the activations there; the sites that could not be reached, with the reasons."""
    places = {site.name: place for site, place in survey(model, data).sites.items()}
    reasons: dict[Site, str] = {}
    calls: dict[int, list[tuple[Site, methods.Task]]] = {}
    for site, activation in wanted.items():
        if site.activation == activation:
            continue
        place = places[site.name]
        reason = site.reachable or _refusal(site, place, activation)
        if reason:
            reasons[site] = reason
        elif place.path:
            task = methods.Task.of(place, _function(activation))
            calls.setdefault(id(place.owner), []).append((site, task))
        else:
            _replace(place, activation)
    owners = {id(place.owner): place.owner for place in places.values()}
    for owner, tasks in calls.items():
        can, cannot = methods.possible(owners[owner], tasks)
        reasons |= cannot
        if can:
            new = methods.methods_with(owners[owner], can)
            methods.give(owners[owner], {**new, "get_config": _refuse_config})
    for node, _ in nodes_of(model):
        if isinstance(node, keras.Model):  # what was compiled before computes what it did then
            node.train_function = node.test_function = node.predict_function = None
    return reasons, model


def _function(activation: Activation) -> Any:
    """For a call; what else the old function was given was its parameters."""
    function = door.get(activation)

    def swapped(x: Any, *_: Any, **__: Any) -> Any:
        return function(x)

    return swapped


def _refuse_config(layer: Any) -> Any:
    """In the place of ``get_config``, which would give a layer without the swap.

    Raises:
        InputError: always.
    """
    kind = type(layer).__name__
    raise InputError(
        f"calls in {kind}.call have been swapped, which a config cannot hold: save_weights(), and "
        f"rf.swap({kind}(...), ...) again on loading"
    )


def _refusal(site: Site, place: Place, activation: Activation) -> str | None:
    if not any(p.learnable for p in activation.declared):
        return None
    if site.how in ("call", "inside"):
        return f"{activation.name} learns, and there is no place for its weights"
    if site.how == "layer" and not place.owner._inbound_nodes:
        return f"{activation.name} learns, and only a graph tells the shape of its weights"
    return None


def _replace(place: Place, activation: Activation) -> None:
    owner, attribute = place.owner, place.attribute
    if attribute is None and not isinstance(owner, keras.layers.Layer):
        _become(owner, Applied(activation, name=owner.name))
    elif attribute is None:
        new = getattr(door, layer_name(activation.name))(
            **activation.parameters, name=owner.name, dtype=owner.dtype_policy
        )
        if any(p.learnable for p in activation.declared):
            new.build(owner._inbound_nodes[0].input_tensors[0].shape)
        new.built = True  # what builds it later would build the object that it came from
        _become(owner, new)
    else:
        _give(owner, attribute, door.get(activation))


def _become(owner: Any, new: Any) -> None:
    """``owner`` turns into what ``new`` is and keeps its place: name, graph, hooks, policy.

    A graph's nodes, a Sequential and the layers that hold it all point to the object; there is
    no public way to put another one in all those places.
    """
    kept = ("_inbound_nodes", "_outbound_nodes", "_parent_path", "_path", "_losses", "_metrics")
    state = {k: v for k, v in vars(owner).items() if k in kept}
    owner.__class__ = type(new)
    vars(owner).clear()
    vars(owner).update({**vars(new), **state})


def _give(layer: Any, attribute: str, new: Any) -> None:
    """``new`` in the place of what the layer was given; a layer of its own is built at once."""
    old = held(layer).get(attribute)
    if any(old is inner for inner in layer._layers):
        layer._layers.remove(old)
    # A built layer takes no new weights; Keras' own enable_lora opens it in this way.
    layer._tracker.unlock()
    setattr(layer, attribute, new)
    layer._tracker.lock()
    shapes = getattr(layer, "_build_shapes_dict", None)
    if isinstance(new, keras.layers.Layer) and shapes:
        new.build(layer.compute_output_shape(next(iter(shapes.values()))))
        new.built = True


def array(x: Any) -> Any:
    return keras.ops.convert_to_numpy(x)


def outputs(model: Any, data: Any) -> list[Any]:
    """What the model gives for a batch, in inference mode."""
    return list(_arrays(called_on(model, data)))


def _arrays(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _arrays(part)
    else:
        yield array(value)


def memory(model: Any, data: Any) -> int | None:
    """Bytes kept for the backward pass, parameters aside; None on TensorFlow, which is silent."""
    backend = keras.backend.backend()
    if backend == "torch":
        from rectifier.repair.swapping import on_torch

        return on_torch.kept_by(lambda: called_on(model, data), list(model.parameters()))
    if backend != "jax":
        return None
    jax = sys.modules["jax"]
    trained = [v.value for v in model.trainable_variables]
    fixed = [v.value for v in model.non_trainable_variables]
    batch = tensors(data)

    def forward(weights: Any) -> Any:
        return model.stateless_call(weights, fixed, batch, **mode(model, False))[0]

    _, backward = jax.vjp(forward, trained)
    kept = {id(leaf): leaf for leaf in jax.tree_util.tree_leaves(backward)}
    own = {id(v) for v in (*trained, *fixed)}
    return sum(leaf.nbytes for key, leaf in kept.items() if key not in own)
