"""Training: the same numbers as a plain loop in another framework, and runs that may go wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import rectifier as rf
from rectifier.errors import MissingLibrary
from rectifier.kernels import cpu
from rectifier.study import plan
from rectifier.study.judge.metrics import default_metric
from rectifier.study.load import load
from rectifier.study.settings import CANDIDATES, Settings
from rectifier.study.train.choice import local_engine, trainer_for
from rectifier.study.train.engine import Engine
from rectifier.study.train.native.program import Trainer, trainer
from rectifier.study.train.native.source import source
from rectifier.study.train.network import MLP
from rectifier.study.train.problem import prepare

# Every candidate as PyTorch has it, or as its textbook formula.
TORCH = {
    "celu": F.celu,
    "elu": F.elu,
    "exponential": torch.exp,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "hard_sigmoid": F.hardsigmoid,
    "hard_swish": F.hardswish,
    "hard_tanh": F.hardtanh,
    "identity": lambda x: x,
    "leaky_relu": F.leaky_relu,
    "log_sigmoid": F.logsigmoid,
    "mish": F.mish,
    "relu": F.relu,
    "relu6": F.relu6,
    "selu": F.selu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "sine": torch.sin,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "squareplus": lambda x: (x + torch.sqrt(x**2 + 4)) / 2,
    "tanh": torch.tanh,
}
JAX = ("relu", "tanh", "gelu", "identity")  # compiling them all would take half a minute


def make_engine(name: str, lanes: int = 2, **changes) -> Engine:
    table = load(name)
    settings = Settings(
        **{
            "activations": CANDIDATES,
            "hidden": (7, 5),
            "epochs": 5,
            "batch_size": 20,
            "seeds": 2,
            "tune_seeds": 2,
            "trainer": "native",
            **changes,
        }
    ).checked()
    splits = {phase: plan.splits(table, phase, 2, 0) for phase in ("tune", "confirm")}
    problem = prepare(table, default_metric(table.task), splits)
    return local_engine(problem, settings, lanes)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Matrices of seven columns are not worth a second one, which waits for the first."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=["iris", "diabetes", "iris in jax", "diabetes in jax"])
def engine(request):
    table, _, trainer = request.param.partition(" in ")
    rows = {"iris": 20, "diabetes": 70}[table]
    if trainer:
        return make_engine(table, batch_size=rows, trainer=trainer, activations=JAX)
    return make_engine(table, batch_size=rows)


def task(activation: str, rate: float = 1e-2, seeds=(0, 1)) -> plan.Task:
    keys = tuple(plan.RunKey("confirm", activation, rate, seed) for seed in seeds)
    return plan.Task(activation, keys)


def train_in_torch(engine: Engine, activation: str, rate: float, seed: int):
    """The same run as a plain PyTorch loop in float64: losses an epoch, outputs on test rows."""
    problem, settings = engine.problem, engine.settings
    split, place = problem.splits("confirm")[seed], problem.position("confirm", seed)
    features = problem.features
    x = (features.matrix[features.which[place]] - features.shift[place]) * features.scale[place]
    y = problem.targets
    if not problem.classification:
        y = (y - problem.target_shift[place]) / problem.target_scale[place]
    x, y = torch.tensor(x, dtype=torch.float64), torch.tensor(y)
    draws = engine.network.draw(plan.generator(0, "confirm", "weights", seed))
    weights = [
        torch.tensor(part, dtype=torch.float64, requires_grad=True)
        for layer in engine.network.initial(draws, rf.get(activation).facts.gain)
        for part in layer
    ]
    optimizer = torch.optim.Adam(weights, lr=rate, eps=1e-8)

    def outputs(rows):
        h = x[rows]
        for layer in range(0, len(weights) - 2, 2):
            h = TORCH[activation](h @ weights[layer] + weights[layer + 1])
        return h @ weights[-2] + weights[-1]

    def loss(rows):
        if problem.classification:
            return torch.nn.functional.cross_entropy(outputs(rows), y[rows].long())
        return ((outputs(rows)[:, 0] - y[rows]) ** 2).mean()

    curve, best, kept = [], math.inf, None
    for epoch in range(settings.epochs):
        order = plan.batch_order(settings, "confirm", seed, split.fit, epoch)
        batches = order[: engine.steps * engine.batch_size].reshape(engine.steps, -1)
        losses = []
        for rows in batches:
            optimizer.zero_grad()
            value = loss(torch.tensor(rows).long())
            value.backward()
            optimizer.step()
            losses.append(value.item())
        with torch.no_grad():
            validation = loss(torch.tensor(split.validation).long()).item()
            if validation < best:
                best, kept = validation, outputs(torch.tensor(split.test).long()).numpy()
        curve.append((np.mean(losses), validation))
    return np.array(curve).T, kept


def test_losses_of_every_candidate_are_those_of_a_plain_torch_loop(engine):
    """20 steps of each, and what validation and test rows say then."""
    assert set(TORCH) == set(CANDIDATES)
    assert engine.steps * engine.settings.epochs == 20
    tasks = [task(activation) for activation in engine.settings.activations]
    runs = [run for done in engine.run(tasks) for run in done]
    assert len(runs) == 2 * len(tasks)
    for run in runs[:: 1 if engine.settings.trainer == "jax" else 2]:
        expected, outputs = train_in_torch(engine, run.activation, 1e-2, run.seed)
        assert run.curves[:2] == pytest.approx(expected, rel=1e-4), run.activation
        rows = engine.problem.splits("confirm")[run.seed].test
        place = engine.problem.position("confirm", run.seed)
        contributions = engine.problem.contributions(rows, outputs, place)
        assert run.contributions == pytest.approx(contributions, rel=1e-2, abs=2e-2)


def test_a_run_does_not_depend_on_its_company(engine):
    alone = [run for runs in engine.run([task("tanh", seeds=(1,))]) for run in runs]
    group = [task("identity"), task("tanh"), task("gelu")]
    together = [run for runs in engine.run(group) for run in runs if run.activation == "tanh"]
    (same,) = [run for run in together if run.seed == 1]
    assert np.array_equal(alone[0].curves, same.curves)
    assert np.array_equal(alone[0].contributions, same.contributions)


def test_tuning_runs_are_judged_on_validation_rows():
    engine = make_engine("iris")
    key = plan.RunKey("tune", "relu", 1e-2, 0)
    ((run,),) = engine.run([plan.Task("relu", (key,))])
    split = engine.problem.splits("tune")[0]
    assert run.score * len(split.validation) == pytest.approx(
        round(run.score * len(split.validation))
    )
    assert len(run.contributions) == 0


def test_divergence_is_a_result_and_not_a_crash():
    engine = make_engine("diabetes", activations=("exponential", "relu"), epochs=5)
    ((first, second),) = engine.run([task("exponential", rate=1e3)])
    for run in (first, second):
        assert run.diverged
        assert math.isfinite(run.score)
        assert np.isfinite(run.contributions).all()
        assert run.epochs_run < 5


def test_early_stopping_keeps_the_best_epoch_and_freezes_the_lane():
    engine = make_engine("wine", epochs=60, patience=3, hidden=(32,), batch_size=16)
    ((first, second),) = engine.run([task("relu", rate=3e-2)])
    for run in (first, second):
        assert run.epochs_run == min(60, run.epochs_to_best + 3)
        assert run.epochs_to_best == int(np.argmin(run.curves[1])) + 1
        assert run.validation_loss == run.curves[1].min()
    assert first.epochs_run != second.epochs_run, "choose seeds that stop at different times"


@pytest.mark.parametrize("trainer", ["native", "jax"])
def test_dead_units_are_seen(trainer, monkeypatch):
    engine = make_engine("iris", activations=("relu",), hidden=(64,), trainer=trainer)
    draw = engine._weights

    def weights(keys):
        (kernel, bias), *rest = draw(keys)
        bias[:, :16] = -1e6  # a quarter can never be positive
        return [(kernel, bias), *rest]

    monkeypatch.setattr(engine, "_weights", weights)
    ((first, second),) = engine.run([task("relu")], epochs=1)
    for run in (first, second):
        assert 0.25 <= run.curves[2, 0] < 0.5
        assert run.sparsity >= 0.25


def test_the_trainer_takes_any_shape_of_network_and_batch():
    """Tiles that do not fit, rows of a power of two, batches of several blocks, one lane."""
    whole = {"activations": ("tanh",), "epochs": 3, "learning_rates": (1e-2,)}
    for shape in ({"hidden": (64, 3, 32), "batch_size": 130}, {"hidden": (1,), "batch_size": 1}):
        ours = make_engine("breast_cancer", **whole, **shape)
        ((run,),) = ours.run([task("tanh", seeds=(1,))])
        expected, _ = train_in_torch(ours, "tanh", 1e-2, 1)
        assert run.curves[:2] == pytest.approx(expected, rel=1e-4), shape


def test_epochs_in_several_calls_are_the_same(monkeypatch):
    def curves():
        ((first, _),) = make_engine("wine", activations=("elu",)).run([task("elu")])
        return first.curves

    once = curves()
    monkeypatch.setattr("rectifier.study.train.engine._ORDER_BYTES", 1)
    assert np.array_equal(curves(), once)


def test_the_processor_enters_no_number(monkeypatch):
    """Tiles for 16 registers and for 32 give the same bits."""
    ours = make_engine("wine", activations=("gelu",), epochs=3)
    ((first, _),) = ours.run([task("gelu")])
    kept = trainer(ours.network, True).shape
    other = replace(kept, columns=5 - kept.columns)
    made = cpu.prepared(source(other), "the trainer", lambda code: Trainer(other, code))
    monkeypatch.setattr("rectifier.study.train.native.engine.trainer", lambda *_: made)
    ((same, _),) = ours.run([task("gelu")])
    assert np.array_equal(first.curves, same.curves)
    assert np.array_equal(first.contributions, same.contributions)


def test_the_trainer_is_chosen_and_kept(monkeypatch):
    plain = Settings(activations=("relu", "swish")).checked()
    assert trainer_for(plain) == "native"
    assert trainer_for(replace(plain, trainer="jax")) == "jax"
    monkeypatch.setattr("rectifier.kernels.cpu.available", lambda: False)
    assert trainer_for(plain) == "jax"
    with pytest.raises(MissingLibrary, match="rectifier\\[fast\\]"):
        trainer_for(replace(plain, trainer="native"))
    assert plain.identity("t", "f") != replace(plain, trainer="jax").identity("t", "f")


def test_initial_weights_keep_the_scale_of_signals():
    """z has variance 1 in every layer, whatever the activation: that is what gain is for."""
    network = MLP(256, (512, 512), 3)
    draws = network.draw(np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((2000, 256))
    for name in ("relu", "tanh", "sigmoid", "gelu", "selu", "exponential"):
        entry = rf.get(name)
        _, hidden = network.apply(network.initial(draws, entry.facts.gain), x, entry)
        spread = [math.sqrt(np.mean(z**2)) for z in hidden]
        assert spread == pytest.approx([1, 1], rel=0.15), name
