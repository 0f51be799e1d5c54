"""From run folders to runs that can be compared, and sentences on the runs that cannot."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from operator import not_
from pathlib import Path

from dropexp.compare.baselines import add_hidden_baselines
from dropexp.compare.compared_runs import ComparedRun
from dropexp.compare.family import (
    describe_unregistered,
    find_missing_runs,
    list_hidden_runs,
    read_ledgers,
)
from dropexp.compare.found_runs import FoundBatch, FoundRuns
from dropexp.compare.registered import explain_untrained
from dropexp.compare.stated_question import find_study
from dropexp.compare.stored_run import read_compared_runs
from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.setting import Fields, extract_setting_from_flat
from dropexp.config.shared_config import SeededConfig, SharedConfig
from dropexp.errors import StoreError, UserError
from dropexp.runs.ledger import Ledger, read_ledger
from dropexp.runs.listed_run import ListedStatus
from dropexp.runs.listing import find_run, holds_runs, list_blocks, read_run
from dropexp.runs.records import AuditOutcome
from dropexp.runs.run_block import RunBlock, find_values, list_ids, list_rows, select_each
from dropexp.runs.selection import explain_no_match, is_filter, select_blocks
from dropexp.runs.unfinished import describe_unfinished
from dropexp.runs.write import RunFolder
from dropexp.terminal.numbers import format_count, list_few


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
    blocks, copies = _drop_copies([*_list_all(folders), *map(RunBlock.of, named)])
    chosen = select_blocks(blocks, filters) if blocks else blocks
    if with_baselines and chosen:
        chosen = add_hidden_baselines(blocks, chosen, filters)
    comparable, reasons = _split_comparable(chosen, allow_mixed=allow_mixed)
    if ids:  # of their folders only these runs have been read
        blocks, _ = _drop_copies([*blocks, *_list_all({run.runs_dir for run in named})])
    ledgers = read_ledgers(blocks)
    found, unreadable = _read_all(comparable, ledgers, with_curves=with_curves)
    if not found:
        raise _make_error(filters, folders or [runs_dir], blocks, chosen, [*reasons, *unreadable])
    versions = find_values([batch.listed for batch in found], "results_version")
    hidden = list_hidden_runs(blocks, chosen, ledgers)
    countable, _ = _split_comparable(_select_versions(hidden, versions), allow_mixed=allow_mixed)
    others, _ = _read_all(countable, ledgers, with_curves=with_curves)
    batches = (*found, *(replace(batch, is_in_view=False) for batch in others))
    return FoundRuns(
        batches=batches,
        left_out=(
            *copies,
            *reasons,
            *unreadable,
            *_describe_unfinished(blocks, ledgers, _list_studies(found)),
            *describe_unregistered(blocks, chosen, ledgers),
        ),
        missing=tuple(find_missing_runs(batches, blocks, ledgers)),
        folders=len({batch.listed.runs_dir for batch in batches}),
        named_study=find_study(filters) or "",
    )


def _list_studies(batches: Iterable[FoundBatch]) -> set[str]:
    """Return the studies that first asked for the runs."""
    requests = {id(each): each for batch in batches for each in batch.requests}.values()
    return {each.study for each in requests if each is not None and each.study}


def _describe_unfinished(
    blocks: Sequence[RunBlock], ledgers: Mapping[Path, Ledger], studies: Collection[str] | None
) -> list[str]:
    finished = set(list_ids(block for block in blocks if block.has_results))
    others = list_rows(block for block in blocks if not block.has_results)
    return describe_unfinished(finished, others, ledgers, studies)


def read_comparable_runs(folders: Iterable[RunFolder]) -> list[ComparedRun]:
    """Return those of some runs that a comparison would take, without a look at any other run."""
    listed = [RunBlock.of(run) for folder in folders if (run := read_run(folder)) is not None]
    comparable, _ = _split_comparable(listed, allow_mixed=False)
    results = [result for block in comparable for _, result in read_compared_runs(block)]
    return [run for runs in results if not isinstance(runs, StoreError) for run in runs]


def _list_all(folders: Iterable[Path]) -> list[RunBlock]:
    return [
        block
        for folder in folders
        for block in list_blocks(folder, meanwhile=partial(read_ledger, folder))
    ]


def _drop_copies(blocks: Sequence[RunBlock]) -> tuple[list[RunBlock], list[str]]:
    """Return each run once, and a sentence about copies: a copied run is not a second seed."""
    run_ids = list_ids(blocks)
    if len(set(run_ids)) == len(run_ids):
        return list(blocks), []
    first: dict[str, Path] = {}
    kept, copies = [], []
    for block in blocks:
        is_new = [run_id not in first for run_id in block.run_ids]
        folder = block.runs_dir.absolute()
        is_copy = [first.get(run_id, folder) != folder for run_id in block.run_ids]
        first |= {run_id: folder for run_id in block.run_ids if run_id not in first}
        kept += select_each([block], [is_new])
        copies += select_each([block], [is_copy])
    return kept, _describe_left_out(copies, "copies of runs in another folder")


def _make_error(
    filters: Sequence[str],
    folders: Sequence[Path],
    blocks: Sequence[RunBlock],
    chosen: Sequence[RunBlock],
    reasons: Sequence[str],
) -> UserError:
    """Return the error to raise where no run can be compared.

    Args:
        filters: as given.
        folders: that were read.
        blocks: the runs that are there.
        chosen: those that pass the filters.
        reasons: why these cannot be compared.
    """
    place = " ".join(map(str, folders))
    if not chosen and (untrained := explain_untrained(filters, folders)):
        return UserError(untrained)
    study = find_study(filters)
    asked = {folder: read_ledger(folder) for folder in folders}
    there = _describe_unfinished(blocks, asked, None if study is None else [study])
    if blocks and not chosen and not (study and there):
        return UserError(explain_no_match(list_rows(blocks), filters, place))
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
    blocks: Sequence[RunBlock], *, allow_mixed: bool
) -> tuple[list[RunBlock], list[str]]:
    """Return the finished runs whose numbers are comparable, and what to know of the choice."""
    finished = [block for block in blocks if block.has_results]
    unfinished = [block for block in blocks if not block.has_results]
    reasons = [
        sentence
        for status, reason in _UNFINISHED.items()
        for sentence in _describe_left_out([b for b in unfinished if b[0].status is status], reason)
    ]
    if allow_mixed:
        return finished, reasons
    versions = find_values(finished, "results_version")
    version = _choose_version(versions)
    current, other = finished, []
    if len(versions) > 1:
        current = _select_versions(finished, {version})
        other = _select_versions(finished, versions - {version})
    is_comparable = list(map(_list_comparable, current))
    proven = select_each(current, is_comparable)
    unproven = select_each(current, (list(map(not_, each)) for each in is_comparable))
    reasons += _describe_left_out(other, "trained by a version of dropexp with other numbers")
    reasons += _describe_left_out(unproven, "without a passed audit")
    if other or unproven:
        reasons[-1] = (
            reasons[-1].removesuffix(".") + "; dropexp compare --allow-mixed includes them."
        )
    if proven and version < RESULTS_VERSION:
        reasons.append(_describe_old(sum(map(len, proven)), version))
    return proven, reasons


def _select_versions(blocks: Sequence[RunBlock], versions: Collection[int]) -> list[RunBlock]:
    is_wanted = (
        [version in versions for version in block.read("results_version")] for block in blocks
    )
    return select_each(blocks, is_wanted)


def _part_by_version(block: RunBlock) -> list[RunBlock]:
    """Return the runs of each results version, which are of settings of their own."""
    versions = set(block.read("results_version"))
    return [part for version in sorted(versions) for part in _select_versions([block], {version})]


def _list_comparable(block: RunBlock) -> list[bool]:
    """Return ListedRun.is_comparable of each run."""
    if set(block.read("audit_outcome")) == {AuditOutcome.PASSED}:
        return [True] * len(block)
    return [run.is_comparable for run in block]


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


def _describe_left_out(blocks: Sequence[RunBlock], reason: str) -> list[str]:
    """Return a list of one sentence on the runs left out for a reason; empty without runs."""
    if not blocks:
        return []
    runs = sorted(list_ids(blocks))
    return [f"{format_count(len(runs), 'run')} left out ({reason}): {list_few(runs)}."]


# --- reading ------------------------------------------------------------------------------


def _read_all(
    blocks: Sequence[RunBlock], ledgers: Mapping[Path, Ledger], *, with_curves: bool
) -> tuple[list[FoundBatch], list[str]]:
    found: list[FoundBatch] = []
    unreadable: list[str] = []
    versions = find_values(blocks, "results_version")
    for block in chain.from_iterable(map(_part_by_version, blocks)):
        fields = extract_setting_from_flat(block.config)
        if len(versions) > 1:
            fields = _add_version(fields, block.read("results_version")[0])
        for part, compared in read_compared_runs(block, with_curves=with_curves):
            if isinstance(compared, StoreError):
                unreadable.append(f"{part.run_ids[0]} left out: {compared}")
                continue
            ledger = ledgers[part.runs_dir]
            requests = list(map(ledger.requests.get, part.run_ids))
            ended = map(ledger.ends.get, part.run_ids)
            ends = [None if end is None else end.number for end in ended]
            of_part = _set_seed(fields, compared.seeds[0])
            found.append(FoundBatch(part, compared, of_part, requests, ends))
    return found, sorted(unreadable)


def _add_version(fields: Fields, version: int) -> Fields:
    """Return the fields of a setting with the results version of its runs."""
    if not isinstance(fields, SeededConfig):
        return {**fields, "results_version": version}
    shared = {**fields.shared.fields, "results_version": version}
    return SeededConfig(SharedConfig(shared, fields.shared.follows), fields.seed)


def _set_seed(fields: Fields, seed: int) -> Fields:
    return SeededConfig(fields.shared, seed) if isinstance(fields, SeededConfig) else fields
