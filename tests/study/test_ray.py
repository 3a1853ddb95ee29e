"""A study on a Ray cluster: two nodes in one machine, one of them lost in the middle."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rectifier.choose import compare
from rectifier.errors import InputError
from rectifier.study.settings import Settings

STUDY = {
    "activations": ("relu", "tanh", "squashed"),
    "hidden": (6,),
    "epochs": 6,
    "learning_rates": (3e-3, 3e-2),
    "seeds": 10,
    "tune_seeds": 3,
}
RUNS = 3 * (2 * 3 + 10)

# In a process of its own: Ray starts threads and children, and pytest makes warnings errors.
ON_A_CLUSTER = """
import json, sys, warnings
warnings.simplefilter("ignore")
import ray
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1)
from rectifier.choose import compare
from rectifier.study.train.ray_engine import RayEngine

class Killer:
    killed = False
    def say(self, text): pass
    def progress(self, doing, done, total):
        if done >= 12 and not self.killed:
            self.killed = True
            cluster.remove_node(second, allow_graceful=False)

puts = []
put = ray.put
ray.put = lambda value: puts.append(value) or put(value)
listener = Killer()
study = json.loads(sys.argv[2])
done = compare("iris", out=sys.argv[1], listener=listener, engine="ray", address=cluster.address,
               define={"squashed": "x / (1 + x**2)"}, **study)
print(json.dumps({"killed": listener.killed, "puts": len(puts), "reason": done.verdict["reason"]}))
cluster.shutdown()
"""


def content(folder: Path) -> list:
    """Every run of a journal but the time it took, blobs included."""
    with sqlite3.connect(folder / "journal.sqlite") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(runs)")]
        kept = ", ".join(name for name in columns if name != "seconds")
        order = "phase, activation, learning_rate, seed"
        return database.execute(f"SELECT {kept} FROM runs ORDER BY {order}").fetchall()


def test_a_node_lost_in_the_middle_changes_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ON_A_CLUSTER, str(tmp_path / "ray"), json.dumps(STUDY)],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    local = compare("iris", out=tmp_path / "local", define={"squashed": "x / (1 + x**2)"}, **STUDY)
    assert said == {"killed": True, "puts": 1, "reason": local.verdict["reason"]}
    runs = content(tmp_path / "ray")
    assert len(runs) == RUNS
    assert runs == content(tmp_path / "local"), "runs must not depend on the engine, to the bit"


def test_an_address_needs_the_engine():
    with pytest.raises(InputError, match="add --engine ray"):
        Settings(address="10.0.0.1:6379").checked()


def test_no_cluster_at_the_address_is_one_clean_line(tmp_path):
    command = "compare iris --engine ray --address 127.0.0.1:1 --epochs 1 --out".split()
    done = subprocess.run(
        [sys.executable, "-m", "rectifier", *command, str(tmp_path / "s")],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("rectifier: no Ray cluster at 127.0.0.1:1")
    assert len(done.stderr.splitlines()) == 1
