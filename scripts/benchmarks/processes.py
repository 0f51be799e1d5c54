"""Rows for whole processes, from the start of a command to its end."""

import tempfile
from pathlib import Path

from benchmarks.timing import BASELINES, Action, BenchRow, Pair, start_process


def _train() -> Action:
    runs = tempfile.TemporaryDirectory()
    train = start_process("-m", "dropexp", "train", f"runs_dir={runs.name}", "force=true")
    return lambda: (train(), runs)  # the folder lives as long as this


def _train_to_handwritten() -> Pair:
    return _train(), start_process(str(BASELINES / "handwritten.py"))


def _train_to_usual() -> Pair:
    return _train(), start_process(str(BASELINES / "as_people_write_it.py"))


def _help_to_import_torch() -> Pair:
    return start_process("-m", "dropexp", "--help"), start_process("-c", "import torch")


def _compare(runs: int) -> Pair:
    """Time a table of so many runs; only the file system's cache is warm."""
    from baselines import run_folders

    folder = tempfile.TemporaryDirectory()
    run_folders.make_runs(Path(folder.name), runs)
    table = start_process("-m", "dropexp", "compare", folder.name)
    table()  # reads the folders into the file system's cache
    return lambda: (table(), folder), lambda: 1.0


ROWS = (
    BenchRow("startup", "dropexp --help ÷ import torch", _help_to_import_torch, 0.15),
    BenchRow("process", "dropexp train ÷ hand-written script", _train_to_handwritten, 1.05),
    BenchRow(
        "usual",
        "dropexp train ÷ script as people write it",
        _train_to_usual,
        0.60,
        needs=("sklearn", "scikit-learn"),
    ),
    BenchRow(
        "compare 100",
        "dropexp compare, 100 runs of 30 epochs",
        lambda: _compare(100),
        0.35,
        is_seconds=True,
    ),
    BenchRow(
        "compare 10000",
        "dropexp compare, 10,000 runs of 30 epochs",
        lambda: _compare(10_000),
        3.0,
        is_seconds=True,
    ),
)
