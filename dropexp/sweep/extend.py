"""Ask for more seeds of a study: its overrides again, with the next seeds."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

from dropexp.config.added_files import add_recorded_files
from dropexp.config.overrides import Override, parse_overrides
from dropexp.config.planned_runs import PlannedConfigs
from dropexp.config.setting import FINGERPRINTS, Fields, setting_key
from dropexp.errors import ConfigError, StoreError
from dropexp.runs.searches import read_search
from dropexp.runs.studies import Study, get_study_path, list_study_names, read_study
from dropexp.runs.write import RunFolder
from dropexp.sweep.budget import parse_budget
from dropexp.sweep.grammar import SweepRequest, compose_parsed_sweep, replace_seeds
from dropexp.sweep.plan import make_study


def extend_study(
    runs_dir: Path, name: str, more: int, overrides: Sequence[str], *, trust: bool = False
) -> SweepRequest:
    """Return the request for a study's settings on more seeds.

    While runs of an earlier sweep are left, it asks for those and adds no seed.

    Args:
        runs_dir: the folder of run folders that holds the study.
        name: of the study.
        more: how many seeds to add, counting on from the study's highest.
        overrides: that say where and how to run.
        trust: whether what the study's file names may be imported, called and read.

    Raises:
        ConfigError: there is no such study, or an override says what to run.
        UntrustedError: the study's file names code or a folder that the user has not used.
    """
    refuse_another_study(overrides)
    study = read_swept_study(runs_dir, name)
    seeds = _choose_seeds(runs_dir, study, more)
    return compose_extension(runs_dir, study, seeds, overrides, trust=trust)


def read_swept_study(runs_dir: Path, name: str) -> Study:
    """Return the study of a name, for more seeds.

    Raises:
        ConfigError: there is none, it is registered and none of its runs was trained, or it has no
            runs.
    """
    if name not in list_study_names(runs_dir):
        from dropexp.compare.registered import explain_untrained  # it imports numpy

        reason = explain_untrained([f"study={name}"], [runs_dir])
        if reason:
            raise ConfigError(reason)
    study = read_study(runs_dir, name)
    if not study.members or not study.sweeps:
        lacks = "run" if study.sweeps else "sweep"
        raise ConfigError(
            f"{get_study_path(runs_dir, name)} names no {lacks}, so there is nothing to extend; "
            f"repeat the dropexp sweep of this study."
        )
    return study


def compose_extension(
    runs_dir: Path,
    study: Study,
    seeds: Sequence[int] | None,
    overrides: Sequence[str],
    *,
    trust: bool = False,
) -> SweepRequest:
    """Return the request for a study's settings on some seeds.

    Args:
        runs_dir: the folder of run folders that holds the study.
        study: whose settings they are.
        seeds: at least one; None: those of each sweep.
        overrides: that say where and how to run; see refuse_another_study.
        trust: whether what the study's file names may be imported, called and read.

    Raises:
        ConfigError: the study is a search, which has no fixed settings, or a file that its runs
            were made with has changed.
        StoreError: the study's file says where or how to run, which dropexp never writes.
        UntrustedError: the study's file names code or a folder that the user has not used.
    """
    search = read_search(runs_dir, study.name)
    if search is not None:
        larger = parse_budget(search.budget.replace(",", "")).double()
        command = replace(search, budget=str(larger)).command
        raise ConfigError(
            f"{study.name} is a search, which chooses its seeds itself; repeat it with a larger "
            f"budget than {search.budget}: dropexp {' '.join(map(quote, command))}"
        )
    path = get_study_path(runs_dir, study.name)
    try:
        add_recorded_files(study.files, path)
    except ConfigError as error:
        raise StoreError(f"{path} is damaged: {error}") from None
    parsed = parse_overrides(overrides)
    sweeps = [[*_parse_recorded(old, path), *parsed] for old in study.sweeps]
    if seeds is not None:
        sweeps = [replace_seeds(sweep, seeds) for sweep in sweeps]
    # Earlier sweeps that differ in their seeds only are the same sweep with these seeds.
    different = {tuple(override.text for override in sweep): sweep for sweep in sweeps}
    requests = [
        compose_parsed_sweep(sweep, recorded_in=path, trust=trust) for sweep in different.values()
    ]
    if any(FINGERPRINTS.keys() & fields.keys() for fields in study.settings):
        for one in requests:
            _refuse_changed_files(study, make_study(one).settings)
    by_id = {run.run_id: run for one in requests for run in one.planned.runs}
    configs = PlannedConfigs(sorted(by_id.values(), key=lambda run: run.seed))
    placed = configs.move(study=study.name, runs_dir=str(runs_dir))
    return replace(requests[0], configs=placed, study=study.name)


def compose_recorded(
    runs_dir: Path, study: Study, overrides: Sequence[str], *, trust: bool = False
) -> SweepRequest:
    """Return the request for the runs that a study has, and no other.

    Args:
        runs_dir: the folder of run folders that holds the study.
        study: whose runs they are.
        overrides: that say where and how to run.
        trust: whether what the study's file names may be imported, called and read.

    Raises:
        ConfigError: the study is a search, or an override says what to run.
        StoreError, UntrustedError: as compose_extension.
    """
    refuse_another_study(overrides)
    search = read_search(runs_dir, study.name)
    if search is not None:
        command = " ".join(map(quote, search.command))
        raise ConfigError(f"study={study.name} is a search; resume it with dropexp {command}")
    seeds = list(dict.fromkeys(member.seed for member in study.members))
    request = compose_extension(runs_dir, study, seeds, overrides, trust=trust)
    members = {member.run_id for member in study.members}
    runs = [run for run in request.planned.runs if run.run_id in members]
    if len(runs) == len(members):
        return replace(request, configs=PlannedConfigs(runs))
    # Their ids have changed, with the data or the version of dropexp: the sweeps say what they are.
    return compose_extension(runs_dir, study, None, overrides, trust=trust)


def _refuse_changed_files(study: Study, composed: Iterable[Fields]) -> None:
    """Refuse settings that differ from those of a study only in the content of a file.

    Raises:
        ConfigError: names the field.
    """
    known = {setting_key(fields) for fields in study.settings}
    recorded = {setting_key(_drop_fingerprints(fields)): fields for fields in study.settings}
    for fields in composed:
        before = recorded.get(setting_key(_drop_fingerprints(fields)))
        if before is None or setting_key(fields) in known:
            continue
        key = next(key for key in FINGERPRINTS if fields.get(key) != before.get(key))
        raise ConfigError(
            f"{key} is {before.get(key)} in the runs of study {study.name}, and {fields.get(key)} "
            f"now: {FINGERPRINTS[key]} changed since. Restore it, or make another study with "
            f"dropexp sweep."
        )


def _drop_fingerprints(fields: Fields) -> Fields:
    return {key: value for key, value in fields.items() if key not in FINGERPRINTS}


def _parse_recorded(overrides: Sequence[str], path: Path) -> list[Override]:
    """Return the overrides of a sweep as the study's file has them.

    Raises:
        StoreError: one is not an override, or says where or how to run.
    """
    try:
        parsed = parse_overrides(overrides)
    except ConfigError as error:
        raise StoreError(f"{path} is damaged: {error}") from None
    for override in parsed:
        if not override.is_recorded:
            raise StoreError(
                f"{path} is damaged: {override.text} does not say what its runs are, and dropexp "
                f"writes no such override there."
            )
    return parsed


def _choose_seeds(runs_dir: Path, study: Study, more: int) -> list[int]:
    """Return the seeds of runs that are left; only if there are none, the next seeds.

    So the same command resumes one that was stopped.
    """
    left = {run.seed for run in study.runs if not RunFolder(runs_dir, run.run_id).has_ended}
    first = max(run.seed for run in study.runs) + 1
    return sorted(left) or list(range(first, first + more))


def refuse_another_study(overrides: Sequence[str]) -> None:
    """Raise ConfigError if an override says what to run, as it would make another study.

    Raises:
        ConfigError: names the override.
    """
    for override in parse_overrides(overrides):
        if override.is_about_the_run or override.key in ("study", "runs_dir"):
            raise ConfigError(
                f"{override.text} would make another study; dropexp extend takes overrides that "
                f"say where and how to run, such as device=cuda. Make another study with dropexp "
                f"sweep."
            )
