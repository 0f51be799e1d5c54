"""Several regularisers in one model."""

import pytest
import torch
from torch import Tensor, nn

from dropexp.errors import ConfigError
from dropexp.regularisers import Combined, build, find_noise_modules
from tests.regularisers.networks import Network, under_seed


def combined(*names: str, p: float = 0.5) -> Network:
    torch.manual_seed(0)
    return Network(Combined([build(name, p) for name in names]))


def test_each_regulariser_fills_its_sites() -> None:
    model = combined(
        "dropconnect", "dropout", "dropout2d", "shakedrop", "stochastic_depth", "cutout", "mixup"
    )
    kinds = {name: noise.kind for name, noise in find_noise_modules(model).items()}
    assert kinds == {
        "conv1": "dropconnect",
        "conv2": "dropconnect",
        "head": "dropconnect",
        "noise1.0": "dropout",
        "noise1.1": "dropout2d",
        "noise2": "dropout",
        "gate.0": "shakedrop",
        "gate.1": "stochastic_depth",
        "input_noise.0": "cutout",
        "input_noise.1": "mixup",
    }


def test_in_evaluation_and_at_p_0_it_is_the_plain_model() -> None:
    x = torch.randn(16, 3, 6, 6)
    torch.manual_seed(0)
    plain = Network(build("none", 0))
    names = ("dropconnect", "dropout2d", "shakedrop", "stochastic_depth", "mixup")
    assert torch.equal(combined(*names).eval()(x), plain.eval()(x))
    plain = plain.train()
    assert torch.equal(combined(*names, p=0.0)(x), plain(x))


def test_a_combination_of_one_draws_the_same_masks_as_that_one() -> None:
    x = torch.randn(16, 3, 6, 6)
    torch.manual_seed(0)
    alone = Network(build("dropout2d", 0.5))
    assert torch.equal(under_seed(7, combined("dropout2d"), x), under_seed(7, alone, x))


def test_gates_are_nested() -> None:
    gate = Combined([build("stochastic_depth", 0.5), build("shakedrop", 0.0)]).branch(1.0)
    rows: list[int] = []

    def branch(x: Tensor) -> Tensor:
        rows.append(len(x))
        return x

    torch.manual_seed(0)
    out = gate(branch, torch.ones(1000, 1))
    assert rows == [int(out.count_nonzero())], "what the outer one drops is not computed"
    assert rows[0] == pytest.approx(500, abs=80)


def test_two_regularisers_that_replace_the_same_layer_are_refused() -> None:
    pair = Combined([build("dropconnect", 0.5), build("dropconnect", 0.3)])
    with pytest.raises(ConfigError, match="two of them replace the same layer"):
        pair.weight(nn.Linear(2, 2), 1.0)
    # A learned scale on the output replaces no weights.
    both = Combined([build("dropconnect", 0.5), build("unit_scaling", 0.3)])
    layer = both.weight(nn.Linear(2, 2), 1.0)
    assert {noise.kind for noise in find_noise_modules(layer).values()} == {
        "dropconnect",
        "unit_scaling",
    }
