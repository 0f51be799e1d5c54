"""Noise stays at the sites of what trains, in networks of other people too."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.models import keep_trained_sites
from dropexp.models.adapter import plain, regularise
from dropexp.regularisers import find_noise_modules

SHAPE = (2, 6, 6)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.conv2(F.relu(self.norm(self.conv1(x))))
        return x + branch


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.first, self.second = Block(), Block()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(F.relu(self.stem(x))))
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "frozen", "left"),
    [
        ("dropout2d", ["stem", "first"], ["second.norm.noise"]),
        ("dropout2d", ["stem", "first", "second.norm"], ["second.norm.noise"]),
        ("dropout2d", ["stem", "first.conv2", "second"], ["first.norm.noise"]),
        ("dropconnect", ["stem", "first", "second.conv1"], ["second.conv2"]),
        ("unit_scaling", ["stem", "first", "second.conv1"], ["second.conv2.noise"]),
        ("stochastic_depth", ["stem", "first"], ["second.gate"]),
        ("stochastic_depth", ["first.conv1", "first.norm"], ["first.gate", "second.gate"]),
    ],
)
def test_noise_stays_where_something_trains(name: str, frozen: list[str], left: list[str]) -> None:
    torch.manual_seed(0)
    model = Net()
    before, images = copy.deepcopy(model), torch.randn(5, *SHAPE)
    filled = regularise(model, name, p=0.5)
    for part in frozen:
        model.get_submodule(part).requires_grad_(False)
    assert keep_trained_sites(model, [name], SHAPE) == filled - len(left)
    assert list(find_noise_modules(model)) == left
    assert model.state_dict().keys() - {f"{each}.coefficient" for each in left} == (
        before.state_dict().keys()
    )
    torch.testing.assert_close(model.eval()(images), before.eval()(images))
    assert not torch.equal(model.train()(images), model(images))
    plain(model)
    assert not find_noise_modules(model)


def test_other_regularisers_of_a_combination_keep_their_sites() -> None:
    model = Net()
    regularise(model, "dropout2d+dropconnect", p=0.3)
    model.get_submodule("first").requires_grad_(False)
    keep_trained_sites(model, ["dropout2d"], SHAPE)
    noises = find_noise_modules(model)
    assert not any(name.startswith("first.norm") for name in noises)
    assert {name for name, noise in noises.items() if noise.kind == "dropconnect"} == {
        *("stem", "first.conv1", "first.conv2", "second.conv1", "second.conv2")
    }
