"""The door for PyTorch: every name as function and layer, arguments, in place, travelling."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import subprocess
import sys

import pytest
import torch

import rectifier as rf
from rectifier import doors
from rectifier import torch as rt
from rectifier.errors import InputError, ParameterError

X = torch.linspace(-4, 4, 48).reshape(4, 6, 2)
ENTRIES = [entry for entry in doors.listings() if entry.activation.text is None]
LEARNING = [entry for entry in ENTRIES if any(a.learnable for a in entry.arguments)]
ELEMENTWISE = [entry for entry in ENTRIES if entry.activation.elementwise]


def name_of(entry: doors.Listing) -> str:
    return entry.function


@pytest.mark.parametrize("entry", ENTRIES, ids=name_of)
def test_every_name_is_a_function_and_a_layer(entry):
    x = X.movedim(1, -1)  # an axis of even length, no plain layout
    function, layer_class = getattr(rt, entry.function), getattr(rt, entry.layer)
    layer = layer_class().eval()
    expected = entry.activation(x)
    assert torch.equal(function(x), expected)
    assert torch.equal(layer(x), expected)
    assert entry.activation.summary in function.__doc__ == layer.__doc__
    assert pickle.loads(pickle.dumps(function)) is function is getattr(rt, entry.function)
    assert layer_class is getattr(rt, entry.layer)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(copied) is layer_class
        assert repr(copied) == repr(layer)
        assert torch.equal(copied(x), expected)


@pytest.mark.parametrize("entry", ENTRIES, ids=name_of)
def test_frameworks_names_and_flags_are_accepted(entry):
    function, layer_class = getattr(rt, entry.function), getattr(rt, entry.layer)
    for argument in entry.arguments:
        given = 0 if argument.name == "axis" else argument.default
        for spelled in argument.aliases:
            expected = function(X, **{argument.name: given})
            assert torch.equal(function(X, **{spelled: given}), expected)
            assert torch.equal(layer_class(**{spelled: given}).eval()(X), expected)
        for choice in argument.choices:
            expected = rf.get(entry.activation.flags[argument.name][choice])(X)
            assert torch.equal(function(X, **{argument.name: choice}), expected)
            assert torch.equal(layer_class(**{argument.name: choice})(X), expected)


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=name_of)
def test_in_place_the_result_is_in_the_input_and_the_gradient_is_the_same(entry):
    layer = getattr(rt, entry.layer)(inplace=True).eval()
    x = X.clone().requires_grad_()
    hidden = x * 1
    result = layer(hidden)
    assert result is hidden
    assert torch.equal(result, entry.activation(X))
    (found,) = torch.autograd.grad(result.sum(), x)
    (plain,) = torch.autograd.grad(entry.activation(x).sum(), x)
    assert torch.equal(found, plain)
    with pytest.raises(InputError, match="in place on a leaf tensor"):
        layer(x)
    with torch.no_grad():
        assert layer(x) is x


def test_what_is_changed_in_place_after_is_noticed():
    x = torch.randn(5000, requires_grad=True)
    y = rt.softplus(x)  # its gradient needs the output
    y += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    y = rt.leaky_relu(x)  # which needs bits only
    y += 1
    y.sum().backward()


def test_torchs_own_positions():
    assert rt.ReLU(True).inplace
    assert rt.LeakyReLU(0.2, True).inplace
    assert repr(rt.LeakyReLU(0.2, True)) == "LeakyReLU(negative_slope=0.2, inplace=True)"
    assert repr(rt.ReLU()) == "ReLU()"
    assert rt.PReLU(5, 0.1).weight.tolist() == pytest.approx([0.1] * 5)
    assert rt.PReLU(init=0.5).weight.tolist() == [0.5]
    assert rt.Softplus(2, 20)(X).equal(rt.softplus(X, 2))
    given = X.clone()
    assert rt.leaky_relu(given, 0.2, True) is given
    assert rt.glu(X, 1).shape == (4, 3, 2)
    assert rt.glu(X, X).equal(rt.GLU()(X, X))
    assert rt.softmax(X, dim=1, dtype=torch.float64).dtype == torch.float64
    assert next(iter(inspect.signature(rt.PReLU).parameters)) == "num_parameters"


@pytest.mark.parametrize("entry", LEARNING, ids=name_of)
def test_learnable_parameters_are_weights(entry):
    learnt = [a for a in entry.arguments if a.learnable]
    layer = getattr(rt, entry.layer)(num_parameters=6, dtype=torch.float64)
    assert [p.shape for p in layer.parameters()] == [(6,)] * len(learnt)
    for argument in learnt:
        assert getattr(layer, argument.name).tolist() == [argument.default] * 6
    layer(X).square().sum().backward()  # float32 in, float32 out, float64 weights
    assert layer(X).dtype == torch.float32
    one = getattr(rt, entry.layer)()
    one(X).square().sum().backward()
    for many, single in zip(layer.parameters(), one.parameters(), strict=True):
        assert many.grad.dtype == torch.float64
        torch.testing.assert_close(many.grad.sum(), single.grad[0].double(), rtol=1e-5, atol=1e-5)
        same = single is getattr(one, "bias", None) or not single.grad.any()  # srelu's at a_r = 1
        assert same or many.grad.unique().numel() > 1
    before = copy.deepcopy(layer.state_dict())
    with torch.no_grad():
        next(layer.parameters()).fill_(0.125)
    layer.reset_parameters()
    assert all(torch.equal(v, before[k]) for k, v in layer.state_dict().items())
    with pytest.raises(InputError, match=r"has shape \(4, 5\); give num_parameters=5"):
        layer(torch.randn(4, 5))


def test_checkpoints_of_torchs_prelu_fit():
    layer = rt.PReLU(6)
    stock = torch.nn.PReLU(6, init=0.3)
    layer.load_state_dict(stock.state_dict())
    torch.testing.assert_close(layer(X), stock(X))
    stock.load_state_dict(layer.state_dict())
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    rt.PReLU(6).load_state_dict(torch.load(file, weights_only=True))


def test_rrelu_draws_from_torchs_generator_while_training():
    layer = rt.RReLU(0.1, 0.4)
    below = -torch.ones(1000, requires_grad=True)
    torch.manual_seed(0)
    first = layer(below)
    torch.manual_seed(0)
    assert torch.equal(layer(below), first)
    assert torch.equal(torch.autograd.grad(first.sum(), below)[0], -first)
    assert -0.4 <= first.min() < -0.39
    assert -0.11 < first.max() <= -0.1
    torch.manual_seed(0)
    assert torch.equal(rt.rrelu(below, 0.1, 0.4, training=True), first)
    torch.testing.assert_close(layer.eval()(below), torch.full((1000,), -0.25))


def test_a_replica_reads_the_weights_that_it_is_given():
    """As DataParallel makes them: the attributes copied, the parameters plain tensors."""
    layer = rt.PReLU(6)
    replica = layer._replicate_for_data_parallel()
    moved = torch.full((6,), 0.5, requires_grad=True)
    replica.weight = moved
    assert "weight" not in dict(replica.named_parameters())
    replica(X).sum().backward()
    assert moved.grad is not None
    assert torch.equal(replica(X), torch.where(X > 0, X, X / 2))
    assert torch.equal(layer(X), torch.where(X > 0, X, X / 4))


# Every third, for seconds' sake, and those that nobody is like; benchmarks/torch_door.py does all.
SOME = [e for i, e in enumerate(ENTRIES) if i % 3 == 0 or e.function in ("isru", "relu", "prelu")]
SOME += [e for e in ENTRIES if e.function in ("maxout", "entmax15", "swiglu", "softmax", "gelu")]


class Everything(torch.nn.Module):
    """Layers beside each other, so that a compiler is started once."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(getattr(rt, entry.layer)() for entry in SOME)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(layer(x) for layer in self.layers)


@pytest.fixture(scope="module")
def everything():
    return Everything().eval()


def test_it_compiles_as_one_graph(everything):
    torch._dynamo.reset()
    compiled = torch.compile(everything, fullgraph=True, backend="aot_eager")
    ours, plain = X.clone().requires_grad_(), X.clone().requires_grad_()
    in_graph, eager = compiled(ours), everything(plain)
    torch.testing.assert_close(in_graph, eager)
    for results in (in_graph, eager):
        sum(y.sin().sum() for y in results).backward()
    torch.testing.assert_close(ours.grad, plain.grad)


def test_functions_compile_too_with_flags_and_in_place():
    torch._dynamo.reset()

    def network(x):
        return rt.leaky_relu(rt.gelu(x * 2, approximate="tanh"), alpha=0.2, inplace=True)

    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(X), network(X))


def test_it_exports_with_any_batch(everything):
    # after a layer whose weights want gradients, so that the input wants one
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), everything)
    batch = torch.export.Dim("batch", min=1, max=100_000)
    program = torch.export.export(network, (X,), dynamic_shapes=({0: batch},))
    for rows in (1, 700):  # 8400 elements: more than the bound for bits
        other = torch.randn(rows, 6, 2)
        torch.testing.assert_close(program.module()(other), network(other))


# onnxscript reads annotations in ways that Python 3.13 warns of, and so on: theirs, not ours.
@pytest.mark.filterwarnings("ignore")
def test_onnxruntime_gives_the_same_numbers(everything):
    import onnxruntime

    # Not optimised: the optimiser loses a constant that several of these share.
    program = torch.onnx.export(everything, (X,), dynamo=True, verbose=False, optimize=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    results = session.run(None, {session.get_inputs()[0].name: X.numpy()})
    for entry, found, expected in zip(SOME, results, everything(X), strict=True):
        same = torch.allclose(torch.from_numpy(found), expected, rtol=1e-5, atol=1e-6)
        assert same, entry.function


# torch's own forward mode uses its deprecated torch.jit.script, once.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("name", ["mish", "leaky_relu", "softplus", "exponential", "log_softmax"])
def test_torch_func_composes(name):
    function, point = getattr(rt, name), torch.randn(5, dtype=torch.float64)

    def total(x):
        return function(x).square().sum()

    hessian = torch.func.hessian(total)(point)  # forward over reverse
    torch.testing.assert_close(hessian, torch.func.jacrev(torch.func.jacrev(total))(point))
    rows = torch.randn(3, 5, dtype=torch.float64)
    each = torch.func.vmap(torch.func.grad(total))(rows)
    torch.testing.assert_close(each, torch.stack([torch.func.grad(total)(row) for row in rows]))
    along = torch.randn(5, dtype=torch.float64)
    _, pushed = torch.func.jvp(function, (point,), (along,))
    torch.testing.assert_close(pushed, torch.func.jacrev(function)(point) @ along)


def test_an_ensemble_of_learning_layers():
    layers = [rt.PReLU(6, init=start) for start in (0.1, 0.2, 0.3)]
    stacked, _ = torch.func.stack_module_state(layers)

    def run(weights):
        return torch.func.functional_call(layers[0], weights, (X,)).sum()

    found = torch.func.vmap(torch.func.grad(run))(stacked)["weight"]
    expected = torch.where(X > 0, 0, X).sum((0, 2))
    torch.testing.assert_close(found, expected.expand(3, 6))


def test_under_autocast_the_dtype_stays():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = torch.nn.Linear(2, 2)(X)
        result = rt.PReLU()(rt.mish(hidden))
    assert result.dtype == hidden.dtype == torch.bfloat16
    result.sum().backward()


def test_names_are_listed_and_a_wrong_one_names_the_nearest():
    assert {*rf.names(), "Layer"} <= set(dir(rt)) == set(rt.__all__)
    with pytest.raises(AttributeError, match=r"'rectifier.torch' has no attribute 'LeekyReLU'; n"):
        rt.LeekyReLU  # noqa: B018


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: rt.relu([1.0]), InputError, "takes a torch tensor, got builtins.list"),
        (lambda: rt.relu(torch.arange(3)), InputError, "needs floating-point input, got int64"),
        (lambda: rt.ReLU(slope=1), ParameterError, "relu has no parameter 'slope'"),
        (lambda: rt.GELU(approximate="erf"), InputError, "approximate must be one of"),
        (lambda: rt.mish(X, inplace=1), ParameterError, "inplace must be True or False, got 1"),
        (lambda: rt.ReLU(True, inplace=True), ParameterError, "inplace is given twice"),
        (lambda: rt.Softmax(True), ParameterError, "takes no True or False"),
        (lambda: rt.Softplus(1, 5), InputError, "threshold=5 would make it a line early"),
        (lambda: rt.PReLU(0), InputError, "num_parameters is the length of axis 1, or 1"),
        (lambda: rt.GLU()(X, X[0]), InputError, "two inputs of one shape"),
    ],
)
def test_bad_input_is_one_line(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_what_define_makes_is_behind_the_door():
    rf.define("for_the_torch_door", "x * tanh(a * x)", a=2.0)
    layer = rt.ForTheTorchDoor(a=1.0)
    torch.testing.assert_close(layer(X), X * torch.tanh(X))
    assert torch.equal(copy.deepcopy(layer)(X), layer(X))
    program = f"import pickle, rectifier; print(pickle.loads({pickle.dumps(layer)!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "ForTheTorchDoor(a=1)", done.stderr
    assert "for_the_torch_door" not in doors.stub_text("torch")


def test_without_torch_the_extra_is_named():
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from rectifier.errors import MissingLibrary\n"
        "try: import rectifier.torch\n"
        "except MissingLibrary as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip().endswith('pip install "rectifier[torch]"')
