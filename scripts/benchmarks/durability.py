"""Rows for what it costs that a power cut loses nothing."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.timing import Action, BenchRow, Pair

_RUNS = 5


class _RunView:
    """Shows nothing of a run."""

    def __getattr__(self, name: str) -> Action:
        return lambda *_, **__: None


def _runs(epochs: int) -> Pair:
    """Time short runs of the default job with and without fsync."""
    from dropexp.config.compose import compose_run
    from dropexp.runs import durable
    from dropexp.training.run import run

    class PlainDisk(durable.Disk):
        """Writes the same files, and waits for none."""

        def sync(self, descriptor: int) -> None:
            pass

        def sync_folder(self, path: str) -> None:
            pass

    @contextmanager
    def using(disk: durable.Disk) -> Iterator[None]:
        before, durable.disk = durable.disk, disk
        try:
            yield
        finally:
            durable.disk = before

    def train(disk: durable.Disk) -> Action:
        def action() -> None:
            with tempfile.TemporaryDirectory() as runs, using(disk):
                for seed in range(_RUNS):
                    config = compose_run([f"train.epochs={epochs}", f"seed={seed}", "threads=1"])
                    run(config, _RunView(), runs_dir=Path(runs))  # type: ignore[arg-type]

        return action

    durably, plainly = train(durable.Disk()), train(PlainDisk())
    plainly()
    return durably, plainly


def _ledger() -> Pair:
    """Time a hundred ends of runs in a ledger with fsync, against one second."""
    from dropexp.runs.ledger import record_end

    def ours() -> None:
        with tempfile.TemporaryDirectory() as runs:
            for number in range(100):
                record_end(Path(runs), f"none-p0-s{number}-00000000")

    def second() -> float:
        return 1.0

    return ours, second


ROWS = (
    BenchRow(
        "durable.run",
        f"{_RUNS} runs of 3 epochs with fsync ÷ without",
        lambda: _runs(3),
        budget=1.1,
    ),
    BenchRow("durable.ledger", "100 ends of runs in the ledger, seconds", _ledger, is_seconds=True),
)
