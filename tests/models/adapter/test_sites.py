"""Where sites are found, and where they are not."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import dropexp
from dropexp.errors import ConfigError, SitesError
from dropexp.models.adapter import find_sites, plain, regularise
from dropexp.models.adapter.finding import SiteKind
from dropexp.regularisers import count_filled_sites, find_noise_modules
from tests.models.adapter.networks import AsksValues, Small, images, network


def modules_of(model: nn.Module, kind: SiteKind) -> list[str]:
    return [site.module for site in find_sites(model).sites if site.kind == kind]


def test_a_resnets_activations_are_those_before_a_relu_and_not_before_an_addition() -> None:
    model = network("resnet18")
    blocks = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert modules_of(model, "activation") == ["bn1", *(f"{block}.bn1" for block in blocks)]
    assert modules_of(model, "branch") == blocks
    convolutions = [name for name, each in model.named_modules() if isinstance(each, nn.Conv2d)]
    assert modules_of(model, "weight") == convolutions
    assert find_sites(model).heads == ["fc"]


def test_a_convolution_that_makes_the_logits_is_the_head() -> None:
    model = network("squeezenet1_1")
    assert find_sites(model).heads == ["classifier.1"]
    assert "classifier.1" not in modules_of(model, "weight") + modules_of(model, "activation")


def test_squeeze_and_excitation_offers_weights_and_no_activation() -> None:
    model = network("mobilenet_v3_small")
    assert not [name for name in modules_of(model, "activation") if "fc" in name]
    assert "features.1.block.1.fc1" in modules_of(model, "weight")


def test_layers_that_are_not_called_or_see_no_images_are_no_sites() -> None:
    class WithTable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.of_table = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 4))
            self.by_weight = nn.Linear(4, 4)
            self.register_buffer("table", torch.ones(1, 2))
            self.head = nn.Linear(4, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.conv(x)).mean((2, 3)) + self.of_table(self.table)
            x = F.linear(x, self.by_weight.weight, self.by_weight.bias).relu()
            return self.head(x)  # type: ignore[no-any-return]

    assert modules_of(WithTable(), "weight") == ["conv"]
    assert modules_of(WithTable(), "activation") == ["conv"]


@pytest.mark.parametrize("follower", [F.relu, torch.relu, nn.GELU(), nn.Hardswish(True), F.elu])
@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), None])
def test_every_form_of_a_nonlinearity_is_recognised(
    follower: object, norm: nn.Module | None
) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.norm = nn.Identity() if norm is None else copy.deepcopy(norm)
            self.follower = follower
            self.head = nn.Linear(4, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.follower(self.norm(self.conv(x)))  # type: ignore[operator]
            return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]

    assert modules_of(Network(), "activation") == ["conv" if norm is None else "norm"]


def test_a_relu_directly_after_a_layer_is_recognised() -> None:
    model = network("squeezenet1_1")
    assert all(site.rectified for site in find_sites(model).sites if site.kind == "weight")
    assert not any(site.rectified for site in find_sites(network("resnet18")).sites)
    assert regularise(model, "dropconnect", 0.3, inference="gaussian") == 25
    with pytest.raises(ConfigError, match="needs a ReLU directly after"):
        regularise(network("resnet18"), "dropconnect", 0.3, inference="gaussian")


def test_noise_comes_before_a_relu_that_overwrites() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(True), nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight.fill_(1)  # type: ignore[operator]
        model[0].bias.fill_(0)  # type: ignore[operator]
    regularise(model, "dropout2d", 0.5)
    seen: list[Tensor] = []
    model[2].register_forward_hook(lambda _, __, output: seen.append(output))
    model(torch.ones(64, 3, 1, 1))
    assert set(seen[0].unique().tolist()) == {0.0, 6.0}


def test_an_untraceable_network_is_read_in_the_order_of_registration() -> None:
    model = AsksValues()
    found = find_sites(model)
    assert found.untraced == [""]
    assert found.heads == ["head"]
    assert modules_of(model, "activation") == ["norm1", "conv2", "inner.0"]
    assert modules_of(model, "weight") == ["conv1", "conv2", "inner.0"]
    reference = copy.deepcopy(model)
    assert regularise(model, "dropconnect", 0.3) == 3
    assert torch.equal(model.eval()(images()), reference.eval()(images()))


def test_a_traced_part_of_an_untraceable_network_is_traced() -> None:
    class Outer(AsksValues):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.ReLU())

    assert modules_of(Outer(), "activation") == ["norm1", "conv2", "inner.1"]


def test_a_layer_with_hooks_of_its_own_keeps_them_and_its_place() -> None:
    model = Small()
    calls: list[int] = []
    model.stem.register_forward_hook(lambda *_: calls.append(1))
    assert "stem" not in modules_of(model, "weight")
    regularise(model, "dropout2d", 0.3)
    plain(model)
    model(images())
    assert calls == [1]


def test_a_layer_that_is_used_twice_is_one_site_in_both_places() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = self.second = nn.Conv2d(3, 3, 3, padding=1)
            self.head = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.second(F.relu(self.first(x))))
            return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]

    model = Twice()
    layer = model.first
    assert regularise(model, "dropconnect", 0.3) == 1
    assert model.first is model.second is not layer
    plain(model)
    assert model.first is model.second is layer


def test_finding_sites_does_not_change_a_network() -> None:
    model = AsksValues().eval()
    model.norm1.train()
    state = torch.get_rng_state()
    attributes = [set(vars(module)) for module in model.modules()]
    find_sites(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert [set(vars(module)) for module in model.modules()] == attributes
    assert [m.training for m in (model, model.norm1, model.conv1)] == [False, True, False]


def test_patterns_choose_sites_by_their_names_or_their_modules() -> None:
    model = network("resnet18")
    assert regularise(model, "dropout2d", 0.3, sites=["layer4.*", "layer1.0.bn1"]) == 3
    assert list(find_noise_modules(model)) == [
        "layer1.0.bn1.noise",
        "layer4.0.bn1.noise",
        "layer4.1.bn1.noise",
    ]
    plain(model)
    assert regularise(model, "stochastic_depth", 0.3, sites=["layer?.1"]) == 4
    strengths = [noise.p for noise in find_noise_modules(model).values()]
    assert strengths == pytest.approx([0.075, 0.15, 0.225, 0.3])
    plain(model)
    with pytest.raises(ConfigError, match=r"layer5\.\* matches no site.*it has bn1\.noise"):
        regularise(model, "dropout2d", 0.3, sites=["layer4.*", "layer5.*"])
    with pytest.raises(SitesError, match="dropout2d acts on activations with height and width"):
        regularise(model, "dropout2d", 0.3, sites=["layer4.0.conv1"])
    assert not find_noise_modules(model)


def test_a_second_regulariser_is_refused_until_the_first_is_gone() -> None:
    model = Small()
    assert dropexp.regularise(model, "dropout2d", p=0.3) == 3
    with pytest.raises(ConfigError, match=r"has a regulariser already.*dropexp\.plain"):
        dropexp.regularise(model, "dropconnect", p=0.3)
    dropexp.plain(model)
    assert dropexp.regularise(model, "stochastic_depth", p=0.3) == 2


def test_missing_sites_are_an_error_that_lists_the_sites_there_are() -> None:
    with pytest.raises(SitesError, match=r"residual branches.*25 activations \(maps\), 25 weights"):
        regularise(network("squeezenet1_1"), "stochastic_depth", 0.3)
    assert regularise(network("squeezenet1_1"), "none") == 0


def test_unknown_names_have_a_hint() -> None:
    with pytest.raises(ConfigError, match="Did you mean dropout2d"):
        regularise(Small(), "droput2d")


@pytest.mark.parametrize("second", [F.relu, F.gelu])
def test_a_layer_that_is_used_twice_is_rectified_if_a_relu_follows_every_use(
    second: Callable[[Tensor], Tensor],
) -> None:
    class UsesTwice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 6)
            self.head = nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(second(self.layer(F.relu(self.layer(x)))))  # type: ignore[no-any-return]

    (site,) = [site for site in find_sites(UsesTwice()).sites if site.kind == "weight"]
    assert site.rectified is (second is F.relu)


def test_several_regularisers_at_once_each_find_their_sites() -> None:
    model = network("resnet18")
    filled = regularise(model, "dropout2d+stochastic_depth", p=0.2)
    assert count_filled_sites(model) == {"dropout2d": 9, "stochastic_depth": 8}
    assert filled == 17
    plain(model)
    assert not find_noise_modules(model)


def test_if_one_of_several_finds_no_site_the_network_is_plain_again() -> None:
    model = network("squeezenet1_1")
    with pytest.raises(SitesError, match="stochastic_depth acts on residual branches"):
        regularise(model, "dropout2d+stochastic_depth", p=0.2)
    assert not find_noise_modules(model)


def test_alpha_dropout_is_not_put_before_a_non_linearity() -> None:
    for name in ("alpha_dropout", "alpha_dropout+dropconnect"):
        with pytest.raises(SitesError, match="alpha_dropout belongs after a SELU"):
            regularise(network("resnet18"), name)


def test_a_single_pattern_may_be_a_string() -> None:
    assert regularise(network("resnet18"), "dropout2d", sites="layer4.*") == 2


def test_learned_parameters_are_on_the_networks_device() -> None:
    model = network("resnet18").to("meta")
    regularise(model, "concrete_dropout+unit_scaling", p=0.2)
    assert {each.device.type for each in model.parameters()} == {"meta"}


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.Dropout2d(0.0)])
def test_pooling_may_lie_between_a_layer_and_its_non_linearity(pool: nn.Module) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), pool, nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
    assert modules_of(model, "activation") == ["0"]


class Functional(nn.Module):
    """As the first examples of torch were written."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.dropout2d(self.conv2(x), 0.0))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


def test_functional_pooling_and_dropout_may_lie_between_too() -> None:
    assert modules_of(Functional(), "activation") == ["conv1", "conv2"]


def test_a_regulariser_of_the_input_is_refused() -> None:
    with pytest.raises(SitesError, match="mixup changes training batches"):
        regularise(network("resnet18"), "mixup", p=1.0)
