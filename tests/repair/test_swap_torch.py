"""Other activations in PyTorch models: where, with what effect, and nothing else changed."""

from __future__ import annotations

import copy
import functools
import json
import os
import pickle
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from tests.repair.test_sites_torch import COMPILES, Written, batch
from torch import nn

import rectifier as rf
from rectifier.errors import InputError, UnknownName
from rectifier.repair.sites import find


class Twice(nn.Module):
    """One activation shared by two places, an in-place one, an attribute, control flow."""

    def __init__(self, flag: bool = True) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.shared = nn.ReLU()
        self.body = nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True), self.shared)
        self.act = F.gelu
        self.flag = flag

    def forward(self, x):
        x = self.shared(self.linear(x))
        F.relu_(x)
        bend = F.relu if self.flag else F.silu
        return self.body(bend(self.act(self.linear(x))))


def test_everywhere_in_a_copy_and_nothing_else():
    model = Twice().double()
    seen = []
    model.shared.register_forward_hook(lambda *_: seen.append(1))
    model.body.eval()
    x = batch().double()
    before = copy.deepcopy(model.state_dict())
    expected = model(x)
    seen.clear()
    done = rf.swap(model, {"relu": "leaky_relu(negative_slope=0.5)", "act": "softsign"}, data=x)
    assert torch.equal(model(x), expected)
    new = done.model
    names = [c.site.name for c in done.changes]
    assert names == ["shared", ":relu", "act", ":relu#2", "body.1"]
    assert not done.unreached
    assert new.body[2] is new.shared
    assert new.shared is not model.shared
    assert new.body[1].inplace
    assert (new.training, new.body.training, new.body[1].training) == (True, False, False)
    assert all(torch.equal(v, before[k]) for k, v in new.state_dict().items())
    seen.clear()
    y = new(x)
    assert len(seen) == 2, "the hook came along"
    leaky = rf.get("leaky_relu(negative_slope=0.5)")
    z = leaky(leaky(new.linear(x)))
    z = new.body[0](leaky(rf.softsign(new.linear(z))))
    torch.testing.assert_close(y, leaky(leaky(z)))
    new.flag = False  # the call at that place is another one now, and was not meant
    z = leaky(leaky(new.linear(x)))
    z = new.body[0](F.silu(rf.softsign(new.linear(z))))
    torch.testing.assert_close(new(x), leaky(leaky(z)))


def test_the_same_activation_changes_no_bit_and_touches_nothing():
    model = Written()
    keys = {str(s.activation): str(s.activation) for s in find(model, batch())}
    done = rf.swap(model, keys, data=batch())
    assert torch.equal(done.model(batch()), model(batch()))
    assert type(done.model) is Written
    assert done.changed == ()
    assert done.effect.same_bits
    assert "13 places left" in str(done)


@COMPILES
def test_calls_formulas_and_helpers_swap_and_compile():
    model, x = Written(), batch()
    keys = {"relu": "elu", "silu": "mish", "gelu_tanh": "gelu", "quick_gelu": "silu"}
    done = rf.swap(model, keys, data=x)
    assert len(done.changed) == 7
    assert not done.unreached
    found = [str(s.activation) for s in find(done.model, x)]
    assert (found.count("elu"), found.count("mish"), found.count("relu")) == (4, 1, 0)
    assert "gelu_tanh" not in found
    compiled = torch.compile(done.model, fullgraph=True)
    torch.testing.assert_close(compiled(x), done.model(x), atol=1e-5, rtol=1e-4)
    again = rf.swap(compiled, {"elu": "relu"}, data=x)
    assert len(again.changed) == 4
    assert type(again.model) is type(compiled)
    replica = copy.deepcopy(done.model)
    assert torch.equal(replica(x), done.model(x))
    nn.init.zeros_(replica.linear.weight)
    assert not torch.equal(replica(x), done.model(x)), "its methods are bound to itself"


def test_whole_models_with_swapped_calls_are_pickled(tmp_path):
    """In a process of its own they load, where it can import what the model's class is from."""
    model, x = Written(), batch()
    done = rf.swap(model, {"relu": "elu", "silu": "mish", "gelu_tanh": "gelu"}, data=x).model
    again = rf.swap(done, {"mish": "softsign", "elu": "tanh"}, data=x).model
    names = [s.activation.name for s in find(again, x)]
    assert (names.count("tanh"), names.count("softsign"), names.count("relu")) == (4, 1, 0)
    for net in (done, again):
        torch.save(net, tmp_path / "model.pt")
        loaded = torch.load(tmp_path / "model.pt", weights_only=False)
        assert torch.equal(loaded(x), net(x))
        assert type(loaded) is not Written
        name = "elu" if net is done else "tanh"
        assert len(rf.swap(loaded, {name: "silu"}, data=x).changed) == 4
    torch.save((again, x, again(x)), tmp_path / "model.pt")
    program = (
        "import torch\n"
        f"m, x, y = torch.load({str(tmp_path / 'model.pt')!r}, weights_only=False)\n"
        "assert torch.equal(m(x), y)"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


class Decorated(nn.Module):
    @decorated
    def forward(self, x):
        return F.relu(x) + 1


def test_what_cannot_be_pickled_says_so():
    done = rf.swap(Decorated(), {"relu": "elu"}, data=batch())
    assert not done.unreached
    with pytest.raises(InputError, match="decorated function with a swapped call in it"):
        pickle.dumps(done.model)


def test_in_place_the_parameters_stay_and_the_optimiser_goes_on():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    optimiser = torch.optim.Adam(model.parameters())
    own = list(model.parameters())
    done = rf.swap(model, {"1": "prelu"}, inplace=True)
    assert done.model is model
    assert all(a is b for a, b in zip(own, [*model[0].parameters()], strict=False))
    model(batch()).sum().backward()
    optimiser.step()
    assert len(list(model.parameters())) == 5


def test_a_transformers_fused_path_does_not_hide_the_new_activation():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    x = batch()[None]
    with torch.no_grad():
        done = rf.swap(model, {"relu": "softsign", "softmax": "sparsemax"}, data=x)
        assert [s.name for s in done.changed] == ["layers.0.activation", "layers.1.activation"]
        assert [reason.partition(" ")[2] for _, reason in done.unreached] == [
            "computes it inside one operation"
        ] * 2
        fast = done.model(x)
    torch.testing.assert_close(fast, done.model.train(False)(x.requires_grad_()).detach())
    assert not torch.allclose(fast, model(x), atol=1e-3)


def test_the_effect_is_measured():
    model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.GELU())
    nn.init.constant_(model[0].bias, -50.0)
    done = rf.swap(model, {"relu": "leaky_relu"}, data=batch())
    effect = done.effect
    assert (effect.units, effect.dead_before, effect.dead_after) == (64, 64, 0)
    assert 0 < effect.mean_change <= effect.largest_change
    assert not effect.same_bits
    # x, relu's output (which the next layer keeps too), gelu's input; leaky_relu keeps a mask more
    assert effect.memory_before == 4 * 32 * (8 + 64 + 64)
    assert effect.memory_after >= effect.memory_before
    assert json.loads(done.json())["effect"]["dead_before"] == 64
    assert repr(done).startswith("<Swapped 1 of 1 places; outputs: change by")
    assert "dead units: 64 -&gt; 0 of 64" in done._repr_html_()


def test_dead_units_are_those_of_diagnose_and_channels_are_the_units_of_a_convolution():
    model = nn.Sequential(nn.Conv1d(3, 16, 3, padding=1), nn.ELU(), nn.Conv1d(16, 5, 3), nn.ReLU())
    nn.init.constant_(model[0].bias, -9.0)  # where elu's slope is 1e-4
    nn.init.constant_(model[2].bias, -99.0)
    x = torch.randn(40, 3, 12)
    effect = rf.swap(model, {"elu": "softsign", "relu": "silu"}, data=x).effect
    seen = rf.diagnose(model, x).sites
    assert [one.statistics.units for one in seen] == [16, 5]
    assert (effect.units, effect.dead_before) == (16 + 5, 16 + 5)
    assert effect.dead_before == sum(int(one.statistics.dead.sum()) for one in seen)
    assert effect.dead_after == 5, "softsign has a slope at -9, silu has none at -99"


def test_places_can_be_named_in_many_ways():
    model = nn.ModuleDict({"a": nn.Sequential(nn.ReLU(), nn.ReLU6()), "b": nn.LeakyReLU(0.3)})
    ways = {
        "relu": ["a.0"],
        "a": ["a.0", "a.1"],
        "a.1": ["a.1"],
        "leaky_relu": ["b"],
        "leaky_relu(negative_slope=0.3)": ["b"],
        rf.get("relu6"): ["a.1"],
        lambda site: site.called == "torch.nn.ReLU": ["a.0"],
    }
    for key, names in ways.items():
        assert [s.name for s in rf.swap(model, {key: "mish"}).changed] == names
    first = rf.swap(model, {"a.0": "elu", "a": "mish"}).model["a"]
    assert [layer.activation.name for layer in first] == ["elu", "mish"]


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        (
            {"rellu": "elu"},
            r"unknown place in the model 'rellu'; nearest: relu.*there is: relu \(1",
        ),
        ({"softsign": "elu"}, r"there is: relu \(1\)"),
        ({"relu": "elou"}, "unknown activation 'elou'; nearest: elu"),
        ({"relu": "glu"}, "glu changes the number of features"),
        ({}, "say what becomes what"),
        ({3: "elu"}, "a place is the name of an activation"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(replace, message):
    with pytest.raises(InputError, match=message) as caught:
        rf.swap(nn.Sequential(nn.ReLU()), replace)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UnknownName) == ("unknown" in message or "there" in message)


def test_a_call_has_no_place_for_weights_and_exec_no_source():
    done = rf.swap(Written(), {"relu": "prelu"}, data=batch())
    assert len(done.unreached) == 4
    assert "has no place for its weights" in done.unreached[0][1]
    space = {"nn": nn, "F": F}
    exec("class Net(nn.Module):\n    def forward(self, x):\n        return F.relu(x) + 1", space)
    done = rf.swap(space["Net"](), {"relu": "elu"}, data=batch())
    assert done.unreached[0][1] == "the source of Net.forward is not there"
    assert "not reached: :relu: the source of Net.forward" in str(done)
