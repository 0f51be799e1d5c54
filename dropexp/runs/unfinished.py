"""What is there of studies whose runs have not all ended: how many, and how to resume them."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Set
from pathlib import Path
from shlex import quote

from dropexp.errors import DropexpError
from dropexp.runs.ledger import Ledger
from dropexp.runs.listed_run import ListedRun, ListedStatus
from dropexp.runs.searches import read_search
from dropexp.runs.studies import list_study_names
from dropexp.terminal.numbers import format_count

_MOST_STUDIES = 5
_ORDER = ("interrupted", "training", "failed", "waiting")
_LABELS: Mapping[ListedStatus, str] = {
    ListedStatus.INTERRUPTED: "interrupted",
    ListedStatus.RUNNING: "training",
    ListedStatus.FAILED: "failed",
    ListedStatus.DAMAGED: "failed",
}


def describe_unfinished(
    finished: Set[str],
    others: Iterable[ListedRun],
    ledgers: Mapping[Path, Ledger],
    studies: Collection[str] | None,
) -> list[str]:
    """Return a sentence on each study with runs that were asked for and have not ended.

    Args:
        finished: the ids of the runs of the folders that have results.
        others: the other runs of the folders.
        ledgers: of the folders.
        studies: the names of those that are wanted; None: all.
    """
    by_id = {run.run_id: run for run in others}
    sentences = []
    for folder, ledger in ledgers.items():
        for study in ledger.studies:
            if studies is not None and study not in studies:
                continue
            asked = ledger.runs_of(study)
            left = {run_id: by_id.get(run_id) for run_id in asked if run_id not in finished}
            counts = _count(left, ledger, finished=len(asked) - len(left))
            if len(asked) > 1 and (counts["interrupted"] or counts["waiting"]):
                sentences.append(_describe(folder, study, counts))
    more = len(sentences) - _MOST_STUDIES
    return [*sentences[:_MOST_STUDIES], *[f"{more} more studies are unfinished."] * (more > 0)]


def _count(left: Mapping[str, ListedRun | None], ledger: Ledger, *, finished: int) -> Counter[str]:
    """Return how many runs of a study are finished, interrupted, training, failed and waiting."""
    counts = Counter(finished=finished)
    for run_id, run in left.items():
        if run is not None:
            counts[_LABELS.get(run.status, "waiting")] += 1
        elif ledger.ended(run_id) is None:  # else it was removed
            counts["waiting"] += 1
    return counts


def _describe(folder: Path, study: str, counts: Counter[str]) -> str:
    total = format_count(sum(counts.values()), "run")
    listed = "".join(f", {counts[label]:,} {label}" for label in _ORDER if counts[label])
    return (
        f"{study}: {counts['finished']:,} of {total} finished{listed}; "
        f"{_find_command(folder, study)} resumes it."
    )


def _find_command(folder: Path, study: str) -> str:
    """Return the command that resumes a study, quoted for a shell."""
    try:
        search = read_search(folder, study)
    except DropexpError:
        search = None
    if search is not None:
        return f"dropexp {' '.join(map(quote, search.command))}"
    if study not in list_study_names(folder):
        return "repeating its commands"
    place = "" if folder == Path("runs") else f" {quote(f'runs_dir={folder}')}"
    return f"dropexp sweep {quote(f'study={study}')}{place}"
