"""Modes are restored module by module."""

import pytest
import torch
from torch import nn

from dropexp.regularisers import Dropout2d, ShakeDrop, preserve_modes
from dropexp.regularisers.modes import run_in_both_modes


@pytest.fixture
def mixed() -> nn.Module:
    """A network in training mode with one part frozen in eval mode."""
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1),
        nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(2 * 4 * 4, 3),
    )
    model[1].eval()
    return model


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def test_every_module_gets_its_own_mode_back(mixed: nn.Module) -> None:
    before = modes(mixed)
    for training in (True, False):
        with preserve_modes(mixed):
            mixed.train(training)
            assert modes(mixed) == [training] * len(before)
        assert modes(mixed) == before


def test_modes_are_restored_after_an_error(mixed: nn.Module) -> None:
    def fail_in_eval_mode() -> None:
        with preserve_modes(mixed):
            mixed.eval()
            raise RuntimeError("on purpose")

    before = modes(mixed)
    with pytest.raises(RuntimeError, match="on purpose"):
        fail_in_eval_mode()
    assert modes(mixed) == before


def test_a_probe_runs_in_both_modes_and_restores_them(mixed: nn.Module) -> None:
    before = modes(mixed)
    seen: list[bool] = []

    def probe() -> torch.Tensor:
        seen.append(mixed.training)
        return torch.tensor(float(mixed.training))

    evaluated, trained = run_in_both_modes(mixed, probe)
    assert (evaluated.item(), trained.item()) == (0.0, 1.0)
    assert seen == [False, True]
    assert modes(mixed) == before


@pytest.mark.parametrize("noise", [Dropout2d(0.5), ShakeDrop(0.5)])
def test_probing_noise_in_eval_mode_leaves_it_in_eval_mode(noise: Dropout2d | ShakeDrop) -> None:
    noise.eval()
    noise.draws(torch.ones(8, 4, 2, 2))
    assert not noise.training
