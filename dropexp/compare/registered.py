"""Whether a comparison answers the question that was registered, and what differs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote

from dropexp.compare.question import Question
from dropexp.compare.settings import Setting
from dropexp.compare.stated_question import find_study
from dropexp.errors import ConfigError
from dropexp.runs.listing import find_seed
from dropexp.runs.registration import (
    Registration,
    find_damage,
    list_registered_names,
    read_registration,
)
from dropexp.terminal.numbers import format_count

_MOST_NAMED = 4


def describe_registrations(
    folders: Iterable[Path], settings: Sequence[Setting], question: Question
) -> list[str]:
    """Return a sentence on each registered study that runs of a comparison belong to.

    Args:
        folders: the folders of the runs' folders.
        settings: the settings of the table with their runs.
        question: that the comparison answers.
    """
    in_view = {run_id for setting in settings for run_id in setting.runs.run_ids}
    sentences = []
    for folder in dict.fromkeys(folders):
        for name in list_registered_names(folder):
            try:
                registration = read_registration(folder, name)
            except ConfigError as error:  # no reason to refuse a table of other runs too
                sentences.append(f"The registered study {name} cannot be read: {error}")
                continue
            if registration is not None and in_view & set(registration.run_ids):
                sentences.append(_describe(registration, settings, question))
    return sentences


def explain_untrained(arguments: Sequence[str], folders: Iterable[Path]) -> str:
    """Return what to type if the arguments choose a registered study; else an empty text.

    Args:
        arguments: among which ``study=NAME`` chooses the study.
        folders: the folders of run folders, in which none of its runs has started.
    """
    name = find_study(arguments)
    for folder in folders:
        if name is not None and name in list_registered_names(folder):
            place = "" if folder == Path("runs") else f" {quote(f'runs_dir={folder}')}"
            return (
                f"the study {name} is registered in {folder}, and none of its runs has started. "
                f"Train it with dropexp sweep {quote(f'study={name}')}{place}."
            )
    return ""


def find_differences(
    registration: Registration, settings: Sequence[Setting], question: Question
) -> list[str]:
    """Return in what a comparison differs from a registered study; empty if in nothing.

    Args:
        registration: the study as it was registered.
        settings: the settings of the table with their runs.
        question: that the comparison answers.
    """
    differences = [damage] if (damage := find_damage(registration)) else []
    differences += _compare_questions(registration, question)
    return differences + _compare_runs(registration, settings)


def _describe(registration: Registration, settings: Sequence[Setting], question: Question) -> str:
    when = f"registered on {registration.on} ({registration.short_commit})"
    differences = find_differences(registration, settings, question)
    if not differences:
        return f"This is the study {registration.name} as {when}."
    return f"This differs from the study {registration.name} {when}: {'; '.join(differences)}."


def _compare_questions(registration: Registration, question: Question) -> list[str]:
    asked = registration.question
    pairs = [
        ("metric", question.deciding_metric.key, asked.metric),
        ("at", question.at, asked.at),
        ("margin", question.margin, asked.margin),
        ("test", question.test, asked.test),
        ("correction", question.correction, asked.correction),
    ]
    differences = [
        f"{name} {_show(now)} and not {_show(before)}"
        for name, now, before in pairs
        if now != before
    ]
    if question.baseline is not None:
        differences.append(f"--baseline {question.baseline}")
    return differences


def _show(value: object) -> str:
    return "none" if value is None else str(value)


def _compare_runs(registration: Registration, settings: Sequence[Setting]) -> list[str]:
    registered = set(registration.run_ids)
    differences, added_seeds = [], set()
    in_view: set[str] = set()
    added_settings = []
    for setting in settings:
        seeds = dict(zip(setting.runs.run_ids, setting.runs.seeds, strict=True))
        in_view |= seeds.keys()
        if not seeds.keys() & registered:
            added_settings.append(setting.name)
            continue
        added_seeds |= {seed for run_id, seed in seeds.items() if run_id not in registered}
    if added_settings:
        differences.append(f"{_list_some(added_settings, 'setting')} added")
    if added_seeds:
        differences.append(f"{_list_some(sorted(added_seeds), 'seed')} added")
    missing = sorted(registered - in_view)
    seeds_in_view = {find_seed(run_id) for run_id in in_view & registered}
    missing_seeds = {find_seed(run_id) for run_id in missing} - seeds_in_view
    others = [run_id for run_id in missing if find_seed(run_id) not in missing_seeds]
    if missing_seeds:
        differences.append(f"{_list_some(sorted(missing_seeds), 'seed')} missing")
    if others:
        differences.append(f"{_list_some(others, 'run')} missing")
    return differences


def _list_some(items: Sequence[object], noun: str) -> str:
    """Return ``seeds 8 and 9``, or ``12 seeds`` of many."""
    if len(items) > _MOST_NAMED:
        return format_count(len(items), noun)
    *others, last = map(str, items)
    listed = f"{', '.join(others)} and {last}" if others else last
    return f"{noun}{'s' * bool(others)} {listed}"
