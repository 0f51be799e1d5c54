"""The command that is shown for a run trains that very run, or is not shown."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from dropexp.config.compose import compose_run
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import extract_setting, flatten
from dropexp.errors import ConfigError
from dropexp.runs.files import CONFIG
from dropexp.runs.overrides import (
    ChangedField,
    find_changed_fields,
    find_overrides,
    find_setting_overrides,
    find_training_command,
)
from dropexp.runs.trust import remember_use
from dropexp.runs.write import RunFolder
from tests.run_folders import write_finished_run

Make = Callable[..., RunFolder]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes the folder of a finished run."""
    return lambda *overrides: write_finished_run(tmp_path, 1.0, *overrides)


REQUESTS: list[list[str]] = [
    [],
    ["p=0.3"],
    ["regulariser=dropout2d", "p=0.123456789012", "seed=7", "threads=2"],
    ["regulariser=stochastic_depth", "regulariser.scaling=eval", "data.seed=3", "study=a-b"],
    ["model=mlp", "model.hidden=[8,16]", "regulariser=dropout", "runs_dir=my runs", "study='1'"],
    ["optimiser=sgd", "optimiser/schedule=one_cycle", "train/early_stopping=patience"],
    ["data=cifar10", r"data.root='it\'s here'", "model=resnet", "train.clip=1", "audit=warn"],
    ["model=custom", "model.target=torch.nn.modules.linear:Linear", "+model.options.bias=true"],
    ["model.shortcut=true", "+train.early_stopping={patience: 3}", "device=cpu"],
    ["logger=mlflow", "logger.mlflow.tracking_uri=sqlite:///a.db", "seed=1"],
    ["logger=[wandb,mlflow]", "logger.wandb.mode=offline"],
    ["logger=none"],
]


@pytest.mark.parametrize("request_", REQUESTS, ids=" ".join)
def test_the_command_shown_trains_this_very_run(make: Make, request_: list[str]) -> None:
    folder = make(*request_)
    command = find_training_command(folder)
    assert command is not None
    program, verb, *overrides = shlex.split(command)
    assert (program, verb) == ("dropexp", "train")
    assert compose_run(overrides) == compose_run(request_)
    assert len(overrides) <= len(request_) + 1
    assert not any(override.startswith("+logger") for override in overrides)


def test_the_command_shown_does_not_train_a_finished_run_anew(
    make: Make,
) -> None:
    assert find_training_command(make("force=true", "seed=3")) == "dropexp train seed=3"


def test_no_command_is_shown_that_would_train_another_run(make: Make) -> None:
    folder = make()
    plain = yaml.safe_load((folder.path / CONFIG).read_text())
    folder.write(CONFIG, yaml.safe_dump({**plain, "of_a_later_version": 1}))
    assert find_training_command(folder) is None


def test_the_command_of_a_run_on_pictures_is_shown_and_unused_pictures_are_not_read(
    make: Make, tmp_path: Path
) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / "train" / name).mkdir(parents=True)
        (tmp_path / "pictures" / "train" / name / "0.bmp").write_bytes(b"pixels")
    folder = make("data=image_folder", f"data.root={tmp_path / 'pictures'}", "data.image_size=8")
    assert "data=image_folder" in str(find_training_command(folder))
    assert "fingerprint" not in str(find_training_command(folder))
    (tmp_path / "pictures" / "train" / "cat" / "0.bmp").write_bytes(b"others")
    assert "data=image_folder" in str(find_training_command(folder))
    remember_use(RunConfig.from_mapping(folder.read_config()))
    assert find_training_command(folder) is None


@pytest.mark.parametrize(
    ("target", "option"),
    [
        (["data=custom", "data.target=theirs:load"], "data.options.table"),
        (["model=custom", "model.target=theirs:Net"], "model.options.table"),
        (
            ["regulariser=custom", "regulariser.target=theirs:Noise", "p=0.3"],
            "regulariser.options.table",
        ),
    ],
)
def test_the_command_of_a_run_whose_options_name_a_file_has_its_path(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: list[str], option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text("")
    (tmp_path / "table.txt").write_text("content")
    request = [*target, f"+{option}=./table.txt"]
    folder = make(*request)
    command = find_training_command(folder)
    assert command is not None
    assert f"+{option}=./table.txt" in command
    assert "option_files" not in command
    assert compose_run(shlex.split(command)[2:]) == compose_run(request)
    fields = extract_setting(folder.read_config())
    assert fields[option] == "table.txt"
    with pytest.raises(ConfigError, match="folder of a file"):  # a setting does not know it
        find_setting_overrides(fields)


def test_differences_are_to_plain_train_and_name_what_follows_once() -> None:
    overrides = ["regulariser=dropout2d", "p=0.3", "seed=2", "train.epochs=5"]
    found = find_changed_fields(flatten(compose_run(overrides).to_mapping()))
    assert {each.key: (each.value, each.default) for each in found} == {
        "p": (0.3, 0.0),
        "seed": (2, 0),
        "regulariser.name": ("dropout2d", "none"),
        "train.epochs": (5, 30),
    }
    overrides.append("regulariser.inplace=true")
    more = find_changed_fields(flatten(compose_run(overrides).to_mapping()))
    assert [each for each in more if each not in found] == [
        ChangedField("regulariser.inplace", True, False)
    ]
    assert find_changed_fields(flatten(compose_run([]).to_mapping())) == []


def test_the_command_of_a_run_with_code_of_the_users_is_as_a_user_types_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text("def load():\n    pass\n")
    words = [
        *("data=custom", "regulariser=custom", "p=0.3"),
        *("data.target=theirs:load", "regulariser.target=theirs:load"),
        *("+data.options.year=2024", "+regulariser.options.size=3"),
    ]
    config = compose_run(words)
    assert sorted(find_overrides(config)) == sorted(words)
    changed = {each.key for each in find_changed_fields(flatten(config.to_mapping()))}
    assert "regulariser.time_schedule" not in changed
    assert {"regulariser.target", "data.target", "regulariser.options.size"} <= changed
