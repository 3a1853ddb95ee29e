"""What each framework computes under its own name and defaults is what the record says."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace

import entries
import numpy as np
import pytest

import rectifier as rf

os.environ.setdefault("KERAS_BACKEND", "jax")

# Never called here, each with its reason; the facts were read from their sources.
NOT_CALLED = {
    "onnx": "a format: its operators are computed by runtimes",
    "tensorflow": "called in tests/ops/test_on_tensorflow.py; its import takes 10 s",
}
CALLED = ("jax", "keras", "numpy", "torch")  # missing ones fail: the extra 'dev' brings them all

PEERS = [(name, peer) for name in rf.names() for peer in rf.get(name).peers]
TO_CALL = [(name, peer) for name, peer in PEERS if peer.library in CALLED]
# Off the kinks, which lie at whole numbers, and within the stretch where all are finite.
POINTS = np.linspace(-8.03, 8.03, 162)


def found(dotted: str):
    """The function or class of a dotted name."""
    module, *rest = dotted.split(".")
    thing = importlib.import_module(module)
    for i, name in enumerate(rest):
        if not hasattr(thing, name):
            importlib.import_module(".".join([module, *rest[: i + 1]]))
        thing = getattr(thing, name)
    return thing


def as_theirs(library: str, x: np.ndarray):
    if library == "numpy":
        return x
    if library == "torch":
        import torch

        return torch.tensor(x)
    import jax.numpy as jnp

    return jnp.asarray(x, jnp.float32)


def difference(peer: rf.activation.Peer) -> float:
    """The largest distance between the peer's call and ``peer.equals``, relative above 1."""
    ours = rf.get(peer.equals)
    x = POINTS if ours.elementwise else POINTS.reshape(9, 18)
    function = found(peer.call)
    if isinstance(function, type):
        function = function()
    # an array where the function has tensors only, an axis as the integer it is
    arguments = [
        a if isinstance(a, int) else as_theirs(peer.library, np.array(a, x.dtype))
        for a in peer.arguments
    ]
    theirs = np.asarray(function(as_theirs(peer.library, x), *arguments), np.float64)
    expected = ours(np.asarray(as_theirs(peer.library, x), np.float64))
    return float(np.max(np.abs(theirs - expected) / np.maximum(1, np.abs(expected))))


@pytest.mark.parametrize(("name", "peer"), TO_CALL, ids=lambda v: getattr(v, "call", v))
def test_a_peer_computes_what_the_record_says(name, peer):
    assert difference(peer) < 3e-6


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ("keras.layers.LeakyReLU", "leaky_relu"),
        ("keras.activations.leaky_relu", "leaky_relu(negative_slope=0.3)"),
        ("jax.nn.gelu", "gelu"),
        ("keras.activations.gelu", "gelu_tanh"),
        ("jax.nn.hard_sigmoid", "hard_sigmoid(slope=0.2)"),
        ("torch.nn.functional.silu", "mish"),
    ],
)
def test_a_wrong_peer_is_caught(call, wrong):
    peer = next(peer for _, peer in PEERS if peer.call == call)
    assert difference(peer) < 3e-6
    assert difference(replace(peer, equals=wrong)) > 1e-4


def test_every_peer_is_called_or_has_a_reason():
    assert {peer.library for _, peer in PEERS} == {*CALLED, *NOT_CALLED}
    assert len(TO_CALL) >= 70


@pytest.mark.parametrize(("name", "peer"), PEERS, ids=lambda v: getattr(v, "call", v))
def test_what_a_peer_equals_is_an_activation_of_ours(name, peer):
    assert rf.get(peer.equals).name in rf.names()
    assert str(rf.get(peer.equals)) == peer.equals, "written as rectifier writes it"


@pytest.mark.parametrize("name", [n for n in rf.names() if rf.get(n).peers])
def test_each_peer_is_named_once(name):
    calls = [peer.call for peer in rf.get(name).peers]
    assert len(calls) == len(set(calls))


def test_frameworks_that_have_an_entry_are_not_forgotten():
    """Every elementwise function of jax.nn, torch and Keras that computes an entry is a peer."""
    import jax
    import keras

    calls = {peer.call for _, peer in PEERS}
    missing = []
    for module, prefix in ((jax.nn, "jax.nn"), (keras.activations, "keras.activations")):
        for name in dir(module):
            known = name in rf.names() and name in entries.ELEMENTWISE
            if known and f"{prefix}.{name}" not in calls:
                missing.append(f"{prefix}.{name}")
    assert missing == []
