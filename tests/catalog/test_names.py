"""Every spelling resolves to one activation; the unknown gets the nearest."""

from __future__ import annotations

import ast
from pathlib import Path

import entries
import pytest

import rectifier as rf
from rectifier import catalog
from rectifier.errors import InputError, ParameterError, UnknownName

SPELLINGS = {
    "leaky_relu": ["LeakyReLU", "leaky-relu", "lrelu", "leaky_relu", "LEAKY RELU", "Leaky"],
    "silu": ["SiLU", "silu"],
    "swish": ["Swish", "swish"],
    "prelu": ["PReLU", "parametric_relu"],
    "rrelu": ["RReLU", "rrelu"],
    "star_relu": ["StarReLU", "starrelu"],
    "xielu": ["xIELU"],
    "srelu": ["SReLU", "s_shaped_relu"],
    "acon_c": ["AconC", "ACON-C", "acon"],
    "rational": ["Rational", "PAU", "pade"],
    "glu": ["GLU", "sigmoid_glu"],
    "swiglu": ["SwiGLU", "silu_glu"],
    "geglu": ["GEGLU", "GeGLU"],
    "geglu_tanh": ["GEGLU-tanh"],
    "reglu": ["ReGLU"],
    "bilinear": ["Bilinear"],
    "softmin": ["Softmin"],
    "sparsemax": ["Sparsemax"],
    "entmax15": ["entmax"],
    "hardmax": ["Hardmax"],
    "crelu": ["CReLU", "concatenated_relu"],
    "maxout": ["Maxout"],
    "identity": ["linear", "Identity", "Linear"],
    "gelu": ["GELU", "gelu", "gelu_python"],
    "gelu_tanh": ["gelu_new", "GELUTanh", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate"],
    "hard_swish": ["HardSwish", "hardswish", "hard_silu", "Hardswish"],
    "hard_sigmoid": ["Hardsigmoid", "hard-sigmoid", "HardSigmoid"],
    "hard_tanh": ["hardtanh", "Hardtanh", "HardTanh", "Clip"],
    "relu6": ["relu_6", "ReLU6", "relu-6"],
    "relu": ["ReLU", "relu", " relu "],
    "softplus": ["Softplus", "SoftPlus"],
    "log_sigmoid": ["LogSigmoid", "logsigmoid"],
    "softsign": ["soft_sign", "Softsign"],
    "tanh": ["Tanh", "tanh"],
    "sigmoid": ["logistic", "expit", "Sigmoid"],
    "exponential": ["exp", "Exponential"],
    "sine": ["sin", "siren"],
    "binary_step": ["heaviside", "step", "BinaryStep"],
    "elu": ["ELU"],
    "selu": ["SELU"],
    "celu": ["CELU"],
    "mish": ["Mish"],
    "squareplus": ["Squareplus"],
    "softmax": ["Softmax"],
    "quick_gelu": ["QuickGELU", "gelu_sigmoid"],
    "gelu_10": ["gelu_10", "clipped_gelu", "ClippedGELU"],
    "relu2": ["ReLU2", "squared_relu", "ReLUSquared"],
    "sparse_plus": ["SparsePlus"],
    "sparse_sigmoid": ["SparseSigmoid"],
    "smelu": ["SmeLU", "SmoothReLU"],
    "hard_mish": ["HardMish", "hardmish"],
    "soft_shrink": ["Softshrink", "soft_threshold"],
    "hard_shrink": ["Hardshrink", "Shrink"],
    "tanh_shrink": ["Tanhshrink"],
    "threshold": ["Threshold"],
    "thresholded_relu": ["ThresholdedReLU"],
    "lisht": ["LiSHT"],
    "telu": ["TeLU"],
    "serf": ["SERF"],
    "phish": ["Phish"],
    "logish": ["Logish"],
    "smish": ["Smish"],
    "elish": ["ELiSH"],
    "hard_elish": ["HardELiSH"],
    "gaussian": ["Gaussian", "rbf"],
    "laplace": ["Laplace"],
    "isru": ["ISRU"],
    "isrlu": ["ISRLU"],
    "bent_identity": ["BentIdentity"],
    "arctan": ["atan", "Arctan"],
    "symlog": ["SymLog"],
    "nlrelu": ["NLReLU"],
    "snake": ["Snake"],
    "sqrt_softplus": ["sqrtsoftplus"],
    "log_softmax": ["LogSoftmax", "logsoftmax"],
}


@pytest.mark.parametrize(
    ("name", "spelling"), [(name, s) for name, every in SPELLINGS.items() for s in every]
)
def test_a_spelling_resolves(name, spelling):
    assert rf.get(spelling).name == name


def test_every_entry_has_its_spellings_tested():
    assert {n for n in rf.names() if rf.get(n).text is None} == set(SPELLINGS)


def test_names_and_aliases_are_of_one_each():
    spoken = [catalog._squeeze(s) for n in rf.names() for s in (n, *rf.get(n).aliases)]
    assert len(spoken) == len(set(spoken))


def test_what_keras_torch_jax_and_others_call_it_resolves():
    for name in rf.names():
        for peer in rf.get(name).peers:
            ours = rf.get(peer.equals).name
            try:
                found = rf.get(peer.call.rpartition(".")[2]).name
            except UnknownName:
                pytest.fail(f"{peer.call} has no spelling here")
            assert found in (ours, "gelu"), peer.call  # bare "gelu" is the exact one


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("leaky_relu(alpha=0.2)", "leaky_relu(negative_slope=0.2)"),
        ("LeakyReLU(0.3)", "leaky_relu(negative_slope=0.3)"),
        ("relu(alpha=0.1, theta=2)", "relu(negative_slope=0.1, threshold=2)"),
        ("relu(max_value=None)", "relu"),
        ("relu(max_value=6)", "relu(max_value=6)"),
        ("hard_sigmoid(alpha=0.2, beta=0.5)", "hard_sigmoid(slope=0.2)"),
        ("gelu(approximate='tanh')", "gelu_tanh"),
        ("gelu(approximate=True)", "gelu_tanh"),
        ("gelu(approximate=False)", "gelu"),
        ("gelu(approximate='none')", "gelu"),
        ("hardtanh(min_value=-2)", "hard_tanh(min_val=-2)"),
        ("sine(w0=30)", "sine(frequency=30)"),
        ("softmax(dim=0)", "softmax(axis=0)"),
        ("elu()", "elu"),
        ("elu(1.0)", "elu"),
    ],
)
def test_other_frameworks_words_for_parameters(text, canonical):
    assert str(rf.get(text)) == canonical
    assert str(rf.get(canonical)) == canonical


def test_parameters_beside_the_name():
    assert rf.get("leaky_relu", alpha=0.2) == rf.get("leaky_relu(negative_slope=0.2)")
    assert rf.get("leaky_relu", 0.2) == rf.get("leaky_relu(0.2)")
    assert rf.get("gelu", approximate="tanh") is rf.get("gelu_tanh")
    assert rf.get(rf.elu, alpha=0.5) == rf.get("elu(alpha=0.5)")
    assert rf.get("leaky_relu(0.2)", negative_slope=0.3) == rf.get("leaky_relu(0.3)")


@pytest.mark.parametrize(
    ("name", "near"),
    [("relo", "relu"), ("leakyrelu6", "leaky_relu"), ("swosh", "swish"), ("gellu", "gelu")],
)
def test_the_unknown_gets_the_nearest(name, near):
    with pytest.raises(UnknownName) as caught:
        rf.get(name)
    assert near in caught.value.nearest
    assert str(caught.value).startswith(f"unknown activation '{name}'; nearest: ")
    assert "\n" not in str(caught.value)


WRONG = {
    "leaky_relu(slope=1)": "leaky_relu has no parameter 'slope'; it takes negative_slope; nearest",
    "relu6(max_value=6)": "relu6 has no parameter 'max_value'; it takes no parameters",
    "elu(alpha=-1)": r"elu: alpha must lie in \[0, ∞\), got -1",
    "celu(alpha=0)": r"celu: alpha must lie in \(0, ∞\), got 0",
    "elu(alpha=1e999)": "elu: alpha must lie in",
    "elu(1, 2)": "elu takes alpha, got 2 of them",
    "elu(1, alpha=2)": "elu: alpha is given twice",
    "leaky_relu(alpha=1, negative_slope=2)": "negative_slope is given twice",
    "elu(alpha='x')": "elu: alpha must be a number, got 'x'",
    "elu(alpha=True)": "elu: alpha must be a number, got True",
    "elu(alpha=None)": "elu: alpha must be a number, got None",
    "softmax(axis=0.5)": "softmax: axis must be an integer, got 0.5",
    "softmax(axis=1e999)": "softmax: axis must be an integer, got inf",
    "gelu(approximate='erf')": "gelu: approximate must be one of",
    "gelu(approximate=2)": "gelu: approximate must be one of",
    "leaky_relu(negative_slope=" + "9" * 400 + ")": "must lie in",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_parameter_is_one_clear_line(text):
    with pytest.raises(InputError, match=WRONG[text]) as caught:
        rf.get(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["0.2", b"1", [0.2], {"a": 1}, 1j, None, object()])
def test_a_parameter_that_is_no_number(value):
    with pytest.raises(ParameterError, match="negative_slope must be a number"):
        rf.leaky_relu(1.0, negative_slope=value)


def test_flags_in_a_call_name_the_variant():
    with pytest.raises(ParameterError, match="by its own name: gelu or gelu_tanh"):
        rf.gelu(1.0, approximate="tanh")


@pytest.mark.parametrize("thing", [None, 3, 1.5, ["relu"], object(), b"relu"])
def test_what_is_no_activation(thing):
    with pytest.raises(InputError, match="an activation is a name, a config or an Activation"):
        rf.get(thing)


def test_every_parametric_entry_is_tested_at_other_values():
    parametric = {n for n in rf.names() if rf.get(n).declared and rf.get(n).text is None}
    assert parametric == set(entries.VARIANTS)


def test_every_entry_of_every_family_file_is_registered():
    """An entry is a module-level ``NAME = Activation("name", ...)``; read from the source."""
    folder = Path(catalog.__file__).parent
    written = {
        call.args[0].value
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(call := node.value, ast.Call)
        if isinstance(call.func, ast.Name) and call.func.id == "Activation"
    }
    assert written == {n for n in rf.names() if rf.get(n).text is None}
    assert len(written) >= 25


def test_names_are_canonical_and_sorted():
    assert rf.names() == sorted(rf.names())
    assert all(name == name.lower() and name.isidentifier() for name in rf.names())


def test_every_entry_says_what_it_is_and_where_it_comes_from():
    for name in rf.names():
        act = rf.get(name)
        assert act.summary.endswith("."), name
        assert act.paper, name
        assert len(act.summary) <= 100, name
        assert all(p.meaning for p in act.declared), name
