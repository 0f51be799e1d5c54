"""Whether two trainings came to the same numbers, and what a second training may change."""

import json
import math
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dropexp.config.compose import compose_run, to_yaml
from dropexp.errors import ConfigError, UserError
from dropexp.runs.overrides import ChangedField, find_changed_fields, find_training_command
from dropexp.runs.records import EpochRecord, RunSummary
from dropexp.runs.write import CONFIG, ENVIRONMENT, SUMMARY, RunFolder
from dropexp.training.agreement import (
    ACCURACY_TOLERANCE,
    RELATIVE_TOLERANCE,
    Agreement,
    AgreementVerdict,
    compare_environments,
    compare_trainings,
)
from dropexp.training.rerun import build_rerun_config, list_caveats, read_recorded_run
from tests.run_folders import make_record, make_summary, write_finished_run

EPOCHS = [make_record(1, 2.0), make_record(2, 1.0), make_record(3, 1.5)]
SUMMARY_OF_EPOCHS = make_summary(EPOCHS[1], EPOCHS[2])


def compared(now: list[EpochRecord], summary_now: RunSummary = SUMMARY_OF_EPOCHS) -> Agreement:
    return compare_trainings(EPOCHS, SUMMARY_OF_EPOCHS, now, summary_now)


def second_epoch(**values: float) -> list[EpochRecord]:
    return [EPOCHS[0], replace(EPOCHS[1], **values), EPOCHS[2]]  # type: ignore[arg-type]


# --- comparing --------------------------------------------------------------------------------


def test_the_same_numbers_are_identical_however_long_they_took() -> None:
    assert (
        compared([replace(each, seconds=99.0) for each in EPOCHS]).verdict
        is AgreementVerdict.IDENTICAL
    )


@pytest.mark.parametrize(
    "metric", ["lr", "p", "noisy_train_loss", "train_loss", "train_acc", "val_loss", "val_acc"]
)
def test_a_difference_in_any_metric_of_any_epoch_is_seen(metric: str) -> None:
    value = getattr(EPOCHS[1], metric)
    close = compared(second_epoch(**{metric: math.nextafter(value, 9.0)}))
    assert close.verdict is AgreementVerdict.AGREES
    assert close.largest is not None
    assert (close.largest.metric, close.largest.where) == (metric, "epoch 2")
    far = compared(second_epoch(**{metric: value + 0.1}))
    assert far.verdict is AgreementVerdict.DIFFERS
    assert [each.metric for each in far.intolerable] == [metric]


@pytest.mark.parametrize("block", ["best", "last"])
@pytest.mark.parametrize("metric", ["test_loss", "test_acc", "val_loss"])
def test_a_difference_in_the_results_is_seen(block: str, metric: str) -> None:
    selected = getattr(SUMMARY_OF_EPOCHS, block)
    other = replace(selected, **{metric: getattr(selected, metric) + 0.1})
    found = compared(EPOCHS, replace(SUMMARY_OF_EPOCHS, **{block: other}))
    assert found.verdict is AgreementVerdict.DIFFERS
    assert [each.where for each in found.intolerable] == [f"{block} epoch"]


@given(loss=st.floats(1e-2, 1e3), share=st.floats(-3, 3))
def test_losses_agree_up_to_the_tolerance(loss: float, share: float) -> None:
    before = [replace(EPOCHS[0], val_loss=loss)]
    after = [replace(EPOCHS[0], val_loss=loss * (1 + share * RELATIVE_TOLERANCE))]
    found = compare_trainings(before, SUMMARY_OF_EPOCHS, after, SUMMARY_OF_EPOCHS)
    if abs(share) < 0.99:
        assert found.verdict is not AgreementVerdict.DIFFERS
    elif abs(share) > 1.01:
        assert found.verdict is AgreementVerdict.DIFFERS


def test_accuracies_agree_up_to_theirs() -> None:
    value = EPOCHS[1].val_acc
    near, far = value + 0.9 * ACCURACY_TOLERANCE, value + 1.1 * ACCURACY_TOLERANCE
    assert compared(second_epoch(val_acc=near)).verdict is AgreementVerdict.AGREES
    assert compared(second_epoch(val_acc=far)).verdict is AgreementVerdict.DIFFERS


def test_what_is_no_number_agrees_only_with_its_like() -> None:
    diverged = [EPOCHS[0], replace(EPOCHS[1], val_loss=math.nan)]
    end = make_summary(EPOCHS[0], diverged[1])
    assert compare_trainings(diverged, end, diverged, end).verdict is AgreementVerdict.IDENTICAL
    assert compare_trainings(diverged, end, EPOCHS[:2], end).verdict is AgreementVerdict.DIFFERS
    assert (
        compare_trainings(diverged, end, diverged, replace(end, best=None)).verdict
        is AgreementVerdict.DIFFERS
    )


def test_another_number_of_epochs_does_not_agree() -> None:
    assert compared(EPOCHS[:2]).verdict is AgreementVerdict.DIFFERS
    assert compared([*EPOCHS, EPOCHS[2]]).verdict is AgreementVerdict.DIFFERS


def test_another_best_epoch_is_not_identical() -> None:
    best = SUMMARY_OF_EPOCHS.best
    assert best is not None
    found = compared(EPOCHS, replace(SUMMARY_OF_EPOCHS, best=replace(best, epoch=3)))
    assert (found.verdict, found.best_epochs) == (AgreementVerdict.AGREES, (2, 3))


def test_machines_differ_in_what_matters_to_numbers_only() -> None:
    before = {"threads": 1, "packages": {"torch": "2.11", "numpy": "2"}, "command": ["a"]}
    after = {"threads": 2, "packages": {"torch": "2.13", "numpy": "2"}, "command": ["b"]}
    assert compare_environments(before, after) == {"threads": (1, 2), "torch": ("2.11", "2.13")}


# --- what is trained again ----------------------------------------------------------------------


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., RunFolder]:
    """A finished run folder whose summary belongs to its config."""

    def folder(*overrides: str) -> RunFolder:
        made = write_finished_run(tmp_path, 1.0, *overrides)
        made.write_metrics([make_record(1, 1.0)])
        made.write_json(ENVIRONMENT, {"threads": 3})
        whole = replace(made.read_summary(), config_hash=compose_run(overrides).config_hash)
        made.write_json(SUMMARY, whole.to_json())
        return made

    return folder


def test_a_rerun_is_the_same_run_elsewhere(make: Callable[..., RunFolder], tmp_path: Path) -> None:
    known = read_recorded_run(make("regulariser=dropout2d", "p=0.3", "seed=4", "force=true"))
    words = ["device=cuda:1", "tensorboard.images=false"]
    config = build_rerun_config(known, words, tmp_path / "there", is_kept=True)
    assert config.config_hash == known.config.config_hash
    assert (config.runs_dir, config.force) == (str(tmp_path / "there"), False)
    assert (config.device, config.tensorboard.images) == ("cuda:1", False)
    assert list_caveats(known) == []


@pytest.mark.parametrize(
    ("recorded_threads", "words", "threads"),
    [([], [], 3), (["threads=2"], [], 2), ([], ["threads=5"], 5), ([], ["threads=null"], None)],
)
def test_threads_are_those_that_were_used(
    make: Callable[..., RunFolder],
    tmp_path: Path,
    recorded_threads: list[str],
    words: list[str],
    threads: int | None,
) -> None:
    known = read_recorded_run(make(*recorded_threads))
    assert build_rerun_config(known, words, tmp_path, is_kept=False).threads == threads


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("train.epochs=3", "is not allowed"),
        ("seed=1", "is not allowed"),
        ("runs_dir=x", "is not allowed"),
        ("thread=1", "Did you mean threads"),
        ("threads=0", "threads=0"),
        ("device=tpu", "device=tpu"),
        ("device", "key=value"),
        ("data.root=x", "data.root"),
    ],
)
def test_what_would_make_another_run_is_refused(
    make: Callable[..., RunFolder], tmp_path: Path, word: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        build_rerun_config(read_recorded_run(make()), [word], tmp_path, is_kept=False)


def test_a_run_that_is_not_finished_is_refused(make: Callable[..., RunFolder]) -> None:
    folder = make()
    (folder.path / SUMMARY).unlink()
    with pytest.raises(UserError, match="not a finished run"):
        read_recorded_run(folder)


def test_results_of_another_version_or_config_are_doubted(make: Callable[..., RunFolder]) -> None:
    folder = make()
    folder.write(CONFIG, to_yaml(compose_run(["train.epochs=7"])))
    assert "does not belong" in list_caveats(read_recorded_run(folder))[0]
    plain = json.loads((folder.path / SUMMARY).read_text())
    folder.write_json(SUMMARY, {**plain, "results_version": 0})
    assert "results version 0" in list_caveats(read_recorded_run(folder))[0]


# --- the command that trains a run ----------------------------------------------------------------

REQUESTS: list[list[str]] = [
    [],
    ["p=0.3"],
    ["regulariser=dropout2d", "p=0.123456789012", "seed=7", "threads=2"],
    ["regulariser=stochastic_depth", "regulariser.scaling=eval", "data.seed=3", "study=a-b"],
    ["model=mlp", "model.hidden=[8,16]", "regulariser=dropout", "runs_dir=my runs", "study='1'"],
    ["optimiser=sgd", "optimiser/schedule=one_cycle", "train/early_stopping=patience"],
    ["data=cifar10", r"data.root='it\'s here'", "model=resnet", "train.clip=1", "audit=warn"],
    ["model.shortcut=true", "+train.early_stopping={patience: 3}", "device=cpu"],
]


@pytest.mark.parametrize("request_", REQUESTS, ids=" ".join)
def test_the_command_shown_trains_this_very_run(
    make: Callable[..., RunFolder], request_: list[str]
) -> None:
    folder = make(*request_)
    command = find_training_command(folder)
    assert command is not None
    program, verb, *words = shlex.split(command)
    assert (program, verb) == ("dropexp", "train")
    assert compose_run(words) == compose_run(request_)
    assert len(words) <= len(request_) + 1


def test_the_command_shown_does_not_train_a_finished_run_anew(
    make: Callable[..., RunFolder],
) -> None:
    assert find_training_command(make("force=true", "seed=3")) == "dropexp train seed=3"


def test_no_command_is_shown_that_would_train_another_run(make: Callable[..., RunFolder]) -> None:
    folder = make()
    plain = yaml.safe_load((folder.path / CONFIG).read_text())
    folder.write(CONFIG, yaml.safe_dump({**plain, "of_a_later_version": 1}))
    assert find_training_command(folder) is None


def test_the_command_of_a_run_on_pictures_is_shown_while_they_are_the_same(
    make: Callable[..., RunFolder], tmp_path: Path
) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / "train" / name).mkdir(parents=True)
        (tmp_path / "pictures" / "train" / name / "0.bmp").write_bytes(b"pixels")
    folder = make("data=image_folder", f"data.root={tmp_path / 'pictures'}", "data.image_size=8")
    assert "data=image_folder" in str(find_training_command(folder))
    assert "fingerprint" not in str(find_training_command(folder))
    (tmp_path / "pictures" / "train" / "cat" / "0.bmp").write_bytes(b"others")
    assert find_training_command(folder) is None


def test_differences_are_to_plain_train_and_name_what_follows_once() -> None:
    from dropexp.config.setting import flatten

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
