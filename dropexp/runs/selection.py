"""Filters on listed runs, such as ``p=0.1,0.3`` or ``data.train_size<400``, and sorting.

The value of a run decides what the text of a filter means: beside a number it is a number
(0.30 is 0.3), beside a text it is a text, beside ``changed`` a date. Imports no torch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

from dropexp.config.groups import list_groups
from dropexp.config.setting import sort_key
from dropexp.errors import FilterError, suggest, suggest_close
from dropexp.runs.conditions import Condition, Relation, equals, is_condition
from dropexp.runs.listed_run import ListedRun, ListedStatus, list_keys, name_values
from dropexp.runs.metric_types import Metric, MetricSource, Unit
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.periods import ALLOWED, Period, parse_period
from dropexp.runs.run_block import RunBlock, select_each
from dropexp.runs.studies import list_study_names, read_study


def _find_block(metric: Metric) -> str:
    return "forgetting" if metric.source is MetricSource.FORGETTING else "best"


_ABBREVIATIONS = {
    "id": "run_id",
    **{
        metric.key: f"{_find_block(metric)}.{metric.key}"
        for metric in METRIC_REGISTRY.values()
        if metric.source is not MetricSource.RUN and metric.unit is not Unit.EPOCHS
    },
}
"""A short name → the field it stands for: results are those of the best epoch."""
_MISSING = object()


class _Studies:
    """The members of studies; each study's file is read once."""

    def __init__(self) -> None:
        self._members: dict[tuple[Path, str], frozenset[str]] = {}

    def has(self, run: ListedRun, name: str) -> bool:
        """Return whether a run was trained for a study, or a sweep of the study has named it."""
        if equals(run.get("study"), name):
            return True
        key = run.runs_dir, name
        if key not in self._members:
            runs = read_study(*key).runs if name in list_study_names(key[0]) else ()
            self._members[key] = frozenset(member.run_id for member in runs)
        return run.run_id in self._members[key]


@dataclass(frozen=True)
class Filter:
    """One filter.

    Attributes:
        condition: on the value of a field.
        key: the full name of a field of ``ListedRun.values``.
        periods: what the values of ``changed`` stand for; empty for other fields.
    """

    condition: Condition
    key: str
    periods: tuple[Period, ...] = ()
    _studies: _Studies = field(default_factory=_Studies)

    @property
    def text(self) -> str:
        """The filter as the user typed it."""
        return self.condition.text

    def accepts(self, run: ListedRun) -> bool:
        """Return whether the run passes; one without such a field does not.

        Raises:
            FilterError: the filter's value is not a number, and the run's is.
        """
        relation = self.condition.relation
        if self.periods:
            found = [period.compare(run.changed, relation) for period in self.periods]
            return all(found) if relation is Relation.NOT_EQUAL else any(found)
        value = run.get(self.key, _MISSING)
        if value is _MISSING:
            return False
        if self._asks_of_studies:
            is_equal = any(self._studies.has(run, name) for name in self.condition.values)
            return is_equal is (relation is Relation.EQUAL)
        return self.condition.accepts(value)

    @property
    def _asks_of_studies(self) -> bool:
        return self.key == "study" and not self.condition.is_order

    def list_accepted(self, block: RunBlock) -> list[bool]:
        """Return which runs of a block pass; a field that all of them share is looked at once.

        Raises:
            FilterError: see accepts.
        """
        if not block.is_shared(self.key):
            return [self.accepts(run) for run in block]
        value = block.config[self.key]
        if not self._asks_of_studies:
            return [self.condition.accepts(value)] * len(block)
        if any(equals(value, name) for name in self.condition.values):
            return [self.condition.relation is Relation.EQUAL] * len(block)
        # The file of a study may name some of the runs that were trained for another one.
        return [self.accepts(run) for run in block]


def is_filter(text: str) -> bool:
    """Return whether an argument is a filter; if not, it is an id or a folder."""
    return is_condition(text)


def select_runs(runs: Sequence[ListedRun], filters: Iterable[str]) -> list[ListedRun]:
    """Return the runs that pass all filters.

    Args:
        runs: all runs of a folder; a filter may name the fields that one of them has.
        filters: ``key=value``, ``key=value,value``, or with another relation.

    Raises:
        FilterError: one is not a filter, or names a field that no run has.
    """
    parsed = _parse_filters(filters, runs)
    return [run for run in runs if all(each.accepts(run) for each in parsed)]


def select_blocks(blocks: Sequence[RunBlock], filters: Iterable[str]) -> list[RunBlock]:
    """Return the runs that pass all filters; see select_runs."""
    parsed = _parse_texts(filters, blocks)
    chosen = list(blocks)
    for each in parsed:
        chosen = select_each(chosen, map(each.list_accepted, chosen))
    return chosen


def explain_no_match(runs: Sequence[ListedRun], filters: Iterable[str], place: str) -> str:
    """Return a sentence that says which filters no run passes, for filters that all runs fail.

    Args:
        runs: all runs of the folder.
        filters: as for select_runs.
        place: the folder, as the user named it.
    """
    parsed = _parse_filters(filters, runs)
    unmatched = [each for each in parsed if not any(each.accepts(run) for run in runs)]
    if not unmatched:
        return (
            f"no run in the folder {place} passes all of {' '.join(each.text for each in parsed)}."
        )
    text = f"no run in the folder {place} has {' or '.join(each.text for each in unmatched)}."
    for each in unmatched:
        if each.key == "study" and (names := _list_studies(runs)):
            text += f" {suggest(each.condition.values[0], names)}"
        elif each.condition.relation is Relation.EQUAL:
            found = {value for run in runs if isinstance(value := run.get(each.key), str)}
            text += f" {suggest_close(each.condition.values[0], found)}".rstrip()
    return text


def _list_studies(runs: Iterable[ListedRun]) -> set[str]:
    folders = {run.runs_dir for run in runs}
    swept = {name for folder in folders for name in list_study_names(folder)}
    return swept | {str(study) for run in runs if (study := run.get("study"))}


def list_filter_keys(filters: Iterable[str], blocks: Sequence[RunBlock]) -> set[str]:
    """Return the full names of the fields that filters name.

    Raises:
        FilterError: one is not a filter, or names a field that no run has.
    """
    return {each.key for each in _parse_texts(filters, blocks)}


def sort_runs(runs: Sequence[ListedRun], key: str, *, reverse: bool = False) -> list[ListedRun]:
    """Return the runs sorted by a column or a field of the config; those without a value last.

    Args:
        runs: what to sort; equal ones keep their order.
        key: the column or field; a ``-`` before it sorts from high to low.
        reverse: whether to reverse that order.

    Raises:
        FilterError: no run has such a field.
    """
    reverse ^= key.startswith("-")
    name = _resolve_key(key.removeprefix("-"), _all_keys(runs))
    values = _list_to_sort(runs, name)
    present = [(value, run) for value, run in zip(values, runs, strict=True) if value is not None]
    if not all(isinstance(value, int | float) for value, _ in present):
        present = [(sort_key(value), run) for value, run in present]
    present.sort(key=itemgetter(0), reverse=reverse)
    missing = [run for value, run in zip(values, runs, strict=True) if value is None]
    return [*(run for _, run in present), *missing]


def _list_to_sort(runs: Sequence[ListedRun], name: str) -> list[Any]:
    if name == "changed":
        # In milliseconds, as the text of the time has them; making it takes longer than all else.
        return [round(run.changed * 1e6) // 1000 for run in runs]
    return [run.get(name) for run in runs]


def _all_keys(runs: Sequence[ListedRun]) -> set[str]:
    return set(list_keys(runs))


def _parse_filters(filters: Iterable[str], runs: Sequence[ListedRun]) -> list[Filter]:
    filters = list(filters)
    known = _all_keys(runs) if filters else set()
    return [_parse_filter(text, known) for text in filters]


def _parse_texts(filters: Iterable[str], blocks: Sequence[RunBlock]) -> list[Filter]:
    known = set(name_values(block.config for block in blocks))
    return [_parse_filter(text, known) for text in filters]


def _parse_filter(text: str, known: set[str]) -> Filter:
    condition = Condition.parse(text)
    key = _resolve_key(condition.key, known)
    if key == "status":
        _check_status(text, condition.values)
    periods = _parse_periods(text, condition.values) if key == "changed" else ()
    return Filter(condition, key, periods)


def _parse_periods(text: str, values: Iterable[str]) -> tuple[Period, ...]:
    try:
        return tuple(map(parse_period, values))
    except ValueError as error:
        raise FilterError(f"{text} compares with a date, and {error}; write {ALLOWED}.") from None


def _check_status(text: str, values: Iterable[str]) -> None:
    for value in values:
        if value not in set(ListedStatus):
            raise FilterError(f"{text}: {value} is not a status. {suggest(value, ListedStatus)}")


def _resolve_key(key: str, known: set[str]) -> str:
    """Return the full name of a field: ``model`` is model.name, ``test_loss`` best.test_loss."""
    groups = list_groups()
    dotted = key.replace("/", ".")
    candidates = [_ABBREVIATIONS.get(key, key), dotted]
    if key in groups or dotted.replace(".", "/") in groups:
        candidates.insert(0, f"{dotted}.name")
    for candidate in candidates:
        if candidate in known:
            return candidate
    names = known | _ABBREVIATIONS.keys() | {group for group in groups if f"{group}.name" in known}
    listing = "dropexp runs show ID shows a run's fields, dropexp train --cfg all there are."
    hint = suggest_close(key, names) or listing
    raise FilterError(f"{key} is not a field of any of these runs. {hint}")
