"""Properties of every network of torchvision with every regulariser that finds a site in it."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from dropexp.data.torchvision_import import import_torchvision
from dropexp.errors import SitesError
from dropexp.models.adapter import plain, regularise
from dropexp.models.torchvision_models import list_architectures
from dropexp.regularisers import REGISTRY, Noise, find_noise_modules
from tests.models.adapter.networks import CLASSES, Small, images, network

LIGHT = "mobilenet_v3_small"
HEAVY = (
    "resnet18",
    "squeezenet1_1",
    *("shufflenet_v2_x0_5", "regnet_y_400mf", "mnasnet0_5", "densenet121", "efficientnet_b0"),
    *("convnext_tiny", "swin_t", "swin_v2_t"),
)
# Noise on the input is not in a network, and no network here has a SELU.
NOISY = [
    name
    for name, each in REGISTRY.items()
    if name != "none" and each(0.1).input(2) is None and each.belongs_after is None
]
ONE_OF_EACH_KIND_OF_SITE = ("dropout2d", "dropconnect", "stochastic_depth")
CASES = [
    *((LIGHT, name) for name in NOISY),
    *(("resnet18", name) for name in ONE_OF_EACH_KIND_OF_SITE),
    *(
        pytest.param(arch, name, marks=pytest.mark.slow)
        for arch in HEAVY
        for name in NOISY
        if not (arch == "resnet18" and name in ONE_OF_EACH_KIND_OF_SITE)
    ),
]
SHAPE = {"convnext_tiny": (3, 32, 32)}

every_network_and_regulariser = pytest.mark.parametrize(("arch", "name"), CASES)
every_regulariser = pytest.mark.parametrize("name", NOISY)


def plain_network(arch: str) -> tuple[nn.Module, Tensor]:
    shape = SHAPE.get(arch, (3, 16, 16))
    # Two images: dropconnect makes as many copies of every weight.
    return network(arch, shape), images(2, shape)


def regularise_or_skip(model: nn.Module, name: str, p: float = 0.4) -> int:
    try:
        return regularise(model, name, p)
    except SitesError:
        pytest.skip(f"{name} finds no site")


def list_forms(model: nn.Module) -> list[tuple[str, type, int, bool]]:
    """Return all that regularising changes in a network beside its noise modules."""
    return [
        (name, type(module), len(module._forward_hooks), "forward" in vars(module))
        for name, module in model.named_modules()
    ]


@every_network_and_regulariser
def test_in_evaluation_and_at_p_0_it_is_the_plain_network(arch: str, name: str) -> None:
    reference, x = plain_network(arch)
    model = copy.deepcopy(reference)
    filled = regularise_or_skip(model, name)
    noises = find_noise_modules(model)
    assert len(noises) == filled > 0
    weights = reference.state_dict()
    for key, value in weights.items():
        assert torch.equal(model.state_dict()[key], value), key
    assert torch.equal(model.eval()(x), reference.eval()(x))
    for noise in noises.values():
        noise.p = 0.0
    assert torch.equal(model.train()(x), reference.train()(x))
    for key, value in reference.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), f"after a training pass: {key}"


@every_network_and_regulariser
def test_training_is_noisy_and_plain_removes_all_noise(arch: str, name: str) -> None:
    reference, x = plain_network(arch)
    model = copy.deepcopy(reference)
    parameters = dict(model.named_parameters())
    regularise_or_skip(model, name)
    torch.manual_seed(0)
    model.train()
    outs = [model(x) for _ in range(6)]
    assert not all(torch.equal(out, outs[0]) for out in outs)
    torch.stack(outs).square().sum().backward()
    plain(model)
    assert list_forms(model) == list_forms(reference)
    assert not find_noise_modules(model)
    for key, parameter in model.named_parameters():
        assert parameter is parameters[key]
    model.load_state_dict(reference.state_dict())
    assert torch.equal(model.eval()(x), reference.eval()(x))
    plain(model)
    assert list_forms(model) == list_forms(reference)


@every_regulariser
def test_weights_load_before_and_after(name: str) -> None:
    before, after = Small(), Small()
    weights = Small().state_dict()
    before.load_state_dict(weights)
    for model in (before, after):
        regularise_or_skip(model, name)
    after.load_state_dict(weights)
    assert torch.equal(before.eval()(images()), after.eval()(images()))


def test_plain_keeps_parameters_that_were_assigned_meanwhile() -> None:
    model, weights = Small(), Small().state_dict()
    regularise(model, "dropconnect", 0.4)
    model.load_state_dict(weights, assign=True)
    model.eval()
    plain(model)
    assert not any(module.training for module in model.modules())
    for key, value in model.state_dict().items():
        assert torch.equal(value, weights[key])


@every_regulariser
def test_copies_and_pickles_are_regularised_and_can_be_made_plain(name: str) -> None:
    model = Small()
    reference = copy.deepcopy(model)
    regularise_or_skip(model, name)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        outs = []
        for each in (model, twin):
            torch.manual_seed(3)
            outs.append(each.train()(images()))
        assert torch.equal(outs[0], outs[1])
        assert list(find_noise_modules(twin)) == list(find_noise_modules(model))
        theirs = {id(parameter) for parameter in model.parameters()}
        assert not theirs & {id(parameter) for parameter in twin.parameters()}
        plain(twin)
        assert list_forms(twin) == list_forms(reference)
        assert find_noise_modules(model)
        twin.load_state_dict(reference.state_dict())
        assert torch.equal(twin.eval()(images()), reference.eval()(images()))


@pytest.mark.parametrize("arch", ["resnet18", LIGHT])
def test_a_linear_depth_schedule_reaches_p_at_the_last_filled_site(arch: str) -> None:
    for name in ("dropout2d", "dropconnect", "stochastic_depth"):
        model, _ = plain_network(arch)
        filled = regularise(model, name, 0.4, depth_schedule="linear")
        strengths = sorted(noise.p for noise in find_noise_modules(model).values())
        assert strengths == pytest.approx([0.4 * (i + 1) / filled for i in range(filled)])


WITHOUT_BRANCHES = (
    *("alexnet", "densenet", "googlenet", "inception", "shufflenet", "squeezenet", "vgg"),
)
WITHOUT_MAPS = ("convnext", "swin", "vit")  # their non-linearities follow linear layers
TOO_LARGE = ("regnet_y_128gf", "vit_h_14")


@pytest.mark.slow
def test_all_of_torchvisions_classification_networks_offer_sites() -> None:
    models = import_torchvision().models
    for arch in list_architectures():
        if arch in TOO_LARGE:
            continue
        auxiliary = {"aux_logits": False, "init_weights": False}
        options = auxiliary if arch in ("googlenet", "inception_v3") else {}
        model = models.get_model(arch, num_classes=CLASSES, **options)
        served = {}
        for name in ("dropout", "dropout2d", "dropconnect", "stochastic_depth"):
            try:
                served[name] = regularise(model, name, 0.3)
            except SitesError:
                served[name] = 0
            plain(model)
        assert served["dropconnect"] > 3, arch
        assert served["dropout"] > 3, arch
        assert bool(served["dropout2d"]) is not arch.startswith(WITHOUT_MAPS), arch
        assert bool(served["stochastic_depth"]) is not arch.startswith(WITHOUT_BRANCHES), arch


def test_the_audit_finds_the_inserted_noise_modules() -> None:
    model = network("resnet18")
    regularise(model, "dropout2d", 0.3)
    assert "layer1.0.bn1.noise" in find_noise_modules(model)
    assert all(isinstance(noise, Noise) for noise in find_noise_modules(model).values())
