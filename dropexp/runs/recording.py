"""Recording the runs of somebody's own training loop as ordinary run folders. Imports no torch.

What dropexp trains it can prove and repeat. Of a run that it only records it knows what it is told;
its config says so by ``train.loop: own``, and no run of dropexp's own is ever paired with it.
"""

import platform
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Protocol

from dropexp import __version__
from dropexp.config.own_loops import OwnLoopConfig
from dropexp.errors import AuditError, ConfigError, DiskError, StoreError
from dropexp.runs.attempts import make_attempt
from dropexp.runs.files import AUDIT, CONFIG, ENVIRONMENT, ERROR
from dropexp.runs.ledger import Purpose, record_request
from dropexp.runs.read import FolderStatus
from dropexp.runs.recorded_run import Recording
from dropexp.runs.records import AuditOutcome
from dropexp.runs.source_commit import find_source_commit
from dropexp.runs.write import RunFolder, open_runs_dir


class AuditedNetwork(Protocol):
    """The report of ``dropexp.audit``."""

    @property
    def passed(self) -> bool:
        """Whether every check passed."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for audit.json."""

    def summarise(self) -> str:
        """Return the outcome in one line."""


@contextmanager
def record(
    *,
    data: str,
    model: str,
    seed: int,
    epochs: int,
    regulariser: str = "none",
    p: float = 0.0,
    options: Mapping[str, Any] | None = None,
    study: str | None = None,
    parameters: int = 0,
    audit: AuditedNetwork | None = None,
    runs_dir: str | PathLike[str] = "runs",
    force: bool = False,
) -> Iterator[Recording]:
    """Record a run of your own training loop as an ordinary run folder, epoch by epoch.

    The arguments up to ``options`` make the run's id. A run of the same id is never recorded twice:
    if it is finished, ``epochs`` of the recording is empty. An interrupted one is recorded from its
    start, as its state is yours, and a warning says so. An exception in the loop leaves the run
    interrupted or failed; leaving the loop early finishes it.

    Args:
        data: a name for the data.
        model: a name for the network.
        seed: of the run. Runs of equal seeds are paired: give them the same split, the same initial
            weights and the same batches.
        epochs: the most epochs.
        regulariser: its name, or ``none``.
        p: its drop probability in [0, 1); 0 for ``none``.
        options: everything else that makes the run another one, by keys of data, model,
            regulariser, optimiser, train or precision: ``{"optimiser.lr": 0.01}``.
        study: a name to find the run by.
        parameters: how many numbers of the network are trained; 0: not known.
        audit: the report of ``dropexp.audit`` on the network; None: nothing proves that its
            regulariser is on, and comparisons say so.
        runs_dir: the folder of runs.
        force: whether to record a finished run again.

    Yields:
        The recording.

    Raises:
        UserError: a name or a value is not allowed, or no epoch was logged.
        AuditError: the audit failed.
        StoreError: the folder cannot be written.
    """
    config = OwnLoopConfig.make(
        data=data,
        model=model,
        seed=seed,
        epochs=epochs,
        regulariser=regulariser,
        p=p,
        options=options or {},
        study=study,
    )
    if audit is not None and not audit.passed:
        raise AuditError(f"the audit failed: {audit.summarise()}. Nothing was recorded.")
    place = open_runs_dir(fspath(runs_dir))
    folder = RunFolder(place, config.run_id, again="records the run from its start")
    with folder.lock(lambda: _warn(f"{folder.path} is locked; waiting until it is free.")):
        if _is_finished(folder, config, force=force):
            yield Recording(folder, config, is_finished=True)
            return
        _begin(folder, config, audit)
        recording = Recording(folder, config, is_finished=False)
        try:
            yield recording
            outcome = AuditOutcome.SKIPPED if audit is None else AuditOutcome.PASSED
            recording.finish(parameters, outcome)
        except DiskError:
            raise  # no fault of the run: it is interrupted
        except Exception as error:
            with suppress(StoreError):
                folder.write(ERROR, "".join(traceback.format_exception(error)))
            raise
        except BaseException as error:  # Ctrl-C: the run is interrupted
            with suppress(StoreError):
                folder.log(f"stopped: {error!r}")
            raise
        finally:
            recording.end()


def _is_finished(folder: RunFolder, config: OwnLoopConfig, *, force: bool) -> bool:
    """Return whether a run needs no recording; warn where an earlier recording is lost.

    Raises:
        ConfigError: the folder holds a run of another configuration.
    """
    if folder.status is FolderStatus.FINISHED and not force:
        with suppress(StoreError):
            if folder.read_summary().config_hash != config.config_hash:
                raise ConfigError(
                    f"{folder.path} holds a run of another configuration with the same short id. "
                    f"Choose another runs_dir, or replace that run with force=True."
                )
        damage = folder.find_damage(whole=True)
        if not damage:
            return True
        _warn(f"{folder.path} is not whole ({damage}): the run is recorded again.")
    elif folder.status in (FolderStatus.INTERRUPTED, FolderStatus.FAILED) and not force:
        state = "was interrupted" if folder.status is FolderStatus.INTERRUPTED else "failed"
        with suppress(StoreError):
            done = len(folder.read_records())
            state += f" after {done} epoch{'' if done == 1 else 's'}"
        _warn(f"{folder.run_id} {state}: it is recorded again from its start.")
    return False


def _begin(folder: RunFolder, config: OwnLoopConfig, audit: AuditedNetwork | None) -> None:
    record_request(folder.path.parent, config.study, [config.run_id], Purpose.SWEEP)
    folder.clear()
    folder.write(CONFIG, config.to_yaml(), is_promised=False)
    environment = {
        "dropexp": __version__,
        "python": platform.python_version(),
        "packages": {},
        "platform": platform.platform(),
        "git_commit": find_source_commit(),
        "command": sys.argv,
        "folder": str(Path.cwd()),
        **make_attempt(""),
    }
    folder.write_json(ENVIRONMENT, environment)
    if audit is not None:
        folder.write_json(AUDIT, audit.to_json(), is_promised=False)
    folder.begin_metrics([])


def _warn(message: str) -> None:
    # At the line of the caller's with: here are this function, two others and contextlib's.
    warnings.warn(message, UserWarning, stacklevel=5)
