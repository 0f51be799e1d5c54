from pathlib import Path

import pytest

from tests.compare.asking import Asking, make_asking


@pytest.fixture
def ask(tmp_path: Path) -> Asking:
    """What asks for the runs of a sweep in the test's folder, and ends them."""
    return make_asking(tmp_path)
