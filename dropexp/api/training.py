"""Training from notebooks and scripts: one run, or the runs of a sweep, with one progress bar."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dropexp.api.comparing import ComparisonResult, compare
from dropexp.api.frames import make_frame
from dropexp.api.html import render_text
from dropexp.api.loading import load_runs
from dropexp.cli.options import choose_verbosity
from dropexp.errors import RunError, UserError
from dropexp.runs.records import EpochRecord, RunSummary
from dropexp.terminal.numbers import format_count

if TYPE_CHECKING:
    from dropexp.sweep.conduct import SweepResult
    from dropexp.sweep.progress import Progress

_MOST_NAMED = 3


@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Attributes:
        summary: its results; see the run folder's summary.json.
        records: its epochs.
        folder: its run folder.
        is_reused: whether it was finished before, so that nothing was trained.
    """

    summary: RunSummary
    records: tuple[EpochRecord, ...]
    folder: Path
    is_reused: bool

    @property
    def run_id(self) -> str:
        """The id of the run, which names its folder."""
        return self.summary.run_id

    def curves(self, frame: str = "pandas") -> Any:
        """Return a data frame with a row for each epoch and the columns of metrics.csv.

        Args:
            frame: ``pandas`` or ``polars``.

        Raises:
            UserError: the library is unknown, or not installed.
        """
        rows = [record.to_row() for record in self.records]
        return make_frame({key: [row[key] for row in rows] for key in rows[0]}, frame)

    def __str__(self) -> str:
        """Return the results as ``dropexp train`` prints them."""
        from dropexp.cli.run_tables import describe_cost, describe_gaps, format_summary

        lines = [
            f"{self.run_id} {self.summary.status}",
            *(line.plain for line in format_summary(self.summary)),
            describe_gaps(self.summary),
            describe_cost(self.summary, self.records),
            f"folder  {self.folder}",
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Return the results, as an interactive session shows them."""
        return str(self)

    def _repr_html_(self) -> str:
        return render_text(str(self))


@dataclass(frozen=True)
class SweptStudy:
    """The runs of a sweep.

    Attributes:
        name: of the study, for ``"study=NAME"``.
        runs_dir: the folder of its runs.
        run_ids: of the runs that this sweep asked for.
        trained: how many runs it has trained; the others were finished before.
    """

    name: str
    runs_dir: Path
    run_ids: tuple[str, ...]
    trained: int

    def compare(self, **options: Any) -> ComparisonResult:
        """Compare the study's settings; the options are those of ``dropexp.compare``."""
        return compare(f"study={self.name}", runs_dir=self.runs_dir, **options)

    def load_runs(self, *filters: str, curves: bool = False, frame: str = "pandas") -> Any:
        """Return the study's runs as a data frame; see ``dropexp.load_runs``."""
        of_study = f"study={self.name}"
        return load_runs(self.runs_dir, of_study, *filters, curves=curves, frame=frame)

    def __repr__(self) -> str:
        """Return the name of the study, and how many runs it has."""
        runs = format_count(len(self.run_ids), "run")
        return f"<study {self.name}: {runs} in {self.runs_dir}, {self.trained} trained now>"


def train(
    overrides: Sequence[str] = (), *, quiet: bool = False, verbose: bool = False
) -> TrainedRun:
    """Train one run, resume an interrupted one, or return a finished one: ``dropexp train``.

    Args:
        overrides: as on the command line, such as ``["regulariser=dropout2d", "p=0.3"]``.
        quiet: show nothing but warnings. By default a notebook shows one progress bar.
        verbose: show a line for every epoch.

    Raises:
        UserError: an override is wrong, or the data or the device is not there.
        RunError: the audit failed, or the folder cannot be written.
    """
    from dropexp.cli.run_console import RunConsole
    from dropexp.cli.train import warn_of_request
    from dropexp.config.compose import compose_parsed
    from dropexp.config.overrides import parse_overrides
    from dropexp.training.environment import keep_torch_settings
    from dropexp.training.run import run

    parsed = parse_overrides(list_overrides(overrides))
    config = compose_parsed(parsed)
    verbosity = choose_verbosity(quiet=quiet, verbose=verbose)
    with RunConsole(verbosity=verbosity) as console, keep_torch_settings():
        warn_of_request(config, console, {override.key for override in parsed})
        done = run(config, console)
    return TrainedRun(done.summary, done.records, done.folder, done.is_reused)


def sweep(
    overrides: Sequence[str],
    *,
    retry_failed: bool = False,
    fail_fast: bool = False,
    trust: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> SweptStudy:
    """Train every combination of several values, each in a process of its own: ``dropexp sweep``.

    Args:
        overrides: as on the command line, such as ``["regulariser=none,dropout2d", "p=0.3",
            "seed=range(6)"]``. Finished runs are not trained again.
        retry_failed: train failed runs again.
        fail_fast: stop when a run fails or diverges.
        trust: use the code and the folders that a study's file names.
        quiet: show nothing but warnings. By default a notebook shows one progress bar.
        verbose: show a line for every run.

    Raises:
        UserError: an override is wrong; nothing was started.
        RunError: runs have failed; all others are kept.
        KeyboardInterrupt: after a stop. The same call resumes the sweep.
    """
    from dropexp.cli.launch_sweep import Launching, launch
    from dropexp.sweep.plan import make_study
    from dropexp.sweep.resuming import compose_request

    verbosity = choose_verbosity(quiet=quiet, verbose=verbose)
    request = compose_request(list_overrides(overrides), trust=trust)
    launching = Launching(retry_failed=retry_failed, fail_fast=fail_fast, verbosity=verbosity)
    with hide_main_module():
        result = launch(request, launching, is_command=False)
    assert result is not None, "no dry run"
    _raise_problem(result)
    runs_dir = Path(request.configs[0].runs_dir).expanduser()
    ids = tuple(run.run_id for run in request.planned.runs)
    return SweptStudy(make_study(request).name, runs_dir, ids, result.trained)


def _raise_problem(result: "SweepResult") -> None:
    """Raise the error of a sweep that did not train all of its runs; divergence is a result."""
    if result.disk_problem is not None:
        raise result.disk_problem
    if result.is_interrupted:
        raise KeyboardInterrupt
    raise_failures(result.progress)


def raise_failures(progress: "Progress") -> None:
    """Raise RunError where runs have failed; divergence is a result.

    Raises:
        RunError: names the first ones.
    """
    failed = [one for one in progress.unsuccessful if one.results is None]
    if failed:
        shown = "; ".join(f"{one.run.run_id}: {one.error}" for one in failed[:_MOST_NAMED])
        more = f"; and {len(failed) - _MOST_NAMED} more" if len(failed) > _MOST_NAMED else ""
        raise RunError(
            f"{len(failed)} of {format_count(progress.total, 'run')} failed: {shown}{more}. "
            f"The others are kept; retry_failed=True trains these again."
        )


def list_overrides(overrides: Sequence[str]) -> list[str]:
    """Return overrides as a list.

    Raises:
        UserError: they are one text, whose letters would be taken for overrides, or no texts.
    """
    if isinstance(overrides, str):
        raise UserError(f"overrides={overrides!r} is a text; give a list: [{overrides!r}].")
    if not isinstance(overrides, Iterable):
        raise UserError(f"overrides={overrides!r:.80} is not allowed; give a list of texts.")
    listed = list(overrides)
    for each in listed:
        if not isinstance(each, str):
            raise UserError(f"{each!r:.80} is not an override; write a text, as in ['p=0.3'].")
    return listed


@contextmanager
def hide_main_module() -> Iterator[None]:
    """Hide the module that Python was started with from the processes of runs.

    A new process imports it, to find functions that were defined there. The processes of runs need
    none of them, and a script without ``if __name__ == "__main__"`` would start its sweep again.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
