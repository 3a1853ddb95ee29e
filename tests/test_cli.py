"""The command line: what it prints, and one clear line with exit code 2 for what it cannot use."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rectifier import cli

QUICK = ["--activations", "relu,tanh", "--hidden", "4", "--epochs", "2"]
QUICK += ["--seeds", "2", "--tune-seeds", "1", "--learning-rates", "0.01"]


@pytest.fixture
def rectifier(monkeypatch, capsys, tmp_path):
    """Runs the command in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: str):
        monkeypatch.setattr(sys, "argv", ["rectifier", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capsys.readouterr()
        return stop.value.code or 0, printed.out, printed.err

    return run


def test_compare_prints_a_leaderboard_and_one_sentence(rectifier, tmp_path):
    code, out, _ = rectifier("compare", "iris", *QUICK)
    assert code == 0
    folder = tmp_path / "rectifier-runs" / "iris-target"
    assert {p.name for p in folder.iterdir()} == {
        "journal.sqlite",
        "runs.csv",
        "verdict.json",
        "report.html",
    }
    verdict = json.loads((folder / "verdict.json").read_text())
    flat = " ".join(out.split())
    assert verdict["reason"].rstrip(".").lower()[1:] in flat.lower()
    assert "relu" in out
    assert "tanh" in out
    tables = [line for line in out.splitlines() if "keep" not in line.lower()]
    assert max(map(len, tables)) <= 100  # in a pipe the sentence is one line, however long
    assert "\x1b" not in out
    assert verdict["settings"]["command"].startswith("rectifier compare iris")


def test_compare_as_json_is_the_verdict_alone(rectifier, tmp_path):
    code, out, _ = rectifier("compare", "iris", *QUICK, "--json")
    assert code == 0
    file = tmp_path / "rectifier-runs" / "iris-target" / "verdict.json"
    assert json.loads(out) == json.loads(file.read_text())


def test_quiet_prints_the_verdict_alone(rectifier):
    code, out, _ = rectifier("compare", "iris", *QUICK, "--quiet")
    assert code == 0
    assert 1 <= len(out.splitlines()) <= 3


def test_report_renders_again(rectifier, tmp_path):
    rectifier("compare", "iris", *QUICK, "--out", "s")
    page = tmp_path / "s" / "report.html"
    page.unlink()
    assert rectifier("report", "s")[0] == 0
    assert "<html" in page.read_text()


def test_define_and_bracketed_activations(rectifier):
    arguments = ["--activations", "relu,elu(alpha=0.5)", "--define", "tanhexp = x * tanh(exp(x))"]
    code, out, _ = rectifier("compare", "iris", *QUICK[2:], *arguments, "--json")
    assert code == 0
    names = {row["activation"] for row in json.loads(out)["table"]}
    assert names == {"relu", "elu(alpha=0.5)", "tanhexp"}


def test_inspect(rectifier):
    code, out, _ = rectifier("inspect", "wine")
    assert code == 0
    assert "178" in out
    code, out, _ = rectifier("inspect", "wine", "--json")
    assert json.loads(out)["rows"] == 178


def test_list_show_and_gallery(rectifier, tmp_path):
    assert "leaky_relu" in rectifier("list")[1]
    code, out, _ = rectifier("show", "leaky_relu", "--negative-slope", "0.2")
    assert code == 0
    assert "0.2" in out
    assert rectifier("show", "lrelu", "--alpha=0.2", "--save", "x.svg")[0] == 0
    assert "<svg" in (tmp_path / "x.svg").read_text()
    assert rectifier("gallery", "g.png")[0] == 0
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")


def make_bad_files(folder: Path) -> None:
    rng = np.random.default_rng(0)
    (folder / "empty.csv").write_text("")
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 20)
    good = pl.DataFrame({"size": rng.random(30), "weight": rng.random(30), "kind": ["a", "b"] * 15})
    good.write_csv(folder / "good.csv")
    good.with_columns(pl.lit("a").alias("kind")).write_csv(folder / "one_class.csv")
    good.with_columns(pl.Series("kind", ["a"] * 27 + ["b"] * 3)).write_csv(folder / "rare.csv")
    good.with_columns(pl.lit(None).alias("kind")).write_csv(folder / "no_target.csv")
    good.head(2).write_csv(folder / "two.csv")
    good.with_columns(pl.lit(float("inf")).alias("size")).write_csv(folder / "infinite.csv")
    good.with_columns(pl.Series("size", [[1, 2]] * 30)).write_parquet(folder / "lists.parquet")
    np.savez(folder / "pickled.npz", X=np.array([{}] * 20), y=np.zeros(20))
    (folder / "notes.docx").write_text("hello")


BAD = {
    "no such file": (["god.csv", "--target", "kind"], "good.csv"),
    "an empty file": (["empty.csv", "--target", "kind"], "empty"),
    "a binary": (["binary.csv", "--target", "kind"], "binary.csv"),
    "an unknown format": (["notes.docx", "--target", "kind"], "docx"),
    "no target named": (["good.csv"], "--target"),
    "target not in the table": (["good.csv", "--target", "knid"], "kind"),
    "one class": (["one_class.csv", "--target", "kind"], "one"),
    "a rare class": (["rare.csv", "--target", "kind"], "'b'"),
    "no target values": (["no_target.csv", "--target", "kind"], "kind"),
    "two rows": (["two.csv", "--target", "kind"], "2 rows"),
    "infinities": (["infinite.csv", "--target", "kind"], "size"),
    "lists": (["lists.parquet", "--target", "kind"], "size"),
    "pickles": (["pickled.npz"], "pickled.npz"),
    "dropping what is not there": (["good.csv", "--target", "kind", "--drop", "sise"], "size"),
    "a metric of the other task": (["iris", "--metric", "rmse"], "accuracy"),
    "an unknown metric": (["iris", "--metric", "acuracy"], "accuracy"),
    "an unknown activation": (["iris", "--activations", "rellu"], "relu"),
    "an unknown parameter": (["iris", "--activations", "leaky_relu(slope=1)"], "negative_slope"),
    "a parameter out of bounds": (["iris", "--activations", "elu(alpha=-1)"], "[0, ∞)"),
    "an activation along an axis": (["iris", "--activations", "softmax"], "axis"),
    "an import in a formula": (["iris", "--define", "f = __import__('os')"], "formula"),
    "an attribute in a formula": (["iris", "--define", "f = x.real"], "attribute"),
    "an unknown name in a formula": (["iris", "--define", "f = x * y"], "'y'"),
    "a call outside the whitelist": (["iris", "--define", "f = open(x)"], "open"),
    "a formula without a name": (["iris", "--define", "x * tanh(x)"], "name = formula"),
    "a taken name": (["iris", "--define", "relu = x * x"], "relu"),
    "negative seeds": (["iris", "--seeds", "-1"], "seeds"),
    "seeds in words": (["iris", "--seeds", "many"], "seeds"),
    "no epochs": (["iris", "--epochs", "0"], "epochs"),
    "a hidden layer of words": (["iris", "--hidden", "64,many"], "--hidden"),
    "a negative rate": (["iris", "--learning-rates", "-1"], "learning rate"),
    "a budget in words": (["iris", "--budget", "soon"], "5m"),
    "an unknown network": (["iris", "--network", "transformer"], "mlp"),
    "an unknown engine": (["iris", "--engine", "slurm"], "local"),
    "an unknown option": (["iris", "--sedes", "3"], "sedes"),
    "a file as folder": (["iris", "--out", "good.csv"], "good.csv"),
    "a folder with other things": (["iris", "--out", "."], "not empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(rectifier, tmp_path, case):
    make_bad_files(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    arguments, expected = BAD[case]
    code, out, err = rectifier("compare", *arguments)
    assert code == 2, err
    assert len(err.splitlines()) == 1, err
    assert err.startswith("rectifier: ")
    assert expected in err, err
    assert out == ""
    after = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    assert after == before, "nothing may be left half-written"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show", "leaky"], ""),
        (["show", "laeky_relu"], "leaky_relu"),
        (["show", "relu", "--slope", "1"], "negative_slope"),
        (["show", "relu", "--negative-slope", "steep"], "number"),
        (["show", "relu", "--save", "x.gif"], ".png"),
        (["gallery", "x.bmp"], ".png"),
        (["gallery", "nowhere/x.png"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["inspect", "irsi"], "iris"),
        (["comprae", "iris"], "comprae"),
    ],
)
def test_other_commands_say_what_is_wrong(rectifier, arguments, expected):
    code, _, err = rectifier(*arguments)
    if not expected:
        assert code == 0
        return
    assert code == 2
    assert len(err.splitlines()) == 1
    assert expected in err


def test_another_study_in_the_folder_is_exit_code_2(rectifier):
    rectifier("compare", "iris", *QUICK, "--out", "s")
    code, _, err = rectifier("compare", "wine", *QUICK, "--out", "s")
    assert code == 2
    assert "holds another study (table iris, target there, wine, target here" in err


def test_ctrl_c_says_what_is_kept(tmp_path):
    command = [sys.executable, "-m", "rectifier", "compare", "iris", "--out", str(tmp_path / "s")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "s" / "journal.sqlite"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if journal.exists() and journal.stat().st_size > 40_000:
            break
        time.sleep(0.05)
    process.send_signal(2)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert len(err.splitlines()) == 1
    assert "finished runs are kept" in err


def test_a_closed_pipe_is_no_traceback():
    script = f"{sys.executable} -m rectifier list | head -1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr


def test_a_missing_library_names_the_extra():
    code = (
        "import sys; sys.modules['skrub'] = sys.modules['polars'] = None;"
        "sys.argv = ['rectifier', 'inspect', 'iris'];"
        "from rectifier.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(r"rectifier: polars is not installed.*study.*\n", done.stderr)


def test_help_is_plain_and_names_every_command():
    environment = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-m", "rectifier", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    for command in ("compare", "inspect", "list", "show", "gallery", "report"):
        assert command in done.stdout
