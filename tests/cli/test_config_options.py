"""--cfg, --resolve and --info answer as Hydra's do, and nothing is trained."""

from pathlib import Path

import pytest
import yaml

from tests.conftest import Dropexp, assert_refused

CHOICE = ("regulariser=dropout2d", "p=0.3")


def read(dropexp: Dropexp, *arguments: str) -> dict[str, dict[str, object]]:
    done = dropexp(*arguments)
    assert done.returncode == 0, done.stderr
    shown: dict[str, dict[str, object]] = yaml.safe_load(done.stdout)
    return shown


def test_cfg_job_is_what_hydra_composes_and_resolve_fills_it_in(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    job = read(dropexp, "train", *CHOICE, "--cfg", "job")
    assert job["regulariser"]["p"] == "${p}"
    assert "hydra" not in job
    assert read(dropexp, "train", *CHOICE, "-c", "job", "--resolve")["regulariser"]["p"] == 0.3
    combined = read(dropexp, "train", "regulariser=dropout2d+dropconnect", "--cfg", "all")
    assert combined["regulariser"].keys() == {"name", "dropout2d", "dropconnect"}
    assert combined["hydra"]["launcher"]
    assert read(dropexp, "train", *CHOICE, "--cfg", "hydra", "--resolve").keys() == {"hydra"}
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_shows_its_first_run_or_what_its_values_are_composed_with(
    dropexp: Dropexp,
) -> None:
    sweep = ("sweep", "regulariser=none,dropout2d", "p=0.3", "seed=4,5")
    shown = dropexp(*sweep, "--cfg").stdout
    assert shown.startswith("# 4 runs; the first of them:\n# run id: none-p0-s4-")
    job = dropexp(*sweep, "--cfg", "job").stdout
    assert job.startswith("# several values: regulariser=none,dropout2d seed=4,5\n")
    assert yaml.safe_load(job)["seed"] == 0


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("searchpath", ["Config search path", "/conf"]),
        ("defaults", ["Defaults List", "regulariser/dropout2d"]),
        ("defaults-tree", ["Defaults Tree"]),
        ("plugins", ["Installed Hydra Plugins"]),
    ],
)
def test_info_is_hydras_own(dropexp: Dropexp, what: str, words: list[str]) -> None:
    done = dropexp("train", *CHOICE, "--info", what)
    assert done.returncode == 0
    assert all(word in done.stdout for word in words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--cfg", "jbo"], ["--cfg jbo is not known", "job"]),
        (["train", "--info", "defualts"], ["--info defualts is not known", "defaults"]),
        (["train", "--resolve"], ["--cfg job --resolve"]),
        (["train", "--cfg", "job", "regulariser=dropuot2d"], ["dropuot2d", "dropout2d"]),
        (["train", "--info", "regulariser=dropout2d+mixup"], ["--info", "combination"]),
        (["train", "--quiet", "-v"], ["--quiet and --verbose"]),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    assert_refused(tmp_path, arguments, words)
