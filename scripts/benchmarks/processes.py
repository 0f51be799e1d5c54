"""Whole processes: from the prompt to the end of a command."""

import tempfile
from pathlib import Path

from benchmarks.timing import BASELINES, Action, Pair, Row, start_process


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
    """Nothing is kept from one process to the next but the file system's cache."""
    from baselines import run_folders

    folder = tempfile.TemporaryDirectory()
    run_folders.make(Path(folder.name), runs)
    table = start_process("-m", "dropexp", "compare", folder.name)
    table()  # reads the folders into the file system's cache
    return lambda: (table(), folder), lambda: 1.0


ROWS = (
    Row("help", "dropexp --help ÷ import torch", _help_to_import_torch, 0.15),
    Row("process", "dropexp train ÷ hand-written script", _train_to_handwritten, 1.05),
    Row(
        "usual",
        "dropexp train ÷ script as people write it",
        _train_to_usual,
        0.60,
        needs=("sklearn", "scikit-learn"),
    ),
    Row(
        "compare 100",
        "dropexp compare, 100 runs of 30 epochs",
        lambda: _compare(100),
        0.7,
        is_seconds=True,
    ),
    Row(
        "compare 10000",
        "dropexp compare, 10,000 runs of 30 epochs",
        lambda: _compare(10_000),
        3.0,
        is_seconds=True,
    ),
)
