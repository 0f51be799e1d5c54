"""The question of a comparison: what the options say, then what the study's file states."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dropexp.compare.question import Question
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.runs.metrics import parse_metric
from dropexp.runs.question_types import Correction, TestChoice
from dropexp.runs.registration import read_question
from dropexp.runs.selection import is_filter
from dropexp.runs.study_question import NO_QUESTION, StudyQuestion


@dataclass(frozen=True)
class QuestionOptions:
    """The options of a command that make a question; None where one is not given.

    Attributes:
        metric: the deciding metric.
        at: the epoch at which runs are compared.
        baseline: the request for a baseline; see find_baselines.
        test: which test speaks.
        correction: of the planned test for the number of rows.
        margin: see Question.
        allow_mixed: see Question.
    """

    metric: Metric | None = None
    at: EpochChoice | None = None
    baseline: str | None = None
    test: TestChoice | None = None
    correction: Correction | None = None
    margin: float | None = None
    allow_mixed: bool = False


NO_OPTIONS = QuestionOptions()


def ask(arguments: Sequence[str], runs_dir: Path, options: QuestionOptions) -> Question:
    """Return the question of a comparison.

    Where ``study=NAME`` is among the arguments, what the study's file states counts where no option
    is given.

    Args:
        arguments: folders of run folders, ids and filters, as find_runs takes them.
        runs_dir: the folder of run folders if the arguments name no other.
        options: those that are given.

    Raises:
        UserError: an option is not allowed, or not with another.
        StoreError: the file of the study is damaged.
    """
    study = find_study(arguments)
    folder = _find_folder(arguments, runs_dir)
    stated = NO_QUESTION
    if study is not None and folder is not None:
        stated = read_question(folder, study)
    question = make_question(stated, options)
    sentences = [] if study is None else [_describe(study, stated, options)]
    if options.margin is not None and options.margin != stated.margin:
        sentences.append(
            "The margin was given after results were seen: practically equal holds if it was "
            "chosen before that."
        )
    return replace(question, stated=" ".join(filter(None, sentences)))


def spell_stated(question: Question, options: QuestionOptions) -> list[str]:
    """Return the options that ask the same question where no study's file states it.

    Args:
        question: the question.
        options: those that are given already.
    """
    default = Question()
    parts = {
        "metric": question.metric and question.metric.key,
        "at": question.at,
        "test": question.test,
        "correction": question.correction,
        "margin": None if question.margin is None else f"{question.margin:g}",
    }
    return [
        word
        for key, value in parts.items()
        if getattr(options, key) is None and value != getattr(default, key)
        for word in (f"--{key}", str(value))
    ]


def make_question(stated: StudyQuestion, options: QuestionOptions = NO_OPTIONS) -> Question:
    """Return the question that options ask, and where one is not given the study's file.

    Args:
        stated: in the file.
        options: those that are given. What does not go with them is dropped from the stated one.

    Raises:
        UserError: the metric cannot decide at this epoch, or the margin is not above 0.
    """
    stated = _drop_what_options_exclude(stated, options)
    metric = None if stated.metric is None else parse_metric(stated.metric)
    return Question(
        metric=options.metric or metric,
        at=options.at or stated.at or Question.at,
        baseline=options.baseline,
        test=options.test or stated.test or Question.test,
        correction=options.correction or stated.correction or Question.correction,
        margin=stated.margin if options.margin is None else options.margin,
        allow_mixed=options.allow_mixed,
    )


def find_study(arguments: Sequence[str]) -> str | None:
    """Return the one study that a filter ``study=NAME`` chooses; None without one."""
    found = [text.split("=")[-1] for text in arguments if text.split("=")[0].strip() == "study"]
    names = [name.strip() for name in found]
    return names[0] if len(names) == 1 and names[0] and "," not in names[0] else None


def _find_folder(arguments: Sequence[str], runs_dir: Path) -> Path | None:
    """Return the folder of run folders; None where the arguments name several, or other runs."""
    places = [text for text in arguments if not is_filter(text)]
    if not places:
        return runs_dir
    # Path.is_dir raises an error where the text is no possible path.
    is_folder = len(places) == 1 and os.path.isdir(places[0])  # noqa: PTH112
    return Path(places[0]) if is_folder else None


def _drop_what_options_exclude(stated: StudyQuestion, options: QuestionOptions) -> StudyQuestion:
    """Return the stated question without what does not go with the options.

    A margin is in the unit of its metric, and not every metric is known at every epoch.
    """
    metric, at, margin = stated.metric, stated.at, stated.margin
    if options.metric is not None and options.metric.key != (metric or "test_loss"):
        margin = None
        at = None if at not in options.metric.epochs else at
    if options.at is not None and metric is not None:
        is_known = options.at in parse_metric(metric).epochs
        metric = metric if is_known else None
        margin = margin if is_known else None
    return StudyQuestion(metric, at, margin, stated.test, stated.correction)


def _describe(study: str, stated: StudyQuestion, options: QuestionOptions) -> str:
    """Return the sentence on what the study's file states, unless it is the default anyway."""
    stated = _drop_what_options_exclude(stated, options)
    default = {"metric": "test_loss", "at": Question.at, "test": Question.test}
    default |= {"correction": Question.correction}
    used = [
        _name_stated(key, value)
        for key, value in stated.to_mapping().items()
        if getattr(options, key) is None and value != default.get(key)
    ]
    if not used:
        return ""
    return f"The study {study} asks for {', '.join(used)}; options such as --at replace that."


_EPOCHS = {
    EpochChoice.BEST: "the best epoch",
    EpochChoice.LAST: "the last epoch",
    EpochChoice.MATCHED: "the epoch of equal training loss",
}


def _name_stated(key: str, value: object) -> str:
    match key:
        case "at":
            return _EPOCHS[EpochChoice(str(value))]
        case "test":
            return f"the {value} test"
        case "correction":
            return f"the {value} correction"
        case _:
            return f"{key} {value}"
