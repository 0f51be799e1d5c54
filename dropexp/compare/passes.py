"""Which of the runs compared have been measured by the passes of mc_dropout."""

from collections.abc import Iterable, Sequence

from dropexp.compare.results import Member, Metric, Setting
from dropexp.errors import UserError

_HOW = "the command that trained them measures them with mc_dropout=50 added, and trains nothing"


def are_there(members: Iterable[Member]) -> bool:
    """Whether any run has been."""
    return any(member.summary.mc_dropout is not None for member in members)


def refuse_without(metric: Metric, members: Iterable[Member]) -> None:
    """Refuse a metric that no run has.

    Raises:
        UserError: says how to measure it.
    """
    if metric.is_sampled and not are_there(members):
        raise UserError(
            f"--metric {metric} was not measured: none of the runs has passes of mc_dropout; "
            f"{_HOW}."
        )


def remarks(settings: Sequence[Setting]) -> list[str]:
    """Sentences about settings with noise whose runs have no passes, or not all the same number."""
    found = []
    for setting in settings:
        noisy = [member for member in setting.members if member.summary.p > 0]
        lacking = sum(member.summary.mc_dropout is None for member in noisy)
        if lacking:
            found.append(
                f"{setting.name}: {lacking} of {len(noisy)} runs without passes of mc_dropout; "
                f"{_HOW}."
            )
    numbers = {
        member.summary.mc_dropout.passes
        for setting in settings
        for member in setting.members
        if member.summary.mc_dropout is not None
    }
    if len(numbers) > 1:
        shown = ", ".join(map(str, sorted(numbers)))
        found.append(
            f"Runs have different numbers of passes of mc_dropout ({shown}): with more of them the "
            f"loss falls for that reason alone."
        )
    return found
