"""ONNX's own node cases, from its wheel, on every entry of ours that is one of its operators."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

import rectifier as rf
from benchmarks.outcomes import AS, Outcome, back, difference
from rectifier.errors import InputError

# Cases -> why they deviate.
DEVIATIONS = {
    "test_selu_example": "alpha and gamma are SELU's constants here, not parameters",
    "test_selu": "alpha and gamma are SELU's constants here, not parameters",
    "test_swiglu_alpha": "swiglu's slope is 1 here; swish(beta=alpha)(a) * b is that one",
    "test_identity_sequence": "a sequence of tensors; an activation takes one",
    "test_identity_opt": "an optional sequence; an activation takes an array",
    "test_clip_min_greater_than_max": "hard_tanh's ends lie on both sides of 0",
    "test_clip_default_min": "without an upper end it is no hard_tanh",
    "test_clip_default_max": "without a lower end it is no hard_tanh",
    "test_clip_default_inbounds": "without ends it is no hard_tanh",
    "test_clip_default_int8_min": "integers are refused",
    "test_clip_default_int8_max": "integers are refused",
    "test_clip_default_int8_inbounds": "integers are refused",
}


@cache
def operators() -> dict[str, str]:
    """ONNX's operator -> the entry that the catalogue says it is, with its default parameters."""
    return {
        peer.call.removeprefix("onnx."): peer.equals
        for name in rf.names()
        for peer in rf.get(name).peers
        if peer.library == "onnx"
    }


def cases() -> Iterator[tuple[str, Any, Any]]:
    """Name, node and case of every one whose operator is ours; those that spell the operator
    out in simpler ones (``..._expanded``) come with the node they stand for."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its casts overflow on purpose
        collected = collect_testcases()
    known = operators()
    nodes = {}
    for case in collected:
        graph = case.model.graph
        if len(graph.node) == 1 and "_expanded" not in case.name:
            nodes[case.name] = graph.node[0]
    for case in collected:
        node = nodes.get(case.name.partition("_expanded")[0])
        if node is not None and node.op_type in known:
            yield case.name, node, case


def call_of(node: Any, inputs: list[Any]) -> tuple[rf.activation.Activation, list[Any]]:
    """The entry, with the node's attributes as parameters, and what it is called with."""
    import onnx

    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    given = {k: v.decode() if isinstance(v, bytes) else v for k, v in given.items()}
    text = operators()[node.op_type]
    if node.op_type == "Shrink":  # takes bias off what is larger than lambd
        bias = given.pop("bias", 0.0)
        text = "hard_shrink" if bias == 0 else "soft_shrink"
        if bias not in (0, given.get("lambd", 0.5)):
            raise InputError(f"Shrink by {bias} beyond {given['lambd']} is no activation here")
    if node.op_type == "Clip":
        low, high = (*inputs[1:], None, None)[:2]
        if low is None or high is None:
            raise InputError("Clip with one end is no activation here")
        given, inputs = {"min_val": float(low), "max_val": float(high)}, inputs[:1]
    return rf.get(text, **given), inputs


def outcomes(sparse: bool = False) -> list[Outcome]:
    """Every case on NumPy, torch and JAX, at the tolerances that the case states.

    What spells an operator out has the inputs and results of the operator, and is computed once.

    Args:
        sparse: on JAX, where every shape is compiled for 70 ms, one case an operator.
    """
    done: dict[tuple[bytes, str], str] = {}
    met: set[str] = set()
    collected = []
    for name, node, case in cases():
        reason = DEVIATIONS.get(name.partition("_expanded")[0], "")
        content = pickle.dumps((node.SerializeToString(), case.data_sets))
        libraries = ["numpy", "torch"]
        if not sparse or (not reason and node.op_type not in met):
            libraries.append("jax")
            met.add(node.op_type)
        for library in libraries:
            key = content, library
            if key not in done:
                done[key] = problem(node, case, library)
            entry = operators()[node.op_type]
            collected.append(Outcome(name, entry, library, done[key], reason))
    return collected


def computed(entry: rf.activation.Activation, arguments: list[Any], library: str) -> Any:
    """The result; JAX's compiled whole, which is faster than one primitive after the other."""
    if library != "jax":
        return entry(*arguments)
    import jax

    return jax.jit(lambda *given: entry(*given))(*arguments)


def problem(node: Any, case: Any, library: str) -> str:
    """What is wrong with our results, "" where nothing is."""
    for inputs, expected in case.data_sets:
        try:
            given = [x if isinstance(x, list) else AS[library](np.asarray(x)) for x in inputs]
            entry, arguments = call_of(node, given)
            got = computed(entry, arguments, library)
        except InputError as error:
            return str(error)
        wanted = np.asarray(expected[0])
        if str(got.dtype).removeprefix("torch.") != str(wanted.dtype):
            return f"{got.dtype} instead of {wanted.dtype}"
        wrong = difference(back(got), back(wanted), case.rtol, case.atol)
        if wrong:
            return wrong
    return ""
