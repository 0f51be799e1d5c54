"""What commands advise: only what helps, where it helps, and once."""

from pathlib import Path

import pytest

from dropexp.training import bfloat16
from tests.builders import make_pictures
from tests.conftest import QUICK, Dropexp

IDLE_P = "p is ignored because regulariser=none"
SLOW = "precision=bfloat16 is about three times slower than float32 here"


def write_cpu_info(path: Path, flags: str, key: str = "flags") -> Path:
    core = f"processor\t: 0\nmodel name\t: A processor with bf16\n{key}\t\t: {flags}\n\n"
    path.write_text(core * 2)
    return path


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (("++p=0.1,0.3",), "p"),
        (("regulariser=none", "regulariser.p=0.3", "seed=1,2"), "regulariser.p"),
        (("model=resnet", "model.dropout_site=before_norm,last"), "model.dropout_site"),
        (("regulariser=none,dropout2d", "p=0.1,0.3"), None),
    ],
)
def test_a_sweep_says_once_that_noise_without_a_regulariser_is_ignored(
    overrides: tuple[str, ...], key: str | None, dropexp: Dropexp
) -> None:
    said = dropexp("sweep", *overrides, "--dry-run").stderr
    assert said.count("is ignored because regulariser=none") == (key is not None)
    assert key is None or f"warning: {key} is ignored because" in said


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_size_of_a_folder_of_pictures_is_said_to_be_ignored(
    command: str, dropexp: Dropexp, tmp_path: Path
) -> None:
    data = ("data=image_folder", f"data.root={make_pictures(tmp_path / 'pictures', per_class=8)}")
    sizes = ("data.image_size=8", "data.val_size=2", "data.test_size=2", "data.train_size=10")
    rest = (
        ("--dry-run",) if command == "sweep" else ("train.epochs=1", "model.width=4", "threads=1")
    )
    said = dropexp(command, *data, *sizes, *rest)
    assert said.returncode == 0, said.stdout + said.stderr
    printed = said.stdout + said.stderr
    assert printed.count("is ignored because") == 1
    assert "data.test_size is ignored because data.root has a folder test" in printed


@pytest.mark.parametrize(
    ("flags", "key", "expected"),
    [
        ("fpu avx2 avx512f", "flags", False),
        ("fpu avx512_bf16 avx512f", "flags", True),
        ("fpu amx_tile amx_bf16", "flags", True),
        ("fp asimd sve bf16", "Features", True),
        ("fp asimd sve", "Features", False),
        ("fp asimd", "Other", None),
    ],
)
def test_the_processors_instructions_are_read(
    flags: str, key: str, expected: bool | None, tmp_path: Path
) -> None:
    info = write_cpu_info(tmp_path / "cpuinfo", flags, key)
    assert bfloat16.has_bfloat16_instructions(info) is expected
    assert bfloat16.has_bfloat16_instructions(tmp_path / "none") is None


def test_bfloat16_on_a_processor_without_it_is_said_once_and_before_training(
    dropexp: Dropexp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = write_cpu_info(tmp_path / "cpuinfo", "fpu avx2")
    monkeypatch.setattr(bfloat16, "_CPU_INFO", without)
    sweep = ("sweep", "seed=1,2", "device=cpu", "--dry-run")
    assert dropexp(*sweep, "precision=bfloat16,float32").stderr.count(SLOW) == 1
    refused_later = dropexp("train", "device=cpu", "precision=bfloat16", "data.train_size=5000")
    assert refused_later.returncode == 2
    assert refused_later.stderr.startswith(f"warning: {SLOW}")
    write_cpu_info(without, "fpu avx512_bf16")
    assert SLOW not in dropexp(*sweep, "precision=bfloat16").stderr


def test_nothing_is_to_be_compared_where_nothing_has_finished(dropexp: Dropexp) -> None:
    diverged = dropexp("train", *QUICK, "optimiser=sgd", "optimiser.lr=1e30", "audit=off")
    assert diverged.returncode == 1
    assert "dropexp compare" not in diverged.stdout
    assert "tensorboard --logdir runs" in diverged.stdout
