"""Measure the claims that need many trained networks, from the finished runs in a folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from claims import depth, generalisation
from claims.finding import ClaimVerdict, Finding
from claims.spatial import count_added_parameters
from claims.studies import (
    CONFIRMATION,
    DEEP,
    DEEP_DROPOUT,
    DIGITS,
    FASHION,
    RESNET20,
    StudyRuns,
    format_command,
    read_studies,
)
from dropexp.compare import FoundRun


def measure_findings(runs_dir: Path) -> list[Finding]:
    """Measure the claims that need studies from the finished runs in a folder."""
    done = read_studies(runs_dir)
    findings = []
    for number, (measure, needed) in _CLAIMS.items():
        if all(done[study].is_complete for study in needed):
            findings.append(measure(*(done[study].runs for study in needed)))
        else:
            findings.append(_describe_unfinished(number, {study: done[study] for study in needed}))
    return findings


def _with_both(
    measure: Callable[[Sequence[FoundRun]], Finding],
) -> Callable[[Sequence[FoundRun], Sequence[FoundRun]], Finding]:
    """Return a measurement of the runs of two studies together."""
    return lambda first, second: measure([*first, *second])


def _measure_against_dropout(
    deep: Sequence[FoundRun], dropout: Sequence[FoundRun], resnet20: Sequence[FoundRun]
) -> Finding:
    return depth.measure_against_dropout([*deep, *dropout], resnet20)


_CLAIMS: Mapping[int, tuple[Callable[..., Finding], tuple[str, ...]]] = {
    15: (generalisation.measure_parameter_efficiency, (DIGITS, FASHION)),
    16: (_measure_against_dropout, (DEEP, DEEP_DROPOUT, RESNET20)),
    17: (_with_both(depth.measure_tuning), (DEEP, DEEP_DROPOUT)),
    18: (generalisation.measure_generalisation, (DIGITS, CONFIRMATION, FASHION)),
    21: (_with_both(depth.measure_depth), (DEEP, DEEP_DROPOUT)),
}


def _describe_unfinished(claim: int, done: Mapping[str, StudyRuns]) -> Finding:
    counts = [f"{study}: {len(d.runs)} of {d.planned} runs" for study, d in done.items()]
    counted = (
        f"{generalisation.format_parameters(count_added_parameters())}; " if claim == 15 else ""
    )
    return Finding(
        claim,
        f"{counted}needs {', '.join(counts)} are finished",
        ClaimVerdict.NEEDS_STUDIES,
        " and ".join(f"`{format_command(study)}`" for study in done),
    )
