"""Count the rows that were asked for in the same studies, as the correction of compare does.

Runs that another study asked for first bring all rows of that study into the correction: the best
of its rows could have been chosen for this sweep by its results.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dropexp.compare.family import is_plain
from dropexp.config.setting import Fields, digest_setting, extract_setting_from_flat
from dropexp.errors import DropexpError
from dropexp.runs.ledger import Ledger
from dropexp.runs.listing import read_run
from dropexp.runs.studies import read_study
from dropexp.runs.write import RunFolder
from dropexp.sweep.sequential.rows import SequentialRequest


def count_further_tests(request: SequentialRequest, ledger: Ledger, runs_dir: Path) -> int:
    """Return how many rows count in the correction besides those of the sweep.

    Args:
        request: the sweep.
        ledger: of its runs folder.
        runs_dir: the folder of run folders.
    """
    tested = {row.setting for row in request.rows}
    asked = [
        ledger.asked(config.run_id)
        for (setting, _), config in request.configs.items()
        if setting in tested
    ]
    studies = {each.study for each in asked if each is not None} | {request.study}
    own = {digest_setting(fields) for fields in request.fields.values()}
    others = {
        digest_setting(fields)
        for study in studies
        for fields in _list_settings(study, ledger, runs_dir)
        if not is_plain(fields)
    }
    return len(others - own)


def _list_settings(study: str | None, ledger: Ledger, runs_dir: Path) -> Iterator[Fields]:
    """Yield the settings of the runs that were first asked for in a study, or outside studies."""
    run_ids = ledger.runs_of(study)
    if study is not None:
        with suppress(DropexpError):  # no study of this name was swept before
            known = read_study(runs_dir, study)
            places = {member.run_id: member.setting for member in known.members}
            for place in {places[run_id] for run_id in run_ids if run_id in places}:
                yield known.settings[place]
        return
    for run_id in run_ids:
        run = read_run(RunFolder(runs_dir, run_id))
        if run is not None and run.config:
            yield extract_setting_from_flat(run.config)
