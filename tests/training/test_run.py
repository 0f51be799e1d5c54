"""A run's summary is of the weights it says it is of."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dropexp import data
from dropexp.cli.run_console import RunConsole
from dropexp.statistics import expected_calibration_error
from dropexp.training.build import build_state
from dropexp.training.evaluation import evaluate, evaluate_final
from dropexp.training.run import run
from tests.builders import build_parts, compose_tiny


@pytest.mark.parametrize("regulariser", ["none", "dropconnect"])
def test_best_is_measured_with_the_weights_of_the_best_epoch(
    tmp_path: Path, regulariser: str
) -> None:
    config = compose_tiny(
        f"regulariser={regulariser}",
        "train.epochs=10",
        "optimiser.lr=0.03",
        "data.label_noise=0.4",
        f"runs_dir={tmp_path}",
        "deterministic=false",
    )
    finished = run(config, RunConsole())
    best, last = finished.summary.best, finished.summary.last
    assert best is not None
    assert best.epoch < last.epoch
    splits = data.load(config.data)
    model = build_state(config, splits).model
    model.load_state_dict(load_file(finished.folder / "model.safetensors"))
    test, val = (evaluate(model, splits, split) for split in (splits.test, splits.val))
    assert (test.loss, test.acc) == pytest.approx((best.test_loss, best.test_acc), rel=1e-6)
    assert val.loss == pytest.approx(best.val_loss, rel=1e-6)
    assert best.test_loss != last.test_loss


def test_what_is_measured_at_the_best_epoch_only(tmp_path: Path) -> None:
    config = compose_tiny("train.epochs=4", "data.label_noise=0.3", f"runs_dir={tmp_path}")
    finished = run(config, RunConsole())
    best, losses = finished.summary.best, [record.val_loss for record in finished.records]
    assert finished.summary.rise == losses[-1] - min(losses)
    gaps = [record.loss_gap for record in finished.records]
    area = sum((a + b) / 2 for a, b in pairwise(gaps))
    assert finished.summary.area == pytest.approx(area)
    splits = data.load(config.data)
    model = build_state(config, splits).model
    model.load_state_dict(load_file(tmp_path / config.run_id / "model.safetensors"))
    model.eval()
    with torch.inference_mode():
        probabilities = model(splits.normalise(splits.test.images)).softmax(dim=1)
        given_back = model(splits.normalise(splits.train.images)).argmax(dim=1)
    assert best is not None
    error = expected_calibration_error(probabilities.numpy(), splits.test.labels.numpy())
    assert best.test_ece == pytest.approx(error, abs=1e-4)
    right = (given_back == splits.train.labels)[splits.noisy].float().mean().item()
    assert best.noisy_label_acc == pytest.approx(right)


def test_without_label_noise_nothing_is_memorised(tmp_path: Path) -> None:
    config = compose_tiny("train.epochs=1", "data.label_noise=0", f"runs_dir={tmp_path}")
    assert run(config, RunConsole()).summary.last.noisy_label_acc is None


def test_calibration_of_logits_that_are_no_numbers_is_none() -> None:
    _, splits, state, _ = build_parts()
    for parameter in state.model.parameters():
        parameter.data.fill_(math.nan)
    assert evaluate_final(state.model, splits).test_ece is None


def test_measuring_finally_draws_no_random_number() -> None:
    _, splits, state, _ = build_parts("regulariser=dropout2d", "p=0.5")
    before = torch.get_rng_state()
    first, second = (evaluate_final(state.model, splits) for _ in range(2))
    assert first == second
    assert first.test == evaluate(state.model, splits, splits.test)
    assert torch.equal(before, torch.get_rng_state())
