"""More seeds for a study: its words again, with the seeds that come after those it has."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dropexp.config.overrides import Override, parse_overrides
from dropexp.errors import ConfigError
from dropexp.runs.studies import Study, read_study
from dropexp.runs.write import RunFolder
from dropexp.sweep.grammar import SweepRequest, compose_parsed_sweep, replace_seeds


def extended(runs_dir: Path, name: str, more: int, words: Sequence[str]) -> SweepRequest:
    """What to ask for to have a study's settings on more seeds.

    Runs that an earlier sweep has left come first: while there are any, no seed is added.

    Args:
        runs_dir: the folder of run folders that holds the study.
        name: of the study.
        more: how many seeds to add, counted on from the highest one there is.
        words: overrides that say where and how to run.

    Raises:
        ConfigError: there is no such study, or a word says what to run.
    """
    overrides = parse_overrides(words)
    for override in overrides:
        _refuse_what_makes_another_study(override)
    study = read_study(runs_dir, name)
    seeds = _seeds(runs_dir, study, more)
    sweeps = [replace_seeds([*parse_overrides(old), *overrides], seeds) for old in study.sweeps]
    # Earlier sweeps that differ in their seeds only are the same sweep with these seeds.
    different = {tuple(override.text for override in sweep): sweep for sweep in sweeps}
    requests = [compose_parsed_sweep(sweep) for sweep in different.values()]
    configs = {config.run_id: config for one in requests for config in one.configs}
    place = {"study": name, "runs_dir": str(runs_dir)}
    placed = [config.model_copy(update=place) for config in configs.values()]
    return replace(
        requests[0],
        configs=tuple(sorted(placed, key=lambda config: config.seed)),
        study=name,
    )


def _seeds(runs_dir: Path, study: Study, more: int) -> list[int]:
    """The seeds to train: what an earlier sweep has left, or else the next ones.

    So a command that was stopped goes on when it is given again.
    """
    left = {run.seed for run in study.runs if RunFolder(runs_dir, run.run_id).ended_at is None}
    first = max(run.seed for run in study.runs) + 1
    return sorted(left) or list(range(first, first + more))


def _refuse_what_makes_another_study(override: Override) -> None:
    if override.is_about_the_run or override.key in ("study", "runs_dir"):
        raise ConfigError(
            f"{override.text} would make another study; dropexp extend takes overrides that say "
            f"where and how to run, such as device=cuda. Make another study with dropexp sweep."
        )
