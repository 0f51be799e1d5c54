"""Run ids stay the same from version to version: a changed id would train a run again."""

import pytest

from dropexp.config.compose import compose_run
from dropexp.config.identity import RESULTS_VERSION

# Overrides and their run ids at results version 2. If a change of the numbers is intended, raise
# RESULTS_VERSION and write the new ids here. Otherwise the code is wrong: finished runs would be
# trained again.
IDS = {
    "": "none-p0-s0-960c27d5",
    "regulariser=dropout2d p=0.3": "dropout2d-p0.3-s0-ebb20ff9",
    "regulariser=spatial_dropout p=0.1": "spatial_dropout-p0.1-s0-df4120f8",
    "regulariser=dropout p=0.25 model=mlp": "dropout-p0.25-s0-9f912b7d",
    "regulariser=dropconnect p=0.5 regulariser.mask=batch": "dropconnect-p0.5-s0-39515af1",
    "regulariser=stochastic_depth p=0.4 model=resnet": "stochastic_depth-p0.4-s0-ec8ad6a7",
    "regulariser=gaussian_dropout p=0.2": "gaussian_dropout-p0.2-s0-ccebc585",
    "classic=weight_decay": "none-p0-s0-bfc71d09",
    "optimiser=adamw optimiser/schedule=one_cycle train.epochs=7": "none-p0-s0-4d1c45ed",
    "precision=bfloat16 train.batch_size=32 train.clip=1.0": "none-p0-s0-80e8ac51",
    "train/early_stopping=patience train.early_stopping.patience=3": "none-p0-s0-fb14cf7e",
    "regulariser=none p=0.5": "none-p0-s0-960c27d5",
}


@pytest.mark.parametrize(("overrides", "run_id"), IDS.items())
def test_overrides_keep_their_run_id(overrides: str, run_id: str) -> None:
    assert RESULTS_VERSION == 2
    assert compose_run(overrides.split()).run_id == run_id
