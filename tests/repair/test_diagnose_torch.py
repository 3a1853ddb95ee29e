"""PyTorch models with one fault each: it is found, where it is, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import rectifier as rf
from rectifier.errors import InputError
from rectifier.repair.findings import KINDS

ROWS = 200


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def data(classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 10)).astype(np.float32)
    return x, rng.integers(0, classes, ROWS)


def net(*tail: nn.Module, bias: float = 0.0) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), *tail)
    with torch.no_grad():
        model[2].bias += bias
    return model


def kinds(diagnosis) -> set[str]:
    assert {f.kind for f in diagnosis.findings} <= set(KINDS)
    return {f.kind for f in diagnosis.findings}


def test_a_healthy_model_has_no_findings_and_is_left_as_it_was():
    model = net(nn.BatchNorm1d(32), nn.Dropout(), nn.Linear(32, 3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters())
    state = torch.get_rng_state()
    diagnosis = rf.diagnose(model, data(), loss=nn.CrossEntropyLoss(), optimizer=optimizer)
    assert diagnosis.findings == []
    assert diagnosis.healthy
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert not optimizer.state
    assert 1e-4 < diagnosis.gradients.weights["0.weight"].step_ratio < 0.1


def test_dead_units_are_counted_per_layer():
    diagnosis = rf.diagnose(net(nn.Linear(32, 3), bias=-9.0), data())
    (finding,) = diagnosis.findings
    assert (finding.kind, finding.layer, finding.numbers["value"]) == ("dead_units", "3", 1.0)
    assert [row["dead"] for row in diagnosis.rows] == [0.0, 1.0]
    assert "leaky_relu" in finding.remedy


CASES = {
    "probabilities_as_logits": (nn.CrossEntropyLoss(), [nn.Linear(32, 3), nn.Softmax(-1)]),
    "logits_as_probabilities": (nn.NLLLoss(), [nn.Linear(32, 3)]),
    "squashed_twice": (None, [nn.Linear(32, 3), nn.Sigmoid(), nn.Softmax(-1)]),
    "softmax_of_one": (None, [nn.Linear(32, 1), nn.Softmax(-1)]),
    "labels_out_of_range": (nn.CrossEntropyLoss(), [nn.Linear(32, 2)]),
    "output_range": (nn.MSELoss(), [nn.Linear(32, 1), nn.Sigmoid()]),
    "no_nonlinearity": (None, [nn.Linear(32, 32), nn.Linear(32, 3)]),
    "selu_initialiser": (None, [nn.Linear(32, 32), nn.SELU(), nn.Linear(32, 3)]),
    "bias_before_norm": (None, [nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU()]),
    "overwritten": (None, [nn.Linear(32, 32), nn.Sigmoid(), nn.ReLU(inplace=True)]),
}


ALSO = {"overwritten": {"linear_layer"}}  # relu of a sigmoid is the sigmoid


@pytest.mark.parametrize("kind", CASES)
def test_wiring(kind):
    loss, tail = CASES[kind]
    found = kinds(rf.diagnose(net(*tail), data(), loss=loss))
    assert kind in found
    assert found - {kind} <= ALSO.get(kind, set())


def test_functional_calls_know_their_line():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(10, 32), nn.Linear(32, 3)

        def forward(self, x):
            return self.b(torch.relu(self.a(x) - 9))

    diagnosis = rf.diagnose(Net(), data())
    (finding,) = diagnosis.findings
    assert finding.kind == "dead_units"
    assert finding.source.startswith("test_diagnose_torch.py:")


def test_channels_are_the_units_of_a_convolution_and_features_those_of_a_token():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.c = nn.Conv1d(10, 16, 3, padding=1)
            self.t = nn.Linear(16, 24)

        def forward(self, x):
            return torch.relu(self.t(torch.relu(self.c(x)).transpose(1, 2))).mean(1)

    diagnosis = rf.diagnose(Net(), torch.randn(64, 10, 7))
    assert [row["units"] for row in diagnosis.rows] == [16, 24]


def test_gradients_that_vanish_explode_or_never_come():
    def deep(scale: float) -> nn.Sequential:
        layers: list[nn.Module] = []
        for _ in range(6):
            layers += [nn.Linear(10, 10), nn.Tanh()]
        model = nn.Sequential(*layers, nn.Linear(10, 3))
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(scale)
        return model

    loss = nn.CrossEntropyLoss()
    assert "vanishing_gradients" in kinds(rf.diagnose(deep(0.02), data(), loss=loss))
    unused = net(nn.Linear(32, 3))
    unused.extra = nn.Linear(2, 2)
    unused.forward = lambda x: nn.Sequential.forward(unused[:5], x)
    found = rf.diagnose(unused, data(), loss=loss).findings
    assert [(f.kind, f.layer) for f in found] == [("never_updated", "extra")]


def test_bad_input_is_one_line():
    model = net(nn.Linear(32, 3))
    x, y = data()
    for call, words in {
        (lambda: rf.diagnose(model, [])): "no batch",
        (lambda: rf.diagnose(model, x[:, :4])): "does not take this batch",
        (lambda: rf.diagnose(model, 3)): "loader",
        (lambda: rf.diagnose(model, (x, y[:9]))): "row by row",
        (lambda: rf.diagnose("model", x)): "torch.nn.Module or a Keras model",
        (lambda: rf.diagnose(nn.LazyLinear(3), x)): "not built",
        (lambda: rf.diagnose(model, (x, y), loss="mse")): "loss is a module",
        (lambda: rf.diagnose(model, "no.csv", target="y")): "no such file",
    }.items():
        with pytest.raises(InputError, match=words) as raised:
            call()
        assert "\n" not in str(raised.value)


def test_what_is_shown_is_the_same_in_every_form(tmp_path):
    diagnosis = rf.diagnose(net(nn.Linear(32, 3), bias=-9.0), data(), loss=nn.CrossEntropyLoss())
    page = diagnosis.report(tmp_path / "d.html").read_text("utf-8")
    for shown in (page, str(diagnosis), diagnosis._repr_html_(), diagnosis.json()):
        assert "32 of 32 units dead" in shown
    assert diagnosis.table.height == 2
    assert max(map(len, str(diagnosis).splitlines())) <= 100
    assert "var(--dead) 100%" in page
