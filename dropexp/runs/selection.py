"""Choosing among listed runs: filters such as ``p=0.1,0.3`` or ``data.train_size<400``; sorting.

What a word of a filter means is decided by the value it is compared with: beside a number it is
a number (0.30 is 0.3), beside a text it is a text.
"""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dropexp.config.groups import list_groups
from dropexp.config.setting import sort_key
from dropexp.errors import FilterError, suggest
from dropexp.runs.listing import ListedRun, Status
from dropexp.runs.metrics import Metric
from dropexp.runs.studies import read_study, study_names

_WORD = re.compile(r"\s*(?P<key>[\w./]+)\s*(?P<operator>>=|<=|!=|==?|>|<)\s*(?P<values>.*?)\s*")
_COMMA = re.compile(r",(?![^\[]*\])")  # but not within [ ]
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SHORT = {
    "id": "run_id",
    **{key: f"best.{key}" for key in ("val_loss", "test_loss", "test_acc", "loss_gap", "acc_gap")},
    **{metric.value: f"best.{metric}" for metric in Metric if metric.is_sampled},
}
_MISSING = object()


@dataclass(frozen=True)
class Filter:
    """One filter: ``key``, ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``, and words to match."""

    text: str
    key: str
    relation: str
    words: tuple[str, ...]

    def accepts(self, run: ListedRun) -> bool:
        """Whether the run passes; one that has no such field does not.

        Raises:
            FilterError: a number is compared with what is none.
        """
        value = run.values.get(self.key, _MISSING)
        if value is _MISSING:
            return False
        if self.relation in _ORDERS:
            return self._is_ordered(value)
        matches = any(self._matches(run, value, word) for word in self.words)
        return matches is (self.relation == "=")

    def _matches(self, run: ListedRun, value: Any, word: str) -> bool:
        return in_study(run, word) if self.key == "study" else _equal(value, word)

    def _is_ordered(self, value: Any) -> bool:
        compare, word = _ORDERS[self.relation], self.words[0]
        if isinstance(value, str):
            return compare(value, word)
        if value is None or isinstance(value, bool | list):
            return False
        number = _number(word)
        if number is None:
            raise FilterError(f"{self.text} compares with {word!r}, which is not a number.")
        return compare(value, number)


def is_filter(word: str) -> bool:
    """Whether a word is meant to be a filter, and not an id."""
    return _WORD.fullmatch(word) is not None


def select(runs: Sequence[ListedRun], words: Iterable[str]) -> list[ListedRun]:
    """The runs that pass all filters.

    Args:
        runs: all runs of a folder; what a filter may name is what one of them has.
        words: each ``key=value``, several values separated by commas, or with another relation.

    Raises:
        FilterError: a word is not a filter, or names a field that no run has.
    """
    words = list(words)
    if not words:
        return list(runs)
    known = {key for run in runs for key in run.values}
    filters = [_parsed(word, known) for word in words]
    return [run for run in runs if all(each.accepts(run) for each in filters)]


def keys_of(words: Iterable[str], runs: Sequence[ListedRun]) -> set[str]:
    """The fields that filters name, in full.

    Raises:
        FilterError: a word is not a filter, or names a field that no run has.
    """
    known = {key for run in runs for key in run.values}
    return {_parsed(word, known).key for word in words}


def ordered(runs: Sequence[ListedRun], key: str, *, reverse: bool = False) -> list[ListedRun]:
    """The runs sorted by a column or a field of the config; those without a value last.

    Args:
        runs: what to sort; equal ones keep their order.
        key: the column or field; a ``-`` before it sorts from high to low.
        reverse: from high to low (and with a ``-``, from low to high).

    Raises:
        FilterError: no run has such a field.
    """
    reverse ^= key.startswith("-")
    name = _full_key(key.removeprefix("-"), {key for run in runs for key in run.values})
    present = [run for run in runs if run.values.get(name) is not None]
    absent = [run for run in runs if run.values.get(name) is None]
    return sorted(present, key=lambda run: sort_key(run.values[name]), reverse=reverse) + absent


def in_study(run: ListedRun, name: str) -> bool:
    """Whether a run belongs to a study: it was made for it, or a sweep of it has named it."""
    if _equal(run.values.get("study"), name):
        return True
    runs_dir = run.folder.path.parent
    return name in study_names(runs_dir) and run.run_id in _members(runs_dir, name)


@cache
def _members(runs_dir: Path, name: str) -> frozenset[str]:
    return frozenset(run.run_id for run in read_study(runs_dir, name).runs)


def _parsed(text: str, known: set[str]) -> Filter:
    match = _WORD.fullmatch(text)
    if match is None:
        raise FilterError(
            f"{text!r} is not a filter; write key=value, and quote what has < or >: 'p>=0.3'."
        )
    key = _full_key(match["key"], known)
    relation = "=" if match["operator"] == "==" else match["operator"]
    words = tuple(word.strip() for word in _COMMA.split(match["values"]))
    if relation in _ORDERS and len(words) > 1:
        raise FilterError(f"{text} compares with several values; {relation} takes one.")
    if key == "status":
        _check_status(text, words)
    return Filter(text, key, relation, words)


def _check_status(text: str, words: Iterable[str]) -> None:
    for word in words:
        if word not in set(Status):
            raise FilterError(f"{text} names no status. {suggest(word, Status)}")


def _full_key(key: str, known: set[str]) -> str:
    """A field's full name from what users type to train: ``model`` is model.name."""
    dotted = key.replace("/", ".")
    candidates = [_SHORT.get(key, key), dotted]
    if key in list_groups() or dotted.replace(".", "/") in list_groups():
        candidates.insert(0, f"{dotted}.name")
    for candidate in candidates:
        if candidate in known:
            return candidate
    names = known | _SHORT.keys() | {group for group in list_groups() if f"{group}.name" in known}
    hint = suggest(key, names)
    if not hint.startswith("Did"):
        hint = "dropexp runs show ID shows a run's fields, dropexp train --cfg all there are."
    raise FilterError(f"{key} is not a field of any of these runs. {hint}")


def _equal(value: Any, word: str) -> bool:
    match value:
        case None:
            return word.lower() in ("null", "~")
        case bool():
            return word.lower() == str(value).lower()
        case int() | float():
            return _number(word) == value
        case list():
            return _is_list(value, word)
        case _:
            return str(value) == word


def _is_list(value: list[Any], word: str) -> bool:
    try:
        return bool(yaml.safe_load(word) == value)
    except yaml.YAMLError:
        return False


def _number(word: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return None
