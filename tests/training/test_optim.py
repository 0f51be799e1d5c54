"""Learning-rate schedules are pure functions of the step, as torch has them."""

import math

import pytest
import torch
from torch import nn

from dropexp.config.compose import compose_run
from dropexp.training.optim import build_schedule

STEPS_PER_EPOCH, EPOCHS = 7, 10
TOTAL = STEPS_PER_EPOCH * EPOCHS


def schedule(*overrides: str) -> list[float]:
    config = compose_run(["optimiser.lr=0.1", *overrides]).optimiser
    learning_rate = build_schedule(config, STEPS_PER_EPOCH, EPOCHS)
    return [learning_rate(step) for step in range(TOTAL)]


def test_a_constant_schedule_keeps_the_learning_rate() -> None:
    assert set(schedule()) == {0.1}


def test_a_step_schedule_falls_by_gamma_every_step_epochs() -> None:
    rates = schedule("optimiser/schedule=step", "optimiser.schedule.step_epochs=4")
    by_epoch = [rates[epoch * STEPS_PER_EPOCH] for epoch in range(EPOCHS)]
    assert by_epoch == pytest.approx([0.1] * 4 + [0.01] * 4 + [0.001] * 2)


def test_cosine_falls_from_the_peak_to_nearly_nothing() -> None:
    rates = schedule("optimiser/schedule=cosine")
    assert rates[0] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)
    assert rates[TOTAL // 2] == pytest.approx(0.05)
    assert 0 < rates[-1] < 1e-3 * 0.1


def test_the_cosine_schedule_equals_torchs() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=0.1)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=TOTAL)
    expected = []
    for _ in range(TOTAL):
        expected.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        reference.step()
    assert schedule("optimiser/schedule=cosine") == pytest.approx(expected)


def test_the_one_cycle_schedule_equals_torchs() -> None:
    parameter = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=0.1)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=0.1, total_steps=TOTAL, cycle_momentum=False
    )
    expected = []
    for step in range(TOTAL):
        expected.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if step < TOTAL - 1:
            reference.step()
    assert schedule("optimiser/schedule=one_cycle") == pytest.approx(expected)


@pytest.mark.parametrize("name", ["constant", "step", "cosine"])
def test_warm_up_rises_to_the_peak_in_equal_steps(name: str) -> None:
    rates = schedule(f"optimiser/schedule={name}", "optimiser.schedule.warmup_epochs=2")
    warmup = rates[: 2 * STEPS_PER_EPOCH]
    assert warmup == pytest.approx([0.1 * (i + 1) / len(warmup) for i in range(len(warmup))])
    assert max(rates) == pytest.approx(0.1)


def test_a_run_of_one_step_has_a_learning_rate() -> None:
    for name in ("constant", "step", "cosine", "one_cycle"):
        config = compose_run([f"optimiser/schedule={name}"]).optimiser
        assert math.isfinite(build_schedule(config, 1, 1)(0))
