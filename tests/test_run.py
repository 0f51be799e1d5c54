"""A run's summary is of the weights it says it is of."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from dropexp import data
from dropexp.console import RunConsole
from dropexp.evaluation import evaluate
from dropexp.run import run
from tests.laboratory import config_of, state_of


@pytest.mark.parametrize("regulariser", ["none", "dropconnect"])
def test_best_is_measured_with_the_weights_of_the_best_epoch(
    tmp_path: Path, regulariser: str
) -> None:
    config = config_of(
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
    model = state_of(config, splits).model
    model.load_state_dict(load_file(finished.folder / "model.safetensors"))
    test, val = (evaluate(model, splits, split) for split in (splits.test, splits.val))
    assert (test.loss, test.acc) == pytest.approx((best.test_loss, best.test_acc), rel=1e-6)
    assert val.loss == pytest.approx(best.val_loss, rel=1e-6)
    assert best.test_loss != last.test_loss
