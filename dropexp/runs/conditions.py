"""Conditions on a value, such as ``p=0.1,0.3``: what filters on runs and on tables consist of.

The value decides what the text means: beside a number it is a number (0.30 is 0.3), beside a text
it is a text.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any, Self

import yaml

from dropexp.errors import FilterError


class Relation(StrEnum):
    """How a condition compares a value with its own."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


_FILTER = re.compile(r"\s*(?P<key>[\w./]+)\s*(?P<relation>>=|<=|!=|==?|>|<)\s*(?P<values>.*?)\s*")
_COMMA = re.compile(r",(?![^\[]*\])")  # but not within [ ]
_ORDERS: dict[Relation, Callable[[Any, Any], bool]] = {
    Relation.LESS: operator.lt,
    Relation.AT_MOST: operator.le,
    Relation.GREATER: operator.gt,
    Relation.AT_LEAST: operator.ge,
}


@dataclass(frozen=True)
class Condition:
    """A condition on the value of a key.

    Attributes:
        text: as the user typed it.
        key: as typed.
        relation: of the value to those of the condition.
        values: several only with EQUAL and NOT_EQUAL.
    """

    text: str
    key: str
    relation: Relation
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the condition that a text states.

        Raises:
            FilterError: it states none.
        """
        match = _FILTER.fullmatch(text)
        if match is None:
            raise FilterError(
                f"{text!r} is not a filter; write key=value. Quote < and > in a shell: 'p>=0.3'."
            )
        relation = Relation("=" if match["relation"] == "==" else match["relation"])
        values = tuple(value.strip() for value in _COMMA.split(match["values"]))
        if relation in _ORDERS and len(values) > 1:
            raise FilterError(f"{text} compares with several values; {relation} takes one.")
        if "" in values:
            raise FilterError(f"{text} has an empty value; write null for a field without a value.")
        return cls(text, match["key"], relation, values)

    @property
    def is_order(self) -> bool:
        """Whether it asks which of two values is larger."""
        return self.relation in _ORDERS

    def accepts(self, value: Any) -> bool:
        """Return whether a value fulfils the condition.

        Raises:
            FilterError: a value of the condition is not a number, and this value is.
        """
        if self.is_order:
            return self._is_ordered(value)
        self._refuse_what_no_number_equals(value)
        is_equal = any(equals(value, text) for text in self.values)
        return is_equal is (self.relation is Relation.EQUAL)

    def _is_ordered(self, value: Any) -> bool:
        self._refuse_what_no_number_equals(value)
        compare, text = _ORDERS[self.relation], self.values[0]
        if isinstance(value, str):
            return compare(value, text)
        if value is None or isinstance(value, bool | list):
            return False
        number = _parse_number(text)
        if number is None:
            raise FilterError(f"{self.text} compares with {text!r}, which is not a number.")
        return compare(value, number)

    def _refuse_what_no_number_equals(self, value: Any) -> None:
        """Refuse nan and inf beside a number: every run would pass ``seed!=nan`` or ``p<inf``."""
        if not isinstance(value, int | float):
            return
        for text in self.values:
            number = _parse_number(text)
            if isinstance(number, float) and not isfinite(number):
                raise FilterError(f"{self.text} compares with {text}; give a finite number.")


def is_condition(text: str) -> bool:
    """Return whether a text states a condition."""
    return _FILTER.fullmatch(text) is not None


def equals(value: Any, text: str) -> bool:
    """Return whether a text stands for a value."""
    match value:
        case None:
            return text.lower() in ("null", "~")
        case bool():
            return text.lower() == str(value).lower()
        case int() | float():
            return _parse_number(text) == value
        case list():
            return _is_list(value, text)
        case _:
            return str(value) == text


def _is_list(value: list[Any], text: str) -> bool:
    try:
        return bool(yaml.safe_load(text) == value)
    except yaml.YAMLError:
        return False


def _parse_number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None
