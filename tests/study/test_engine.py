"""Training: the same numbers as a plain loop in another framework, and runs that may go wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import rectifier as rf
from rectifier.study import plan
from rectifier.study.judge.metrics import default_metric
from rectifier.study.load import load
from rectifier.study.settings import Settings
from rectifier.study.train.engine import LocalEngine
from rectifier.study.train.network import MLP
from rectifier.study.train.problem import prepare

TORCH = {
    "relu": torch.nn.functional.relu,
    "tanh": torch.tanh,
    "silu": torch.nn.functional.silu,
    "elu": torch.nn.functional.elu,
    "gelu": torch.nn.functional.gelu,
    "identity": lambda x: x,
}


def make_engine(name: str, lanes: int = 2, **changes) -> LocalEngine:
    table = load(name)
    settings = Settings(
        **{
            "activations": tuple(TORCH),
            "hidden": (7, 5),
            "epochs": 3,
            "batch_size": 20,
            "seeds": 2,
            "tune_seeds": 2,
            **changes,
        }
    ).checked()
    splits = {phase: plan.splits(table, phase, 2, 0) for phase in ("tune", "confirm")}
    problem = prepare(table, default_metric(table.task), splits)
    return LocalEngine(problem, settings, lanes)


@pytest.fixture(scope="module", params=["iris", "diabetes"])
def engine(request):
    return make_engine(request.param)


def task(activation: str, rate: float = 1e-2, seeds=(0, 1)) -> plan.Task:
    keys = tuple(plan.RunKey("confirm", activation, rate, seed) for seed in seeds)
    return plan.Task(activation, keys)


def train_in_torch(engine: LocalEngine, activation: str, rate: float, seed: int):
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


@pytest.mark.parametrize("activation", TORCH)
def test_losses_are_those_of_a_plain_torch_loop(engine, activation):
    (runs,) = engine.run([task(activation)])
    for run in runs:
        expected, outputs = train_in_torch(engine, activation, 1e-2, run.seed)
        assert run.curves[:2] == pytest.approx(expected, rel=2e-4)
        rows = engine.problem.splits("confirm")[run.seed].test
        place = engine.problem.position("confirm", run.seed)
        contributions = engine.problem.contributions(rows, outputs, place)
        assert run.contributions == pytest.approx(contributions, rel=1e-2, abs=2e-2)


def test_a_run_does_not_depend_on_its_company(engine):
    alone = [run for runs in engine.run([task("tanh", seeds=(1,))]) for run in runs]
    group = [task("elu"), task("tanh"), task("silu")]
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


def test_dead_units_are_seen():
    engine = make_engine("iris", activations=("relu",), hidden=(64,))
    program = engine._program
    lanes, state = engine._begin([task("relu")] * engine.devices)
    kernel, bias = state.weights[0]
    state.weights[0] = (kernel, bias.at[:, :16].set(-1e6))  # a quarter can never be positive
    order = engine._order([task("relu")] * engine.devices, 0)
    after = program.advance(state, lanes, order, 0, 1)
    dead = np.asarray(after.curves)[:, 2, 0]
    assert ((dead >= 0.25) & (dead < 0.5)).all()


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
