"""Which runs count in the test of a table besides those in it, and which are missing.

A filter must not make a test easier. The best of twenty rows, looked at alone, would give a false
alarm in 44 % of tables without any difference. So the family of a table is its rows and all rows of
the studies that first asked for their runs, and a seed that a filter leaves out is known to be left
out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dropexp.compare.found_runs import FoundRun, MissingRun
from dropexp.config.classics import list_active_classics
from dropexp.config.setting import Fields, extract_setting_from_flat, setting_key
from dropexp.errors import DropexpError
from dropexp.runs.ledger import Ledger, Purpose, read_ledger
from dropexp.runs.listing import ListedRun, ListedStatus
from dropexp.runs.studies import Study, StudyMember, read_study
from dropexp.terminal.numbers import format_count

_WITHOUT_RESULT = (ListedStatus.INTERRUPTED, ListedStatus.RUNNING)


def read_ledgers(runs: Iterable[ListedRun]) -> dict[Path, Ledger]:
    """Return the ledger of each folder of run folders."""
    folders = dict.fromkeys(run.folder.path.parent for run in runs)
    return {folder: read_ledger(folder) for folder in folders}


def list_hidden_runs(
    all_runs: Sequence[ListedRun],
    chosen: Sequence[ListedRun],
    ledgers: Mapping[Path, Ledger],
) -> list[ListedRun]:
    """Return the runs that are not chosen and count in the test of those that are.

    They are further seeds of the chosen settings, and the runs of the studies that first asked for
    the chosen rows; runs outside studies count as one study. A registered study counts alone, as
    its runs were fixed before any of them existed.

    Args:
        all_runs: all runs of the folders.
        chosen: those that the arguments choose.
        ledgers: of the folders.
    """
    in_view = {run.run_id for run in chosen}
    others = [run for run in all_runs if run.run_id not in in_view and run.summary is not None]
    if not others:
        return []
    registered = _find_registered(chosen, ledgers)
    if registered:
        return [run for run in others if run.run_id in registered]
    settings = {_key(run) for run in chosen}
    rows = [run for run in chosen if not _is_plain(run)] or chosen
    of_studies = _list_first_asked(rows, ledgers)
    return [run for run in others if run.run_id in of_studies or _key(run) in settings]


def find_missing_runs(
    found_runs: Sequence[FoundRun],
    all_runs: Sequence[ListedRun],
    ledgers: Mapping[Path, Ledger],
) -> list[MissingRun]:
    """Return the runs of the found settings and their studies that lack a comparable result.

    Args:
        found_runs: the runs in view and those that count with them.
        all_runs: all runs of the folders.
        ledgers: of the folders.
    """
    found = {run.listed.run_id for run in found_runs}
    if all(ledger.requests.keys() <= found for ledger in ledgers.values()):
        return []
    registered = _find_registered([run.listed for run in found_runs], ledgers)
    by_key = {_key(run.listed): run.listed.run_id for run in found_runs}
    listed = {run.run_id: run for run in all_runs}
    rows = [run.listed for run in found_runs if not _is_plain(run.listed)]
    wanted = _list_first_asked(rows or [run.listed for run in found_runs], ledgers)
    missing = []
    for folder, ledger in ledgers.items():
        siblings = _Siblings(folder, found)
        for run_id, request in ledger.requests.items():
            if run_id in found or (registered and run_id not in registered):
                continue
            run = listed.get(run_id)
            if run is not None and run.config:
                sibling, seed = by_key.get(_key(run)), run.config.get("seed")
                setting = None if sibling else siblings.find(run_id, request.study)[2]
            else:
                sibling, seed, setting = siblings.find(run_id, request.study)
            if run_id in wanted or sibling is not None:
                is_refused = run is not None and run.status not in _WITHOUT_RESULT
                missing.append(MissingRun(run_id, seed, request, sibling, setting, is_refused))
    return missing


def describe_unregistered(
    all_runs: Sequence[ListedRun],
    chosen: Sequence[ListedRun],
    ledgers: Mapping[Path, Ledger],
) -> list[str]:
    """Return a sentence on the seeds of a registered study's settings that are no part of it.

    They do not count in its test, but who registers one study after the other until one of them
    finds something should have to say so.

    Args:
        all_runs: all runs of the folders.
        chosen: those that the arguments choose.
        ledgers: of the folders.
    """
    registered = _find_registered(chosen, ledgers)
    if not registered:
        return []
    settings = {_key(run) for run in chosen if not _is_plain(run)}
    others = [
        run
        for run in all_runs
        if run.run_id not in registered and run.summary is not None and _key(run) in settings
    ]
    if not others:
        return []
    runs = format_count(len(others), "run")
    are = "is" if len(others) == 1 else "are"
    return [f"{runs} of these settings on other seeds {are} no part of the registered study."]


class _Siblings:
    """Finds the setting of a run without a folder in the file of its study."""

    def __init__(self, runs_dir: Path, found: Collection[str]) -> None:
        self._runs_dir = runs_dir
        self._found = found
        self._members: dict[str, Mapping[str, StudyMember]] = {}
        self._by_setting: dict[tuple[str, int], str] = {}

    def find(self, run_id: str, study: str | None) -> tuple[str | None, int | None, int | None]:
        """Return a found run of the same setting, the run's seed, and the place of its setting.

        Each is None where it is unknown.
        """
        if study is None:
            return None, None, None
        if study not in self._members:
            self._read(study)
        member = self._members[study].get(run_id)
        if member is None:
            return None, None, None
        return self._by_setting.get((study, member.setting)), member.seed, member.setting

    def _read(self, name: str) -> None:
        study: Study | None = None
        with suppress(DropexpError):  # only the place of missing runs is unknown then
            study = read_study(self._runs_dir, name)
        members = study.members if study is not None else ()
        self._members[name] = {member.run_id: member for member in members}
        for member in members:
            if member.run_id in self._found:
                self._by_setting.setdefault((name, member.setting), member.run_id)


def _find_registered(runs: Iterable[ListedRun], ledgers: Mapping[Path, Ledger]) -> Collection[str]:
    """Return the runs of the registered study that asked for all of these; empty without one."""
    studies = set()
    for run in runs:
        folder = run.folder.path.parent
        request = ledgers[folder].asked(run.run_id)
        if request is None or request.purpose is not Purpose.REGISTERED:
            return ()
        studies.add((folder, request.study, request.number))
    if len(studies) != 1:
        return ()
    ((folder, _, number),) = studies
    requests = ledgers[folder].requests
    return {run_id for run_id, request in requests.items() if request.number == number}


def _list_first_asked(runs: Iterable[ListedRun], ledgers: Mapping[Path, Ledger]) -> Collection[str]:
    """Return the ids of all runs that were first asked for in the same studies."""
    studies: dict[tuple[Path, str | None], None] = {}
    for run in runs:
        folder = run.folder.path.parent
        request = ledgers[folder].asked(run.run_id)
        if request is not None:
            studies[folder, request.study] = None
    return {run_id for folder, study in studies for run_id in ledgers[folder].runs_of(study)}


def is_plain(fields: Fields) -> bool:
    """Return whether a setting is a baseline, which other studies may share."""
    return fields.get("regulariser.name") == "none" and not list_active_classics(fields)


def make_row_key(fields: Fields) -> str:
    """Return a key of a setting; data.seed is left out, as it often follows the run's seed."""
    return setting_key({key: value for key, value in fields.items() if key != "data.seed"})


def _is_plain(run: ListedRun) -> bool:
    return is_plain(_fields(run))


def _key(run: ListedRun) -> str:
    return make_row_key(_fields(run))


def _fields(run: ListedRun) -> Fields:
    return extract_setting_from_flat(run.config)
