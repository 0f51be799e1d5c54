"""What all tests share."""

import contextlib
import functools
import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import pytest
import torch
from hypothesis import settings

from dropexp.cli.main import run_command
from dropexp.config.groups import forget_added_files
from dropexp.runs import durable
from dropexp.sweep import timing
from tests.processes import PLAIN_OUTPUT, end_started

# What tests use is not what the user has used: see dropexp/runs/trust.py.
_STATE = tempfile.TemporaryDirectory(prefix="dropexp-state-")
os.environ["XDG_STATE_HOME"] = _STATE.name
# How a terminal shows things is for each test to say, not for the machine that runs the tests.
for _name in (
    *("CI", "GITHUB_ACTIONS", "JPY_PARENT_PID", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
    *("COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "PY_COLORS", "TERMINAL_WIDTH"),
):
    os.environ.pop(_name, None)
# The machine may be busy: how long an example takes says nothing.
settings.register_profile("dropexp", deadline=None)
settings.load_profile("dropexp")
# Two test processes share two cores.
torch.set_num_threads(1)


class UnsyncedDisk(durable.Disk):
    """Does not wait for the disk, on which a test's folder need not survive a power cut."""

    def sync(self, descriptor: int) -> None:
        pass

    def sync_folder(self, path: str) -> None:
        pass


durable.disk = UnsyncedDisk()

TIME_EPOCHS = timing.time_epochs
"""Takes a process: only tests of ``--dry-run`` about it put it back."""
timing.time_epochs = lambda configs: [None] * len(configs)

QUICK = ("train.epochs=2", "data.train_size=60", "model.width=4", "threads=1")
"""Overrides that make a run a matter of milliseconds."""

Dropexp = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the studies that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    for item in items:
        if not item.get_closest_marker("slow"):
            continue
        if not config.getoption("--slow"):
            # Together they take far longer than the minutes that a change may wait for CI; one
            # flag runs them, and none is skipped for its result.
            item.add_marker(pytest.mark.skip(reason="longer than a change waits: --slow runs it"))
        elif not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1800))  # that of others is in pyproject.toml


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """The next test has neither the processes of a test nor its files in the groups of conf/."""
    yield
    end_started()
    forget_added_files()


class Terminal(io.StringIO):
    """Standard input on which somebody has typed a text."""

    def isatty(self) -> bool:
        return True


def run_dropexp(
    folder: Path, *arguments: str, stdin: io.StringIO | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a command in this process with a folder as the current one; see ``dropexp``.

    The state that commands leave in a process is put back: torch's settings, signal handlers.
    """
    out, errors = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        mock.patch.dict(os.environ, PLAIN_OUTPUT),
        mock.patch.object(sys, "argv", ["dropexp", *arguments]),
        # "python -m pytest" is not a part of the command's name.
        mock.patch.object(sys.modules["__main__"], "__package__", None),
        mock.patch.object(sys, "stdin", stdin or io.StringIO()),
    ):
        try:
            code = run_command(list(arguments))
        finally:
            forget_added_files()
            for number, handler in handlers.items():
                signal.signal(number, handler)
            torch.set_num_threads(threads)
            torch.set_deterministic_debug_mode(mode)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), errors.getvalue())


def assert_refused(folder: Path, arguments: Sequence[str], words: Iterable[str]) -> None:
    """Assert that a command is refused in a sentence with these words, and starts no run."""
    done = run_dropexp(folder, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert list(folder.glob("runs/*-s*")) == []


@pytest.fixture
def dropexp(tmp_path: Path) -> Dropexp:
    """A command, run in this process and in an empty folder of its own.

    It saves the 2 s in which a process imports torch. A test about processes (signals, workers,
    imports, a terminal) uses ``dropexp_process``.
    """
    return functools.partial(run_dropexp, tmp_path)


@pytest.fixture
def dropexp_process(tmp_path: Path) -> Dropexp:
    """The real command in a process of its own, run in an empty folder of its own."""

    def command(*arguments: str, **options: object) -> "subprocess.CompletedProcess[str]":
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [sys.executable, "-m", "dropexp", *arguments],
            cwd=tmp_path,
            env=os.environ | PLAIN_OUTPUT,
            capture_output=True,
            text=True,
            check=False,
            **options,  # type: ignore[call-overload]
        )
        return done

    return command
