"""What a name behind ``study=`` can mean, and which names are close to a mistyped one.

Imports no torch.
"""

import re
from pathlib import Path
from shlex import quote

from dropexp.config.groups import list_studies
from dropexp.config.study_files import find_study_file, is_study_path
from dropexp.errors import ConfigError, suggest_close
from dropexp.runs.ledger import list_asked_studies
from dropexp.runs.studies import list_study_names

_LIKENESS = 0.8
"""Of a name that is worth a warning: a label of one's own may be a little like another one."""


def is_used(name: str, runs_dir: Path) -> bool:
    """Return whether runs of this study were asked for in a folder of runs."""
    return name in list_study_names(runs_dir) or name in list_asked_studies(runs_dir)


def is_study(name: str, runs_dir: Path) -> bool:
    """Return whether a study of this name is ready, or runs of it were asked for in a folder."""
    return name in _list_known(runs_dir)


def suggest_studies(name: str, runs_dir: Path) -> str:
    """Return a sentence with the ready and the used studies of a similar name; empty without one.

    Args:
        name: as typed.
        runs_dir: the folder of run folders.
    """
    return suggest_close(name, _list_known(runs_dir))


def explain_new_study(name: str, runs_dir: Path) -> str:
    """Return a sentence on a label that is new and close to the name of a study; empty otherwise.

    Names that differ in their digits only, such as exp1 and exp2, are taken for a series.

    Args:
        name: as typed, beside overrides that say what to train.
        runs_dir: the folder of run folders.
    """
    if is_used(name, runs_dir) or find_study_file(name, runs_dir) is not None:
        return ""
    others = [each for each in _list_known(runs_dir) if _drop_digits(each) != _drop_digits(name)]
    close = suggest_close(name, others, _LIKENESS)
    return close and f"study={name} is a new label: no study has this name. {close}"


def _list_known(runs_dir: Path) -> set[str]:
    """Return the names of the ready studies, and of those that runs were asked for in."""
    return {*list_studies(), *list_study_names(runs_dir), *list_asked_studies(runs_dir)}


def _drop_digits(name: str) -> str:
    return re.sub(r"\d+", "", name)


def refuse_sweep_or_typo(name: str, runs_dir: Path) -> None:
    """Refuse a name behind ``study=`` that is no label for the default run alone.

    Args:
        name: as typed.
        runs_dir: the folder of run folders.

    Raises:
        ConfigError: a sweep of this name is ready, registered or recorded, or the name is not used
            and close to one that is.
    """
    if is_study_path(name):
        return  # composing explains it
    place = "" if runs_dir == Path("runs") else f" runs_dir={quote(str(runs_dir))}"
    if find_study_file(name, runs_dir) is not None or name in list_study_names(runs_dir):
        raise ConfigError(
            f"study={name} is a sweep; train or resume it with dropexp sweep study={name}{place}. "
            f"To add a run to it, say which: dropexp train study={name} regulariser=none{place}."
        )
    close = "" if is_used(name, runs_dir) else suggest_studies(name, runs_dir)
    if close:
        raise ConfigError(
            f"study={name} is not known, and nothing else says what to train. {close} To begin a "
            f"study of this name, say what it trains: dropexp train study={name} regulariser=none."
        )
