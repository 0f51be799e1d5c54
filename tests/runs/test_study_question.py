"""The question in a study file."""

from typing import Any

import pytest

from dropexp.errors import ConfigError
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.question_types import Correction, TestChoice
from dropexp.runs.study_question import NO_QUESTION, StudyQuestion, parse_question

FULL = {
    "metric": "test_acc",
    "at": "last",
    "margin": 0.01,
    "test": "anytime",
    "correction": "holm",
}


def test_a_question_states_what_its_file_states() -> None:
    question = parse_question(FULL, "f")
    assert question == StudyQuestion(
        "test_acc", EpochChoice.LAST, 0.01, TestChoice.ANYTIME, Correction.HOLM
    )
    assert question.to_mapping() == FULL
    assert parse_question({}, "f") == NO_QUESTION
    assert NO_QUESTION.to_mapping() == {}


def test_a_margin_that_yaml_reads_as_text_is_a_number() -> None:
    assert parse_question({"margin": "1e-2"}, "f").margin == 0.01


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"metrics": "test_acc"}, "Did you mean metric"),
        ({"metric": "test_ac"}, "f: metric test_ac is unknown. Did you mean"),
        ({"metric": "seconds"}, "seconds is"),
        ({"at": "end"}, "at is 'end'; allowed: best, last, matched"),
        ({"margin": -1}, "above 0"),
        ({"margin": 0}, "above 0"),
        ({"margin": "small"}, "above 0"),
        ({"margin": True}, "above 0"),
        ({"margin": "inf"}, "above 0"),
        ({"test": "exact"}, "allowed: auto, planned, anytime"),
        ({"correction": "none"}, "allowed: max-t, holm"),
    ],
)
def test_what_is_no_question_is_refused(plain: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_question(plain, "f")
