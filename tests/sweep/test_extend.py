"""What cannot be extended gets a sentence."""

from pathlib import Path

import pytest

from dropexp.errors import ConfigError
from dropexp.runs.studies import Study, save_study
from dropexp.sweep.extend import extend_study


def test_a_study_file_without_runs_is_refused(tmp_path: Path) -> None:
    save_study(tmp_path, Study("mine", (("seed=0",),), (), ()))
    with pytest.raises(ConfigError, match="names no run"):
        extend_study(tmp_path, "mine", 1, [])
