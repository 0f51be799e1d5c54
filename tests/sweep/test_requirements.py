"""What the runs of a sweep need is checked once, before any is launched."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from dropexp.config.compose import compose_run
from dropexp.config.run_config import RunConfig
from dropexp.errors import DataError, UserError
from dropexp.sweep import requirements
from dropexp.sweep.requirements import refuse_unmet
from tests.builders import compose_tiny
from tests.conftest import QUICK, assert_refused
from tests.data.examples import write_idx_set


class View:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def test_a_sweep_without_one_of_its_data_sets_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, also where the others were found by an earlier check of the same process."""
    write_idx_set(tmp_path / "elsewhere" / "mnist", count=30)
    monkeypatch.setenv("DROPEXP_DATA", str(tmp_path / "elsewhere"))
    words = ("sweep", "data=digits,mnist", "seed=0,1", *QUICK, "study=mine")
    refuse_unmet([compose_run(["data=digits", *QUICK])], View())
    assert_refused(tmp_path, words, ["error: data=mnist: data.val_size=5000 is not allowed"])
    assert list((tmp_path / "runs").iterdir()) == [], "nothing was launched, and no study made"


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[list[RunConfig]]:
    """What was looked for; data sets of more than 700 images to train on are not there."""
    calls: list[list[RunConfig]] = []

    def check(configs: Sequence[RunConfig], _: object) -> UserError | None:
        calls.append(list(configs))
        sizes = [config.data.train_size or 0 for config in configs]
        return DataError("too many") if max(sizes) > 700 else None

    monkeypatch.setattr(requirements, "_met", set())
    monkeypatch.setattr(requirements, "_check_elsewhere", check)
    return calls


def test_runs_that_differ_by_seed_or_regulariser_are_checked_once(
    checked: list[list[RunConfig]],
) -> None:
    runs = [compose_tiny(f"seed={seed}", "regulariser=dropout") for seed in range(3)]
    refuse_unmet(runs, View())
    refuse_unmet([compose_tiny("seed=7", "data.augment=flip")], View())
    assert [len(call) for call in checked] == [1]


def test_a_function_with_options_is_checked_too(
    checked: list[list[RunConfig]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "noisy.py").write_text("def load(noise=1): ...\n")
    words = ("data=custom", "data.target=noisy:load")
    runs = [compose_run([*words, f"+data.options.noise={noise}"]) for noise in (1, 1, 2)]
    refuse_unmet(runs, View())
    assert [len(call) for call in checked] == [2]


def test_what_was_missing_is_looked_for_again(checked: list[list[RunConfig]]) -> None:
    runs = [compose_tiny(), compose_tiny("data.train_size=701")]
    for _ in range(2):
        with pytest.raises(DataError, match="too many"):
            refuse_unmet(runs, View())
    assert [len(call) for call in checked] == [2, 2]


HELD_BACK = """
import time
from pathlib import Path
import numpy as np

def load(sign):
    while not Path(sign).exists():
        time.sleep(0.01)
    return np.zeros((60, 8, 8), np.uint8), np.arange(60) % 2
"""


def test_the_user_is_told_why_the_sweep_does_not_start_yet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(requirements, "_SECONDS_UNTIL_NOTE", 0.0)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "held_back_data.py").write_text(HELD_BACK)
    sign = tmp_path / "noted"

    class ReleasingView(View):
        def note(self, message: str) -> None:
            super().note(message)
            sign.touch()

    view = ReleasingView()
    target = ("data=custom", "data.target=held_back_data:load", f"+data.options.sign='{sign}'")
    refuse_unmet([compose_run([*target, "data.val_size=10", "data.test_size=10"])], view)
    assert view.notes == ["reading the data of the runs; a download may take minutes"]


def test_the_process_finds_what_training_would_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "_met", set())
    refuse_unmet([compose_tiny()], View())
    for override, words in (
        ("data.train_size=7000", "data.train_size=7000 is not allowed.*at most 950 images"),
        ("device=cuda:99", "device=cuda:99 is not available"),
        ("precision=tf32", "tf32 needs a CUDA device"),
    ):
        with pytest.raises(UserError, match=words):
            refuse_unmet([compose_tiny("device=cpu", override)], View())
