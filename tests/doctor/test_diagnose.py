"""The doctor finds each published mistake, and raises no alarm for the correct form."""

import copy
import json
import warnings

import pytest
import torch
from torch import nn

from dropexp.doctor import DoctorReport, diagnose
from dropexp.errors import AuditError, ConfigError
from tests.doctor import networks
from tests.doctor.networks import images


def examine(model: nn.Module, p: float | None = None) -> DoctorReport:
    return diagnose(model, images(), p=p)


def list_errors(report: DoctorReport) -> set[str]:
    return {finding.mistake for finding in report.errors}


@pytest.mark.parametrize(
    ("network", "mistake", "words"),
    [
        (networks.AlwaysOn, "noise_in_eval", ["F.dropout2d", "networks.py:", "self.training"]),
        (networks.AttentionAlwaysOn, "attention_noise_in_eval", ["p=0.2", "self.training"]),
        (networks.FlatInput, "dropout_shape", ["(4, 8, 64)", "Dropout1d for (N, C, L)"]),
        (networks.SingleImages, "dropout_shape", ["(8, 8, 8)", "(C, H, W) a batch axis"]),
        (networks.RateNotPassedOn, "other_p", ["drop_rate=0.3"]),
        (networks.BreaksBackward, "inplace_backward", ["F.dropout", "inplace=False"]),
        (networks.OverwritesShortcut, "inplace_overwrites", ["shortcut", "inplace=False"]),
        (networks.LayersInList, "not_registered", ["layers[0].weight", "and 1 more"]),
        (networks.LayerInForward, "not_registered", ["(8, 8, 1, 1)", "in __init__"]),
        (networks.KernelAsAttribute, "not_registered", ["kernel", "register_buffer"]),
        (networks.DropoutInList, "not_registered", ["nn.Dropout at", "nn.ModuleList"]),
        (networks.BatchNormAlwaysOn, "batch_norm_in_eval", ["training=self.training"]),
        (networks.OwnMaskAlwaysOn, "random_evaluation", ["torch.bernoulli at", "networks.py:"]),
        (networks.Unsteady, "random_evaluation", ["Python's or NumPy's"]),
        (networks.SilentHeadAlwaysOn, "random_evaluation", ["torch.bernoulli"]),
    ],
)
def test_each_mistake_is_named_with_its_place_and_remedy(
    network: type[nn.Module], mistake: str, words: list[str]
) -> None:
    report = examine(network())
    assert list_errors(report) == {mistake}
    for word in words:
        assert word in report.errors[0].message
    with pytest.raises(AuditError, match=mistake):
        report.raise_if_wrong()


def test_a_module_that_does_not_switch_is_named_first_and_then_what_follows() -> None:
    report = examine(networks.OverriddenTrain())
    assert report.errors[0].mistake == "mode_not_switched"
    assert "(nn.Conv2d), norm (nn.BatchNorm2d), dropout (nn.Dropout2d) and 1 more" in (
        report.errors[0].message
    )
    assert list_errors(report) == {"mode_not_switched", "noise_in_eval", "batch_norm_in_eval"}


@pytest.mark.parametrize(
    "network",
    [
        networks.Net,
        networks.FollowsMode,
        networks.NormWithoutStatistics,
        networks.Attention,
        networks.HarmlessInplace,
        networks.KernelAsBuffer,
        networks.WeightStandardised,
        networks.OwnMask,
        networks.WithDropPath,
        networks.SilentHead,
        networks.Recurrent,
    ],
)
def test_a_correct_network_raises_no_alarm(network: type[nn.Module]) -> None:
    report = examine(network())
    assert report.errors == ()
    assert all(site.is_silent_in_eval for site in report.sites)
    report.raise_if_wrong()


def test_a_drop_path_without_scaling_is_found() -> None:
    report = examine(networks.WithDropPath(scaled=False))
    assert list_errors(report) == {"scale"}
    assert "path (DropPath)" in report.errors[0].message


@pytest.mark.parametrize(
    ("network", "what", "p", "axis"),
    [
        (networks.Net, "nn.Dropout2d", 0.5, "channels"),
        (networks.FollowsMode, "F.dropout2d", 0.25, "channels"),
        (networks.Attention, "F.scaled_dot_product_attention", 0.2, "elements"),
        (networks.HarmlessInplace, "F.dropout", 0.5, "elements"),
        (networks.WithDropPath, "DropPath", 0.3, "examples"),
        (networks.Recurrent, "nn.AlphaDropout", 0.4, "elements"),
    ],
)
def test_rate_scale_and_axis_are_measured(
    network: type[nn.Module], what: str, p: float, axis: str
) -> None:
    report = examine(network())
    site = next(each for each in report.sites if what in each.what and each.drop_rate is not None)
    assert site.p == pytest.approx(p)
    assert site.drop_rate == pytest.approx(p, abs=0.05)
    assert site.axis == axis
    if "Alpha" not in what:
        assert site.scale == pytest.approx(1 / (1 - p), rel=1e-4)


def test_a_mask_that_code_draws_itself_is_measured() -> None:
    (site, _) = examine(networks.OwnMask()).sites
    assert site.what.startswith("torch.rand (tests/doctor/networks.py:")
    assert site.drop_rate == pytest.approx(0.25, abs=0.12)
    assert site.axis == "positions"


def test_an_expected_p_that_no_dropout_has_is_an_error() -> None:
    assert examine(networks.Net(), p=0.5).passed
    report = examine(networks.Net(), p=0.3)
    assert "p=0.3; there is 0.5" in report.errors[0].message
    network = networks.Net()
    network.dropout.p = 0.0
    assert list_errors(examine(network, p=0.5)) == {"other_p"}


def test_p_of_0_is_a_note_unless_a_p_was_asked_for() -> None:
    network = networks.Net()
    network.dropout.p = 0.0
    report = examine(network)
    assert report.passed
    assert [finding.mistake for finding in report.findings] == ["zero_p"]
    assert "dropout (nn.Dropout2d)" in report.findings[0].message


def test_dropout_that_is_never_called_is_a_note() -> None:
    report = examine(networks.FollowsMode())
    assert [(each.mistake, each.level) for each in report.findings] == [("not_called", "note")]


def test_examining_changes_nothing() -> None:
    network = networks.Net().eval()
    network.norm.train()
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    x = images()
    kept = x.clone()
    diagnose(network, x)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, kept)
    assert [module.training for module in network.modules()] == [False, False, True, False, False]
    assert not any(module._forward_hooks for module in network.modules())


def test_the_report_is_plain_json_and_the_same_each_time() -> None:
    first, second = (examine(networks.AlwaysOn()).to_json() for _ in range(2))
    assert json.loads(json.dumps(first, allow_nan=False)) == first == second
    assert first["passed"] is False


def test_a_network_that_torch_compiles_is_examined_as_its_python_says() -> None:
    report = examine(networks.compile_eagerly(networks.AlwaysOn()))
    assert list_errors(report) == {"noise_in_eval"}
    assert examine(networks.compile_eagerly(networks.Net())).passed


def test_a_network_of_torchscript_is_refused_by_name() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit's
        scripted = torch.jit.trace(networks.Net().eval(), images())
    with pytest.raises(ConfigError, match="the network is compiled by TorchScript"):
        examine(scripted)
