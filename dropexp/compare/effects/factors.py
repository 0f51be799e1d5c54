"""The factors of a factorial study: the fields in which its settings differ, with their levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from dropexp.compare.grouping import find_axes
from dropexp.compare.settings import Setting
from dropexp.config.classics import CLASSICS
from dropexp.config.setting import P_KEY, sort_key
from dropexp.errors import UserError
from dropexp.terminal.numbers import format_count

REGULARISER = "regulariser"
_MOST_NAMED = 3

Cell = tuple[int, ...]
"""A combination: the number of the level of each factor."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A field with several values, or the regulariser with its p and options.

    Attributes:
        key: of the config; the first one of several fields that always change together.
        name: in tables: the last part of the key where no other factor has it.
        levels: the names of its values, the reference first: what is off, or the smallest number.
    """

    key: str
    name: str
    levels: tuple[str, ...]

    def describe(self, level: int) -> str:
        """Return a level in a few words: ``dropout2d p=0.3``, ``weight_decay=0.0005``."""
        if self.key == REGULARISER:
            return self.levels[level]
        return f"{self.name}={self.levels[level]}"


@dataclass(frozen=True)
class Factorial:
    """Settings in every combination of the levels of factors.

    Attributes:
        factors: two or more.
        settings: cell → setting.
    """

    factors: tuple[Factor, ...]
    settings: Mapping[Cell, Setting]

    @property
    def reference(self) -> Setting:
        """The setting with every factor at its reference."""
        return self.settings[(0,) * len(self.factors)]

    def describe_shape(self) -> str:
        """Return the numbers of levels: ``2 × 2 × 3``."""
        return " × ".join(str(len(factor.levels)) for factor in self.factors)


def arrange_factorial(settings: Sequence[Setting]) -> Factorial:
    """Arrange settings by the levels of their factors.

    Raises:
        UserError: settings differ in one field only or in none, or a combination is missing.
    """
    columns = _merge_equal(_list_columns(settings))
    if len(columns) < 2:
        raise UserError(
            "effects needs settings that differ in two fields or more, in every combination; "
            f"these differ in {next(iter(columns), 'no field')}. dropexp compare shows them."
        )
    factors, places = [], []
    names = [key.rpartition(".")[2] for key in columns]
    for key, column in columns.items():
        levels = _order_levels(key, column)
        name = key.rpartition(".")[2]
        shown = tuple(_show(value) for value in levels)
        factors.append(Factor(key, name if names.count(name) == 1 else key, shown))
        order = {repr(value): place for place, value in enumerate(levels)}
        places.append([order[repr(value)] for value in column])
    cells: dict[Cell, Setting] = dict(zip(zip(*places, strict=True), settings, strict=True))
    _refuse_missing(factors, cells)
    return Factorial(tuple(factors), cells)


def _list_columns(settings: Sequence[Setting]) -> dict[str, list[Any]]:
    """Return key → the value of each setting, for the regulariser and each field that differs."""
    columns: dict[str, list[Any]] = {
        REGULARISER: [setting.without_classics(setting.classics).label for setting in settings]
    }
    if len(set(columns[REGULARISER])) == 1:
        columns = {}
    for key in find_axes(settings):
        if key != P_KEY:
            columns[key] = [setting.fields.get(key) for setting in settings]
    return columns


def _merge_equal(columns: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the columns without those that change together with an earlier one.

    A choice of a group, such as ``optimiser=sgd``, changes several fields at once.
    """
    kept: dict[tuple[int, ...], str] = {}
    for key, column in columns.items():
        texts = [repr(value) for value in column]
        kept.setdefault(tuple(texts.index(text) for text in texts), key)
    return {key: columns[key] for key in kept.values()}


def _order_levels(key: str, column: Sequence[Any]) -> list[Any]:
    """Return the different values, what is off first, then numbers in order, then text."""
    values = {repr(value): value for value in column}
    off: list[Any] = [classic.off for classic in CLASSICS.values() if classic.key == key]

    def rank(value: Any) -> tuple[bool, tuple[int, Any]]:
        is_off = value is None or value is False or value == "none" or value in off
        return not is_off, sort_key(value)

    return sorted(values.values(), key=rank)


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "null" if value is None else str(value)


def _refuse_missing(factors: Sequence[Factor], cells: Mapping[Cell, Setting]) -> None:
    """Raise UserError if a combination of levels has no setting."""
    total = prod(len(factor.levels) for factor in factors)
    missing = [
        cell
        for cell in product(*(range(len(factor.levels)) for factor in factors))
        if cell not in cells
    ]
    if not missing:
        return
    named = "; ".join(
        ", ".join(f.describe(level) for f, level in zip(factors, cell, strict=True))
        for cell in missing[:_MOST_NAMED]
    )
    count = f"{format_count(len(missing), 'combination')} of {total}"
    more = "; …" if len(missing) > _MOST_NAMED else ""
    raise UserError(
        f"effects needs every combination of the fields that differ. Without runs: {count}: "
        f"{named}{more}. Train them, or leave a value out by a filter, such as "
        f"{factors[-1].key}={factors[-1].levels[0]}."
    )
