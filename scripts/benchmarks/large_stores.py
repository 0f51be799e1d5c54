"""Rows for commands over a hundred thousand runs, of which a hundred are new since the index.

Writing the store takes minutes and 2 GB below the folder of temporary files. It is written once for
all rows, and removed at the end.
"""

import tempfile
import time
from functools import cache
from pathlib import Path

from benchmarks.timing import BenchRow, Pair, start_process

_RUNS, _SEEDS, _NEW = 100_000, 100, 100
_STUDY = "large"
_BUDGET = 3.0  # seconds


@cache
def _make_store() -> "tempfile.TemporaryDirectory[str]":
    from baselines import run_folders
    from dropexp.runs.index import SETTLED_AFTER
    from dropexp.runs.listing import list_runs

    folder = tempfile.TemporaryDirectory()
    runs_dir = Path(folder.name) / "runs"
    aside = Path(folder.name) / "aside"
    aside.mkdir()
    run_folders.make_runs(runs_dir, _RUNS, _SEEDS, _STUDY)
    new = sorted(runs_dir.glob("dropout2d-*"))[:_NEW]
    for path in new:
        path.rename(aside / path.name)
    time.sleep(SETTLED_AFTER + 1)
    list_runs(runs_dir)  # writes the index
    for path in new:
        (aside / path.name).rename(path)
    return folder


def _command(*arguments: str) -> Pair:
    folder = _make_store()
    runs_dir = str(Path(folder.name) / "runs")
    run = start_process("-m", "dropexp", *(each.replace("RUNS", runs_dir) for each in arguments))
    run()  # reads the folders into the file system's cache
    return lambda: (run(), folder), lambda: 1.0


def _sweep() -> Pair:
    from baselines.run_folders import EFFECTS, STRENGTHS, list_overrides

    _, *others = list_overrides(STRENGTHS, _SEEDS)
    # Without none, of which each p makes the same runs.
    regularisers = f"regulariser={','.join(list(EFFECTS)[1:])}"
    place = ("runs_dir=RUNS", f"study={_STUDY}", "--dry-run")
    return _command("sweep", regularisers, *others, *place)


def _make_row(name: str, what: str, *arguments: str) -> BenchRow:
    return BenchRow(
        f"large {name}",
        f"dropexp {what}, {_RUNS:,} runs of which {_NEW} are new",
        lambda: _command(*arguments),
        _BUDGET,
        is_seconds=True,
    )


ROWS = (
    _make_row("runs", "runs", "runs", "--runs-dir", "RUNS"),
    _make_row("compare", "compare", "compare", "RUNS"),
    _make_row("watch", "watch", "watch", _STUDY, "--once", "--runs-dir", "RUNS"),
    BenchRow(
        "large sweep",
        f"dropexp sweep --dry-run, 96,000 finished runs of which {_NEW} are new",
        _sweep,
        _BUDGET,
        is_seconds=True,
    ),
)
