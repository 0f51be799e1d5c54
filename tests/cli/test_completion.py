"""What a shell completes: groups, choices, keys, values, studies and folders."""

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from tests.conftest import run_dropexp


def complete_in_bash(folder: Path, *words: str) -> list[str]:
    """Return what bash would offer for the last of the words, which it has split at ``=``."""
    typed = {"COMP_WORDS": "\n".join(["dropexp", *words]), "COMP_CWORD": str(len(words))}
    with mock.patch.dict(os.environ, {"_DROPEXP_COMPLETE": "complete_bash", **typed}):
        return run_dropexp(folder).stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["regulariser", "=", "dropc"], ["dropconnect"]),
        (["data", "="], "digits"),
        (["regul"], ["regulariser=", "regulariser.p="]),
        (["+regul"], ["+regulariser=", "+regulariser.p="]),
        (["optimiser/"], "optimiser/schedule=cosine"),
        (["train.ep"], ["train.epochs=", "train.epochs=30"]),
        (["data.augment", "=", "c"], ["crop", "crop_flip"]),
        (["regulariser", "=", "none,drop"], "none,dropout2d"),
        (["regulariser", "=", "dropout2d+dropc"], ["dropout2d+dropconnect"]),
        (["regulariser", "=", "dropconnect", "regulariser.mask", "="], ["example", "batch"]),
        (
            ["regulariser", "=", "dropout2d+mixup", "regulariser.mixup.a"],
            "regulariser.mixup.alpha=1.0",
        ),
        (["force", "="], ["true", "false"]),
        (["logger", "=", "ml"], ["mlflow"]),
        (["logger", "=", "[mlflow,wandb]", "logger.wandb.mode", "="], ["online", "offline"]),
        (["logger", "=", "mlflow", "logger.w"], []),
        (["study", "=", "q"], ["quick"]),
        (["hydra/launcher", "=", "j"], ["joblib"]),
        (["data", "=", "mnist", "data.root", "=", "pic"], ["pictures/"]),
        (["train.nothing", "=", "x"], []),
        (["--cf"], ["--cfg"]),
    ],
)
def test_bash(tmp_path: Path, words: list[str], offered: list[str] | str) -> None:
    (tmp_path / "pictures").mkdir()
    found = complete_in_bash(tmp_path, "train", *words)
    if isinstance(offered, str):
        assert offered in found
    else:
        assert found == offered


def test_commands_are_completed(tmp_path: Path) -> None:
    assert set(complete_in_bash(tmp_path, "s")) == {"sweep", "study"}
    assert complete_in_bash(tmp_path, "study", "v") == ["verify"]


def test_the_commands_of_runs_are_completed_and_the_options_of_the_one_that_may_be_left_out(
    tmp_path: Path,
) -> None:
    assert complete_in_bash(tmp_path, "runs", "") == ["list", "show", "check", "rm"]
    assert complete_in_bash(tmp_path, "runs", "s") == ["show"]
    assert complete_in_bash(tmp_path, "runs", "--so") == ["--sort"]
    assert complete_in_bash(tmp_path, "runs", "p=0.3", "--so") == ["--sort"]
    assert complete_in_bash(tmp_path, "runs", "rm", "--y") == ["--yes"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["extend", "f"], ["first"]),
        (["watch", ""], ["first", "second"]),
        (["board", "s"], ["second"]),
        (["study", "verify", "s"], ["second"]),
        (["compare", "study", "=", "f"], ["first"]),
        (["report", "study", "="], ["first", "second"]),
        (["compare", "st"], ["study=first", "study=second"]),
        (["effects", "study", "=", "s"], ["second"]),
        (["runs", "list", "study", "=", "f"], ["first"]),
        (["runs", "study", "=", "f"], ["first"]),
        (["runs", "s"], ["show"]),
        (["runs", "show", "no"], ["none-p0-s0-0123abcd"]),
        (["runs", "rm", "no"], ["none-p0-s0-0123abcd"]),
        (["rerun", "none"], ["none-p0-s0-0123abcd"]),
        (["runs", "show", "-r", "nowhere", ""], []),
    ],
)
def test_studies_and_runs_are_completed_by_name(
    tmp_path: Path, words: list[str], offered: list[str]
) -> None:
    for name in ("first", "second"):
        study = tmp_path / "runs" / ".studies" / f"{name}.json"
        study.parent.mkdir(parents=True, exist_ok=True)
        study.write_text("{}")
    for name in ("none-p0-s0-0123abcd", "notes"):
        (tmp_path / "runs" / name).mkdir()
    assert complete_in_bash(tmp_path, *words) == offered


@pytest.mark.parametrize(
    "typed",
    [
        {
            "_DROPEXP_COMPLETE": "complete_bash",
            "COMP_WORDS": "dropexp\nstudy\nve",
            "COMP_CWORD": "2",
        },
        {"_DROPEXP_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "dropexp study ve"},
    ],
)
def test_completing_a_command_imports_none_of_the_others(
    tmp_path: Path, typed: dict[str, str]
) -> None:
    program = (
        "import sys\n"
        "sys.argv = ['dropexp']\n"
        "from dropexp.cli.main import run_command\n"
        "run_command([])\n"
        "print([name for name in sys.modules if name.startswith('dropexp.cli.train')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, **typed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["sweep", "tune", "audit"])
def test_other_commands_with_overrides_complete_them(tmp_path: Path, command: str) -> None:
    assert complete_in_bash(tmp_path, command, "model", "=", "res") == ["resnet"]


@pytest.mark.parametrize(
    ("shell", "line", "expected"),
    [
        ("fish", "train p=0.3 regulariser=dropc", "regulariser=dropconnect"),
        ("zsh", "train p=0.3 regulariser=dropc", ':(("regulariser=dropconnect"))'),
        ("fish", "runs sh", "show"),
        ("zsh", "runs sh", '"show"'),
    ],
)
def test_zsh_and_fish_get_whole_words(tmp_path: Path, shell: str, line: str, expected: str) -> None:
    typed = {
        "_DROPEXP_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": f"dropexp {line}",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    with mock.patch.dict(os.environ, typed):
        assert expected in run_dropexp(tmp_path).stdout
