"""A stream depends on its seed, purpose and epoch alone, and restores the global generators."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dropexp.randomness import global_stream, stream, stream_seed


@given(st.integers(0, 2**63 - 1), st.integers(0, 10_000))
def test_a_stream_gives_the_same_numbers_each_time(seed: int, epoch: int) -> None:
    one, other = (torch.rand(3, generator=stream(seed, "order", epoch)) for _ in range(2))
    assert torch.equal(one, other)


def test_another_seed_purpose_or_epoch_gives_another_stream() -> None:
    names = [(0, "order", 1), (0, "order", 2), (1, "order", 1), (0, "masks", 1), (11, "order", 0)]
    assert len({stream_seed(*name) for name in names}) == len(names)  # type: ignore[arg-type]


def test_seed_1_epoch_11_is_not_seed_11_epoch_1() -> None:
    assert stream_seed(1, "order", 11) != stream_seed(11, "order", 1)


def test_a_global_stream_restores_the_generators() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with global_stream(0, "masks", 4):
        inside = torch.rand(5)
    assert torch.equal(torch.get_rng_state(), before)
    with global_stream(0, "masks", 4):
        assert torch.equal(torch.rand(5), inside)


def draw() -> tuple[float, float]:
    return random.random(), float(np.random.rand())


def test_a_global_stream_is_one_of_python_and_numpy_too() -> None:
    states = random.getstate(), np.random.get_state()
    expected = draw()
    random.setstate(states[0])
    np.random.set_state(states[1])
    inside = []
    for _ in range(2):
        with global_stream(2**62, "masks", 4):
            inside.append(draw())
    assert inside[0] == inside[1] != expected
    assert draw() == expected


@pytest.mark.parametrize("has_accelerator", [False, True])
def test_the_global_generator_draws_the_numbers_of_the_stream(
    has_accelerator: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: has_accelerator)
    with global_stream(3, "masks", epoch=2):
        drawn = torch.rand(5)
    assert torch.equal(drawn, torch.rand(5, generator=stream(3, "masks", epoch=2)))
