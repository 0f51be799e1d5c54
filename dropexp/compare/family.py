"""Which runs count in the test of a table besides those in it, and which are missing.

A filter must not make a test easier. The best of twenty rows, looked at alone, would give a false
alarm in 44 % of tables without any difference. So the family of a table is its rows and all rows of
the studies that first asked for their runs, and a seed that a filter leaves out is known to be left
out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path

from dropexp.compare.found_runs import FoundBatch, MissingRun
from dropexp.config.classics import list_active_classics
from dropexp.config.setting import Fields, digest_setting, extract_setting_from_flat
from dropexp.errors import DropexpError
from dropexp.runs.ledger import Ledger, Purpose, Request, read_ledger
from dropexp.runs.listed_run import ListedRun, ListedStatus
from dropexp.runs.listing import find_seed
from dropexp.runs.run_block import RunBlock, find_values, list_ids, list_rows, select_each
from dropexp.runs.studies import Study, StudyMember, read_study
from dropexp.terminal.numbers import format_count

_WITHOUT_RESULT = (ListedStatus.INTERRUPTED, ListedStatus.RUNNING)


def read_ledgers(blocks: Iterable[RunBlock]) -> dict[Path, Ledger]:
    """Return the ledger of each folder of run folders."""
    folders = dict.fromkeys(block.runs_dir for block in blocks)
    return {folder: read_ledger(folder) for folder in folders}


def list_hidden_runs(
    every: Sequence[RunBlock],
    chosen: Sequence[RunBlock],
    ledgers: Mapping[Path, Ledger],
) -> list[RunBlock]:
    """Return the runs that are not chosen and count in the test of those that are.

    They are further seeds of the chosen settings, and the runs of the studies that first asked for
    the chosen rows; runs outside studies count as one study. A registered study counts alone, as
    its runs were fixed before any of them existed.

    Args:
        every: all runs of the folders.
        chosen: those that the arguments choose.
        ledgers: of the folders.
    """
    others = _leave_out([block for block in every if block.has_results], set(list_ids(chosen)))
    if not others:
        return []
    registered = _find_registered(chosen, ledgers)
    if registered:
        return _select_ids(others, registered)
    settings = set(map(_digest, chosen))
    rows = [block for block in chosen if not _is_plain(block)] or chosen
    of_studies = _list_first_asked(rows, ledgers)
    return [
        counted
        for block in others
        for counted in ([block] if _digest(block) in settings else _select_ids([block], of_studies))
    ]


def find_missing_runs(
    found: Sequence[FoundBatch],
    every: Sequence[RunBlock],
    ledgers: Mapping[Path, Ledger],
) -> list[MissingRun]:
    """Return the runs of the found settings and their studies that lack a comparable result.

    Args:
        found: the runs in view and those that count with them.
        every: all runs of the folders.
        ledgers: of the folders.
    """
    found_blocks = [batch.listed for batch in found]
    found_ids = set(list_ids(found_blocks))
    if all(ledger.requests.keys() <= found_ids for ledger in ledgers.values()):
        return []
    versions = find_values(found_blocks, "results_version")
    registered = _find_registered(found_blocks, ledgers)
    # Settings of two results versions have one digest; the last run stands for them.
    last = sorted(
        (not batch.is_in_view, max(batch.listed.run_ids), _digest(batch.listed)) for batch in found
    )
    by_setting = {digest: run_id for _, run_id, digest in last}
    others = {run.run_id: run for run in list_rows(_leave_out(every, found_ids))}
    in_view = [batch.listed for batch in found if batch.is_in_view]
    rows = [block for block in in_view if not _is_plain(block)]
    wanted = _list_first_asked(rows or in_view, ledgers)
    missing = []
    for folder, ledger in ledgers.items():
        places = _StudyPlaces(folder)
        for run_id, request in ledger.requests.items():
            if run_id in found_ids or (registered and run_id not in registered):
                continue
            run, ended = others.get(run_id), ledger.ended(run_id)
            setting: str | int | None = ledger.setting_of(run_id)
            if setting is None and run is not None and run.config:
                setting = _digest_config(run.config)
            sibling = by_setting.get(setting) if isinstance(setting, str) else None
            if setting is None:
                setting, digest = places.find(run_id, request.study)
                sibling = by_setting.get(digest) if digest else None
            if run_id in wanted or sibling is not None:
                is_listed = run is not None and run.status not in _WITHOUT_RESULT
                is_refused = is_listed and ended is None
                seed = find_seed(run_id)
                is_elsewhere = run is not None and _has_result(run, versions)
                missing.append(
                    MissingRun(
                        run_id, seed, request, sibling, setting, ended, is_refused, is_elsewhere
                    )
                )
    return missing


def _has_result(run: ListedRun, versions: Collection[int | None]) -> bool:
    return run.is_comparable and run.results_version in versions


def describe_unregistered(
    every: Sequence[RunBlock],
    chosen: Sequence[RunBlock],
    ledgers: Mapping[Path, Ledger],
) -> list[str]:
    """Return a sentence on the seeds of a registered study's settings that are no part of it.

    They do not count in its test, but who registers one study after the other until one of them
    finds something should have to say so.

    Args:
        every: all runs of the folders.
        chosen: those that the arguments choose.
        ledgers: of the folders.
    """
    registered = _find_registered(chosen, ledgers)
    if not registered:
        return []
    settings = {_digest(block) for block in chosen if not _is_plain(block)}
    same = [block for block in every if block.has_results and _digest(block) in settings]
    others = sum(map(len, _leave_out(same, registered)))
    if not others:
        return []
    runs = format_count(others, "run")
    are = "is" if others == 1 else "are"
    return [f"{runs} of these settings on other seeds {are} no part of the registered study."]


class _StudyPlaces:
    """Finds the setting of a run that never started in the file of its study."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._studies: dict[str, Study | None] = {}
        self._members: dict[str, Mapping[str, StudyMember]] = {}

    def find(self, run_id: str, name: str | None) -> tuple[int | None, str | None]:
        """Return the place of the run's setting in its study, and its digest; None if unknown."""
        if name is None:
            return None, None
        if name not in self._studies:
            self._read(name)
        study, member = self._studies[name], self._members[name].get(run_id)
        if study is None or member is None:
            return None, None
        return member.setting, digest_setting(study.settings[member.setting])

    def _read(self, name: str) -> None:
        study: Study | None = None
        with suppress(DropexpError):  # only the place of missing runs is unknown then
            study = read_study(self._runs_dir, name)
        self._studies[name] = study
        members = study.members if study is not None else ()
        self._members[name] = {member.run_id: member for member in members}


def _find_registered(blocks: Iterable[RunBlock], ledgers: Mapping[Path, Ledger]) -> Set[str]:
    """Return the runs of the registered study that asked for all of these; empty without one."""
    studies = set()
    for block in blocks:
        for request in _list_requests(block, ledgers):
            if request is None or request.purpose is not Purpose.REGISTERED:
                return frozenset()
            studies.add((block.runs_dir, request.study, request.number))
    if len(studies) != 1:
        return frozenset()
    ((folder, _, number),) = studies
    requests = ledgers[folder].requests
    return {run_id for run_id, request in requests.items() if request.number == number}


def _list_first_asked(blocks: Iterable[RunBlock], ledgers: Mapping[Path, Ledger]) -> Set[str]:
    """Return the ids of all runs that were first asked for in the same studies."""
    studies = {
        (block.runs_dir, request.study)
        for block in blocks
        for request in _list_requests(block, ledgers)
        if request is not None
    }
    return {run_id for folder, study in studies for run_id in ledgers[folder].runs_of(study)}


def _list_requests(block: RunBlock, ledgers: Mapping[Path, Ledger]) -> list[Request | None]:
    """Return the different first requests for the runs of a block."""
    requests = map(ledgers[block.runs_dir].requests.get, block.run_ids)
    return list({id(request): request for request in requests}.values())


def _leave_out(blocks: Sequence[RunBlock], run_ids: Set[str]) -> list[RunBlock]:
    """Return the runs without some."""
    return select_each(
        blocks, ([run_id not in run_ids for run_id in block.run_ids] for block in blocks)
    )


def _select_ids(blocks: Sequence[RunBlock], run_ids: Set[str]) -> list[RunBlock]:
    """Return those runs that are among some."""
    return select_each(
        blocks, ([run_id in run_ids for run_id in block.run_ids] for block in blocks)
    )


def is_plain(fields: Fields) -> bool:
    """Return whether a setting is a baseline, which other studies may share."""
    return fields.get("regulariser.name") == "none" and not list_active_classics(fields)


def _is_plain(block: RunBlock) -> bool:
    return is_plain(extract_setting_from_flat(block.config))


def _digest(block: RunBlock) -> str:
    return _digest_config(block.config)


def _digest_config(config: Fields) -> str:
    return digest_setting(extract_setting_from_flat(config))
