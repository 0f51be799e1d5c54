"""Refuse to start a sweep until decided on seeds that could have been chosen by their results."""

from dropexp.compare.looks import FEWEST_PAIRS
from dropexp.config.setting import digest_setting
from dropexp.errors import ConfigError
from dropexp.runs.ledger import Ledger, Purpose
from dropexp.runs.listing import find_seed
from dropexp.sweep.sequential.rows import SequentialRequest

_MOST_NAMED = 40


def refuse_chosen_seeds(request: SequentialRequest, ledger: Ledger) -> None:
    """Refuse start seeds that leave out seeds of the same settings with results.

    As compare does: a few seeds that gave the idea may be left out of a test on fresh ones; from as
    many as give a verdict none may be, and never some of them.

    Args:
        request: the sweep.
        ledger: of its runs folder.

    Raises:
        ConfigError: names the seeds that have results, and says what to type.
    """
    digests = {digest_setting(request.fields[row.setting]): row.setting for row in request.rows}
    earlier: dict[str, set[int]] = {}
    for run_id, end in ledger.ends.items():
        asked = ledger.asked(run_id)
        is_own = asked is not None and asked.study == request.study
        is_search = asked is not None and asked.purpose is Purpose.SEARCH
        if end.setting in digests and not is_own and not is_search:
            earlier.setdefault(digests[end.setting], set()).add(find_seed(run_id))
    start = set(request.seeds)
    for name, seeds in earlier.items():
        left_out = seeds - start
        if left_out and (seeds & start or len(left_out) >= FEWEST_PAIRS):
            every = sorted(seeds | start)
            listed = ",".join(map(str, every)) if len(every) <= _MOST_NAMED else "…"
            raise ConfigError(
                f"{name} has results on {len(left_out)} other seeds in this runs folder, and a "
                f"test of some of its seeds could have been chosen by them. Start with all of "
                f"them: seed={listed}"
            )
