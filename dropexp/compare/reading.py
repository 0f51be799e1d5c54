"""From run folders to runs that can be compared, and sentences on the runs that cannot."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from dropexp.compare.baselines import add_hidden_baselines
from dropexp.compare.family import (
    describe_unregistered,
    find_missing_runs,
    list_hidden_runs,
    read_ledgers,
)
from dropexp.compare.found_runs import FoundRun, FoundRuns
from dropexp.compare.registered import explain_untrained
from dropexp.compare.settings import ComparedRun
from dropexp.compare.stated_question import find_study
from dropexp.compare.stored_run import read_compared_runs
from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.setting import extract_setting_from_flat
from dropexp.errors import StoreError, UserError
from dropexp.runs.ledger import Ledger, Request, read_ledger
from dropexp.runs.listed_run import ListedRun, ListedStatus, find_results
from dropexp.runs.listing import find_run, holds_runs, list_runs, read_run
from dropexp.runs.records import AuditOutcome
from dropexp.runs.selection import explain_no_match, is_filter, select_runs
from dropexp.runs.unfinished import describe_unfinished
from dropexp.runs.write import RunFolder
from dropexp.terminal.numbers import format_count

_MOST_NAMED = 3


def find_runs(
    arguments: Sequence[str],
    runs_dir: Path,
    *,
    allow_mixed: bool = False,
    with_baselines: bool = True,
    with_curves: bool = False,
) -> FoundRuns:
    """Return the runs that can be compared, and a sentence for each reason to leave runs out.

    Args:
        arguments: folders of run folders, ids or paths of runs, and filters; a run must pass all
            filters.
        runs_dir: the folder of run folders if the arguments name no other.
        allow_mixed: include runs of another results version and runs without a passed audit.
        with_baselines: include the ``none`` of the chosen settings where only a filter on p or
            regulariser hides it.
        with_curves: leave out runs whose curves cannot be read, for what draws or compares them.

    Raises:
        UserError: an id, a folder or a field is unknown, or no finished run is left.
        StoreError: the ledger of a folder cannot be read.
    """
    filters = [text for text in arguments if is_filter(text)]
    places = [text for text in arguments if not is_filter(text)]
    folders = [Path(text) for text in places if text and holds_runs(Path(text))]
    ids = [text for text in places if not text or not holds_runs(Path(text))]
    named = [run for text in ids if (run := read_run(find_run(runs_dir, text))) is not None]
    folders = folders or ([] if ids else [runs_dir])
    runs, copies = _drop_copies([*_list_all(folders), *named])
    chosen = select_runs(runs, filters) if runs else runs
    if with_baselines and chosen:
        chosen = add_hidden_baselines(runs, chosen, filters)
    comparable, reasons = _split_comparable(chosen, allow_mixed=allow_mixed)
    if ids:  # of their folders only these runs have been read
        runs, _ = _drop_copies([*runs, *_list_all({run.runs_dir for run in named})])
    ledgers = read_ledgers(runs)
    found_runs, unreadable = _read_all(comparable, ledgers, with_curves=with_curves)
    if not found_runs:
        raise _make_error(filters, folders or [runs_dir], runs, chosen, [*reasons, *unreadable])
    versions = find_results([run.listed for run in found_runs], "results_version")
    hidden = list_hidden_runs(runs, chosen, ledgers)
    hidden = [run for run in hidden if run.results_version in versions]
    countable, _ = _split_comparable(hidden, allow_mixed=allow_mixed)
    others, _ = _read_all(countable, ledgers, with_curves=with_curves)
    found_runs += [replace(run, is_in_view=False) for run in others]
    return FoundRuns(
        runs=tuple(found_runs),
        left_out=(
            *copies,
            *reasons,
            *unreadable,
            *describe_unfinished(runs, ledgers, _list_studies(found_runs)),
            *describe_unregistered(runs, chosen, ledgers),
        ),
        missing=tuple(find_missing_runs(found_runs, runs, ledgers)),
        folders=len({run.listed.runs_dir for run in found_runs}),
        named_study=find_study(filters) or "",
    )


def _list_studies(found_runs: Iterable[FoundRun]) -> set[str]:
    """Return the studies that first asked for the runs in view."""
    requests = (run.request for run in found_runs if run.is_in_view)
    return {request.study for request in requests if request and request.study}


def read_comparable_runs(folders: Iterable[RunFolder]) -> list[ComparedRun]:
    """Return those of some runs that a comparison would take, without a look at any other run."""
    listed = [run for folder in folders if (run := read_run(folder)) is not None]
    comparable, _ = _split_comparable(listed, allow_mixed=False)
    results = read_compared_runs(comparable)
    return [each for each in results if not isinstance(each, StoreError)]


def _list_all(folders: Iterable[Path]) -> list[ListedRun]:
    return [
        run
        for folder in folders
        for run in list_runs(folder, meanwhile=partial(read_ledger, folder))
    ]


def _drop_copies(runs: Sequence[ListedRun]) -> tuple[list[ListedRun], list[str]]:
    """Return each run once, and a sentence about copies: a copied run is not a second seed."""
    if len({run.run_id for run in runs}) == len(runs):
        return list(runs), []
    kept: dict[str, ListedRun] = {}
    copies = []
    for run in runs:
        first = kept.setdefault(run.run_id, run)
        if first is not run and first.runs_dir.absolute() != run.runs_dir.absolute():
            copies.append(run)
    return list(kept.values()), _describe_left_out(copies, "copies of runs in another folder")


def _make_error(
    filters: Sequence[str],
    folders: Sequence[Path],
    runs: Sequence[ListedRun],
    chosen: Sequence[ListedRun],
    reasons: Sequence[str],
) -> UserError:
    """Return the error to raise where no run can be compared.

    Args:
        filters: as given.
        folders: that were read.
        runs: that are there.
        chosen: those that pass the filters.
        reasons: why these cannot be compared.
    """
    place = " ".join(map(str, folders))
    if not chosen and (untrained := explain_untrained(filters, folders)):
        return UserError(untrained)
    study = find_study(filters)
    asked = {folder: read_ledger(folder) for folder in folders}
    there = describe_unfinished(runs, asked, None if study is None else [study])
    if runs and not chosen and not (study and there):
        return UserError(explain_no_match(runs, filters, place))
    if there or reasons:
        return UserError(f"no run can be compared. {' '.join([*there, *reasons])}")
    return UserError(f"{place} holds no finished run. Train one with dropexp train.")


# --- what is left out ---------------------------------------------------------------------

_UNFINISHED = {
    ListedStatus.INTERRUPTED: "interrupted; repeat their command to resume them",
    ListedStatus.RUNNING: "still training",
    ListedStatus.FAILED: "failed; dropexp runs show ID says why",
    ListedStatus.DAMAGED: "damaged; dropexp runs check says how",
}


def _split_comparable(
    runs: Sequence[ListedRun], *, allow_mixed: bool
) -> tuple[list[ListedRun], list[str]]:
    """Return the finished runs whose numbers are comparable, and what to know of the choice."""
    finished = [run for run in runs if run.packed is not None or run.has_results]
    unfinished = [run for run in runs if run.packed is None and not run.has_results]
    reasons = [
        sentence
        for status, reason in _UNFINISHED.items()
        for sentence in _describe_left_out([r for r in unfinished if r.status is status], reason)
    ]
    if allow_mixed:
        return finished, reasons
    versions = find_results(finished, "results_version")
    version = _choose_version(versions)
    current, other = finished, []
    if len(versions) > 1:
        current = [run for run in finished if run.results_version == version]
        other = [run for run in finished if run.results_version != version]
    proven, unproven = current, []
    if find_results(current, "audit_outcome") != {AuditOutcome.PASSED}:
        proven = [run for run in current if run.is_comparable]
        unproven = [run for run in current if not run.is_comparable]
    reasons += _describe_left_out(other, "trained by a version of dropexp with other numbers")
    reasons += _describe_left_out(unproven, "without a passed audit")
    if other or unproven:
        reasons[-1] = reasons[-1].removesuffix(".") + "; --allow-mixed includes them."
    if proven and version < RESULTS_VERSION:
        reasons.append(_describe_old(len(proven), version))
    return proven, reasons


def _choose_version(versions: Collection[int]) -> int:
    """Return the results version to compare: this dropexp's, else the newest older one."""
    older = [each for each in versions if each <= RESULTS_VERSION]
    return max(older, default=RESULTS_VERSION)


def _describe_old(runs: int, version: int) -> str:
    """Return a sentence on runs that are compared although a newer version trains them anew."""
    return (
        f"An older dropexp (results version {version}) trained {format_count(runs, 'run')}; they "
        f"are compared among themselves. Where training labels are noisy, their gaps are against "
        f"clean validation labels. The command that trained them trains them again."
    )


def _describe_left_out(runs: Sequence[ListedRun], reason: str) -> list[str]:
    """Return a list of one sentence on the runs left out for a reason; empty without runs."""
    if not runs:
        return []
    names = ", ".join(run.run_id for run in runs[:_MOST_NAMED])
    more = f" and {len(runs) - _MOST_NAMED} more" if len(runs) > _MOST_NAMED else ""
    count = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
    return [f"{count} left out ({reason}): {names}{more}."]


# --- reading ------------------------------------------------------------------------------


def _read_all(
    runs: Sequence[ListedRun], ledgers: Mapping[Path, Ledger], *, with_curves: bool
) -> tuple[list[FoundRun], list[str]]:
    found_runs, unreadable = [], []
    has_versions = len(find_results(runs, "results_version")) > 1
    columns = zip(
        runs,
        read_compared_runs(runs, with_curves=with_curves),
        [extract_setting_from_flat(run.config) for run in runs],
        *_list_entries(runs, ledgers),
        strict=True,
    )
    for run, compared, fields, request, ended in columns:
        if isinstance(compared, StoreError):
            unreadable.append(f"{run.run_id} left out: {compared}")
            continue
        if has_versions:
            fields = {**fields, "results_version": run.results_version}
        found_runs.append(FoundRun(run, compared, fields, request, ended))
    return found_runs, unreadable


def _list_entries(
    runs: Sequence[ListedRun], ledgers: Mapping[Path, Ledger]
) -> tuple[list[Request | None], list[int | None]]:
    """Return the request for each run, and its place in the ledger at which it ended."""
    if len(ledgers) == 1:
        (ledger,) = ledgers.values()  # a path is slow to look up
        found = [ledger] * len(runs)
    else:
        found = [ledgers[run.runs_dir] for run in runs]
    entries = list(zip(found, runs, strict=True))
    ends = [of_run.ends.get(run.run_id) for of_run, run in entries]
    return (
        [of_run.requests.get(run.run_id) for of_run, run in entries],
        [None if end is None else end.number for end in ends],
    )
