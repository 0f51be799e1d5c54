"""The commands as a whole: what they import, their help, how they end."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dropexp.cli.commands import build_app, import_command, list_commands
from dropexp.cli.main import main
from dropexp.runs.studies import Study, StudyMember, save_study
from tests.conftest import QUICK, Dropexp
from tests.run_folders import write_finished_run

HEAVY = ("torch", "scipy", "PIL", "torchvision", "torch._dynamo", "pandas", "matplotlib")


def imports_of(
    folder: Path, *commands: tuple[str, ...], heavy: tuple[str, ...] = HEAVY
) -> list[str]:
    """Return the heavy packages that a process has imported after these commands."""
    program = (
        "import sys\n"
        "from dropexp.cli.main import run_command\n"
        f"for command in {commands!r}:\n"
        "    assert run_command(list(command)) == 0, command\n"
        f"print(*(name for name in {heavy!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].split()


def test_help_and_the_commands_that_look_after_runs_import_no_torch(tmp_path: Path) -> None:
    write_finished_run(tmp_path / "runs", 0.5)
    commands = [
        ("--version",),
        ("--help",),
        ("train", "--help"),
        ("train", "--cfg"),
        ("runs", "--help"),
        ("runs", "list"),
        ("runs", "show", "none"),
        ("runs", "rm", "none", "--yes"),
    ]
    assert imports_of(tmp_path, *commands) == []


def test_watching_a_sweep_imports_nothing_that_composes_configs(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    folder = write_finished_run(runs, 0.5)
    fields = {"regulariser.name": "none", "regulariser.p": 0.0}
    save_study(runs, Study("s", (), (fields,), (StudyMember(folder.run_id, 0, 0, 1),)))
    assert (
        imports_of(tmp_path, ("watch", "--once"), heavy=("hydra", "omegaconf", "numpy", "torch"))
        == []
    )


def test_an_ordinary_run_does_not_import_torchs_compiler_or_torchvision(tmp_path: Path) -> None:
    assert set(imports_of(tmp_path, ("train", *QUICK))) <= {"torch", "PIL"}


def test_a_command_imports_none_of_the_others(tmp_path: Path) -> None:
    write_finished_run(tmp_path / "runs", 0.5)
    others = tuple(f"dropexp.cli.{name}" for name in ("train", "sweep", "compare", "study", "tune"))
    assert imports_of(tmp_path, ("runs", "list"), heavy=others) == []


def test_the_help_of_all_commands_imports_none_of_them(tmp_path: Path) -> None:
    modules = ("dropexp.cli.train", "dropexp.cli.compare", "dropexp.cli.runs", "yaml", "hydra")
    assert imports_of(tmp_path, ("--help",), heavy=(*modules, "importlib.metadata")) == []


@pytest.mark.parametrize(("name", "summary"), list_commands().items())
def test_a_command_begins_its_help_with_the_summary_in_the_list(
    dropexp: Dropexp, name: str, summary: str
) -> None:
    assert f" {name} " in dropexp("--help").stdout
    command = import_command(name)
    assert command.name == name
    assert command.help.startswith(f"{summary}\n\n")
    assert summary[:60] in dropexp(name, "--help").stdout


def test_help_names_the_choices_of_every_group(dropexp: Dropexp) -> None:
    train = dropexp("train", "--help").stdout
    for choice in ("dropout2d", "stochastic_depth", "fashion_mnist", "small_cnn"):
        assert choice in train
    assert "regularisers" in dropexp("sweep", "--help").stdout


def test_help_shows_what_an_option_takes_and_no_types_of_python(dropexp: Dropexp) -> None:
    for command in ([], ["train"], ["compare"], ["extend"], ["runs"], ["runs", "rm"]):
        help_text = dropexp(*command, "--help").stdout
        assert not re.search(r"<(bool|str|path|list)", help_text), command


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("--version",), 0), (("nonsense",), 2)])
def test_the_exit_code_says_whether_the_command_was_understood(
    dropexp: Dropexp, arguments: tuple[str, ...], code: int
) -> None:
    assert dropexp(*arguments).returncode == code


def test_train_with_multirun_is_a_sweep(dropexp: Dropexp, tmp_path: Path) -> None:
    """The flag may stand anywhere; options of sweep are understood."""
    done = dropexp("train", "seed=1,2", "-m", "--dry-run")
    assert done.returncode == 0
    assert "2 runs: 2 new" in done.stdout


def test_a_process_with_torch_ends_at_once_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without this, taking torch down would cost 0.2 s; what was printed must not be lost."""

    def end(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(sys, "argv", ["dropexp", "runs", "-r", str(tmp_path / "nowhere")])
    for name in ("stdin", "stdout", "stderr"):  # main() replaces them; this puts them back
        monkeypatch.setattr(sys, name, getattr(sys, name))
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "nowhere is not a folder" in capfd.readouterr().err


def test_the_home_folder_is_expanded_in_every_runs_dir(
    dropexp: Dropexp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_finished_run(tmp_path / "runs", 0.5)
    assert "none-p0-s0" in dropexp("runs", "--runs-dir=~/runs").stdout
    assert "none-p0-s0" in dropexp("runs", "show", "none", "--runs-dir=~/runs").stdout
    assert f"{tmp_path / 'runs'} has no study" in dropexp("watch", "--runs-dir=~/runs").stderr


@pytest.mark.parametrize("command", ["compare", "report"])
def test_help_in_80_columns_has_each_metric_as_it_is_typed(command: str) -> None:
    done = CliRunner(env={"COLUMNS": "80"}).invoke(build_app(), [command, "--help"])
    assert done.exit_code == 0
    assert "right_label_forgetting_events" in done.stdout
    assert "Options of a file of results" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
