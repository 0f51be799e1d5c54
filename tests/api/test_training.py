"""Training from Python: one run, a sweep, and their progress in a notebook."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import hydra
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

import dropexp
from dropexp.api import TrainedRun
from dropexp.cli import notebook_bar
from dropexp.errors import ConfigError, RunError, UserError
from tests.conftest import QUICK


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_trained_once_and_has_its_results(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    first: TrainedRun = dropexp.train([*QUICK, "regulariser=dropout2d", "p=0.3"])
    assert "epoch 2/2" in capsys.readouterr().out
    again = dropexp.train([*QUICK, "regulariser=dropout2d", "p=0.3"], quiet=True)
    assert capsys.readouterr().out == ""
    assert (first.is_reused, again.is_reused) == (False, True)
    assert again.summary == first.summary
    assert first.folder.name == first.run_id
    assert f"{first.summary.last.test_loss:.3f}" in str(first)
    assert "<pre>" in first._repr_html_()
    assert (torch.get_num_threads(), torch.get_deterministic_debug_mode()) == (threads, mode)


def test_curves_of_a_run_are_a_frame(folder: Path) -> None:
    pytest.importorskip("pandas")
    run = dropexp.train(list(QUICK), quiet=True)
    assert run.curves()["val_loss"].tolist() == [record.val_loss for record in run.records]


def test_a_text_in_place_of_a_list_and_a_wrong_override_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"give a list: \['p=0.3'\]"):
        dropexp.train("p=0.3")
    with pytest.raises(UserError, match=r"^1 is not an override; write a text"):
        dropexp.train([1])  # type: ignore[list-item]
    with pytest.raises(UserError, match="overrides=7 is not allowed"):
        dropexp.train(7)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="p=7 is not allowed"):
        dropexp.train(["p=7"])
    assert list(folder.iterdir()) == []


def test_a_program_of_hydras_keeps_its_own(folder: Path) -> None:
    """One Hydra of a process is that of compose; dropexp uses another one meanwhile."""
    (folder / "own").mkdir()
    (folder / "own" / "config.yaml").write_text("speed: 1\n")
    dropexp.train([*QUICK, "train.epochs=1"], quiet=True)
    with hydra.initialize_config_dir(str(folder / "own"), version_base="1.3"):
        dropexp.train([*QUICK, "train.epochs=1", "seed=1"], quiet=True)
        assert hydra.compose("config", ["speed=3"]) == {"speed": 3}
    dropexp.train([*QUICK, "train.epochs=1", "seed=2"], quiet=True)
    assert not GlobalHydra.instance().is_initialized()


OWN_NETWORK = """
from torch import nn
from sizes import WIDTH


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, WIDTH), nn.ReLU())
        self.head = nn.Linear(WIDTH, num_classes)

    def forward(self, x):
        return self.head(self.layers(x))
"""


def test_code_that_changes_between_two_calls_is_imported_anew(folder: Path) -> None:
    """As in a notebook: a run with a new id must not be one of the code before."""
    (folder / "net_of_a_notebook.py").write_text(OWN_NETWORK)
    own = ["model=custom", "model.target=net_of_a_notebook:Net"]
    runs = []
    for width in (4, 8):
        (folder / "sizes.py").write_text(f"WIDTH = {width}\n")
        runs.append(dropexp.train([*own, "train.epochs=1", "data.train_size=20"], quiet=True))
    assert [run.summary.parameters for run in runs] == [4 * 65 + 5 * 10, 8 * 65 + 9 * 10]
    assert runs[0].run_id != runs[1].run_id


def test_code_that_changes_after_the_user_has_imported_it_is_imported_anew(folder: Path) -> None:
    (folder / "net_of_a_notebook.py").write_text(OWN_NETWORK.replace("sizes", "other_sizes"))
    (folder / "other_sizes.py").write_text("WIDTH = 4\n")
    script = """
import pathlib, sys
sys.dont_write_bytecode = False
sys.path.insert(0, "")
import net_of_a_notebook
pathlib.Path("other_sizes.py").write_text("WIDTH = 4 + 4\\n")
from dropexp.data.user_code import import_target
made = import_target("net_of_a_notebook:Net", "model.target")(10)
print(sum(each.numel() for each in made.parameters()))
"""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.split() == [str(8 * 65 + 9 * 10)]


class Handle:
    def __init__(self, shown: list[dict[str, str]]) -> None:
        self.shown = shown

    def update(self, content: dict[str, str], *, raw: bool) -> None:
        self.shown.append(content)


@pytest.fixture
def shown() -> Iterator[list[dict[str, str]]]:
    """What a notebook's kernel is asked to show in the one place of the bar."""
    shown: list[dict[str, str]] = []

    def display(content: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert not shown, "a second bar"
        shown.append(content)
        return Handle(shown)

    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    modules = {"IPython": kernel, "IPython.display": SimpleNamespace(display=display)}
    with mock.patch.dict(sys.modules, modules):
        yield shown


def test_a_notebook_shows_one_bar_that_is_updated(
    folder: Path,
    shown: list[dict[str, str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notebook_bar, "_SECONDS_BETWEEN_UPDATES", 0.0)
    monkeypatch.setattr("dropexp.cli.run_console._SECONDS_BETWEEN_REFRESHES", 0.0)
    dropexp.train(list(QUICK))
    assert "epoch" not in capsys.readouterr().out
    assert 'value="1.0000"' in shown[-1]["text/html"]
    assert shown[-1]["text/plain"].startswith("100%  epoch 2/2")


SCRIPT = """
import dropexp
print("started")
overrides = ["regulariser=none,dropout2d", "p=0.3", "seed=0", "study=mine", *{quick!r}]
study = dropexp.sweep(overrides)
again = dropexp.sweep(overrides, quiet=True)
print(study, len(study.compare().rows), again.trained)
"""


def test_a_script_without_a_guard_sweeps_once(folder: Path) -> None:
    """The processes of runs do not import the script, which would sweep again."""
    script = folder / "script.py"
    script.write_text(SCRIPT.format(quick=QUICK))
    environment = {**os.environ, "PYTHONPATH": str(Path(dropexp.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("started") == 1
    assert done.stdout.splitlines()[-1] == "<study mine: 2 runs in runs, 2 trained now> 2 0"


def test_a_failed_run_is_an_error_that_names_it_after_all_others_have_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = SimpleNamespace(run_id="none-p0-s1-00000000")
    failed = SimpleNamespace(run=run, results=None, error="the disk melted")
    progress = SimpleNamespace(unsuccessful=(failed,), total=2)
    result = SimpleNamespace(disk_problem=None, is_interrupted=False, progress=progress, trained=2)
    monkeypatch.setattr("dropexp.cli.launch_sweep.launch", lambda *_, **__: result)
    with pytest.raises(RunError, match=r"1 of 2 runs failed: none-p0-s1-00000000: the disk melted"):
        dropexp.sweep(["seed=0,1", *QUICK])
    result.is_interrupted = True
    with pytest.raises(KeyboardInterrupt):
        dropexp.sweep(["seed=0,1", *QUICK])
