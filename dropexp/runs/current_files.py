"""Which runs of an index have the files that they had when they were read.

That is some 300,000 lstat calls for a hundred thousand runs, half of whose time is the kernel's.
So a second process makes a part of them where the system allows it. Imports no numpy.
"""

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from mmap import mmap
from operator import eq

from dropexp.errors import DropexpError
from dropexp.runs.damage import has_empty_weights
from dropexp.runs.files import CONFIG, METRICS, SUMMARY
from dropexp.runs.indexed_runs import STAMP, IndexedRuns
from dropexp.runs.second_process import fork, may_fork, stop

_FEWEST_FOR_TWO = 5_000
"""Runs from which on a second process saves more than the 5 ms that it takes to start."""

_OPEN, _CLAIMED = 0, 1
_UNKNOWN, _CHANGED, _CURRENT = 0, 1, 2


def read_stamp(folder: str) -> bytes:
    """Return what tells the versions of a run's files apart; empty where that is not known.

    A file may be missing, or its time beyond the year 2262, which only an archive has.

    Args:
        folder: the path of the run folder, with a separator at its end.
    """
    try:
        first, second = os.lstat(folder + SUMMARY), os.lstat(folder + CONFIG)
        third = os.lstat(folder + METRICS)
        return STAMP.pack(
            first.st_size,
            first.st_mtime_ns,
            first.st_ctime_ns,
            first.st_ino,
            second.st_size,
            second.st_mtime_ns,
            second.st_ctime_ns,
            second.st_ino,
            third.st_size,
            third.st_ino,
        )
    except (OSError, struct.error):
        return b""


def find_current(
    runs_dir: str,
    blocks: Sequence[IndexedRuns],
    *,
    with_weights: bool = False,
    meanwhile: Callable[[], object] | None = None,
) -> Iterator[Sequence[bool]]:
    """Yield for each block which of its runs have unchanged files, in the order of the blocks.

    Args:
        runs_dir: the folder of run folders.
        blocks: of the index.
        with_weights: whether a run whose file of weights is empty counts as changed.
        meanwhile: what this process may do while a second one checks files; called there only.
    """

    def check(block: IndexedRuns) -> list[bool]:
        return _check_block(runs_dir, block, with_weights=with_weights)

    is_large = sum(map(len, blocks)) >= _FEWEST_FOR_TWO
    if is_large and may_fork():
        return _check_with_second_process(blocks, check, meanwhile)
    return map(check, blocks)


def _check_block(runs_dir: str, block: IndexedRuns, *, with_weights: bool) -> list[bool]:
    stamps = [read_stamp(f"{runs_dir}{os.sep}{run_id}{os.sep}") for run_id in block.run_ids]
    if b"".join(stamps) == block.stamps:
        current = [True] * len(block)
    else:
        current = list(map(eq, stamps, map(block.get_stamp, range(len(block)))))
    if not with_weights:
        return current
    return [
        is_current and not has_empty_weights(runs_dir, run_id)
        for is_current, run_id in zip(current, block.run_ids, strict=True)
    ]


def _check_with_second_process(
    blocks: Sequence[IndexedRuns],
    check: Callable[[IndexedRuns], Sequence[bool]],
    meanwhile: Callable[[], object] | None,
) -> Iterator[Sequence[bool]]:
    """Check blocks from the first to the last, while another process does so from the last on.

    Each byte of the memory that they share stands for itself. So nothing is waited for: a block
    that the other process has not finished, or never will, is checked here.
    """
    starts = list(accumulate(map(len, blocks), initial=0))
    with mmap(-1, starts[-1]) as answers, mmap(-1, len(blocks)) as claims:
        helper = fork(lambda: _answer_backwards(blocks, check, starts, answers, claims))
        try:
            if helper is not None and meanwhile is not None:
                with suppress(DropexpError, OSError):  # raised again where the result is needed
                    meanwhile()
            for place, block in enumerate(blocks):
                claims[place] = _CLAIMED
                answer = answers[starts[place] : starts[place + 1]]
                if helper is None or _UNKNOWN in answer:
                    yield check(block)
                else:
                    yield [each == _CURRENT for each in answer]
        finally:
            if helper is not None:
                stop(helper)


def _answer_backwards(
    blocks: Sequence[IndexedRuns],
    check: Callable[[IndexedRuns], Sequence[bool]],
    starts: Sequence[int],
    answers: mmap,
    claims: mmap,
) -> None:
    """Check blocks from the last one on, up to the first that is checked already."""
    for place in reversed(range(len(blocks))):
        if claims[place] != _OPEN:
            return
        current = check(blocks[place])
        answers[starts[place] : starts[place + 1]] = bytes(
            _CURRENT if each else _CHANGED for each in current
        )
