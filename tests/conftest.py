"""What all tests share."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# The machine may be busy: how long an example takes says nothing.
settings.register_profile("dropexp", deadline=None)
settings.load_profile("dropexp")
# Two test processes share two cores.
torch.set_num_threads(1)

QUICK = ("train.epochs=2", "data.train_size=60", "model.width=4", "threads=1")
"""Overrides that make a run a matter of milliseconds."""

Dropexp = Callable[..., "subprocess.CompletedProcess[str]"]


def heeding_ctrl_c() -> None:
    """For Popen's preexec_fn: what a shell starts in the background ignores Ctrl-C, as we may."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the studies that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            # They pass, and take minutes that every change would have to wait for: one flag.
            item.add_marker(pytest.mark.skip(reason="takes minutes: --slow runs it"))


@pytest.fixture
def dropexp(tmp_path: Path) -> Dropexp:
    """The real command, run in an empty folder of its own."""

    def command(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [sys.executable, "-m", "dropexp", *arguments],
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
            **{"timeout": 240, **options},  # type: ignore[call-overload]
        )
        return done

    return command
