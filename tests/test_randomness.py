"""A stream is a function of its name alone, and leaves no trace in torch's generators."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from dropexp.randomness import global_stream, stream, stream_seed


@given(st.integers(0, 2**63 - 1), st.integers(0, 10_000))
def test_the_same_name_gives_the_same_numbers(seed: int, epoch: int) -> None:
    one, other = (torch.rand(3, generator=stream(seed, "order", epoch)) for _ in range(2))
    assert torch.equal(one, other)


def test_names_that_differ_anywhere_give_other_streams() -> None:
    names = [(0, "order", 1), (0, "order", 2), (1, "order", 1), (0, "masks", 1), (11, "order", 0)]
    assert len({stream_seed(*name) for name in names}) == len(names)  # type: ignore[arg-type]


def test_digits_of_seed_and_epoch_do_not_run_together() -> None:
    assert stream_seed(1, "order", 11) != stream_seed(11, "order", 1)


def test_a_global_stream_gives_the_generators_back_as_they_were() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with global_stream(0, "masks", 4):
        inside = torch.rand(5)
    assert torch.equal(torch.get_rng_state(), before)
    with global_stream(0, "masks", 4):
        assert torch.equal(torch.rand(5), inside)
