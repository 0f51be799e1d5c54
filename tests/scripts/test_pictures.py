"""The pictures of docs: what they show is what dropexp's modules do."""

import pytest
import torch
from torch import nn

from dropexp.config.compose import compose_run
from dropexp.data import Splits, load
from dropexp.regularisers import REGISTRY
from illustrations.masks import illustrate
from illustrations.terminal import replay

NOT_A_PRODUCT = ("alpha_dropout", "mixup", "cutmix")
"""Regularisers that also add something to what they multiply."""


@pytest.fixture(scope="module")
def splits() -> Splits:
    return load(compose_run([]).data)


@pytest.fixture
def convolution() -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(1, 8, 3, padding=1).requires_grad_(requires_grad=False)


@pytest.mark.parametrize("name", REGISTRY)
def test_every_regulariser_has_a_picture_of_what_it_does(
    name: str, convolution: nn.Conv2d, splits: Splits
) -> None:
    shown = illustrate(name, convolution, splits)
    assert shown.values.shape == shown.factors.shape == shown.results.shape
    assert (shown.factors != 1).any() == (name != "none")
    if name not in NOT_A_PRODUCT:
        assert torch.allclose(shown.results, shown.values * shown.factors, atol=1e-5)


def test_a_replayed_terminal_shows_the_last_frame_of_a_live_display() -> None:
    printed = "start\r\n\x1b[?25l1/2\r\nbar\r\x1b[2K\x1b[1A\x1b[2K\x1b[32m2/2\x1b[0m\r\nend\r\n"
    assert replay(printed) == ["start", "\x1b[32m2/2\x1b[0m", "end"]
