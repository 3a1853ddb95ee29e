"""Models that nobody here wrote, built at random from their libraries' own code: every site.

What is expected is counted from the models' sources, named beside each number.
"""

from __future__ import annotations

from collections import Counter

import keras
import numpy as np
import pytest
import torch
from torch import nn

import rectifier as rf
from rectifier.repair.sites import find

LAYERS = 2


def tokens() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.arange(12).reshape(2, 6)}


def bert():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    small = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(num_hidden_layers=LAYERS, vocab_size=32, **small)
    return transformers.BertModel(config)


def gpt2():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.GPT2Config(n_layer=LAYERS, n_head=2, n_embd=16, vocab_size=32)
    return transformers.GPT2Model(config)


def llama():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    small = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.LlamaConfig(num_hidden_layers=LAYERS, vocab_size=32, **small)
    return transformers.LlamaModel(config)


# A layer of each has one activation in its feed-forward part and one softmax in its attention,
# which sdpa fuses; BERT ends with the tanh of its pooler.
TRANSFORMERS = {
    bert: ({"gelu": LAYERS, "softmax": LAYERS, "tanh": 1}, "gelu", "GELUActivation"),
    gpt2: ({"gelu_tanh": LAYERS, "softmax": LAYERS}, "gelu_tanh", "NewGELUActivation"),
    llama: ({"silu": LAYERS, "softmax": LAYERS}, "silu", "SiLUActivation"),
}


@pytest.mark.parametrize("build", TRANSFORMERS, ids=lambda f: f.__name__)
def test_transformers(build):
    torch.manual_seed(0)
    counts, main, called = TRANSFORMERS[build]
    model = build().eval()
    sites = find(model, tokens())
    assert Counter(str(s.activation) for s in sites) == counts
    mains = [s for s in sites if s.activation.name == main]
    assert {(s.how, s.called.rpartition(".")[2]) for s in mains} == {("module", called)}
    assert {s.how for s in sites if s.activation.name == "softmax"} == {"inside"}

    same = rf.swap(model, {main: main}, data=tokens())
    assert same.effect.same_bits
    done = rf.swap(model, {main: "mish", "softmax": "sparsemax"}, data=tokens())
    assert [s.name for s in done.changed] == [s.name for s in mains]
    assert len(done.unreached) == LAYERS
    assert not done.effect.same_bits
    assert done.model.config is not None
    assert Counter(str(s.activation) for s in find(done.model, tokens()))["mish"] == LAYERS
    assert done.model.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize("build", TRANSFORMERS, ids=lambda f: f.__name__)
def test_the_softmax_of_eager_attention_is_swapped(build):
    """A function of the model's file computes it, which ``forward`` picks from a table."""
    model = build().eval()
    model.set_attn_implementation("eager")
    done = rf.swap(model, {"softmax": "sparsemax"}, data=tokens())
    assert len(done.changed) == LAYERS
    assert not done.unreached
    found = Counter(str(s.activation.name) for s in find(done.model, tokens()))
    assert (found["sparsemax"], found["softmax"]) == (LAYERS, 0)
    assert not done.effect.same_bits
    done.model.set_attn_implementation("sdpa")  # another function at that place is left alone
    model.set_attn_implementation("sdpa")
    assert torch.equal(done.model(**tokens())[0], model(**tokens())[0])


def test_torchs_own_transformer():
    layer = nn.TransformerEncoderLayer(16, 2, 32, activation="gelu", batch_first=True)
    model = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False).eval()
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    assert Counter((str(s.activation), s.how) for s in find(model, x)) == {
        ("gelu", "attribute"): 3,
        ("softmax", "inside"): 3,
    }
    assert len(rf.swap(model, {"gelu": "silu"}, data=x).changed) == 3


# From timm's sources, timm/models/*.py:
# resnet18: one relu after the stem and two in each of 8 blocks.
# mobilenetv3_small: hard_swish after the stem, twice in each of 8 blocks of the table's later rows,
#   in its last row and before the classifier; relu once and twice two times in its rows "nre", and
#   in the squeeze of 9 blocks, whose gate is a hard_sigmoid.
# vit_tiny: 12 blocks, a gelu and a fused attention each. convnext_atto: 2 + 2 + 6 + 2 blocks.
TIMM = {
    "resnet18": {"relu": 1 + 2 * 8},
    "mobilenetv3_small_050": {"hard_swish": 3 + 2 * 8, "relu": 5 + 9, "hard_sigmoid": 9},
    "vit_tiny_patch16_224": {"gelu": 12, "softmax": 12},
    "convnext_atto": {"gelu": 12},
}


@pytest.mark.parametrize("name", TIMM)
def test_timm(name):
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # torchvision raises the second beside a CPU torch
        pytest.skip(f"timm does not import here: {error}")
    torch.manual_seed(0)
    size = {"img_size": 64} if name.startswith("vit") else {}
    model = timm.create_model(name, pretrained=False, **size).eval()
    x = torch.randn(1, 3, 64, 64)
    assert Counter(str(s.activation) for s in find(model, x)) == TIMM[name]
    main = next(iter(TIMM[name]))
    done = rf.swap(model, {main: "mish"}, data=x)
    assert len(done.changed) == TIMM[name][main]
    assert not done.unreached
    assert len(rf.diagnose(model, x).sites) == sum(TIMM[name].values()) - TIMM[name].get(
        "softmax", 0
    )


# From the sources in keras.applications:
# ResNet50: one relu after the stem, three in each of 3 + 4 + 6 + 3 blocks, softmax at the end.
# EfficientNetB0: silu after the stem, in 16 blocks two more and in all but the first, which does
#   not expand, a third, a sigmoid each, silu at the top, softmax.
# MobileNetV3Small: relu in the first 3 blocks and hard_swish in 8, twice each but once in block
#   0, which does not expand; hard_swish at both ends and before the classifier; in the 9 blocks
#   with squeeze and excitation one relu, and hard_sigmoid(x) = relu6(x + 3) / 6; softmax.
APPLICATIONS = {
    "ResNet50": {"relu": 1 + 3 * 16, "softmax": 1},
    "EfficientNetB0": {"silu": 1 + 3 * 16 - 1 + 1, "sigmoid": 16, "softmax": 1},
    "MobileNetV3Small": {"relu": 5 + 9, "hard_swish": 16 + 3, "relu6": 9, "softmax": 1},
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_keras_applications(name):
    build = getattr(keras.applications, name)
    model = build(weights=None, input_shape=(32, 32, 3), classes=5)
    found = Counter(str(s.activation) for s in find(model))
    assert found == APPLICATIONS[name]
    main = next(iter(APPLICATIONS[name]))
    done = rf.swap(model, {main: "mish"}, inplace=True)
    assert len(done.changed) == found[main]
    assert Counter(str(s.activation) for s in find(model))["mish"] == found[main]
    x = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype("float32")
    assert np.isfinite(keras.ops.convert_to_numpy(model(x, training=False))).all()
