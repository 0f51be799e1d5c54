"""The rows of a sweep until decided: its settings, their baselines, and the config of every run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from dropexp.compare.baselines import find_baselines
from dropexp.compare.grouping import make_settings_without_runs
from dropexp.config.compose import find_runs_dir, parse_study_params, split_study
from dropexp.config.overrides import Override, parse_overrides
from dropexp.config.run_config import RunConfig
from dropexp.config.study_files import find_study_file
from dropexp.errors import ConfigError
from dropexp.runs.studies import Study, list_study_names
from dropexp.runs.study_question import StudyQuestion
from dropexp.sweep.budget import MOST_SEEDS
from dropexp.sweep.extend import compose_extension, read_swept_study, refuse_another_study
from dropexp.sweep.grammar import SweepRequest, compose_parsed_sweep, replace_seeds
from dropexp.sweep.plan import make_study
from dropexp.sweep.resuming import refuse_unknown_study
from dropexp.sweep.sequential.design import Cell, RowOfDesign

_DEFAULT_SEEDS = (0,)
"""Where no seed is given, as in conf/config.yaml; the first round adds the following ones."""


@dataclass(frozen=True)
class SequentialRequest:
    """The sweep until decided that the user asks for.

    Attributes:
        study: its name.
        sweeps: the overrides of its sweeps, for the study's file.
        seeds: the seeds to start with, in order.
        rows: each setting that has a baseline.
        without_baseline: the names of the settings that have none and are no baseline.
        configs: the config of every run that any round may need, by setting and seed.
        fields: the fields of each setting, by name.
        launcher: overrides that choose and set the launcher.
        question: that the study's file states.
    """

    study: str
    sweeps: tuple[tuple[str, ...], ...]
    seeds: tuple[int, ...]
    rows: tuple[RowOfDesign, ...]
    without_baseline: tuple[str, ...]
    configs: Mapping[Cell, RunConfig]
    fields: Mapping[str, Mapping[str, object]]
    launcher: tuple[Override, ...]
    question: StudyQuestion


def compose_until_decided(
    overrides: Sequence[str], most_seeds: int, *, trust: bool = False
) -> SequentialRequest:
    """Return the request of ``dropexp sweep … --until-decided``.

    Args:
        overrides: of the sweep, as typed.
        most_seeds: how many seeds a row gets at most.
        trust: whether what a study's file names may be imported, called and read.

    Raises:
        ConfigError: an override is wrong, no setting has a baseline, or there are more seeds than
            most_seeds.
        DataError: an image folder is not there.
    """
    parsed = parse_overrides(overrides)
    _refuse_label_alone(parsed)
    refuse_unknown_study(parsed)
    seeds = _find_seeds(parsed)
    if seeds is None:
        compose_parsed_sweep(parsed, trust=trust)  # says what is wrong
        raise AssertionError("seeds that are no numbers have been composed")
    every = _continue_seeds(seeds, most_seeds)
    composed = compose_parsed_sweep(replace_seeds(parsed, every), trust=trust)
    started = replace_seeds(parse_overrides(composed.run_overrides), seeds)
    texts = (tuple(override.text for override in started),)
    return _make_request(composed, texts, seeds, composed.question)


def extend_until_decided(
    runs_dir: Path, name: str, overrides: Sequence[str], most_seeds: int, *, trust: bool = False
) -> SequentialRequest:
    """Return the request of ``dropexp extend STUDY --until-decided``.

    It starts with the seeds that all settings of the study have. A setting lacks later seeds if an
    earlier command had decided it, or if it was swept with fewer seeds; rounds then lead from the
    common seeds to the same state again.

    Args:
        runs_dir: the folder of run folders that holds the study.
        name: of the study.
        overrides: that say where and how to run.
        most_seeds: how many seeds a row gets at most.
        trust: whether what a study's file names may be imported, called and read.

    Raises:
        ConfigError: there is no such study, an override says what to run, no setting has a
            baseline, or the study has more seeds than most_seeds.
    """
    refuse_another_study(overrides)
    study = read_swept_study(runs_dir, name)
    seeds = _find_common_seeds(study)
    every = _continue_seeds(seeds, most_seeds)
    composed = compose_extension(runs_dir, study, every, overrides, trust=trust)
    return _make_request(composed, study.sweeps, seeds, study.question)


def _refuse_label_alone(overrides: Sequence[Override]) -> None:
    """Refuse the label of runs that are there, if nothing says what else to run."""
    others, study = split_study(overrides)
    runs_dir = find_runs_dir(others)
    if study is None or any(each.is_about_the_run and each.key != "seed" for each in others):
        return
    if find_study_file(study, runs_dir) is None and study in list_study_names(runs_dir):
        place = "" if runs_dir == Path("runs") else f" --runs-dir {quote(str(runs_dir))}"
        raise ConfigError(
            f"study={study} is the label of runs that are there, and says nothing on what to "
            f"sweep; to go on with them: dropexp extend {quote(study)} --until-decided{place}"
        )


def _find_seeds(overrides: Sequence[Override]) -> tuple[int, ...] | None:
    """Return the seeds that the overrides name; None if one of them is no whole number."""
    others, study = split_study(overrides)
    file = find_study_file(study, find_runs_dir(others))
    params = parse_study_params(file) if file else []
    named = [override for override in (*params, *others) if override.key == "seed"]
    values = dict.fromkeys(named[-1].values if named else _DEFAULT_SEEDS)
    if all(isinstance(value, int) and value >= 0 for value in values):
        return tuple(values)
    return None


def _find_common_seeds(study: Study) -> tuple[int, ...]:
    by_setting: dict[int, list[int]] = {}
    for member in study.members:
        by_setting.setdefault(member.setting, []).append(member.seed)
    first = next(iter(by_setting.values()))
    common = tuple(s for s in first if all(s in seeds for seeds in by_setting.values()))
    return common or (min(member.seed for member in study.members),)


def _continue_seeds(seeds: Sequence[int], most_seeds: int) -> list[int]:
    if most_seeds < len(seeds):
        raise ConfigError(
            f"--most-seeds {most_seeds} is below the {len(seeds)} seeds to start with; write "
            f"--most-seeds {max(MOST_SEEDS, len(seeds))}, or start with fewer: 'seed=range(8)'."
        )
    following = max(seeds) + 1
    return [*seeds, *range(following, following + most_seeds - len(seeds))]


def _make_request(
    composed: SweepRequest,
    sweeps: tuple[tuple[str, ...], ...],
    seeds: Sequence[int],
    question: StudyQuestion,
) -> SequentialRequest:
    if any(config.force for config in composed.planned.one_of_each_setting):
        raise ConfigError(
            "force=true is not allowed with --until-decided, which decides from the results that "
            "are there; leave it out, or remove the runs first with dropexp runs rm."
        )
    study = make_study(composed)
    fields = dict(zip([run.setting for run in study.runs], _fields_of_runs(study), strict=True))
    rows, without = _find_rows(fields)
    configs = {
        (run.setting, run.seed): config
        for run, config in zip(study.runs, composed.configs, strict=True)
    }
    return SequentialRequest(
        study=study.name,
        sweeps=sweeps,
        seeds=tuple(seeds),
        rows=rows,
        without_baseline=without,
        configs=configs,
        fields=fields,
        launcher=composed.launcher,
        question=question,
    )


def _fields_of_runs(study: Study) -> list[Mapping[str, object]]:
    return [study.settings[member.setting] for member in study.members]


def _find_rows(
    fields: Mapping[str, Mapping[str, object]],
) -> tuple[tuple[RowOfDesign, ...], tuple[str, ...]]:
    """Return the settings that compare pairs with a baseline, and those that it cannot.

    Raises:
        ConfigError: no setting has a baseline.
    """
    settings = make_settings_without_runs(fields)
    baselines = find_baselines([(setting, []) for setting in settings]).by_setting
    rows = tuple(
        RowOfDesign(setting.name, baselines[setting.name].name)
        for setting in settings
        if setting.name in baselines
    )
    if not rows:
        raise ConfigError(_explain_no_row(fields.values()))
    used = {name for row in rows for name in (row.setting, row.baseline)}
    return rows, tuple(setting.name for setting in settings if setting.name not in used)


def _explain_no_row(fields: Collection[Mapping[str, object]]) -> str:
    if all(of_setting["regulariser.name"] == "none" for of_setting in fields):
        return (
            "--until-decided needs a setting to compare with none, and every setting is none. Add "
            "a regulariser to the sweep: dropexp sweep regulariser=none,dropout2d … "
            "--until-decided."
        )
    return (
        "--until-decided needs a baseline among the settings: the same settings without a "
        "regulariser. Add none to the sweep: regulariser=none,dropout2d."
    )
