"""Losses and accuracies are the plain formulas, in eval mode, without a random number."""

import math

import pytest
import torch
from torch import nn

from dropexp.training.evaluation import evaluate, evaluate_final
from dropexp.training.loop import train
from tests.builders import build_parts


def test_measuring_is_the_plain_formula() -> None:
    _, splits, state, _ = build_parts("data.val_size=300")
    measured = evaluate(state.model, splits, splits.val)
    state.model.eval()
    with torch.no_grad():
        logits = state.model(splits.normalise(splits.val.images))
    expected = nn.functional.cross_entropy(logits, splits.val.labels)
    assert measured.loss == pytest.approx(float(expected), rel=1e-5)
    hits = (logits.argmax(1) == splits.val.labels).double().mean()
    assert measured.acc == pytest.approx(float(hits), abs=1e-12)


def test_measuring_twice_gives_the_same_numbers_and_draws_none() -> None:
    _, splits, state, plan = build_parts("regulariser=dropout2d", "p=0.5")
    list(train(state, plan))
    before = torch.get_rng_state()
    first, second = (evaluate_final(state.model, splits) for _ in range(2))
    assert first == second
    assert first.test == evaluate(state.model, splits, splits.test)
    assert torch.equal(torch.get_rng_state(), before)


def test_measuring_restores_the_mode_of_every_module() -> None:
    _, splits, state, _ = build_parts()
    state.model.train()
    frozen = next(iter(state.model.children()))
    frozen.eval()
    modes = [module.training for module in state.model.modules()]
    evaluate(state.model, splits, splits.val)
    assert [module.training for module in state.model.modules()] == modes


def test_logits_that_are_not_finite_have_no_calibration_error() -> None:
    _, splits, state, _ = build_parts()
    for parameter in state.model.parameters():
        parameter.data.fill_(math.nan)
    assert evaluate_final(state.model, splits).test_ece is None
