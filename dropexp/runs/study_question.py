"""The question that a study answers, as its file states it. Imports no torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dropexp.errors import ConfigError, UserError, suggest
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import parse_metric

TESTS = ("auto", "planned", "anytime")
"""Which test a question may ask for."""

CORRECTIONS = ("max-t", "holm")
"""Which correction for the number of rows a question may ask for."""


@dataclass(frozen=True, slots=True)
class StudyQuestion:
    """What a study is compared by; None where it leaves that to the command's default.

    Attributes:
        metric: the key of the deciding metric.
        at: the epoch at which runs are compared.
        margin: the largest difference that is practically none, in the metric's unit.
        test: one of TESTS.
        correction: one of CORRECTIONS.
    """

    metric: str | None = None
    at: EpochChoice | None = None
    margin: float | None = None
    test: str | None = None
    correction: str | None = None

    def to_mapping(self) -> dict[str, Any]:
        """Return what the question states, as plain values."""
        stated = {key: value for key, value in asdict(self).items() if value is not None}
        if self.at is not None:
            stated["at"] = self.at.value
        return stated


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
    at = _choose(plain, "at", [each.value for each in EpochChoice], where)
    return StudyQuestion(
        metric=None if metric is None else _parse_metric_key(metric, where),
        at=None if at is None else EpochChoice(at),
        margin=_parse_margin(plain.get("margin"), where),
        test=_choose(plain, "test", TESTS, where),
        correction=_choose(plain, "correction", CORRECTIONS, where),
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


def _choose(plain: Mapping[str, Any], key: str, allowed: Sequence[str], where: str) -> str | None:
    value = plain.get(key)
    if value is None or value in allowed:
        return value
    raise ConfigError(f"{where}: {key} is {value!r}; allowed: {', '.join(allowed)}.")
