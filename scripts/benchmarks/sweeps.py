"""Rows for sweeps: many runs on all cores."""

import json
import tempfile
from pathlib import Path

from benchmarks.timing import BASELINES, BenchRow, Pair, start_process
from dropexp.training.threads import count_cores

RUNS_OF_A_SWEEP = 16
RUNS_OF_A_LONG_SWEEP = 100
FINISHED_RUNS = 1000


class Sweep:
    """An action: a sweep of default digits runs in a folder of its own.

    Args:
        overrides: added to those that choose the runs.
        runs: how many; even.
    """

    def __init__(self, *overrides: str, runs: int = RUNS_OF_A_SWEEP) -> None:
        self._overrides = overrides
        self._count = runs
        self._runs: tempfile.TemporaryDirectory[str] | None = None

    def __call__(self) -> None:
        self._runs = tempfile.TemporaryDirectory()
        seeds = f"seed=range({self._count // 2})"
        grid = ("regulariser=none,dropout2d", "p=0.3", seeds, f"runs_dir={self._runs.name}")
        start_process("-m", "dropexp", "sweep", *grid, *self._overrides)()

    def training_seconds(self) -> float:
        """Return the sum of the seconds that the runs spent in their epochs."""
        assert self._runs is not None
        summaries = Path(self._runs.name).glob("*/summary.json")
        return float(sum(json.loads(path.read_text())["seconds"] for path in summaries))


def _sweep_to_its_training(runs: int = RUNS_OF_A_SWEEP) -> Pair:
    """Compare a sweep with its own runs' epoch seconds, spread over the cores without a loss."""
    ours = Sweep(runs=runs)
    return ours, lambda: ours.training_seconds() / count_cores()


def _sweep_to_runs_alone() -> Pair:
    """Compare a sweep with the same runs, each of which had the whole machine to itself."""
    alone = Sweep("hydra.launcher.n_jobs=1", "threads=1")

    def ideal() -> float:
        alone()
        return alone.training_seconds() / count_cores()

    return Sweep(), ideal


def _sweep_to_shell_loop() -> Pair:
    one = start_process(str(BASELINES / "handwritten.py"))

    def loop() -> None:
        for _ in range(RUNS_OF_A_SWEEP):
            one()

    return Sweep(), loop


def _finished_sweep_again() -> Pair:
    """Compare a sweep of finished runs with 10 ms a run."""
    from dropexp.config.compose import to_yaml
    from dropexp.runs.files import CONFIG
    from dropexp.runs.records import AuditOutcome, RunStatus, RunSummary, SelectedEpoch
    from dropexp.runs.write import RunFolder
    from dropexp.sweep.grammar import compose_sweep

    runs = tempfile.TemporaryDirectory()
    overrides = [
        "regulariser=none,dropout2d",
        "p=0.1,0.2,0.3,0.5",
        f"seed=range({FINISHED_RUNS // 5})",
    ]
    overrides.append(f"runs_dir={runs.name}")
    epoch = SelectedEpoch(3, 0.1, 0.9, 0.5, 0.8, 0.5, 0.8, 0.4, 0.1)
    for config in compose_sweep(overrides).configs:
        folder = RunFolder(Path(runs.name), config.run_id)
        folder.path.mkdir()
        folder.write(CONFIG, to_yaml(config))
        folder.finish(
            RunSummary(
                config.run_id, RunStatus.COMPLETED, config.regulariser.name, config.regulariser.p,
                config.seed, 10, 1.0, 100.0, AuditOutcome.PASSED, epoch, epoch,
                config.config_hash, 1,
            ),
            keep_checkpoint=False,
        )  # fmt: skip
    again = start_process("-m", "dropexp", "sweep", *overrides)
    return lambda: (again(), runs), lambda: 0.010 * FINISHED_RUNS


ROWS = (
    BenchRow(
        "sweep",
        "a sweep of 16 runs ÷ (their one-thread training seconds ÷ cores)",
        _sweep_to_its_training,
        1.10,
    ),
    BenchRow(
        "sweep alone",
        "the same ÷ (the seconds of the same runs one after another ÷ cores)",
        _sweep_to_runs_alone,
        1.10,
    ),
    BenchRow(
        "sweep loop",
        "the same ÷ a shell loop over the hand-written script",
        _sweep_to_shell_loop,
        0.50,
    ),
    BenchRow(
        "sweep 100",
        "a sweep of 100 runs ÷ (their one-thread training seconds ÷ cores)",
        lambda: _sweep_to_its_training(RUNS_OF_A_LONG_SWEEP),
        1.05,
    ),
    BenchRow(
        "sweep again",
        "a finished sweep of 1,000 runs started again ÷ 10 ms a run",
        _finished_sweep_again,
        1.0,
    ),
)
