"""Training: final scores are distributed as a plain PyTorch loop's; the small version of
benchmarks/study_agreement.py."""

from __future__ import annotations

import numpy as np
import torch
from benchmarks.study_agreement import Fold, compared, make_engine, our_scores, torch_score

SEEDS = 24


def test_final_scores_are_distributed_as_those_of_a_torch_loop():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        engine = make_engine(("tanh",), SEEDS)
        theirs = np.array([torch_score(Fold(engine, "tanh", s), "tanh") for s in range(SEEDS)])
    finally:
        torch.set_num_threads(before)
    found = compared(our_scores(engine, "tanh", SEEDS), theirs)
    assert abs(found["difference"]) < 3 * found["error"]
    assert found["ks_p"] > 0.05
    # and it would have been seen if they were not
    other = compared(our_scores(engine, "tanh", SEEDS, rate=3e-3), theirs)
    assert abs(other["difference"]) > 3 * other["error"]
    assert other["ks_p"] < 0.01
