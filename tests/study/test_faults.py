"""Things that go wrong around a study: one clear line, and a journal that goes on."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from test_journal import make_run

from rectifier.errors import InputError
from rectifier.study import enough_memory
from rectifier.study.journal import FILE, Journal

MANY = [
    make_run(seed, contributions=np.full(500, seed % 2, np.float32), score=float(seed % 2))
    for seed in range(200)
]


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    journal.remember(identity={"table": "iris"})
    for run in MANY:
        journal.add([run])
    journal.close()
    return tmp_path / FILE


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_a_cut_journal_keeps_the_runs_that_can_be_read(journal, share):
    with journal.open("r+b") as file:
        file.truncate(int(share * journal.stat().st_size))
    mended = Journal(journal.parent)
    kept = {run.key: run for run in mended.runs()}
    assert f"{len(kept)} finished runs could be read" in mended.salvaged
    assert len(list(journal.parent.glob("journal.damaged-*.sqlite"))) == 1
    assert len(kept) >= 200 * (share - 0.2)
    for run in MANY:
        if run.key in kept:
            assert np.array_equal(kept[run.key].contributions, run.contributions)
    mended.add(MANY)
    assert len(mended.keys()) == 200
    mended.close()
    assert Journal(journal.parent).salvaged == ""


def test_a_run_whose_rows_do_not_add_up_is_not_kept(journal):
    with journal.open("r+b") as file:
        content = bytearray(file.read())
        ones = content.find(np.ones(50, np.float32).tobytes())
        content[ones : ones + 200] = bytes(200)
        file.seek(0)
        file.write(content[: len(content) * 9 // 10])
        file.truncate()
    mended = Journal(journal.parent)
    assert all(run.score == pytest.approx(run.contributions.mean()) for run in mended.runs())
    assert 100 < len(mended.keys()) < 200


def test_a_sound_journal_is_left_alone(journal):
    before = journal.read_bytes()
    assert Journal(journal.parent).salvaged == ""
    assert journal.read_bytes() == before


def test_one_process_at_a_time(journal):
    holds = (
        "import sys; from pathlib import Path; from rectifier.study.journal import Journal;"
        "j = Journal(Path(sys.argv[1])); j.reserve(); print('held', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", holds, str(journal.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdin is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="another process is training the study"):
        Journal(journal.parent).reserve()
    other.kill()  # however it ends, the lock ends with it
    other.wait()
    other.stdin.close()
    other.stdout.close()
    mine = Journal(journal.parent)
    mine.reserve()
    mine.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no folder that nobody can write")
def test_a_folder_that_cannot_be_written_is_one_line():
    from pathlib import Path

    with pytest.raises(InputError, match="cannot keep a journal in /proc/study"):
        Journal(Path("/proc/study"))


def test_a_full_disk_leaves_no_empty_journal(tmp_path):
    limited = (
        "import resource, signal, sys; from pathlib import Path;"
        "from rectifier.errors import InputError; from rectifier.study.journal import Journal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try: Journal(Path(sys.argv[1]))\n"
        "except InputError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", limited, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("cannot keep a journal in")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: 8 GiB")])
def test_lack_of_memory_is_one_line(error):
    told = "not enough memory to train; finished runs are kept"
    with pytest.raises(InputError, match=told), enough_memory():
        raise error


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="a defect"), enough_memory():
        raise RuntimeError("a defect")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no addresses")
def test_a_limit_under_which_no_chart_can_be_drawn_is_told_before_training(tmp_path):
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30));"
        "import sys; from rectifier.cli import main; main()"
    )
    command = [sys.executable, "-c", limited, "compare", "iris", "--out", str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "this shell allows 8.0 GiB; raise the limit with: ulimit -v unlimited" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "s" / FILE).exists()
