"""The question that a study answers, as its file states it. Imports no torch."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum, StrEnum
from typing import Any, TypeVar

from dropexp.errors import ConfigError, UserError, suggest
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import parse_metric
from dropexp.runs.question_types import Correction, TestChoice

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class StudyQuestion:
    """What a study is compared by; None where it leaves that to the command's default.

    Attributes:
        metric: the key of the deciding metric.
        at: the epoch at which runs are compared.
        margin: the largest difference that is practically none, in the metric's unit.
        test: which test speaks.
        correction: of the planned test for the number of rows.
    """

    metric: str | None = None
    at: EpochChoice | None = None
    margin: float | None = None
    test: TestChoice | None = None
    correction: Correction | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return what the question states, as plain values."""
        stated = {key: value for key, value in asdict(self).items() if value is not None}
        return {k: value.value if isinstance(value, Enum) else value for k, value in stated.items()}


NO_QUESTION = StudyQuestion()
"""The question of a study whose file states none."""


def parse_question(plain: Mapping[str, Any], where: str) -> StudyQuestion:
    """Return the checked question of a study file.

    Args:
        plain: the content of ``question``.
        where: the file, for errors.

    Raises:
        ConfigError: a key or a value is not allowed.
    """
    keys = StudyQuestion.__dataclass_fields__
    for key in plain:
        if key not in keys:
            raise ConfigError(f"{where}: question has no {key}. {suggest(str(key), keys)}")
    metric = plain.get("metric")
    return StudyQuestion(
        metric=None if metric is None else _parse_metric_key(metric, where),
        at=_choose(plain, "at", EpochChoice, where),
        margin=_parse_margin(plain.get("margin"), where),
        test=_choose(plain, "test", TestChoice, where),
        correction=_choose(plain, "correction", Correction, where),
    )


def _parse_metric_key(metric: Any, where: str) -> str:
    try:
        return parse_metric(str(metric)).key
    except UserError as error:
        raise ConfigError(f"{where}: {str(error).removeprefix('--')}") from None


def _parse_margin(margin: Any, where: str) -> float | None:
    if margin is None:
        return None
    number = _to_number(margin)
    if number is None or not number > 0:
        raise ConfigError(
            f"{where}: margin is {margin!r}; it must be a number above 0, in the metric's unit, "
            f"such as 0.01."
        )
    return number


def _to_number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)  # YAML reads 1e-2, without a dot, as text
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _choose(plain: Mapping[str, Any], key: str, choices: type[Choice], where: str) -> Choice | None:
    value = plain.get(key)
    if value is None:
        return None
    try:
        return choices(value)
    except ValueError:
        allowed = ", ".join(choices)
        raise ConfigError(f"{where}: {key} is {value!r}; allowed: {allowed}.") from None
