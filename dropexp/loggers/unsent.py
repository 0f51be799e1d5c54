"""Which finished runs trackers lack, in sentences."""

from collections.abc import Sequence
from shlex import quote

from dropexp.loggers.registry import Destination
from dropexp.loggers.sent_runs import read_sent_runs
from dropexp.runs.write import RunFolder


def describe_unsent(
    folders: Sequence[RunFolder], destinations: Sequence[Destination], chosen_by: Sequence[str]
) -> list[str]:
    """Return a sentence for each tracker that lacks finished runs, with what sends them.

    Args:
        folders: of runs, some of which may be unfinished.
        destinations: where the runs were to be sent.
        chosen_by: the arguments of ``dropexp export`` that choose these runs.
    """
    if not destinations:
        return []
    finished = [folder for folder in folders if folder.is_finished]
    sentences = []
    for each in destinations:
        unsent = [folder for folder in finished if not _is_sent(folder, each.logger)]
        if unsent:
            words = ["dropexp", "export", each.logger, *chosen_by, *each.options]
            sentences.append(
                f"{each.title} did not receive {len(unsent)} of {len(finished)} finished runs, "
                f"or not all of them; {' '.join(map(quote, words))} sends them."
            )
    return sentences


def _is_sent(folder: RunFolder, logger: str) -> bool:
    return any(sent.is_finished for sent in read_sent_runs(folder, logger).values())
