"""Watching a model while it trains: what is seen, and that training does not notice."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import torch
from torch import nn

import rectifier as rf
from rectifier.errors import InputError
from rectifier.repair.live import pace
from rectifier.repair.statistics import rank

# Keras' own variables, when NumPy makes arrays of them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 32),
        nn.ReLU(), nn.Linear(32, 2),
    )  # fmt: skip


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 12) -> None:
    torch.manual_seed(1)
    for _ in range(steps):
        x = torch.randn(100, 8)
        loss = nn.functional.cross_entropy(net(x), (x[:, 0] > 0).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_a_plain_loop_is_watched_and_trains_bit_by_bit_as_without():
    plain = model()
    train(plain, torch.optim.SGD(plain.parameters(), 0.1))
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with rf.watch(net, optimizer=optimizer, every=4, share=1.0) as watch:
        train(net, optimizer)
    assert all(
        torch.equal(a, b)
        for a, b in zip(plain.state_dict().values(), net.state_dict().values(), strict=True)
    )
    assert [(row["step"], row["site"]) for row in watch.history] == [
        (step, site) for step in (0, 4, 8) for site in ("2", "5")
    ]
    assert watch.findings == []
    before = len(watch.history)
    train(net, optimizer)
    assert len(watch.history) == before


def test_units_that_die_are_told_once_and_large_steps_too():
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), 300.0)
    told: list = []
    with rf.watch(net, optimizer=optimizer, every=1, share=1.0, on_finding=told.append):
        train(net, optimizer)
    kinds = [finding.kind for finding in told]
    assert "large_steps" in kinds
    assert {"dead_units", "not_finite"} & set(kinds)
    places = [(finding.kind, finding.layer) for finding in told]
    assert len(places) == len(set(places))


def test_sampling_waits_until_its_share_of_the_time_is_kept():
    net = model()
    with rf.watch(net, every=1, share=1e-9) as watch:
        train(net, torch.optim.SGD(net.parameters(), 0.1))
    assert {row["step"] for row in watch.history} == {0}


def test_a_sample_is_charged_for_the_steps_that_it_slows(monkeypatch):
    now = 0.0
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now)
    charged = {}
    for slowed in (0.0, 0.01):  # seconds that each of the steps after a sample takes longer
        now, paced, samples = 0.0, pace.Pace(every=10, share=0.02), []
        for step in range(400):
            if paced.due(step):
                samples.append(step)
                with paced.timed():
                    now += 0.02
            now += 0.05 + (slowed if samples and step - samples[-1] in (0, 1, 2) else 0)
        charged[slowed] = paced.seconds / len(samples)
        assert paced.seconds <= 0.02 * now
        assert len(samples) > 5, "it does sample"
    assert charged[0.0] == pytest.approx(0.02)
    # of the very first sample it is not known what a step takes without
    assert charged[0.01] == pytest.approx(0.02 + 0.03 * (len(samples) - 1) / len(samples))


def test_a_watch_needs_no_threads_of_blas():
    """They would go on spinning beside the training's own after every sample."""
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    used: list[str] = []

    def forbidden(name):
        return lambda *_, **__: used.append(name)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("dot", "matmul", "inner", "vdot"):
            patch.setattr(np, name, forbidden(name))
        patch.setattr(np.linalg, "norm", forbidden("norm"))
        patch.setattr(rank.Covariance, "update", forbidden("Covariance"))
        with rf.watch(net, optimizer=optimizer, every=4, share=1.0) as watch:
            train(net, optimizer)
    assert watch.history
    assert used == []


def test_trainers_may_call_every_moment_by_name():
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), 300.0)
    watch = rf.watch(net, every=1, share=1.0, on_finding=lambda finding: None)
    for moment in ("on_init_end", "on_step_begin", "on_before_zero_grad", "setup", "teardown"):
        assert getattr(watch, moment)(None, None, stage="fit") is None
    watch.on_train_start(SimpleNamespace(optimizers=[optimizer]), net)  # Lightning
    watch.on_train_begin(None, None, None, model=net, optimizer=optimizer)  # Hugging Face
    train(net, optimizer, 3)
    watch.on_train_end(None, None, None)
    assert "large_steps" in {finding.kind for finding in watch.findings}
    assert watch.state_dict() == {}
    with pytest.raises(AttributeError):
        watch.no_such_thing  # noqa: B018


def test_a_keras_callback():
    keras.utils.set_random_seed(0)
    dead = keras.layers.Dense(
        16, "relu", bias_initializer=keras.initializers.Constant(-30), name="stuck"
    )
    net = keras.Sequential([keras.Input((4,)), dead, keras.layers.Dense(1)])
    net.compile(keras.optimizers.SGD(5.0), "mse")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 4)).astype(np.float32)
    told: list[str] = []
    watch = rf.watch(net, x, every=2, share=1.0, on_finding=lambda f: told.append(f.kind))
    net.fit(x, x[:, :1], batch_size=16, epochs=1, verbose=0, callbacks=[watch])
    assert {row["step"] for row in watch.history} == {0, 2, 4}
    assert told[0] == "dead_units"
    with pytest.raises(InputError, match="watched on data"):
        rf.watch(net)
