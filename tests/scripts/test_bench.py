"""The rows of scripts/bench: how they are chosen and timed. No test asserts a time."""

import pytest
import torch

from benchmarks import busy, durability, gpu, processes, steps, sweeps
from benchmarks.timing import BenchRow, Pair, measure_medians

ROWS = (*durability.ROWS, *processes.ROWS, *busy.ROWS, *sweeps.ROWS, *steps.ROWS)


def make_no_pair() -> Pair:
    raise AssertionError("a row is prepared only when it is measured")


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names) > 10


def test_both_sides_are_timed_in_turn() -> None:
    calls: list[str] = []
    ours, theirs = measure_medians((lambda: calls.append("ours"), lambda: 2.5), repeats=3)
    assert calls == ["ours"] * 3
    assert 0 <= ours < 1
    assert theirs == 2.5  # an action that returns a float has measured itself


@pytest.mark.parametrize(("module", "missing"), [("no_such_module", "a-package"), ("torch", None)])
def test_a_row_names_the_package_that_is_missing(module: str, missing: str | None) -> None:
    row = BenchRow("row", "ours ÷ theirs", make_no_pair, needs=(module, "a-package"))
    assert row.missing_package == missing


def test_without_a_gpu_the_bench_of_gpus_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("torch.cuda.is_available", lambda: False)
        assert gpu.main(repeats=1) == 2
    assert capsys.readouterr().err == f"{gpu.NO_GPU}\n"


def test_the_loops_of_the_gpu_bench_train() -> None:
    """On the CPU, as no test has a GPU: what they do is the same."""
    overrides = ["data=digits", "data.train_size=40", "model.width=4", "train.batch_size=20"]
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    try:
        speeds = gpu.measure(overrides, 40, "cpu", repeats=1)
        refused = gpu.measure([*overrides, "precision=tf32"], 40, "cpu", repeats=1)
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(mode)
    assert isinstance(speeds, gpu.Speeds), speeds
    assert min(speeds.ours, speeds.by_hand or 0) > 0
    assert " × by hand" in str(speeds)
    assert str(refused).startswith("not measured: DeviceError: precision=tf32 needs a CUDA device")
    assert len(gpu.list_regularisers()) > 10
