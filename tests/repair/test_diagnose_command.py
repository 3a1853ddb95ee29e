"""``rectifier diagnose``: a file in, findings out, and one line for what is no model."""

from __future__ import annotations

import json
import sys
import zipfile

import keras
import numpy as np
import pytest

from rectifier import cli

# Of Keras' own on TensorFlow, when it saves weights.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class Unknown(keras.layers.Layer):
    """Of a file that is read where this class is not registered."""

    def call(self, x):
        return x


@pytest.fixture
def folder(tmp_path):
    keras.utils.set_random_seed(0)
    dead = keras.layers.Dense(
        16, "relu", bias_initializer=keras.initializers.Constant(-30), name="stuck"
    )
    model = keras.Sequential([keras.Input((4,)), dead, keras.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.save(tmp_path / "model.keras")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)).astype(np.float32), rng.integers(0, 3, 60)
    np.savez(tmp_path / "data.npz", X=x, y=y)
    return tmp_path


def run(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["rectifier", "diagnose", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


def test_json_and_page(folder, monkeypatch, capsys):
    page = folder / "page.html"
    given = (folder / "model.keras", "--data", folder / "data.npz", "--report", page)
    code, out, _ = run(monkeypatch, capsys, *given, "--json")
    findings = json.loads(out)["findings"]
    assert code == 0
    assert [(f["kind"], f["layer"]) for f in findings] == [("dead_units", "stuck")]
    assert "16 of 16 units dead" in page.read_text("utf-8")
    code, out, _ = run(monkeypatch, capsys, *given)
    assert "dead units: stuck" in out


def test_what_is_no_model_is_one_line_and_2(folder, monkeypatch, capsys):
    (folder / "text.keras").write_text("not a model")
    unsafe = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x)])
    unsafe.save(folder / "unsafe.keras")
    keras.Sequential([keras.Input((4,)), Unknown()]).save(folder / "own.keras")
    (folder / "folder.keras").mkdir()
    with zipfile.ZipFile(folder / "zip.keras", "w") as archive:
        archive.writestr("a.txt", "no model")
    whole = (folder / "model.keras").read_bytes()
    (folder / "half.keras").write_bytes(whole[: len(whole) // 2])
    data = ("--data", folder / "data.npz")
    for name, words in {
        "absent.keras": "no such file",
        "text.keras": "is not a Keras model file",
        "data.npz": "is not a Keras model file",
        "unsafe.keras": "holds code",
        "own.keras": "has 'Unknown' in it, which neither Keras nor Rectifier knows",
        "folder.keras": "is not a Keras model file",
        "zip.keras": "cannot be loaded as a Keras model: KeyError",
        "half.keras": "is not a Keras model file",
    }.items():
        code, out, err = run(monkeypatch, capsys, folder / name, *data)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert words in err
    np.savez(folder / "wide.npz", X=np.ones((30, 7), np.float32), y=np.arange(30) % 3)
    code, _, err = run(monkeypatch, capsys, folder / "model.keras", "--data", folder / "wide.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "does not take this batch" in err
    assert "\x1b" not in err
