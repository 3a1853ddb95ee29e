"""Activations on TensorFlow tensors: values, gradients, graphs, refusals, TensorFlow's own."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import tensorflow as tf

import rectifier as rf
from rectifier.errors import InputError

ELEMENTWISE = [name for name in rf.names() if rf.get(name).elementwise]
OTHERS = [name for name in rf.names() if not rf.get(name).elementwise]
SPECIAL = [-np.inf, -400, -88, -20, -3, -1, -0.5, -0.0, 0, 0.5, 1, 3, 6, 20, 88, 400]
SPECIAL += [np.inf, np.nan]
X = np.array(SPECIAL, np.float32)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values_and_gradients_are_numpys(name):
    entry = rf.get(name)
    expected, slope = entry(X), entry.derivative(X)
    x = tf.constant(X)
    tiny = 1e-36  # e^-88 is subnormal, and zero to TensorFlow; times 88
    near_root = 3e-8 if name == "xielu" else tiny  # of 0.8 (e^x - 1) + 0.5, at -0.98
    np.testing.assert_allclose(entry(x), expected, rtol=4e-6, atol=tiny)
    np.testing.assert_allclose(entry.derivative(x), slope, rtol=6e-6, atol=near_root)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = entry(x)
    np.testing.assert_allclose(tape.gradient(y, x), slope, rtol=6e-6, atol=near_root)


@pytest.mark.parametrize("name", OTHERS)
def test_functions_of_rows_are_numpys(name):
    rows = np.random.default_rng(3).normal(0, 2, (3, 4, 6))
    for axis in (-1, 1):
        got = rf.get(name)(tf.constant(rows), axis=axis)
        np.testing.assert_allclose(got, rf.get(name)(rows, axis=axis), rtol=1e-12, atol=1e-14)
    exact = rf.get(name).derivative(rows)
    np.testing.assert_allclose(rf.get(name).derivative(tf.constant(rows)), exact, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_dtype_stays(dtype):
    x = tf.cast(tf.constant(X[4:14]), dtype)
    for name in rf.names():
        assert rf.get(name)(x).dtype == dtype, name


PARAMETERS = [(name, p.name) for name in ELEMENTWISE for p in rf.get(name).declared]


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS)
def test_gradients_of_parameters_that_broadcast(name, parameter):
    """Against differences of the values that NumPy gives."""
    entry, rows = rf.get(name), np.linspace(-1.73, 1.61, 12).reshape(3, 4)
    value = min(float(entry.parameters[parameter]), 5.0)
    given = tf.constant(np.full(4, value))
    with tf.GradientTape() as tape:
        tape.watch(given)
        y = entry(tf.constant(rows), **{parameter: given})
    up, down = (entry(rows, **{parameter: np.full(4, value + h)}) for h in (1e-6, -1e-6))
    difference = (up - down).sum(axis=0) / 2e-6
    np.testing.assert_allclose(tape.gradient(y, given), difference, rtol=1e-7, atol=1e-8)


def test_second_derivatives():
    x = tf.constant([-1.3, 0.4, 2.0], tf.float64)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = rf.gelu(x)
        slope = inner.gradient(y, x)
    density = np.exp(-(x.numpy() ** 2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(outer.gradient(slope, x), density * (2 - x.numpy() ** 2), rtol=1e-9)


@pytest.mark.parametrize("name", rf.names())
def test_inside_a_graph_whose_batch_is_unknown(name):
    rows = np.random.default_rng(5).normal(0, 2, (4, 6)).astype(np.float32)
    graph = tf.function(rf.get(name), input_signature=[tf.TensorSpec((None, 6), tf.float32)])
    np.testing.assert_allclose(graph(rows), rf.get(name)(rows), rtol=4e-6, atol=1e-6)


def test_variables_and_empty_tensors():
    np.testing.assert_array_equal(rf.relu(tf.Variable([-1.0, 2.0])), [0, 2])
    for name in ELEMENTWISE:
        assert rf.get(name)(tf.zeros((0, 3))).shape == (0, 3)


def test_refusals_are_one_line():
    with pytest.raises(InputError, match="needs floating-point input, got int32"):
        rf.relu(tf.constant([1, 2]))
    with pytest.raises(InputError, match="out= is for NumPy arrays"):
        rf.relu(tf.constant([1.0]), out=np.zeros(1))
    with pytest.raises(InputError, match="axis 2 is not one of the 2 axes"):
        rf.softmax(tf.zeros((2, 3)), axis=2)
    import torch

    with pytest.raises(InputError, match=r"x is of tensorflow, a parameter is torch.Tensor"):
        rf.elu(tf.zeros(3), alpha=torch.ones(3))


PEERS = [peer for name in rf.names() for peer in rf.get(name).peers if peer.library == "tensorflow"]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.call)
def test_a_peer_computes_what_the_record_says(peer):
    module, _, function = peer.call.rpartition(".")
    theirs = getattr(importlib.import_module(module), function)
    points = tf.constant(np.linspace(-8.03, 8.03, 162).reshape(18, 9))
    ours = rf.get(peer.equals)(points)
    np.testing.assert_allclose(theirs(points, *peer.arguments), ours, rtol=3e-6, atol=3e-6)


def test_peers_are_there():
    assert len(PEERS) >= 10
