"""Analyses of runs for notebooks and scripts: effects, learning curves, early stopping, forgetting.

Each function returns what the command of its name prints.
"""

from os import PathLike, fspath

from dropexp.api.analysis_results import (
    EarlyStoppingResult,
    EffectsResult,
    ForgettingResult,
    LearningCurvesResult,
)
from dropexp.api.arguments import parse_choice, parse_runs_dir, spell_options, spell_runs_dir
from dropexp.cli.analyses import (
    analyse_early_stopping,
    analyse_effects,
    analyse_forgetting,
    analyse_learning_curves,
)
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.question_types import Correction, TestChoice


def effects(
    *arguments: str | PathLike[str],
    metric: str | None = None,
    at: str | None = None,
    test: str | None = None,
    correction: str | None = None,
    margin: float | None = None,
    runs_dir: str | PathLike[str] = "runs",
) -> EffectsResult:
    """Return main effects and interactions of a factorial study: ``dropexp effects``.

    Args:
        arguments: folders of runs, ids of runs, and filters such as ``"study=interactions"``; none:
            all runs of ``runs_dir``.
        metric: to test, such as ``test_acc``; None: the study's own, or ``test_loss``.
        at: the epoch of each run: ``best``, ``last`` or ``matched``.
        test: ``auto``, ``planned`` or ``anytime``.
        correction: of the planned test over effects: ``max-t`` or ``holm``.
        margin: effects within ± this are practically equal to 0; in the metric's unit, above 0.
        runs_dir: the folder of runs, where the arguments name none.

    Raises:
        UserError: an option or a filter is wrong, or the runs are no factorial study.
        StoreError: a file of the folder cannot be read.
    """
    found = analyse_effects(
        [fspath(argument) for argument in arguments],
        parse_runs_dir(runs_dir),
        metric=metric,
        at=parse_choice("--at", EpochChoice, at),
        test=parse_choice("--test", TestChoice, test),
        correction=parse_choice("--correction", Correction, correction),
        margin=margin,
    )
    return EffectsResult(found)


def learning_curve(
    *arguments: str | PathLike[str],
    images: int | None = None,
    metric: str | None = None,
    at: str | None = None,
    baseline: str | None = None,
    allow_mixed: bool = False,
    runs_dir: str | PathLike[str] = "runs",
) -> LearningCurvesResult:
    """Return results against training-set size: ``dropexp learning-curve``.

    Args:
        arguments: folders of runs, ids of runs, and filters such as ``"study=learning_curve"``;
            none: all runs of ``runs_dir``.
        images: training images at which to answer; None: the middle size.
        metric: a loss or an accuracy, such as ``test_acc``; an accuracy is shown as an error. None:
            the study's own, or ``test_loss``.
        at: the epoch of each run: ``best``, ``last`` or ``matched``.
        baseline: the name of a setting, or filters such as ``"regulariser=dropout2d p=0.3"``.
        allow_mixed: whether to include runs on other images, of another version, or without a
            passed audit.
        runs_dir: the folder of runs, where the arguments name none.

    Raises:
        UserError: an option or a filter is wrong, or there are too few sizes.
        StoreError: a file of the folder cannot be read.
    """
    curves = analyse_learning_curves(
        [fspath(argument) for argument in arguments],
        parse_runs_dir(runs_dir),
        images=images,
        metric=metric,
        at=parse_choice("--at", EpochChoice, at),
        baseline=baseline,
        allow_mixed=allow_mixed,
    )
    return LearningCurvesResult(curves)


def early_stopping(
    *arguments: str | PathLike[str],
    metric: str | None = None,
    baseline: str | None = None,
    test: str | None = None,
    correction: str | None = None,
    runs_dir: str | PathLike[str] = "runs",
) -> EarlyStoppingResult:
    """Return how much of a regulariser's gain early stopping gives: ``dropexp early-stopping``.

    Args:
        arguments: folders of runs, ids of runs, and filters such as ``"study=early_stopping"``;
            none: all runs of ``runs_dir``.
        metric: to test, such as ``test_acc``; None: the study's own, or ``test_loss``.
        baseline: the name of a setting, or filters such as ``"regulariser=dropout2d p=0.3"``.
        test: ``auto``, ``planned`` or ``anytime``.
        correction: of the planned test over rows: ``max-t`` or ``holm``.
        runs_dir: the folder of runs, where the arguments name none.

    Raises:
        UserError: an option or a filter is wrong, or no setting has a baseline.
        StoreError: a file of the folder cannot be read.
    """
    shares = analyse_early_stopping(
        [fspath(argument) for argument in arguments],
        parse_runs_dir(runs_dir),
        metric=metric,
        baseline=baseline,
        test=parse_choice("--test", TestChoice, test),
        correction=parse_choice("--correction", Correction, correction),
    )
    return EarlyStoppingResult(shares)


def forgetting(
    *arguments: str | PathLike[str],
    baseline: str | None = None,
    runs_dir: str | PathLike[str] = "runs",
) -> ForgettingResult:
    """Return which training images networks forget: ``dropexp forgetting``.

    Runs without ``track_examples=true`` have no record and are left out.

    Args:
        arguments: folders of runs, ids of runs, and filters such as ``"study=memorisation"``; none:
            all runs of ``runs_dir``.
        baseline: the name of a setting, or filters such as ``"regulariser=dropout2d p=0.3"``.
        runs_dir: the folder of runs, where the arguments name none.

    Raises:
        UserError: a filter is wrong, or no run has tracked its training images.
        StoreError: a file of the folder cannot be read.
    """
    words = [fspath(argument) for argument in arguments]
    found = analyse_forgetting(words, parse_runs_dir(runs_dir), baseline=baseline)
    spelled = {"baseline": baseline, "runs-dir": spell_runs_dir(runs_dir)}
    return ForgettingResult(found, (*words, *spell_options(spelled)))
