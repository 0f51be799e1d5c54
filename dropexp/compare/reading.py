"""Run folders -> runs to be compared, and sentences about those that are not."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.results import Curves, Member
from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.setting import extract_setting_from_flat
from dropexp.errors import StoreError, UserError
from dropexp.runs.listing import ListedRun, ListedStatus, find_run, is_run_id, list_runs, read_run
from dropexp.runs.records import METRICS_COLUMNS, AuditOutcome, RunSummary
from dropexp.runs.selection import is_filter, select_runs
from dropexp.runs.write import CONFIG, METRICS, RunFolder
from dropexp.statistics import area_between, rise_after_best

_HEADER = ",".join(METRICS_COLUMNS) + "\n"
_MOST_NAMED = 3


@dataclass(frozen=True)
class Found:
    """Runs that can be compared.

    ``listed`` is what filters act on, ``fields`` what makes the run's setting, flat.
    """

    listed: ListedRun
    member: Member
    fields: Mapping[str, Any]


def find_runs(
    words: Sequence[str], runs_dir: Path, *, allow_mixed: bool = False
) -> tuple[list[Found], list[str]]:
    """The runs that words mean, and a sentence for each kind of run that is left out.

    Args:
        words: folders of run folders, ids or paths of runs, and filters that all must pass.
        runs_dir: where runs are looked for if no folder of run folders is among the words.
        allow_mixed: take runs with another version's numbers and those without a passed audit.

    Raises:
        UserError: an id, a folder or a field is unknown, or no finished run is left.
    """
    filters = [word for word in words if is_filter(word)]
    places = [word for word in words if not is_filter(word)]
    folders = [Path(word) for word in places if _holds_runs(Path(word))]
    ids = [word for word in places if not _holds_runs(Path(word))]
    meant = _all_in(folders or ([] if ids else [runs_dir]))
    meant += [run for word in ids if (run := read_run(find_run(runs_dir, word))) is not None]
    once, left_out = _without_copies(meant)
    chosen = select_runs(once, filters) if once else once
    comparable, reasons = _comparable(chosen, allow_mixed=allow_mixed)
    found, unreadable = _read_all(comparable)
    left_out += [*reasons, *unreadable]
    if not found:
        where = " ".join(map(str, folders or [runs_dir]))
        raise UserError(_nothing(where, chosen, once, reasons))
    return found, left_out


def _holds_runs(path: Path) -> bool:
    return path.is_dir() and not (path / CONFIG).exists() and not is_run_id(path.resolve().name)


def _all_in(folders: Iterable[Path]) -> list[ListedRun]:
    return [run for folder in folders for run in list_runs(folder)]


def _without_copies(runs: Sequence[ListedRun]) -> tuple[list[ListedRun], list[str]]:
    """Each run once: a run that was copied to another folder is no second seed."""
    kept: dict[str, ListedRun] = {}
    copies = []
    for run in runs:
        first = kept.setdefault(run.run_id, run)
        if first.folder.path.absolute() != run.folder.path.absolute():
            copies.append(run)
    return list(kept.values()), _sentences(
        copies, "{} left out, being in another of the folders too"
    )


def _nothing(
    where: str, chosen: Sequence[ListedRun], among: Sequence[ListedRun], reasons: Sequence[str]
) -> str:
    if among and not chosen:
        return f"none of the {len(among)} runs in {where} passes the filters."
    if reasons:
        return f"no run can be compared. {' '.join(reasons)}"
    return f"{where} holds no finished run; dropexp train makes one."


# --- what is left out ---------------------------------------------------------------------

_UNFINISHED = {
    ListedStatus.INTERRUPTED: "{} left out, being interrupted; the same command goes on",
    ListedStatus.RUNNING: "{} left out, being trained now",
    ListedStatus.FAILED: "{} left out, having failed; dropexp runs show ID says why",
    ListedStatus.DAMAGED: "{} left out, being damaged; dropexp runs show ID says how",
}


def _comparable(
    runs: Sequence[ListedRun], *, allow_mixed: bool
) -> tuple[list[ListedRun], list[str]]:
    """The finished runs whose numbers can be trusted to be of one kind; why others are not."""
    finished = [run for run in runs if run.summary is not None]
    reasons = [
        sentence
        for status, words in _UNFINISHED.items()
        for sentence in _sentences([run for run in runs if run.status is status], words)
    ]
    if allow_mixed:
        return finished, reasons
    other = [run for run in finished if _summary(run).results_version != RESULTS_VERSION]
    current = [run for run in finished if _summary(run).results_version == RESULTS_VERSION]
    unproven = [run for run in current if not _is_proven(_summary(run))]
    reasons += _sentences(
        other, "{} left out: another version of dropexp, whose numbers differ, trained"
    )
    reasons += _sentences(unproven, "{} left out, having no passed audit")
    if other or unproven:
        reasons[-1] = reasons[-1].removesuffix(".") + "; --allow-mixed takes them in."
    return [run for run in current if _is_proven(_summary(run))], reasons


def _sentences(runs: Sequence[ListedRun], words: str) -> list[str]:
    """One sentence about runs of a kind, naming the first of them; none about no runs."""
    if not runs:
        return []
    named = ", ".join(run.run_id for run in runs[:_MOST_NAMED])
    more = f" and {len(runs) - _MOST_NAMED} more" if len(runs) > _MOST_NAMED else ""
    count = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
    return [f"{words.format(count)}: {named}{more}."]


def _summary(run: ListedRun) -> RunSummary:
    assert run.summary is not None, "only finished runs are asked"
    return run.summary


def _is_proven(summary: RunSummary) -> bool:
    return summary.audit is AuditOutcome.PASSED


# --- reading ------------------------------------------------------------------------------


def _read_all(runs: Sequence[ListedRun]) -> tuple[list[Found], list[str]]:
    found, unreadable = [], []
    versions = {_summary(run).results_version for run in runs}
    for run in runs:
        try:
            member = _member(run.folder, _summary(run))
        except StoreError as error:
            unreadable.append(f"{run.run_id} left out: {error}")
            continue
        fields = extract_setting_from_flat(run.config)
        if len(versions) > 1:
            fields["results_version"] = member.summary.results_version
        found.append(Found(run, member, fields))
    return found, unreadable


def _member(folder: RunFolder, summary: RunSummary) -> Member:
    if folder.size_of(METRICS) <= len(_HEADER):
        raise StoreError(f"{folder.path / METRICS} is not there, or holds no epoch.")
    curves = CurvesOnDisk(folder)
    rise, area = summary.rise, summary.area
    if rise is None or area is None:  # of an older version, or without a finite epoch
        rise = rise_after_best(curves["val_loss"]).last
        area = area_between(curves["train_loss"], curves["val_loss"])
    return Member(folder.run_id, summary.seed, summary, curves, rise, area)


class CurvesOnDisk(Curves):
    """A run's metrics.csv, read when the first column is asked for.

    A table asks for none of them, and reading them all would take longer than all the rest of it.

    Args:
        folder: the run's.
    """

    __slots__ = ("_folder", "_read")
    _folder: RunFolder
    _read: NDArray[np.float64] | None

    def __init__(self, folder: RunFolder) -> None:
        object.__setattr__(self, "_folder", folder)  # a frozen class has no other way
        object.__setattr__(self, "_read", None)

    @property
    def table(self) -> NDArray[np.float64]:
        """float64 (epochs, len(METRICS_COLUMNS)).

        Raises:
            StoreError: the file is damaged.
        """
        if self._read is None:
            object.__setattr__(self, "_read", _read_table(self._folder))
        assert self._read is not None
        return self._read


def _read_table(folder: RunFolder) -> NDArray[np.float64]:
    text = folder.read_metrics()
    if text.startswith(_HEADER):
        cells = text[len(_HEADER) : -1].replace("\n", ",").split(",")
        with suppress(ValueError):  # damaged: the reader of single rows knows what to say
            return np.array(list(map(float, cells))).reshape(-1, len(METRICS_COLUMNS))
    rows = [list(record.as_row().values()) for record in folder.read_records()]
    return np.array(rows, dtype=np.float64).reshape(-1, len(METRICS_COLUMNS))
