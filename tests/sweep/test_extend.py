"""What cannot be extended gets a sentence."""

from pathlib import Path

import pytest

from dropexp.errors import ConfigError
from dropexp.runs.studies import Study, StudyMember, save_study
from dropexp.sweep.extend import extend_study


def test_a_study_file_without_runs_is_refused(tmp_path: Path) -> None:
    save_study(tmp_path, Study("mine", (("seed=0",),), (), ()))
    with pytest.raises(ConfigError, match="names no run"):
        extend_study(tmp_path, "mine", 1, [])


def test_a_study_file_without_sweeps_is_refused(tmp_path: Path) -> None:
    member = StudyMember("none-p0-s0-00000000", 0, 0, 3)
    save_study(
        tmp_path,
        Study("mine", (), ({"regulariser.name": "none", "regulariser.p": 0.0},), (member,)),
    )
    with pytest.raises(ConfigError, match="names no"):
        extend_study(tmp_path, "mine", 1, [])
