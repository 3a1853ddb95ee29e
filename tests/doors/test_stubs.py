"""The stubs hold the catalogue, in the catalogue's own spelling."""

from __future__ import annotations

import ast

import pytest

import rectifier as rf
from rectifier import doors

BUILT_IN = [name for name in rf.names() if rf.get(name).text is None]


@pytest.mark.parametrize("door", doors.STUBS)
def test_a_stub_is_what_the_catalogue_gives(door):
    """After a change to the catalogue: python -m rectifier.doors"""
    assert doors.stub_path(door).read_text(encoding="utf-8") == doors.stub_text(door)


@pytest.mark.parametrize("door", doors.STUBS)
def test_a_stub_is_python_and_names_every_entry_once(door):
    tree = ast.parse(doors.stub_text(door))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert [name for name in functions if name in BUILT_IN] == BUILT_IN
    if doors.STUBS[door].base:
        layers = [doors.layer_name(name) for name in BUILT_IN]
        assert [name for name in classes if name in layers] == layers


def test_layers_are_spelled_as_frameworks_spell_them():
    """PyTorch's classes and Keras' where they have one; the brief's list where they differ."""
    import torch

    spelled = {doors.layer_name(name) for name in BUILT_IN}
    known = {name for name in dir(torch.nn) if not name.startswith("_")}
    folded = {name.casefold(): name for name in known}
    different = {s: folded[s.casefold()] for s in spelled if s.casefold() in folded} | {}
    # torch runs "hard" and "shrink" together with what they belong to; it alone does
    assert {s for s, theirs in different.items() if s != theirs} <= {
        "HardSwish",
        "HardSigmoid",
        "HardTanh",
        "HardShrink",
        "SoftShrink",
        "TanhShrink",
    }
    assert {"LeakyReLU", "ReLU", "ReLU6", "ELU", "GELU", "SiLU", "LogSigmoid"} <= spelled


def test_layer_names_are_distinct_and_never_a_function_s():
    layers = [doors.layer_name(name) for name in rf.names()]
    assert len(set(layers)) == len(layers)
    assert not set(layers) & set(rf.names())
    assert doors.layer_name("Swish2") == "Swish2Layer"
    assert doors.layer_name("my_act") == "MyAct"


def test_every_argument_and_alias_is_in_the_stub():
    stub = doors.stub_text("jax")
    for entry in doors.listings():
        if entry.activation.text is None:
            (line,) = [row for row in stub.splitlines() if row.startswith(f"def {entry.function}(")]
            for argument in entry.arguments:
                for name in (argument.name, *argument.aliases):
                    assert f" {name}: " in line
