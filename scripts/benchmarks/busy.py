"""Rows for a machine that is busy with other work, and for the start of a command."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks.timing import BenchRow, Pair, start_process

_BUSY = ("-c", "while True: pass")
_FOR_LONG = ("seed=1", "train.epochs=100000")  # a run of the same kind that outlives the timed one


def _train(runs: "tempfile.TemporaryDirectory[str]", *overrides: str) -> list[str]:
    return ["-m", "dropexp", "train", f"runs_dir={runs.name}", "force=true", *overrides]


@contextmanager
def run_beside(commands: Sequence[Sequence[str]]) -> Iterator[None]:
    """Run Python processes meanwhile, and end them afterwards."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen([sys.executable, *command], **quiet)  # type: ignore[call-overload]
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def _beside(others: Sequence[Sequence[str]], warm_up: float, overrides: Sequence[str]) -> Pair:
    """Time the default job beside other processes, and alone.

    Args:
        others: the arguments of Python processes.
        warm_up: seconds that they get before the job starts.
        overrides: of the job.
    """
    runs = tempfile.TemporaryDirectory()
    alone = start_process(*_train(runs, *overrides))

    def beside() -> float:
        with run_beside(others):
            time.sleep(warm_up)
            start = time.perf_counter()
            alone()
            return time.perf_counter() - start

    return beside, lambda: (alone(), runs)


def _beside_busy_processes(*overrides: str) -> Pair:
    return _beside([_BUSY, _BUSY], 0.2, overrides)


def _beside_own_kind() -> Pair:
    other = tempfile.TemporaryDirectory()
    beside, alone = _beside([_train(other, *_FOR_LONG)], 4.0, ())
    return lambda: (beside(), other)[0], alone  # the folder lives as long as this


def _first_epoch_to_import_torch() -> Pair:
    """Time a run until it says that its audit has passed, when the first epoch begins."""
    runs = tempfile.TemporaryDirectory()
    command = [sys.executable, *_train(runs, "train.epochs=100000")]

    def begin() -> float:
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip().startswith("audit"):
                    break
            seconds = time.perf_counter() - start
            has_begun = process.poll() is None
            process.kill()
        if not has_begun:
            raise RuntimeError("the run ended before its first epoch")
        return seconds

    return lambda: (begin(), runs)[0], start_process("-c", "import torch")


ROWS = (
    BenchRow(
        "busy",
        "dropexp train beside two busy processes ÷ alone",
        _beside_busy_processes,
        2.4,
    ),
    BenchRow(
        "busy, two threads",
        "the same with threads=2",
        partial(_beside_busy_processes, "threads=2"),
    ),
    BenchRow(
        "own kind",
        "dropexp train beside a run of its own kind ÷ alone",
        _beside_own_kind,
        2.0,
    ),
    BenchRow(
        "first epoch",
        "dropexp train to its first epoch ÷ import torch",
        _first_epoch_to_import_torch,
        1.25,
    ),
)
