"""Gates of recurrent layers: what is computed again gives the layer's own outputs; faults show."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import rectifier as rf
from rectifier.repair.sites import tap

# Keras' own variables, when NumPy makes arrays of them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


def received(model, *inputs) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
    got = {}

    def numbers(value):
        if isinstance(value, torch.Tensor):
            return value.detach().numpy()
        return np.asarray(keras.ops.convert_to_numpy(value))

    with tap(model, lambda site, z, y: got.setdefault(site.name, (numbers(z), numbers(y)))):
        output = model(*inputs)
    return got, output


def by_step(got, part: str, steps: int) -> np.ndarray:
    _, y = got[part]
    return y.reshape(steps, -1, y.shape[-1])


@pytest.mark.parametrize("way", ["", " backwards"])
def test_torch_lstm(way):
    model = nn.LSTM(5, 7, 2, bidirectional=True, batch_first=True)
    x, states = torch.randn(3, 4, 5), (torch.randn(4, 3, 7), torch.randn(4, 3, 7))
    got, (output, _) = received(model, x, states)
    assert len(got) == 5 * 4
    gates = [by_step(got, f"{part}, layer 2{way}", 4) for part in ("output gate", "state")]
    wanted = output[..., 7:].flip(1) if way else output[..., :7]
    torch.testing.assert_close(
        torch.from_numpy(gates[0] * gates[1]), wanted.transpose(0, 1).detach()
    )
    z, y = got["forget gate, layer 1"]
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-z)), rtol=1e-5)


@pytest.mark.parametrize("kind", [nn.GRU, nn.RNN, nn.LSTM, nn.GRUCell])
def test_torch_kinds(kind):
    cell = kind is nn.GRUCell
    model = kind(5, 7)
    x = torch.randn(3, 5) if cell else torch.randn(4, 3, 5)
    got, output = received(model, x)
    y = {part: by_step(got, part, 1 if cell else 4) for part in got}
    output = (output[None] if cell else output[0]).detach().numpy()
    before = np.concatenate([np.zeros((1, 3, 7), np.float32), output[:-1]])
    if kind is nn.LSTM:
        made = y["output gate"] * y["state"]
    elif kind is nn.RNN:
        made = y["state"]
    else:
        made = y["update gate"] * before + (1 - y["update gate"]) * y["candidate"]
    np.testing.assert_allclose(made, output, atol=1e-6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "GRU before", "SimpleRNN"])
def test_keras_kinds(kind):
    options = {"reset_after": False} if kind == "GRU before" else {}
    bias = keras.initializers.RandomNormal(stddev=0.5)
    made_of = getattr(keras.layers, kind.split()[0])
    layer = made_of(7, return_sequences=True, bias_initializer=bias, name="r", **options)
    model = keras.Sequential([keras.Input((4, 5)), keras.layers.Bidirectional(layer, name="two")])
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    got, output = received(model, x)
    output = np.asarray(keras.ops.convert_to_numpy(output)).swapaxes(0, 1)
    for name, wanted in (("forward_r", output[..., :7]), ("backward_r", output[::-1, :, 7:])):
        parts = {n.rpartition(":")[2]: by_step(got, n, 4) for n in got if f"{name}:" in n}
        if kind == "LSTM":
            made = parts["output gate"] * parts["state"]
        elif kind == "SimpleRNN":
            made = parts["state"]
        else:
            before = np.concatenate([np.zeros((1, 3, 7), np.float32), wanted[:-1]])
            update = parts["update gate"]
            made = update * before + (1 - update) * parts["candidate"]
        np.testing.assert_allclose(made, wanted, atol=2e-6)


class Last(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(10, 16, batch_first=True), nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def test_saturated_gates_are_a_finding_and_healthy_ones_are_none():
    model, x = Last(), torch.randn(100, 6, 10)
    healthy = rf.diagnose(model, x)
    assert healthy.findings == []
    assert [row["site"].partition(":")[2] for row in healthy.rows] == [
        "input gate", "forget gate", "candidate", "output gate", "state",
    ]  # fmt: skip
    assert healthy.unseen == []
    with torch.no_grad():
        model.lstm.bias_ih_l0[16:32] = -40.0  # it forgets all there is
    (finding,) = rf.diagnose(model, x).findings
    assert (finding.kind, finding.layer) == ("saturated_units", "lstm")
    assert finding.numbers["site"] == "lstm:forget gate"
    assert finding.what.startswith("16 of 16 units of the forget gate saturated")
    assert "rf.swap" not in finding.remedy


def test_what_is_not_seen_is_said_with_the_reason():
    class Packed(Last):
        def forward(self, x):
            packed = nn.utils.rnn.pack_padded_sequence(x, [6] * len(x), batch_first=True)
            return self.head(self.lstm(packed)[1][0][0])

    packed = rf.diagnose(Packed(), torch.randn(40, 6, 10))
    assert [(s.name, why) for s, why in packed.unseen] == [
        ("lstm:sigmoid", "it takes a packed sequence"),
        ("lstm:tanh", "it takes a packed sequence"),
    ]
    assert "not seen: lstm:tanh: it takes a packed sequence" in str(packed)
    for shown in (packed.json(), packed._repr_html_()):
        assert "packed sequence" in shown
    attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    ((site, why),) = rf.diagnose(attention, torch.randn(40, 6, 8)).unseen
    assert (site.activation.name, why.split()[-4:]) == (
        "softmax",
        "it inside one operation".split(),
    )
    masked = keras.Sequential(
        [keras.Input((6,)), keras.layers.Embedding(9, 4, mask_zero=True), keras.layers.LSTM(5)]
    )
    unseen = rf.diagnose(masked, np.ones((40, 6), np.int32)).unseen
    assert {why for _, why in unseen} == {"some steps of its sequences are masked"}
