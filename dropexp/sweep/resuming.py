"""Compose a sweep as it is typed, or resume the study that ``study=NAME`` alone names.

``study=NAME`` stands for a ready or a registered study. Any other name is a label. With nothing
beside it that says what to train, it asks for the runs of the study of that name again; a name
that no study has is refused, because it is probably mistyped.
"""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from shlex import quote

from dropexp.config.compose import find_runs_dir, split_study
from dropexp.config.overrides import Override, parse_overrides
from dropexp.config.study_files import find_study_file
from dropexp.errors import ConfigError
from dropexp.runs.studies import list_study_names
from dropexp.runs.study_names import is_used, suggest_studies
from dropexp.sweep.extend import compose_recorded, read_swept_study
from dropexp.sweep.grammar import SweepRequest, compose_parsed_sweep


def compose_request(overrides: Sequence[str], *, trust: bool = False) -> SweepRequest:
    """Return the sweep that overrides ask for; see the module.

    Args:
        overrides: of ``dropexp sweep``, as typed.
        trust: whether what a recorded file names may be imported, called and read.

    Raises:
        UserError: as compose_parsed_sweep and refuse_unknown_study.
        StoreError: the file of the study that is resumed is damaged.
    """
    parsed = parse_overrides(overrides)
    others, study = split_study(parsed)
    runs_dir = find_runs_dir(others)
    if study is None or not _is_recorded_only(study, others, runs_dir):
        refuse_unknown_study(parsed)
        return compose_parsed_sweep(parsed, trust=trust)
    swept = read_swept_study(runs_dir, study)
    place = [override.text for override in others if override.key != "runs_dir"]
    return compose_recorded(runs_dir, swept, place, trust=trust)


def refuse_unknown_study(overrides: Sequence[Override]) -> None:
    """Refuse the name of a study that nobody has used, where a sweep's overrides do not begin one.

    Several values begin a study of any name. One run does where the name is like no other.

    Raises:
        ConfigError: names studies of a similar name, and how to begin one.
    """
    others, study = split_study(overrides)
    runs_dir = find_runs_dir(others)
    if study is None or find_study_file(study, runs_dir) is not None:
        return
    says_what = _says_what_to_train(others)
    if is_used(study, runs_dir):
        if not says_what and study not in list_study_names(runs_dir):
            raise ConfigError(
                f"study={study} is the label of runs of dropexp train; repeat their commands to "
                f"resume them, or add what to sweep, such as 'seed=range(8)'."
            )
        return
    close = suggest_studies(study, runs_dir)
    if not says_what:
        hint = f" {close}" if close else ""
        raise ConfigError(
            f"study={study} is not known: {runs_dir} has no study of this name, and it is no ready "
            f"one.{hint} To begin a study, say what it trains: dropexp sweep study={quote(study)} "
            f"regulariser=none,dropout2d p=0.3 'seed=range(8)'."
        )
    if close and prod(len(override.values) for override in others) == 1:
        raise ConfigError(
            f"study={study} is not known, and the other overrides make one run only. {close} To "
            f"train one run under a new name, use dropexp train."
        )


def _is_recorded_only(study: str, others: Sequence[Override], runs_dir: Path) -> bool:
    """Return whether nothing but the store says what the runs of a study are."""
    if _says_what_to_train(others) or find_study_file(study, runs_dir) is not None:
        return False
    return study in list_study_names(runs_dir)


def _says_what_to_train(overrides: Sequence[Override]) -> bool:
    return any(override.is_about_the_run for override in overrides)
