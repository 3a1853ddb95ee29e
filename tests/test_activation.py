"""The record: binding, travelling (config, JSON, pickle, copies, text), equality."""

from __future__ import annotations

import copy
import inspect
import json
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rectifier as rf
from rectifier.activation import Activation, Facts, Parameter
from rectifier.errors import InputError, ParameterError

TEXTS = [
    *rf.names(),
    "leaky_relu(negative_slope=0.2)",
    "relu(negative_slope=0.1, max_value=6, threshold=1)",
    "hard_sigmoid(slope=0.2)",
    "elu(alpha=1e-20)",
    "squareplus(b=1e+16)",
    "leaky_relu(negative_slope=-3)",
    "softmax(axis=0)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_an_activation_travels(text):
    act = rf.get(text)
    copies = [
        rf.get(str(act)),
        rf.get(act.config()),
        rf.get(json.loads(json.dumps(act.config(), allow_nan=False))),
        rf.get(act),
        copy.copy(act),
        copy.deepcopy(act),
        *(pickle.loads(pickle.dumps(act, protocol)) for protocol in range(6)),
    ]
    for other in copies:
        assert other == act
        assert hash(other) == hash(act)
        assert str(other) == str(act)
        assert dict(other.parameters) == dict(act.parameters)
    assert str(act) == text


def test_a_pickle_holds_a_name_and_numbers_and_no_code():
    frozen = pickle.dumps(rf.get("leaky_relu(negative_slope=0.2)"))
    assert len(frozen) < 200
    assert b"rectifier.catalog" in frozen
    for word in (b"lambda", b"_value", b"code", b"marshal"):
        assert word not in frozen


def test_an_activation_arrives_in_a_fresh_process():
    act = rf.get("relu(max_value=6)")
    program = (
        "import pickle, sys; act = pickle.load(sys.stdin.buffer); "
        "print(act, act(9.0), act.parameters['threshold'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(act), capture_output=True, check=True
    )
    assert done.stdout.decode().split("\n")[0] == "relu(max_value=6) 6.0 0.0"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_slope_survives_its_text(slope):
    act = rf.get("leaky_relu", negative_slope=slope)
    assert rf.get(str(act)) == act
    assert rf.get(str(act)).parameters["negative_slope"] == slope


def test_equality_is_of_name_and_numbers():
    assert rf.get("lrelu") == rf.leaky_relu == rf.get("leaky_relu(0.01)")
    assert rf.leaky_relu != rf.get("leaky_relu(0.02)")
    assert rf.relu != rf.get("relu6")
    assert rf.relu != "relu"
    assert len({rf.get("sigmoid_linear_unit"), rf.silu, rf.get("SiLU")}) == 1
    assert str(rf.get("elu", alpha=-0.0)) == "elu(alpha=0)"
    assert math.copysign(1, rf.get("elu", alpha=-0.0).parameters["alpha"]) == 1


def test_binding_changes_a_copy():
    base = rf.get("elu")
    facts, latex = base.facts, base.latex  # cached ones must not follow
    other = base.bind(alpha=2)
    assert base.parameters["alpha"] == 1
    assert base.facts is facts
    assert other.facts.lipschitz == 2
    assert other.formula != base.formula
    assert other.latex == latex  # in symbols
    assert base.bind() is base
    assert base.bind(alpha=1) is base
    with pytest.raises(TypeError):
        base.parameters["alpha"] = 3  # type: ignore[index]


def test_parameters_in_a_call_are_for_that_call():
    assert rf.elu(-1e9, alpha=3) == -3
    assert rf.elu(-1e9, 2.0) == -2
    assert rf.elu(-1e9) == -1
    assert rf.elu.derivative(0.0, alpha=3) == 3
    assert rf.relu(9.0, max_value=None) == 9


def test_numpy_numbers_are_numbers():
    act = rf.get("elu", alpha=np.float32(0.5))
    assert act == rf.get("elu(alpha=0.5)")
    assert type(act.parameters["alpha"]) is float
    assert rf.get("softmax", axis=np.int64(0)) == rf.get("softmax(axis=0)")
    with pytest.raises(ParameterError, match=r"must be a number .*got an array of bool"):
        rf.get("elu", alpha=np.True_)
    with pytest.raises(ParameterError, match="must lie in"):
        rf.get("elu", alpha=np.nan)


def test_x_is_positional_so_that_a_parameter_may_have_any_name():
    with pytest.raises(TypeError):
        rf.relu(x=1.0)


CONFIGS = [
    {},
    {"name": 3},
    {"name": "relu", "extra": 1},
    {"name": "relu", "parameters": [1]},
    {"name": "relu", "parameters": {1: 2}},
    {"name": "elu", "parameters": {"alpha": 1}, "defaults": 3},
    {"class_name": "ReLU", "config": {}},
]


@pytest.mark.parametrize("config", CONFIGS)
def test_what_is_no_config(config):
    with pytest.raises(InputError, match="not the config of an activation"):
        rf.get(config)


def test_a_config_cannot_redefine_an_entry():
    with pytest.raises(InputError, match="the name 'relu' is defined already, in the catalogue"):
        rf.get({"name": "relu", "formula": "2 * x"})
    assert rf.relu(3.0) == 3


def test_texts_for_people():
    assert repr(rf.get("relu(max_value=6)")) == (
        "<Activation relu(negative_slope=0, max_value=6, threshold=0)>"
    )
    assert repr(rf.tanh) == "<Activation tanh>"
    assert rf.elu.facts.interval == "(-1, ∞)"
    assert rf.relu6.facts.interval == "[0, 6]"
    assert rf.get("elu(alpha=0)").facts.interval == "[0, ∞)"
    intervals = {p.name: p.interval for n in rf.names() for p in rf.get(n).declared}
    assert intervals["max_value"] == "(0, ∞)"
    assert intervals["negative_slope"] in ("[0, ∞)", "(-∞, ∞)")


def test_a_parameter_checks():
    slope = Parameter("slope", 1.0, low=0.0, high=2.0)
    assert slope.check(2, "f") == 2.0
    assert type(slope.check(1, "f")) is float
    for wrong in (-1, 2.1, math.inf, math.nan):
        with pytest.raises(ParameterError, match=r"f: slope must lie in \[0, 2\], got"):
            slope.check(wrong, "f")
    array = np.ones(3)
    assert slope.check(array, "f") is array
    with pytest.raises(ParameterError):
        slope.check(array, "f", arrays=False)


def test_the_public_record_is_documented():
    for thing in (Activation, Facts, Parameter):
        assert thing.__doc__
    for name, member in vars(Activation).items():
        if not name.startswith("_") and (callable(member) or isinstance(member, property)):
            assert inspect.getdoc(member), name
