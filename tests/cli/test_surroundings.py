"""Commands in odd surroundings: closed streams, a deleted folder, python -O, no shared memory."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

import dropexp
from dropexp.cli.commands import build_app, import_command, list_commands
from tests.conftest import QUICK
from tests.models.custom_networks import NET
from tests.processes import PLAIN_OUTPUT

COMMAND = (sys.executable, "-m", "dropexp")
SWEEP = ("sweep", *QUICK[:-1], "regulariser=none,dropout2d", "seed=1,2")
CAN_UNSHARE = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("unshare") is not None


def run_in_shell(folder: Path, script: str, python: Sequence[str] = ()) -> int:
    """Run a script in which dropexp is "$@", and return its exit code."""
    words = [COMMAND[0], *python, *COMMAND[1:]]
    done = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        cwd=folder,
        env=os.environ | PLAIN_OUTPUT,
        check=False,
    )
    return done.returncode


def count_finished(folder: Path) -> int:
    return len(list(folder.glob("runs/*/summary.json")))


def test_a_training_goes_on_without_anybody_who_reads(tmp_path: Path) -> None:
    # The reader of stdout leaves at once, stdin and stderr are closed.
    words = " ".join(QUICK)
    script = f'"$@" train {words} <&- 2>&- | true; exit ${{PIPESTATUS[0]}}'
    assert run_in_shell(tmp_path, script) == 0
    assert count_finished(tmp_path) == 1


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>err >&-", "2>&- >out", "<&- >&- 2>&-", "<&- >out"])
@pytest.mark.parametrize("command", [("train", *QUICK), SWEEP])
def test_closed_streams_change_no_result(
    command: Sequence[str], closed: str, tmp_path: Path
) -> None:
    assert run_in_shell(tmp_path, f'"$@" {" ".join(command)} {closed}') == 0
    assert count_finished(tmp_path) == (1 if command[0] == "train" else 4)
    assert not list(tmp_path.glob("runs/*/error.txt"))
    for file in ("out", "err"):
        text = (tmp_path / file).read_text() if (tmp_path / file).exists() else ""
        assert "Traceback" not in text


def test_output_that_nobody_wants_is_no_error_and_output_that_is_lost_is_one(
    tmp_path: Path,
) -> None:
    assert run_in_shell(tmp_path, '"$@" --help 2>err | head -1; exit ${PIPESTATUS[0]}') == 0
    assert (tmp_path / "err").read_text() == ""
    assert run_in_shell(tmp_path, '"$@" --help >/dev/full 2>err') == 1
    assert (tmp_path / "err").read_text().startswith("error: the output cannot be written: No ")


def test_a_deleted_folder_gets_a_sentence(tmp_path: Path) -> None:
    script = 'mkdir gone; cd gone; rmdir ../gone; "$@" train 2>../err'
    assert run_in_shell(tmp_path, script) == 2
    error = (tmp_path / "err").read_text()
    assert error.startswith("error: the current folder does not exist any more")
    assert error.count("\n") == 1


def test_no_help_is_made_of_a_docstring() -> None:
    # python -OO removes docstrings, and with them such a help.
    commands: list[Any] = [
        typer.main.get_command(build_app()),
        *map(import_command, list_commands()),
    ]
    for command in commands:
        commands += getattr(command, "commands", {}).values()
    assert [each.name for each in commands if each.callback and each.callback.__doc__] == []


HELPS = """
from dropexp.cli.main import run_command
for command in ("", "sweep", "watch", "runs rm", "study register"):
    run_command([*command.split(), "--help"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_every_step_works_without_asserts_and_docstrings(flag: str, tmp_path: Path) -> None:
    for words in (SWEEP, ("compare",), ("report", "-o", "page.html"), ("runs", "list")):
        assert run_in_shell(tmp_path, f'"$@" {" ".join(words)} >out 2>err', [flag]) == 0
        assert "Traceback" not in (tmp_path / "err").read_text()
    assert count_finished(tmp_path) == 4
    with_docstrings, without = (
        subprocess.run(
            [sys.executable, *flags, "-c", HELPS],
            env=os.environ | PLAIN_OUTPUT,
            capture_output=True,
            check=True,
        )
        for flags in ([], [flag])
    )
    assert with_docstrings.stdout.count(b"Usage: ") == 5
    assert without.stdout == with_docstrings.stdout


@pytest.mark.slow
@pytest.mark.skipif(not CAN_UNSHARE, reason="only root may mount")
def test_a_sweep_needs_no_shared_memory(tmp_path: Path) -> None:
    mounts = "mount --bind /dev/shm /dev/shm && mount -o remount,bind,ro /dev/shm"
    script = f'unshare -m bash -c \'{mounts}; ! touch /dev/shm/x 2>/dev/null && "$@"\' bash "$@"'
    assert run_in_shell(tmp_path, f"{script} {' '.join(SWEEP)} >out 2>err") == 0
    assert count_finished(tmp_path) == 4


def test_modules_of_the_current_folder_are_not_imported(tmp_path: Path) -> None:
    there, here = tmp_path / "bin", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    script = there / "command.py"  # as an installed command: its own folder is on the path
    script.write_text("from dropexp.__main__ import main\nif __name__ == '__main__':\n    main()\n")
    for name in ("selectors", "multiprocessing", "runpy"):
        (here / f"{name}.py").write_text("from pathlib import Path\nPath('EXECUTED').touch()\n")
    (here / "own_net.py").write_text(NET)
    words = ("sweep", *QUICK[:2], "model=custom", "model.target=own_net:Net", "regulariser=none")
    done = subprocess.run(
        [sys.executable, str(script), *words, "seed=1,2"],
        cwd=here,
        env=os.environ | PLAIN_OUTPUT | {"PYTHONPATH": str(Path(dropexp.__file__).parents[1])},
        check=False,
    )
    assert (done.returncode, count_finished(here)) == (0, 2)
    assert not (here / "EXECUTED").exists()
