"""A folder of made-up runs, which the tests of the Python API read and none of them changes."""

from pathlib import Path

import pytest

from baselines import run_folders


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four settings with four seeds each, in a study."""
    folder = tmp_path_factory.mktemp("store") / "runs"
    run_folders.make_runs(folder, runs=16, seeds=4, study="made")
    return folder
