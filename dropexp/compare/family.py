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
from dropexp.config.setting import Fields, digest_setting, extract_setting_from_flat
from dropexp.config.shared_config import SeededConfig, SharedConfig
from dropexp.errors import DropexpError
from dropexp.runs.ledger import Ledger, Purpose, read_ledger
from dropexp.runs.listed_run import ListedRun, ListedStatus
from dropexp.runs.listing import find_seed
from dropexp.runs.studies import Study, StudyMember, read_study
from dropexp.terminal.numbers import format_count

_WITHOUT_RESULT = (ListedStatus.INTERRUPTED, ListedStatus.RUNNING)


def read_ledgers(runs: Iterable[ListedRun]) -> dict[Path, Ledger]:
    """Return the ledger of each folder of run folders."""
    folders = dict.fromkeys(run.runs_dir for run in runs)
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
    others = [run for run in all_runs if run.run_id not in in_view and run.has_results]
    if not others:
        return []
    registered = _find_registered(chosen, ledgers)
    if registered:
        return [run for run in others if run.run_id in registered]
    settings = {_digest(run) for run in chosen}
    rows = [run for run in chosen if not _is_plain(run)] or chosen
    of_studies = _list_first_asked(rows, ledgers)
    return [run for run in others if run.run_id in of_studies or _digest(run) in settings]


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
    versions = {run.listed.results_version for run in found_runs}
    registered = _find_registered([run.listed for run in found_runs], ledgers)
    by_setting = {_digest(run.listed): run.listed.run_id for run in found_runs}
    listed = {run.run_id: run for run in all_runs}
    in_view = [run.listed for run in found_runs if run.is_in_view]
    rows = [run for run in in_view if not _is_plain(run)]
    wanted = _list_first_asked(rows or in_view, ledgers)
    missing = []
    for folder, ledger in ledgers.items():
        places = _StudyPlaces(folder)
        for run_id, request in ledger.requests.items():
            if run_id in found or (registered and run_id not in registered):
                continue
            run, ended = listed.get(run_id), ledger.ended(run_id)
            setting: str | int | None = ledger.setting_of(run_id)
            if setting is None and run is not None and run.config:
                setting = _digest(run)
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
    settings = {_digest(run) for run in chosen if not _is_plain(run)}
    others = [
        run
        for run in all_runs
        if run.run_id not in registered and run.has_results and _digest(run) in settings
    ]
    if not others:
        return []
    runs = format_count(len(others), "run")
    are = "is" if len(others) == 1 else "are"
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


def _find_registered(runs: Iterable[ListedRun], ledgers: Mapping[Path, Ledger]) -> Collection[str]:
    """Return the runs of the registered study that asked for all of these; empty without one."""
    studies = set()
    for run in runs:
        folder = run.runs_dir
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
        folder = run.runs_dir
        request = ledgers[folder].asked(run.run_id)
        if request is not None:
            studies[folder, request.study] = None
    return {run_id for folder, study in studies for run_id in ledgers[folder].runs_of(study)}


def is_plain(fields: Fields) -> bool:
    """Return whether a setting is a baseline, which other studies may share."""
    return fields.get("regulariser.name") == "none" and not list_active_classics(fields)


def _is_plain(run: ListedRun) -> bool:
    fields = _fields(run)
    if isinstance(fields, SeededConfig):
        return fields.shared.recall(_is_plain_for_all_seeds)
    return is_plain(fields)


def _is_plain_for_all_seeds(config: SharedConfig) -> bool:
    return is_plain(config.fields)


def _digest(run: ListedRun) -> str:
    return digest_setting(_fields(run))


def _fields(run: ListedRun) -> Fields:
    return extract_setting_from_flat(run.config)
