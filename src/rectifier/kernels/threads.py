"""Work on long arrays, cut into pieces that several threads take in turn."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# Waking a helper and waiting for it takes 80 us. With two cores relu, the cheapest, gains from
# 2**20 elements on, elu from 2**19, gelu from 2**18.
PARALLEL_FROM = 1 << 19
_PIECE = 1 << 17  # 0.5 or 1 MiB: 20 to 200 us, so that a core that is late holds up nobody
# for each thread at most, since taking one is Python's work: with 64 of them relu of 2**24 float32
# takes 2.8 ms in two threads, with 16 of them 2.3
_PIECES = 16

_pool: ThreadPoolExecutor | None = None


def thread_count() -> int:
    """The cores that this process may use; ``OMP_NUM_THREADS`` lowers it."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return max(1, min(cores, int(wanted))) if wanted.isdigit() else cores


_THREADS = thread_count()


def spread(work: Callable[[int, int], None], count: int, threads: int | None = None) -> None:
    """Calls ``work(start, stop)`` for pieces that make up ``range(count)``; in this thread alone
    when ``count`` is small. Every piece starts at a multiple of the same power of two."""
    helpers = (_THREADS if threads is None else threads) - 1
    if count < PARALLEL_FROM or helpers < 1:
        work(0, count)
        return
    piece = _PIECE * max(1, count // (_PIECE * _PIECES * (helpers + 1)))
    starts = deque(range(0, count, piece))

    def take() -> None:
        while starts:
            try:
                start = starts.popleft()
            except IndexError:  # another thread was faster
                return
            work(start, min(start + piece, count))

    wanted = min(helpers, (count - 1) // piece)
    futures = [_helpers().submit(take) for _ in range(wanted)]
    take()
    for future in futures:
        if not future.cancel():
            future.result()


def _helpers() -> ThreadPoolExecutor:
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(max(1, _THREADS - 1), thread_name_prefix="rectifier")
    return _pool


def _forget() -> None:
    global _pool
    _pool = None  # a forked child has the pool, but none of its threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
