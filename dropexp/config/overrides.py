"""Overrides of the command line, parsed once: text comes in, typed ``Override`` values go out.

The grammar is Hydra's, and so is the parser: ``key=value``, ``+key=value``, ``group=choice``, and
with several values ``key=a,b``, ``key=range(start,stop,step)``, ``key=choice(a,b)``,
``group=glob(pattern)``. ``dropexp tune`` takes ``key=interval(low,high)`` as well.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, isfinite
from typing import Any, Literal, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, RangeSweep, Transformer, ValueType
from hydra.core.override_parser.types import Override as HydraOverride
from hydra.errors import HydraException

from dropexp.config.added_files import add_package_choice
from dropexp.config.groups import (
    LOGGER,
    REGULARISER,
    list_built_in_groups,
    list_groups,
    split_combination,
)
from dropexp.config.hydra_session import find_config_loader
from dropexp.config.identity import IDENTITY_KEYS, KEPT_KEYS
from dropexp.config.logger_choice import check_loggers
from dropexp.config.override_hints import hint_at_choice, hint_at_option, hint_at_override
from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import ConfigError

_OPTIONAL_GROUPS = ("train/early_stopping",)
"""Groups that may be switched off: ``train/early_stopping=null``."""

_IN_HOME = re.compile(r"~[\w.-]*(/[\w./ +-]*)?")
"""A path such as ``~/pictures``."""

MOST_VALUES = 100_000
"""Values of one override. A range is counted before it is expanded."""

_LONGEST_KEY = 200  # characters; Hydra looks for a file of the key's name
_LONGEST_EXPLAINED = 300  # characters of an override whose mistake is looked for
_LONGEST_SHOWN = 60  # characters of what an error repeats

Sign = Literal["", "+", "++"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A continuous range of values: ``interval(0.05,0.8)``.

    Attributes:
        low: the lowest value.
        high: the highest value, above low.
        is_log: whether its values are drawn evenly on a logarithmic scale: ``tag(log,…)``.
        is_integer: whether its values are whole numbers: ``int(interval(…))``.
    """

    low: float
    high: float
    is_log: bool = False
    is_integer: bool = False


@dataclass(frozen=True, slots=True)
class Override:
    """One override.

    Attributes:
        text: the override as typed.
        sign: "+" adds a key that the configuration lacks, "++" adds or changes it, "" changes it.
        key: a dotted key (``train.epochs``) or a config group (``optimiser/schedule``).
        values: its values as Python objects, at least one; for a group the names of the chosen
            files, or None where the group is switched off. An interval is one value.
        is_sweep: whether it is written as several values, such as ``p=0.1,0.3``.
        is_group_choice: whether the key is a config group that makes up a run.
    """

    text: str
    sign: Sign
    key: str
    values: tuple[Any, ...]
    is_sweep: bool
    is_group_choice: bool
    _value_texts: tuple[str, ...]

    @property
    def path(self) -> tuple[str, ...]:
        """The parts of a dotted key: ``("train", "epochs")``."""
        return tuple(self.key.split("."))

    @property
    def is_addition(self) -> bool:
        """Whether it may add a key that the configuration lacks."""
        return self.sign != ""

    @property
    def is_about_the_run(self) -> bool:
        """Whether it sets what a run computes, unlike overrides such as device=cpu."""
        is_choice = self.is_group_choice and self.key != LOGGER
        return is_choice or self.path[0] in (*IDENTITY_KEYS, "p")

    @property
    def is_recorded(self) -> bool:
        """Whether a study records it: it sets what a run computes, or what it keeps of that."""
        return self.is_about_the_run or self.key in KEPT_KEYS

    @property
    def is_about_the_launcher(self) -> bool:
        """Whether it chooses or configures the launcher of a sweep."""
        return self.key == "hydra/launcher" or self.path[:2] == ("hydra", "launcher")

    @property
    def is_interval(self) -> bool:
        """Whether its value is an interval, such as ``p=interval(0.05,0.8)``."""
        return any(isinstance(value, Interval) for value in self.values)

    @property
    def value(self) -> Any:
        """The value of an override that has exactly one."""
        (value,) = self.values
        return value

    @property
    def hydra_text(self) -> str:
        """The override as Hydra takes it: without ``group=null``, and a new group with a +."""
        if self.is_group_choice and self.value is None:
            return f"{self.key.replace('/', '.')}=null"
        is_new = self.is_group_choice and self.key not in list_built_in_groups()
        return f"+{self.text.lstrip('+')}" if is_new else self.text

    def split(self) -> list["Override"]:
        """Return an override with a single value for each of the values."""
        return [
            replace(
                self,
                text=f"{self.sign}{self.key}={text}",
                values=(value,),
                is_sweep=False,
                _value_texts=(text,),
            )
            for value, text in zip(self.values, self._value_texts, strict=True)
        ]

    def rename(self, key: str, sign: Sign = "") -> "Override":
        """Return an override with the same single value for another key."""
        (text,) = self._value_texts
        text = f"{sign}{key}={text}"
        return replace(self, text=text, sign=sign, key=key, is_group_choice=False)


def parse_overrides(texts: Sequence[str], *, with_intervals: bool = False) -> list[Override]:
    """Return the parsed overrides of a command line; see parse_override."""
    return [parse_override(text, with_intervals=with_intervals) for text in texts]


def parse_override(text: str, *, with_intervals: bool = False) -> Override:
    """Return the parsed form of one override.

    Args:
        text: as typed.
        with_intervals: whether an interval is allowed.

    Raises:
        ConfigError: the text is not an override, its group has no such choice, it has no value or
            an interval that is not allowed, or its key is one of Hydra's own.
    """
    typed_key, separator, value = text.partition("=")
    if text.startswith("-"):
        hint = hint_at_option(text)
        raise ConfigError(f"{text} is not an option of this command; {hint}.")
    key = typed_key.lstrip("+")
    if not separator or text.startswith("~"):
        raise ConfigError(f"{text!r} is not an override. {hint_at_override(text)}")
    if not key:
        raise ConfigError(
            f"{text!r} has no key before the equals sign; write key=value, such as seed=3."
        )
    if _IN_HOME.fullmatch(value):  # Hydra takes it in quotes only
        value = f"'{value}'"
        text = f"{typed_key}={value}"
    if len(key) > _LONGEST_KEY:
        raise ConfigError(f"{_shorten(key)} is not a key; dropexp train --cfg job shows all keys.")
    parsed = _parse_with_hydra(text)
    is_interval = isinstance(parsed.value(), IntervalSweep)
    if is_interval and not with_intervals:
        raise ConfigError(
            f"{text} is an interval, from which dropexp tune chooses; list values here, or write "
            f"range(start,stop,step)."
        )
    values, value_texts = ((), (value,)) if is_interval else _list_values(parsed)
    override = Override(
        text=text,
        sign=cast(Sign, typed_key[: len(typed_key) - len(key)]),
        key=key,
        values=values,
        is_sweep=parsed.is_sweep_override(),
        is_group_choice=key in list_groups(),
        _value_texts=value_texts,
    )
    _refuse_key(override, value)
    if isinstance(interval := parsed.value(), IntervalSweep):
        override = replace(override, values=(_convert_interval(interval, override),))
    if override.is_group_choice:
        _check_choices(override)
    return override


def _parse_with_hydra(text: str) -> HydraOverride:
    try:
        return OverridesParser.create(find_config_loader()).parse_overrides([text])[0]
    except (RecursionError, ValueError):
        raise ConfigError(
            f"{_shorten(text)} cannot be read: it is nested too deep, or has a number of thousands "
            f"of digits."
        ) from None
    except HydraException:
        key, _, value = text.partition("=")
        if len(text) > _LONGEST_EXPLAINED:
            raise ConfigError(f"{_shorten(text)} cannot be read; quote the value.") from None
        if re.search(r"\s[\w.+/]+=", value):
            parts = re.split(r"\s+(?=[\w.+/]+=)", text)
            number = {2: "two", 3: "three"}.get(len(parts), str(len(parts)))
            raise ConfigError(
                f"{text} cannot be read; write {number} arguments: {' '.join(parts)}."
            ) from None
        if missing := _find_missing_brackets(value):
            raise ConfigError(
                f'{text} cannot be read: {missing} is missing; write "{text}{missing}".'
            ) from None
        quoted = value.replace("'", "\\'")
        raise ConfigError(
            f"{text} cannot be read; quote the value: \"{key}='{quoted}'\"."
        ) from None


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}…"


def _find_missing_brackets(value: str) -> str:
    """Return the closing brackets that a value lacks at its end; empty where it lacks none."""
    pairs, missing = {"(": ")", "[": "]", "{": "}"}, ""
    for character in value:
        if character in pairs:
            missing = pairs[character] + missing
        elif missing and character == missing[0]:
            missing = missing[1:]
        elif character in ")]}'\"\\":  # a stray one, or a quote: brackets are not what is wrong
            return ""
    return missing


def _list_values(parsed: HydraOverride) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Return the values as Python objects, and the text of each as it stands after ``key=``."""
    if not parsed.is_sweep_override():
        return (parsed.value(),), (parsed.get_value_element_as_str(),)
    if isinstance(sweep := parsed.value(), RangeSweep):
        _check_range(sweep, str(parsed.input_line))
    elements = list(parsed.sweep_iterator())
    if not elements:
        raise ConfigError(f"{parsed.input_line} has no values; give at least one.")
    _check_number_of_values(len(elements), str(parsed.input_line))
    values = (replace(parsed, value_type=ValueType.ELEMENT, _value=each) for each in elements)
    return tuple(each.value() for each in values), tuple(map(Transformer.str, elements))


def _check_range(sweep: RangeSweep, text: str) -> None:
    """Refuse a range that has no end or too many values, before any of them is made."""
    ends = [0 if end is None else end for end in (sweep.start, sweep.stop, sweep.step)]
    if not all(isfinite(end) for end in ends):
        raise ConfigError(f"{text} is not allowed: start, stop and step must be finite numbers.")
    start, stop, step = map(Fraction, ends)
    if not step:
        raise ConfigError(
            f"{text} is not allowed: the step of range(start,stop,step) must not be 0."
        )
    _check_number_of_values(ceil((stop - start) / step), text)


def _check_number_of_values(number: int, text: str) -> None:
    if number > MOST_VALUES:
        counted = f"{number:,}" if number < 10**12 else "over 1,000,000,000,000"
        raise ConfigError(
            f"{_shorten(text)} has {counted} values; at most {MOST_VALUES:,} are allowed."
        )


def _convert_interval(sweep: IntervalSweep, override: Override) -> Interval:
    low, high = sweep.start, sweep.end
    is_log = sweep.tags == {"log"}
    if override.is_group_choice:
        raise ConfigError(f"{override.text} is not allowed: a group has choices; list them: a,b.")
    if sweep.tags and not is_log:
        raise ConfigError(f"{override.text} has an unknown tag; the only one is tag(log,…).")
    if low is None or high is None or not (isfinite(low) and isfinite(high) and low < high):
        raise ConfigError(
            f"{override.text} is not an interval: its ends must be numbers, the lower one first."
        )
    if is_log and low <= 0:
        raise ConfigError(f"{override.text} is not allowed: tag(log,…) needs ends above 0.")
    return Interval(float(low), float(high), is_log, isinstance(low, int))


def _refuse_key(override: Override, value: str) -> None:
    """Refuse Hydra's own keys, and ``regulariser.name=…`` in place of ``regulariser=…``."""
    key = override.key
    if override.path[0].partition("/")[0] == "hydra" and not override.is_about_the_launcher:
        raise ConfigError(f"{key} is Hydra's own; dropexp decides where and how runs are made.")
    *owner, name = override.path
    group = "/".join(owner)
    if name == "name" and group in list_groups():
        raise ConfigError(f"{key}={value} does not choose a configuration; write {group}={value}.")


def _check_choices(override: Override) -> None:
    known = list_groups()[override.key]
    if override.key == LOGGER:
        check_loggers(override.text, override.values, known)
        return
    for choice, text in zip(override.values, override._value_texts, strict=True):
        if choice in known or (choice is None and override.key in _OPTIONAL_GROUPS):
            continue
        if override.key == REGULARISER and COMBINATION_SEPARATOR in str(choice):
            for part in set(str(choice).split(COMBINATION_SEPARATOR)).difference(known):
                add_package_choice(REGULARISER, part)
            split_combination(choice)
            continue
        if add_package_choice(override.key, choice):
            continue
        name = choice if isinstance(choice, str) else text
        raise ConfigError(
            f"{override.key}={name} is not known. {hint_at_choice(override.key, name)}"
        )
    if override.is_addition and override.key in list_built_in_groups():
        raise ConfigError(
            f"{override.text} is not allowed: every run has a {override.key} already; write "
            f"{override.text.lstrip('+')}."
        )
