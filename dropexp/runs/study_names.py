"""What a name behind ``study=`` can mean, and which names are close to a mistyped one.

Imports no torch.
"""

from pathlib import Path
from shlex import quote

from dropexp.config.groups import list_studies
from dropexp.config.study_files import find_study_file, is_study_path
from dropexp.errors import ConfigError, suggest_close
from dropexp.runs.ledger import list_asked_studies
from dropexp.runs.studies import list_study_names


def is_used(name: str, runs_dir: Path) -> bool:
    """Return whether runs of this study were asked for in a folder of runs."""
    return name in list_study_names(runs_dir) or name in list_asked_studies(runs_dir)


def suggest_studies(name: str, runs_dir: Path) -> str:
    """Return a sentence with the ready and the used studies of a similar name; empty without one.

    Args:
        name: as typed.
        runs_dir: the folder of run folders.
    """
    used = {*list_study_names(runs_dir), *list_asked_studies(runs_dir)}
    return suggest_close(name, {*list_studies(), *used})


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
