"""Register a study: its runs and its question, from overrides, before anything is trained."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from dropexp import __version__
from dropexp.compare.rules import ALPHA
from dropexp.compare.stated_question import NO_OPTIONS, QuestionOptions, make_question
from dropexp.config.compose import split_study
from dropexp.config.groups import find_ready_study, list_studies
from dropexp.config.overrides import Override, parse_override, parse_overrides
from dropexp.config.study_files import is_study_path, refuse_study_name
from dropexp.errors import ConfigError
from dropexp.runs.ledger import read_ledger
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.question_types import Correction, TestChoice
from dropexp.runs.registration import (
    Registration,
    find_damage,
    parse_registration,
    read_registration,
    save_registration,
    seal,
    withdraw_registration,
)
from dropexp.runs.source_commit import find_source_commit
from dropexp.runs.study_question import StudyQuestion
from dropexp.runs.write import RunFolder
from dropexp.statistics import smallest_anytime_p, smallest_flip_p
from dropexp.sweep.design import USUAL_SEEDS, Design, continue_seeds, find_design
from dropexp.sweep.grammar import SweepRequest, compose_parsed_sweep
from dropexp.terminal.numbers import format_count, list_few

_NOT_ABOUT_RUNS = ("study", "runs_dir")


def compose_study(
    name: str, overrides: Sequence[str], seeds: int | None, *, trust: bool = False
) -> SweepRequest:
    """Return the sweep of a study that is to be registered.

    Args:
        name: of the study; that of a ready study stands for its overrides.
        overrides: as of ``dropexp sweep``; ``study=`` names the ready study or the file that they
            change.
        seeds: how many; None: those of the overrides, or 8.
        trust: whether what a study's file names may be read, and later imported and called.

    Raises:
        ConfigError: the name or an override is not allowed.
        DataError: an image folder is not there.
    """
    refuse_study_name(name)
    if is_study_path(name):
        raise ConfigError(
            f"{name} is a path; give the study a name, and the file as study={name}: dropexp study "
            f"register NAME study={name}"
        )
    parsed = parse_overrides(overrides)
    for override in parsed:
        _refuse_what_is_not_about_runs(override)
    others, base = split_study(parsed)
    if base in (None, name) and name in list_studies():
        # by its path, as the folder of runs may have registered it with other overrides before
        base = str(find_ready_study(name))
    if base is not None:
        others.insert(0, parse_override(f"study='{base}'"))
    if seeds is not None:
        others.append(parse_override(f"seed=range({seeds})"))
    request = compose_parsed_sweep(others, trust=trust)
    if base is not None and request.study_file is None:
        raise ConfigError(
            f"study={base} is no ready study: {', '.join(list_studies())}; and no file. Leave it "
            f"out: {name} is the study's name."
        )
    if not any(text.startswith("seed=") for text in request.run_overrides):
        others.append(parse_override(f"seed=range({USUAL_SEEDS})"))
        request = compose_parsed_sweep(others, trust=trust)
    return replace(request, study=name, configs=request.planned.move(study=name))


def register_study(
    request: SweepRequest, question: StudyQuestion, runs_dir: Path
) -> tuple[Registration, Path | None]:
    """Write a study down in a folder of runs, and ask for its runs.

    A registered study of the same name is replaced if nobody has begun to train it.

    Args:
        request: from compose_study.
        question: what its file leaves to the defaults is filled in.
        runs_dir: the folder of run folders; must exist.

    Returns:
        The registered study, and the file in which the one that it replaces is kept.

    Raises:
        UserError: the study has runs already, one of its runs has ended, no verdict is possible,
            or the metric cannot decide at that epoch.
    """
    assert request.study is not None
    run_ids = tuple(sorted(run.run_id for run in request.planned.runs))
    ended = find_ended(runs_dir, run_ids)
    if ended:
        raise ConfigError(
            f"{len(ended)} of the {format_count(len(run_ids), 'run')} of {request.study} "
            f"{'has' if len(ended) == 1 else 'have'} ended in {runs_dir} already "
            f"({list_few(ended)}), and a study can only be registered before. Choose other "
            f"seeds, such as 'seed=range(100,108)', or another runs_dir."
        )
    question = complete_question(question)
    _refuse_question(question)
    _refuse_design(find_design(request, runs_dir), question)
    registration = seal(
        Registration(
            name=request.study,
            on=datetime.now(UTC).date().isoformat(),
            commit=find_source_commit(),
            version=__version__,
            question=question,
            params=dict(text.split("=", 1) for text in request.run_overrides),
            seeds=tuple(sorted({run.seed for run in request.planned.runs})),
            run_ids=run_ids,
            files=request.files,
        )
    )
    replaced = withdraw_registration(runs_dir, registration.name)
    save_registration(runs_dir, registration)
    return registration, replaced


def complete_question(
    stated: StudyQuestion, options: QuestionOptions = NO_OPTIONS
) -> StudyQuestion:
    """Return the question with the defaults of ``dropexp compare`` where it states nothing.

    Args:
        stated: in the study's file.
        options: that replace what the file states.

    Raises:
        UserError: the metric cannot decide at that epoch, or the margin is not above 0.
    """
    given = make_question(stated, options)
    return StudyQuestion(
        metric=given.deciding_metric.key,
        at=given.at,
        margin=given.margin,
        test=given.test,
        correction=given.correction,
    )


def find_ended(runs_dir: Path, run_ids: Collection[str]) -> list[str]:
    """Return the runs that have ended in a folder of runs, whether they are still there or not."""
    ledger = read_ledger(runs_dir)
    return [
        run_id
        for run_id in run_ids
        if ledger.ended(run_id) is not None or RunFolder(runs_dir, run_id).has_ended
    ]


def adopt_registration(request: SweepRequest, runs_dir: Path, *, dry_run: bool) -> list[str]:
    """Keep the registration of a sweep's study file in the folder of runs.

    So a registered study that was sent as a file is registered where it is trained.

    Args:
        request: the sweep; nothing happens without the file of a registered study.
        runs_dir: the folder of run folders; must exist.
        dry_run: only check.

    Returns:
        Sentences on what differs from the registered study.

    Raises:
        ConfigError: the file was changed after it was registered, or the folder has another
            registered study of its name.
    """
    registration = parse_registration(request.study_file) if request.study_file else None
    if registration is None:
        return []
    if damage := find_damage(registration):
        raise ConfigError(f"{damage}. Ask for the original file, or register it anew.")
    kept = read_registration(runs_dir, registration.name)
    if kept is not None and kept.hash != registration.hash:
        raise ConfigError(
            f"{runs_dir} has another registered study {registration.name}, of {kept.on}; choose "
            f"another runs_dir."
        )
    warnings = _compare_runs(registration, {run.run_id for run in request.planned.runs})
    if kept is None:
        ended = find_ended(runs_dir, registration.run_ids)
        if ended:
            warnings.append(
                f"{len(ended)} of the registered runs had ended in {runs_dir} before the file came "
                f"({list_few(ended)}), so {registration.name} is not registered there"
            )
        elif not dry_run:
            save_registration(runs_dir, registration)
    return warnings


def _compare_runs(registration: Registration, run_ids: Collection[str]) -> list[str]:
    missing = [run_id for run_id in registration.run_ids if run_id not in run_ids]
    added = len(set(run_ids) - set(registration.run_ids))
    if not missing and not added:
        return []
    parts = [f"{len(missing)} of its {len(registration.run_ids)} runs are missing"] * bool(missing)
    parts += [f"{format_count(added, 'run')} added"] * bool(added)
    return [
        f"this sweep differs from {registration.name} as registered on {registration.on}: "
        f"{', '.join(parts)}; compare and report will say so"
    ]


def _refuse_question(question: StudyQuestion) -> None:
    if question.at is EpochChoice.MATCHED:
        raise ConfigError(
            "--at matched cannot be registered: the results of all runs decide at which epochs "
            "they match, and no test result is compared. Register --at best or --at last; dropexp "
            "compare --at matched shows the other table beside it."
        )


def _refuse_design(design: Design, question: StudyQuestion) -> None:
    """Refuse runs of which no verdict is possible, whatever their results."""
    if not design.rows:
        raise ConfigError(
            "this study has no row to be tested: it needs a regulariser, and as its baseline "
            "regulariser=none with all else equal. Example: regulariser=none,dropout2d p=0.3"
        )
    fewest, pairs = _find_fewest_pairs(design.rows, question), max(design.pairs)
    if pairs >= fewest:
        return
    needed = max(USUAL_SEEDS, fewest)
    given = format_count(pairs, "seed")
    raise ConfigError(
        f"{given} cannot give a verdict, whatever the results: with "
        f"{format_count(design.rows, 'row')} any verdict needs {fewest} or more. Ask for {needed}: "
        f"{continue_seeds(design.seeds, needed)}"
    )


def _find_fewest_pairs(rows: int, question: StudyQuestion) -> int:
    """Return the fewest pairs of which some results give a verdict."""
    if question.test is TestChoice.ANYTIME:
        return next(n for n in count(1) if rows * smallest_anytime_p(n) <= ALPHA)
    tests = rows if question.correction is Correction.HOLM else 1
    return next(n for n in count(1) if tests * smallest_flip_p(n) <= ALPHA)


def _refuse_what_is_not_about_runs(override: Override) -> None:
    if not override.is_recorded and override.key not in _NOT_ABOUT_RUNS:
        raise ConfigError(
            f"{override.text} says where or how runs are trained, which is not registered; leave "
            f"it out, and give it to dropexp sweep."
        )
