"""Refuse to start a sweep until decided on seeds that could have been chosen by their results."""

from pathlib import Path

from dropexp.config.setting import digest_setting
from dropexp.errors import ConfigError
from dropexp.runs.ledger import Ledger
from dropexp.sweep.other_seeds import find_known_seeds, propose_extension
from dropexp.sweep.sequential.rows import SequentialRequest

_MOST_NAMED = 40


def refuse_chosen_seeds(request: SequentialRequest, ledger: Ledger, runs_dir: Path) -> None:
    """Refuse start seeds that leave out seeds of the same settings with results.

    As compare does: a few seeds that gave the idea may be left out of a test on fresh ones; from as
    many as give a verdict none may be, and never some of them.

    Args:
        request: the sweep.
        ledger: of its runs folder.
        runs_dir: the folder of run folders.

    Raises:
        ConfigError: names the seeds that have results, and says what to type.
    """
    digests = {digest_setting(request.fields[row.setting]): row.setting for row in request.rows}
    start = set(request.seeds)
    for digest, known in find_known_seeds(ledger, request.study, set(digests)).items():
        left_out = known.find_left_out(start)
        if not left_out:
            continue
        every = sorted({*known.others, *start, *known.own})
        listed = ",".join(map(str, every)) if len(every) <= _MOST_NAMED else "…"
        earlier = known.find_study_to_extend()
        advice = f"sweep all of them as another study: dropexp sweep … study=NAME seed={listed}"
        if earlier is not None:
            advice = f"{propose_extension(earlier, runs_dir)}; or {advice}"
        where = f"of study {earlier}" if earlier else "in this runs folder"
        raise ConfigError(
            f"{digests[digest]} has results on {len(left_out)} other seeds {where}, and a test of "
            f"some of its seeds could have been chosen by them. Go on with all that is known: "
            f"{advice} --until-decided"
        )
