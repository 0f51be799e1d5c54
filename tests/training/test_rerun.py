"""A rerun trains the recorded config, with overrides that make no other run of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.config.compose import compose_run, to_yaml
from dropexp.errors import ConfigError, StoreError, UserError
from dropexp.runs.files import CONFIG, ENVIRONMENT, SUMMARY
from dropexp.runs.write import RunFolder
from dropexp.training.rerun import build_rerun_config, list_caveats, read_recorded_run
from tests.run_folders import make_record, write_finished_run


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., RunFolder]:
    """A finished run folder whose summary belongs to its config."""

    def folder(*overrides: str) -> RunFolder:
        made = write_finished_run(tmp_path, 1.0, *overrides)
        made.write_metrics([make_record(1, 1.0)])
        made.write_json(ENVIRONMENT, {"threads": 3})
        hash_ = compose_run(overrides).config_hash
        made.write_summary(replace(made.read_summary(), config_hash=hash_, files={}))
        return made

    return folder


def test_a_rerun_is_the_same_run_elsewhere(make: Callable[..., RunFolder], tmp_path: Path) -> None:
    recorded = read_recorded_run(make("regulariser=dropout2d", "p=0.3", "seed=4", "force=true"))
    overrides = ["device=cuda:1", "tensorboard.images=false"]
    config = build_rerun_config(recorded, overrides, tmp_path / "there", is_kept=True)
    assert config.config_hash == recorded.config.config_hash
    assert (config.runs_dir, config.force) == (str(tmp_path / "there"), False)
    assert (config.device, config.tensorboard.images) == ("cuda:1", False)
    assert list_caveats(recorded) == []


@pytest.mark.parametrize(
    ("recorded_threads", "overrides", "threads"),
    [([], [], 3), (["threads=2"], [], 2), ([], ["threads=5"], 5), ([], ["threads=null"], None)],
)
def test_threads_are_the_recorded_number(
    make: Callable[..., RunFolder],
    tmp_path: Path,
    recorded_threads: list[str],
    overrides: list[str],
    threads: int | None,
) -> None:
    recorded = read_recorded_run(make(*recorded_threads))
    assert build_rerun_config(recorded, overrides, tmp_path, is_kept=False).threads == threads


@pytest.mark.parametrize(
    ("override", "message"),
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
def test_an_override_that_makes_another_run_is_refused(
    make: Callable[..., RunFolder], tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build_rerun_config(read_recorded_run(make()), [override], tmp_path, is_kept=False)


def test_a_run_that_is_not_finished_is_refused(make: Callable[..., RunFolder]) -> None:
    folder = make()
    (folder.path / SUMMARY).unlink()
    with pytest.raises(UserError, match="not a finished run"):
        read_recorded_run(folder)


def test_results_of_another_version_or_config_have_a_caveat(make: Callable[..., RunFolder]) -> None:
    folder = make()
    folder.write(CONFIG, to_yaml(compose_run(["train.epochs=7"])))
    assert "does not belong" in list_caveats(read_recorded_run(folder))[0]
    folder.write_summary(replace(folder.read_summary(), results_version=0))
    assert "results version 0" in list_caveats(read_recorded_run(folder))[0]


def test_a_run_that_is_not_whole_is_not_compared_with(make: Callable[..., RunFolder]) -> None:
    folder = make()
    damaged = (folder.path / SUMMARY).read_text().replace('"test_loss": 1.0', '"test_loss": 1.5')
    folder.write(SUMMARY, damaged)
    with pytest.raises(StoreError, match=r"summary.json is damaged"):
        read_recorded_run(folder)
