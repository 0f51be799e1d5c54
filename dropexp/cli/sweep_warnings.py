"""Warnings of sweep and extend about what was typed: a name, a value that does nothing.

Everything heavy is imported when they are called.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropexp.sweep.grammar import SweepRequest


def warn_of_mistyped_study(request: "SweepRequest", runs_dir: Path) -> None:
    """Warn where the name of a ready study is probably mistyped: one run is planned, not many."""
    from dropexp.cli.console import print_warning
    from dropexp.config.groups import list_studies
    from dropexp.errors import suggest_close
    from dropexp.runs.studies import list_study_names

    name = request.study
    if name is None or len(request.configs) + request.duplicates > 1:
        return
    question = suggest_close(name, list_studies())
    if question and name not in {*list_studies(), *list_study_names(runs_dir)}:
        hint = question[:1].lower() + question[1:]
        print_warning(f"study={name} is no ready study ({hint}): it only labels this run")


def warn_of_idle_p(request: "SweepRequest") -> None:
    """Warn where p is swept and nothing has one."""
    from dropexp.cli.console import print_warning

    swept = [text for text in request.run_overrides if text.startswith(("p=", "regulariser.p="))]
    if swept and all(config.regulariser.name == "none" for config in request.configs):
        print_warning(
            f"{swept[-1]} changes nothing, as regulariser=none has no p; name a regulariser: "
            f"regulariser=none,dropout2d"
        )


def warn_of_registration(runs_dir: Path, study: str) -> None:
    """Warn that more seeds are no part of what was registered."""
    from dropexp.cli.console import print_warning
    from dropexp.runs.registration import read_registration
    from dropexp.runs.studies import list_study_names

    registration = read_registration(runs_dir, study)
    if registration is not None and study in list_study_names(runs_dir):
        print_warning(
            f"{study} was registered on {registration.on} with its seeds; with others it differs "
            f"from that, and compare and report will say so"
        )
