"""From the arguments of an analysis to its result, for the command and for Python.

Everything heavy is imported when a function is called.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dropexp.cli.question_options import ComparisonOptions
from dropexp.cli.results_files import is_results_file
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.runs.metrics import METRIC_REGISTRY, parse_metric
from dropexp.runs.question_types import Correction, TestChoice

if TYPE_CHECKING:
    from dropexp.compare.early_stopping import StoppingShares
    from dropexp.compare.effects import Effects
    from dropexp.compare.forgotten import TrackedSetting
    from dropexp.compare.learning import LearningCurves
    from dropexp.compare.results import Comparison

FORGETTING_METRIC = "right_label_forgetting_events"
FORGETTING_COLUMNS = (
    *("setting", "n", FORGETTING_METRIC, "difference", "verdict"),
    *("wrong_label_forgetting_events", "never_learned"),
    *("wrong_label_precision", "wrong_label_lift", "test_acc"),
)
"""The columns of the table of settings that have tracked their training images."""


@dataclass(frozen=True)
class Forgetting:
    """What runs that have tracked their training images have forgotten.

    Attributes:
        settings: with their tracked runs.
        comparison: of how often right labels are forgotten.
        untracked: sentences on the runs that have no record.
    """

    settings: "tuple[TrackedSetting, ...]"
    comparison: "Comparison"
    untracked: tuple[str, ...]


def analyse_effects(
    arguments: Sequence[str],
    runs_dir: Path,
    *,
    metric: str | None = None,
    at: EpochChoice | None = None,
    test: TestChoice | None = None,
    correction: Correction | None = None,
    margin: float | None = None,
) -> "Effects":
    """Return the effects of a factorial study.

    Args:
        arguments: folders, ids and filters.
        runs_dir: the folder of runs where the arguments name none.
        metric: to test; None: the study's own, or the test loss. So for the other options.
        at: the epoch of each run.
        test: which test speaks.
        correction: of the planned test over effects.
        margin: effects within ± this are practically equal to 0, in the metric's unit.

    Raises:
        UserError: an option or a filter is wrong, or the runs are no factorial study.
    """
    from dropexp.compare import find_runs
    from dropexp.compare.effects import find_effects
    from dropexp.compare.stated_question import QuestionOptions, ask

    _refuse_files("effects", arguments)
    given = QuestionOptions(_parse(metric), at, None, test, correction, margin)
    question = ask(arguments, runs_dir, given)
    found = find_runs(
        arguments,
        runs_dir,
        with_baselines=False,
        with_curves=question.at is EpochChoice.MATCHED,
    )
    return find_effects(found, question)


def analyse_learning_curves(
    arguments: Sequence[str],
    runs_dir: Path,
    *,
    images: int | None = None,
    metric: str | None = None,
    at: EpochChoice | None = None,
    baseline: str | None = None,
    allow_mixed: bool = False,
) -> "LearningCurves":
    """Return learning curves, and what each regulariser is worth in images.

    Args:
        arguments: folders, ids and filters.
        runs_dir: the folder of runs where the arguments name none.
        images: training images at which to answer; None: the middle size.
        metric: a loss or an accuracy; None: the study's own, or the test loss.
        at: the epoch of each run; None: the study's own, or the best one.
        baseline: the request for a baseline; None: the setting without a regulariser.
        allow_mixed: whether to include runs on other images, of another version, or without a
            passed audit.

    Raises:
        UserError: an option or a filter is wrong, or the runs have no learning curve.
    """
    from dropexp.cli.compare import read_and_compare
    from dropexp.compare.learning import measure_learning_curves

    _refuse_files("learning-curve", arguments)
    options = ComparisonOptions(metric=metric, at=at, baseline=baseline, allow_mixed=allow_mixed)
    comparison, *_ = read_and_compare(
        list(arguments), options, runs_dir, with_curves=False, with_p_values=False
    )
    return measure_learning_curves(comparison, images)


def analyse_early_stopping(
    arguments: Sequence[str],
    runs_dir: Path,
    *,
    metric: str | None = None,
    baseline: str | None = None,
    test: TestChoice | None = None,
    correction: Correction | None = None,
) -> "StoppingShares":
    """Return what early stopping alone explains of each regulariser's gain.

    Args:
        arguments: folders, ids and filters.
        runs_dir: the folder of runs where the arguments name none.
        metric: to test; None: the study's own, or the test loss.
        baseline: the request for a baseline; None: the setting without a regulariser.
        test: which test speaks; None: the study's own, or chosen by what was looked at.
        correction: of the planned test over rows.

    Raises:
        UserError: an option or a filter is wrong, or no setting has a baseline.
    """
    from dropexp.compare import find_runs
    from dropexp.compare.early_stopping import measure_stopping
    from dropexp.compare.stated_question import QuestionOptions, ask

    _refuse_files("early-stopping", arguments)
    given = QuestionOptions(_parse(metric), EpochChoice.LAST, baseline, test, correction)
    question = ask(arguments, runs_dir, given)
    found = find_runs(
        arguments, runs_dir, with_baselines=question.baseline is None, with_curves=True
    )
    return measure_stopping(found, question)


def analyse_forgetting(
    arguments: Sequence[str], runs_dir: Path, *, baseline: str | None = None
) -> Forgetting:
    """Return which training images runs have forgotten, and a comparison of how often.

    Args:
        arguments: folders, ids and filters.
        runs_dir: the folder of runs where the arguments name none.
        baseline: the request for a baseline; None: the setting without a regulariser.

    Raises:
        UserError: a filter is wrong, or no run has tracked its training images.
    """
    from dropexp.compare import Question, compare, find_runs
    from dropexp.compare.forgotten import read_tracked_settings

    _refuse_files("forgetting", arguments)
    found = find_runs(arguments, runs_dir, with_baselines=baseline is None)
    settings, untracked = read_tracked_settings(found)
    question = Question(METRIC_REGISTRY[FORGETTING_METRIC], EpochChoice.LAST, baseline)
    return Forgetting(tuple(settings), compare(found, question), tuple(untracked))


def _refuse_files(command: str, arguments: Sequence[str]) -> None:
    for text in arguments:
        if is_results_file(text):
            raise UserError(f"{command} needs runs of dropexp: {text} is a file.")


def _parse(metric: str | None) -> Metric | None:
    return None if metric is None else parse_metric(metric)
