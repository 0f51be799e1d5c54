"""What the start-up tricks do is what torch does without them."""

import pytest
import torch
from torch import nn

from dropexp.config.compose import compose_run
from dropexp.training.optim import build_optimiser, set_learning_rate
from dropexp.training.startup import refuse_nondeterminism, take_step


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimiser=sgd"],
        ["optimiser=sgd", "optimiser.nesterov=true", "optimiser.weight_decay=0.1"],
        ["optimiser=adam", "optimiser.weight_decay=0.1"],
        ["optimiser=adamw", "optimiser.betas=[0.8,0.99]"],
    ],
)
def test_take_step_is_the_optimisers_own_step(overrides: list[str]) -> None:
    def trained(*, own: bool) -> torch.Tensor:
        torch.manual_seed(0)
        layer = nn.Linear(5, 3)
        optimiser = build_optimiser(compose_run(overrides).optimiser, layer.parameters())
        x = torch.randn(8, 5)
        for step in range(4):
            set_learning_rate(optimiser, 0.1 / (step + 1))
            optimiser.zero_grad()
            layer(x).square().mean().backward()
            optimiser.step() if own else take_step(optimiser)
        return layer.weight.detach()

    assert torch.equal(trained(own=True), trained(own=False))


def test_nondeterministic_operations_are_refused_and_allowed_again() -> None:
    for is_refused in (True, False):
        refuse_nondeterminism(is_refused)
        assert torch.are_deterministic_algorithms_enabled() is is_refused
