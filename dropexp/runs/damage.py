"""What is not whole in the folder of a finished run, by the checksums in its summary.

A summary of an older format holds no checksums. Its files are whole as far as they can be read and
say what the summary says. Imports no torch.
"""

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dropexp.config.parsing import digest_limited
from dropexp.errors import NewerFormatError, StoreError
from dropexp.runs.files import CHECKED_FILES, CONFIG, MAY_BE_REMOVED, METRICS, SUMMARY, WEIGHTS
from dropexp.runs.parsing import MOST_BYTES, limit_weights
from dropexp.runs.records import RunSummary

if TYPE_CHECKING:
    from dropexp.runs.read import StoredRun


def find_damage(run: "StoredRun", summary: RunSummary | None, *, whole: bool) -> str:
    """Return what is not whole in a finished run, as phrases; see StoredRun.find_damage.

    Weights and the record of examples that are missing are no damage: no table reads them, and
    they may have been removed to save space.

    Raises:
        NewerFormatError: a later dropexp has written it.
    """
    if summary is None:
        try:
            summary = run.read_summary()
        except NewerFormatError:
            raise
        except StoreError:
            return f"{SUMMARY} is damaged"
    if not whole:
        return ", ".join(_look(run, summary))
    return ", ".join(_check_files(run, summary))


def has_empty_weights(runs_dir: str, run_id: str) -> bool:
    """Return whether a run's file of weights is there and empty, as after a power cut."""
    try:
        return not os.stat(f"{runs_dir}{os.sep}{run_id}{os.sep}{WEIGHTS}").st_size  # noqa: PTH116
    except OSError:
        return False


def find_table_damage(run: "StoredRun", summary: RunSummary) -> Iterator[str]:
    """Yield what is wrong with the config, and with the presence of epochs."""
    if CONFIG in summary.files:
        yield from _check_digest(run, summary, CONFIG)
    else:
        yield from _check_size(run, CONFIG)
    yield from _check_size(run, METRICS)


def _look(run: "StoredRun", summary: RunSummary) -> Iterator[str]:
    """Yield what is wrong with what a table reads, or with the size of the weights."""
    yield from find_table_damage(run, summary)
    if WEIGHTS in summary.files:
        yield from _check_size(run, WEIGHTS)


def _check_size(run: "StoredRun", name: str) -> Iterator[str]:
    try:
        if not os.stat(f"{run.path}{os.sep}{name}").st_size:  # noqa: PTH116 (faster)
            yield f"{name} is empty"
    except OSError:
        if name not in MAY_BE_REMOVED:
            yield f"{name} is missing"


def _check_files(run: "StoredRun", summary: RunSummary) -> Iterator[str]:
    """Yield what is wrong with the files that the summary has checksums of, or should have."""
    for name in CHECKED_FILES:
        if name in summary.files:
            yield from _check_digest(run, summary, name)
    if CONFIG not in summary.files:
        yield from _parse_config(run)
    if METRICS not in summary.files:
        yield from _check_epochs(run, summary)


def _check_digest(run: "StoredRun", summary: RunSummary, name: str) -> Iterator[str]:
    limit = limit_weights(summary.parameters) if name == WEIGHTS else MOST_BYTES[name]
    try:
        digest = digest_limited(f"{run.path}{os.sep}{name}", limit)
    except FileNotFoundError:
        if name not in MAY_BE_REMOVED:
            yield f"{name} is missing"
    except StoreError as error:
        yield f"{name} cannot be read ({error})"
    else:
        if not digest:
            yield f"{name} is empty"
        elif digest != summary.files[name]:
            yield f"{name} does not agree with its checksum"


def _parse_config(run: "StoredRun") -> Iterator[str]:
    try:
        run.read_flat_config()
    except StoreError:
        yield f"{CONFIG} is damaged or missing"


def _check_epochs(run: "StoredRun", summary: RunSummary) -> Iterator[str]:
    """Yield what metrics.csv says otherwise than the summary, where no checksum is known."""
    try:
        records = run.read_records()
    except StoreError:
        yield f"{METRICS} is damaged or missing"
        return
    if not records:
        yield f"{METRICS} holds no epoch"
    elif len(records) != summary.last.epoch or not _equal(
        records[-1].val_loss, summary.last.val_loss
    ):
        yield f"{METRICS} does not agree with {SUMMARY}"


def _equal(recorded: float, summarised: float) -> bool:
    """Compare two losses; the summary holds NaN for every number that is not finite."""
    return recorded == summarised or (not math.isfinite(recorded) and math.isnan(summarised))
