"""Networks that were not written for dropexp are examined without being changed."""

import pytest
from torch import nn

from dropexp.models import takes_single_images
from dropexp.models.third_party import probe_model


@pytest.fixture
def partly_frozen() -> nn.Module:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 4 * 4, 3)
    )
    model[1].eval()
    return model


@pytest.mark.parametrize("training", [True, False])
def test_examining_a_network_changes_no_mode(partly_frozen: nn.Module, training: bool) -> None:
    partly_frozen.training = training
    modes = [module.training for module in partly_frozen.modules()]
    assert takes_single_images(partly_frozen, (1, 4, 4))
    probe_model(partly_frozen, (1, 4, 4))
    assert [module.training for module in partly_frozen.modules()] == modes
