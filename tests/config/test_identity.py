"""Run ids stay the same from version to version: a changed id would train a run again."""

import pytest

from dropexp.config.compose import compose_run
from dropexp.config.identity import RESULTS_VERSION

# Overrides and their run ids at results version 1. If a change of the numbers is intended, raise
# RESULTS_VERSION and write the new ids here. Otherwise the code is wrong: finished runs would be
# trained again.
IDS = {
    "": "none-p0-s0-ee018fb2",
    "regulariser=dropout2d p=0.3": "dropout2d-p0.3-s0-8862b14b",
    "regulariser=spatial_dropout p=0.1": "spatial_dropout-p0.1-s0-57a05900",
    "regulariser=dropout p=0.25 model=mlp": "dropout-p0.25-s0-4c909399",
    "regulariser=dropconnect p=0.5 regulariser.mask=batch": "dropconnect-p0.5-s0-2df8c4d6",
    "regulariser=stochastic_depth p=0.4 model=resnet": "stochastic_depth-p0.4-s0-8af84d28",
    "regulariser=gaussian_dropout p=0.2": "gaussian_dropout-p0.2-s0-f0721582",
    "classic=weight_decay": "none-p0-s0-82526622",
    "optimiser=adamw optimiser/schedule=one_cycle train.epochs=7": "none-p0-s0-518dd20f",
    "precision=bfloat16 train.batch_size=32 train.clip=1.0": "none-p0-s0-0f615843",
    "train/early_stopping=patience train.early_stopping.patience=3": "none-p0-s0-283cb86e",
    "regulariser=none p=0.5": "none-p0-s0-ee018fb2",
}


@pytest.mark.parametrize(("overrides", "run_id"), IDS.items())
def test_overrides_keep_their_run_id(overrides: str, run_id: str) -> None:
    assert RESULTS_VERSION == 1
    assert compose_run(overrides.split()).run_id == run_id
